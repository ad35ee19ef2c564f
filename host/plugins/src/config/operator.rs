//! `hottap.toml` as a whole. Pure.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{AdminConfig, ConfigError, Definition, Grants, TraceConfig, check_keys};

const KEYS: &[&str] = &["admin", "destinations", "trace", "tracers", "trust_plugin_dir"];
/// Destinations in one configuration: each has a queue and a task.
const MAX_DESTINATIONS: usize = 256;
/// Tracers with grants.
const MAX_TRACERS: usize = 1_000;

/// What the operator says; an empty file says nothing beyond the defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OperatorConfig {
    pub(crate) destinations: BTreeMap<String, Definition>,
    /// Grants by tracer's name.
    pub(crate) tracers: BTreeMap<String, Grants>,
    /// Whether manifests may define destinations too.
    pub(crate) trust_plugin_dir: bool,
    pub(crate) trace: TraceConfig,
    pub(crate) admin: AdminConfig,
}

impl OperatorConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// They name the key or the line and say what to write; none repeats a value, which may be a secret.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let table = parse_table(bytes)?;
        check_keys(&table, KEYS, "")?;
        Ok(Self {
            destinations: each(&table, "destinations", MAX_DESTINATIONS, |name, value, key| {
                Definition::named(name, value, key, None)
            })?,
            tracers: each(&table, "tracers", MAX_TRACERS, |_, value, key| Grants::from_toml(value, key))?,
            trust_plugin_dir: match table.get("trust_plugin_dir") {
                None => false,
                Some(Value::Boolean(trust)) => *trust,
                Some(_) => return Err(ConfigError::value("trust_plugin_dir", "write true or false")),
            },
            trace: TraceConfig::from_toml(table.get("trace"))?,
            admin: AdminConfig::from_toml(table.get("admin"))?,
        })
    }
}

fn each<T>(
    table: &Table,
    word: &'static str,
    limit: usize,
    read: impl Fn(&str, &Value, &str) -> Result<T, ConfigError>,
) -> Result<BTreeMap<String, T>, ConfigError> {
    let entries = match table.get(word) {
        None => return Ok(BTreeMap::new()),
        Some(Value::Table(entries)) => entries,
        Some(_) => return Err(ConfigError::value(word, "write a table for each, such as [destinations.influx]")),
    };
    if entries.len() > limit {
        return Err(ConfigError::TooMany { what: word, found: entries.len(), limit });
    }
    entries.iter().map(|(name, value)| Ok((name.clone(), read(name, value, &format!("{word}.{name}"))?))).collect()
}

/// Reads TOML. An error names the line.
pub(crate) fn parse_table(bytes: &[u8]) -> Result<Table, ConfigError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ConfigError::Encoding)?;
    text.parse().map_err(|error| syntax(text, &error))
}

/// The parser's own words, which are fixed texts, and the line; its Display would show the line itself.
fn syntax(text: &str, error: &toml::de::Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
    let line = before.matches('\n').count() + 1;
    ConfigError::Syntax { line, message: error.message().lines().collect::<Vec<_>>().join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hottap_core::rpc::Level;

    #[test]
    fn an_empty_configuration_says_nothing() {
        assert_eq!(OperatorConfig::parse(b"").expect("valid"), OperatorConfig::default());
    }

    #[test]
    fn a_whole_configuration_is_read() {
        let config = OperatorConfig::parse(
            br#"
                trust_plugin_dir = true
                [destinations.influx]
                url = "http://127.0.0.1:8086/write?db=rpc"
                headers = { authorization = { env = "INFLUX_TOKEN" } }
                tracers = ["influxdb"]
                [destinations.lines]
                url = "stdout:"
                tracers = ["slow-calls"]
                [tracers.audit]
                level = "detailed"
                limits = { memory = "128MiB" }
                [admin]
                actions = true
            "#,
        )
        .expect("valid");
        assert!(config.trust_plugin_dir && config.admin.actions);
        assert_eq!(config.destinations.keys().collect::<Vec<_>>(), ["influx", "lines"]);
        assert_eq!(config.tracers.get("audit").and_then(|grants| grants.level), Some(Level::Detailed));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place_and_without_its_value() {
        for (text, part) in [
            ("[destination.x]", "unknown key `destination`; did you mean `destinations`?"),
            ("destinations = 3", "`destinations`"),
            ("trust_plugin_dir = \"s3cret\"", "true or false"),
            ("[destinations.\"a b\"]\nurl = \"stdout:\"\ntracers = []", "`destinations.a b`"),
            ("[destinations.x]\nurl = \"stdout:\"", "`destinations.x.tracers`"),
            ("[tracers.a]\nlimit = {}", "did you mean `tracers.a.limits`?"),
            ("a = 1\n[x\n", "line 2"),
            ("\n\na = s3cret", "line 3"),
            ("a = \"s3cret", "line 1"),
            ("a = 's3cret\n", "line 1"),
            ("a = \"\"\"s3cret", "line 1"),
            ("a = 3s3cret", "line 1"),
            ("a = 1979-99-99s3cret", "line 1"),
            ("a = \"\\qs3cret\"", "line 1"),
            ("a = [ \"s3cret\" \"s3cret\" ]", "line 1"),
            ("a = \"s3cret\" x", "line 1"),
            ("a = { b = \"s3cret\"", "line 1"),
            ("a = 99999999999999999999", "line 1"),
            ("a = \"s3cret\"\na = \"s3cret\"", "duplicate"),
        ] {
            let error = OperatorConfig::parse(text.as_bytes()).expect_err(text);
            for shown in [error.to_string(), format!("{error:?}")] {
                assert!(!shown.contains("s3cret"), "{text:?}: {shown}");
            }
            assert!(error.to_string().contains(part), "{text:?}: {error}");
        }
        assert_eq!(OperatorConfig::parse(b"\xff"), Err(ConfigError::Encoding));
    }

    #[test]
    fn a_configuration_is_bounded() {
        let many: String =
            (0..=MAX_DESTINATIONS).map(|n| format!("[destinations.d{n}]\nurl = \"stdout:\"\ntracers = []\n")).collect();
        let error = OperatorConfig::parse(many.as_bytes()).expect_err("too many");
        assert!(error.to_string().contains("257 destinations, at most 256"), "{error}");
    }
}
