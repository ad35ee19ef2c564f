//! What one tracer may do beyond the defaults, as the operator grants it. Pure.

use std::time::Duration;

use http::HeaderName;
use toml::{Table, Value};

use super::amount::{self, DURATION, SIZE};
use super::{ConfigError, check_keys, may_be_seen, may_be_set};
use hottap_core::rpc::Level;

const KEYS: &[&str] = &["see_headers", "set_headers", "level", "dead_letters", "limits"];
const LIMIT_KEYS: &[&str] = &["memory", "table_elements", "finish", "flush", "init"];
/// Headers in one list.
const MAX_HEADERS: usize = 64;
/// A page of WebAssembly memory: with less no tracer starts.
const MIN_MEMORY: usize = 64 << 10;
/// All that a 32-bit guest can address.
const MAX_MEMORY: usize = 4 << 30;
const MAX_TABLE_ELEMENTS: usize = 10_000_000;
/// CPU time of one call into a guest: a worker is not there for the others meanwhile.
const MAX_TIME: Duration = Duration::from_secs(60);

/// Why a header cannot be seen.
const UNSEEN: &str =
    "headers of authentication, cookies and the connection are never a tracer's to see; leave them out";
/// Why a header cannot be set.
const UNSET: &str = "headers of authentication, cookies, the connection, how a message is read, and traceparent and tracestate are never a tracer's to set; leave them out";

/// What one tracer may do beyond the defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Request headers that its `start` may see.
    pub(crate) see_headers: Vec<HeaderName>,
    /// Request headers that its `start` may set, beside the well-known propagation headers.
    pub(crate) set_headers: Vec<HeaderName>,
    /// The greatest level it may ask for.
    pub(crate) level: Option<Level>,
    /// The texts of its dead letters may be seen.
    pub(crate) dead_letters: bool,
    pub(crate) limits: GrantedLimits,
}

/// Limits that replace the defaults where they are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GrantedLimits {
    /// Bytes of linear memory.
    pub(crate) memory: Option<usize>,
    pub(crate) table_elements: Option<usize>,
    /// CPU time of one `finish`.
    pub(crate) finish: Option<Duration>,
    /// CPU time of one `flush`.
    pub(crate) flush: Option<Duration>,
    /// CPU time of making an instance and its `init`.
    pub(crate) init: Option<Duration>,
}

impl Grants {
    /// Reads one tracer's grants. `key` is where they stand, such as `tracers.audit`.
    pub(super) fn from_toml(value: &Value, key: &str) -> Result<Self, ConfigError> {
        let at = |word: &str| format!("{key}.{word}");
        let table = value.as_table().ok_or_else(|| ConfigError::value(key, "write a table of grants"))?;
        check_keys(table, KEYS, &at(""))?;
        Ok(Self {
            see_headers: headers(table.get("see_headers"), &at("see_headers"), may_be_seen, UNSEEN)?,
            set_headers: headers(table.get("set_headers"), &at("set_headers"), may_be_set, UNSET)?,
            level: match table.get("level") {
                None => None,
                Some(Value::String(word)) if word == "base" => Some(Level::Base),
                Some(Value::String(word)) if word == "detailed" => Some(Level::Detailed),
                Some(_) => return Err(ConfigError::value(at("level"), "write \"base\" or \"detailed\"")),
            },
            dead_letters: match table.get("dead_letters") {
                None => false,
                Some(Value::String(word)) if word == "redacted" => false,
                Some(Value::String(word)) if word == "whole" => true,
                Some(_) => return Err(ConfigError::value(at("dead_letters"), "write \"redacted\" or \"whole\"")),
            },
            limits: match table.get("limits") {
                None => GrantedLimits::default(),
                Some(Value::Table(table)) => limits(table, &at("limits"))?,
                Some(_) => {
                    return Err(ConfigError::value(at("limits"), "write a table, such as { memory = \"128MiB\" }"));
                }
            },
        })
    }
}

/// Reads a list of headers. `forbidden` says why those are refused that `may_be` refuses.
fn headers(
    value: Option<&Value>,
    key: &str,
    may_be: fn(&HeaderName) -> bool,
    forbidden: &'static str,
) -> Result<Vec<HeaderName>, ConfigError> {
    let expected = "write a list of headers' names, such as [\"x-tenant\"]";
    let Some(value) = value else { return Ok(Vec::new()) };
    let names = value.as_array().ok_or_else(|| ConfigError::value(key, expected))?;
    if names.len() > MAX_HEADERS {
        return Err(ConfigError::TooMany { what: "headers", found: names.len(), limit: MAX_HEADERS });
    }
    let mut headers: Vec<HeaderName> = names
        .iter()
        .map(|name| name.as_str().and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok()))
        .collect::<Option<_>>()
        .ok_or_else(|| ConfigError::value(key, expected))?;
    if !headers.iter().all(may_be) {
        return Err(ConfigError::value(key, forbidden));
    }
    headers.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    headers.dedup();
    Ok(headers)
}

fn limits(table: &Table, key: &str) -> Result<GrantedLimits, ConfigError> {
    let at = |word: &str| format!("{key}.{word}");
    check_keys(table, LIMIT_KEYS, &at(""))?;
    let time = |word: &str| {
        let Some(value) = table.get(word) else { return Ok(None) };
        let time = amount::duration(value).ok_or_else(|| ConfigError::value(at(word), DURATION))?;
        if time.is_zero() || time > MAX_TIME {
            return Err(ConfigError::value(at(word), "it must be at least 1ms and at most 60s of CPU time"));
        }
        Ok(Some(time))
    };
    let number = |word: &str, least: usize, most: usize, expected: &'static str| {
        let Some(value) = table.get(word) else { return Ok(None) };
        let number = amount::size(value).ok_or_else(|| ConfigError::value(at(word), SIZE))?;
        if number < least || number > most {
            return Err(ConfigError::value(at(word), expected));
        }
        Ok(Some(number))
    };
    Ok(GrantedLimits {
        memory: number("memory", MIN_MEMORY, MAX_MEMORY, "it must be at least 64KiB and at most 4GiB")?,
        table_elements: number("table_elements", 1, MAX_TABLE_ELEMENTS, "it must be from 1 to 10000000")?,
        finish: time("finish")?,
        flush: time("flush")?,
        init: time("init")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Grants, ConfigError> {
        let table: Table = text.parse().expect("TOML");
        Grants::from_toml(&Value::Table(table), "tracers.audit")
    }

    #[test]
    fn grants_are_what_the_operator_wrote_and_nothing_else() {
        assert_eq!(parse("").expect("valid"), Grants::default());
        let grants = parse(
            "see_headers = [\"X-Tenant\"]\nset_headers = [\"x-audit-id\"]\nlevel = \"detailed\"\n\
             limits = { memory = \"128MiB\", table_elements = 5000, finish = \"200ms\", flush = \"1s\", init = \"5s\" }",
        )
        .expect("valid");
        assert_eq!(grants.see_headers, [HeaderName::from_static("x-tenant")]);
        assert_eq!(grants.set_headers, [HeaderName::from_static("x-audit-id")]);
        assert_eq!(grants.level, Some(Level::Detailed));
        assert_eq!(
            grants.limits,
            GrantedLimits {
                memory: Some(128 << 20),
                table_elements: Some(5000),
                finish: Some(Duration::from_millis(200)),
                flush: Some(Duration::from_secs(1)),
                init: Some(Duration::from_secs(5)),
            }
        );
    }

    #[test]
    fn what_nobody_can_grant_is_refused_by_its_key() {
        for (text, part) in [
            ("see_header = []", "did you mean `tracers.audit.see_headers`?"),
            ("see_headers = \"x\"", "`tracers.audit.see_headers`"),
            ("see_headers = [\"a b\"]", "`tracers.audit.see_headers`"),
            ("see_headers = [\"x-tenant\", \"Authorization\"]", "`tracers.audit.see_headers`"),
            ("see_headers = [\"authorization\"]", "never a tracer's to see"),
            ("see_headers = [\"cookie\"]", "never a tracer's to see"),
            ("see_headers = [\"connection\"]", "never a tracer's to see"),
            ("set_headers = [\":path\"]", "`tracers.audit.set_headers`"),
            ("set_headers = [\"Authorization\"]", "never a tracer's to set"),
            ("set_headers = [\"cookie\"]", "never a tracer's to set"),
            ("set_headers = [\"transfer-encoding\"]", "never a tracer's to set"),
            ("set_headers = [\"traceparent\"]", "never a tracer's to set"),
            ("level = \"all\"", "\"base\" or \"detailed\""),
            ("limits = 3", "table"),
            ("limits = { memry = 3 }", "did you mean `tracers.audit.limits.memory`?"),
            ("limits = { memory = \"much\" }", "`tracers.audit.limits.memory`"),
            ("limits = { memory = \"1KiB\" }", "at least 64KiB"),
            ("limits = { finish = 3 }", "unit"),
            ("limits = { init = \"2min\" }", "at most 60s"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
