//! The manifest beside a module: it names, narrows and configures; it grants nothing. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::{Table, Value};

use crate::config::{ConfigError, Definition, UnknownKey, check_keys, parse_table};
use hottap_core::live::{Scope, ScopeError};
use hottap_core::plain::plain;
use hottap_core::rpc::{Outcome, Side};

/// Bytes of a manifest.
pub(super) const MAX_BYTES: u64 = 1 << 20;
/// The configuration that a tracer gets if its manifest has no `[config]`.
pub(super) const NO_CONFIG: &str = "{}";
const KEYS: &[&str] = &["enabled", "sha256", "destinations", "scope", "config"];
/// Bytes of a word that are shown where it is none of those that are known.
const MAX_WORD_BYTES: usize = 128;
/// Bytes of the keys that lead to a value of `[config]`, where it is named.
const MAX_PATH_BYTES: usize = 512;
/// Destinations in one manifest.
const MAX_DESTINATIONS: usize = 16;
const SCOPE_KEYS: &[&str] = &["sides", "methods", "exclude", "outcomes", "sample", "detailed"];

/// The reason for rejecting a manifest. Display continues the sentence after the file's name.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not TOML, or what it defines is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Key(#[from] UnknownKey),
    #[error("has a `{key}` that cannot be used: {problem}", key = plain(key, MAX_PATH_BYTES))]
    Value { key: String, problem: String },
}

impl ManifestError {
    fn value(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Value { key: key.into(), problem: problem.into() }
    }
}

impl From<ScopeError> for ManifestError {
    fn from(error: ScopeError) -> Self {
        Self::value(format!("scope.{}", error.key()), error.to_string())
    }
}

/// What a manifest says; without one, its default.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    pub enabled: bool,
    /// The only bytes that may be loaded.
    pub(crate) sha256: Option<[u8; 32]>,
    /// Destinations that the tracer uses: the operator has to define them.
    pub destinations: Vec<String>,
    /// Destinations that the manifest defines itself, which counts only where the operator trusts the plugin dir.
    pub defines: BTreeMap<String, Definition>,
    pub(crate) scope: Arc<Scope>,
    /// For the guest, as JSON.
    pub(crate) config: String,
}

impl Default for Manifest {
    fn default() -> Self {
        Self {
            enabled: true,
            sha256: None,
            destinations: Vec::new(),
            defines: BTreeMap::new(),
            scope: Arc::default(),
            config: NO_CONFIG.into(),
        }
    }
}

impl Manifest {
    /// Reads the manifest of a tracer.
    ///
    /// # Errors
    /// They name the key, or the line, and say what to write.
    pub(crate) fn parse(tracer: &str, bytes: &[u8]) -> Result<Self, ManifestError> {
        let table = parse_table(bytes)?;
        check_keys(&table, KEYS, "")?;
        let (destinations, defines) = destinations(tracer, table.get("destinations"))?;
        Ok(Self {
            enabled: match table.get("enabled") {
                None => true,
                Some(Value::Boolean(enabled)) => *enabled,
                Some(_) => return Err(ManifestError::value("enabled", "write true or false")),
            },
            destinations,
            defines,
            sha256: table.get("sha256").map(digest).transpose()?,
            scope: match table.get("scope") {
                None => Arc::default(),
                Some(Value::Table(table)) => Arc::new(scope(table)?),
                Some(_) => return Err(ManifestError::value("scope", "write a table, such as [scope]")),
            },
            config: match table.get("config") {
                None => NO_CONFIG.into(),
                Some(config @ Value::Table(_)) => json(config).map_err(Unfit::of_config)?.to_string(),
                Some(_) => return Err(ManifestError::value("config", "write a table, such as [config]")),
            },
        })
    }
}

fn scope(table: &Table) -> Result<Scope, ManifestError> {
    check_keys(table, SCOPE_KEYS, "scope.")?;
    let sides = "client, server, endpoint";
    let sides = words(table, "sides", sides, |word| match word {
        "client" => Some(Side::Client),
        "server" => Some(Side::Server),
        "endpoint" => Some(Side::Endpoint),
        _ => None,
    })?;
    let outcomes = "ok, business_error, error, cancelled, timed_out, panicked";
    let outcomes = words(table, "outcomes", outcomes, |word| {
        (0..Outcome::COUNT as u8).filter_map(Outcome::from_number).find(|outcome| outcome.as_str() == word)
    })?;
    let patterns = |key: &str| words(table, key, "patterns such as shop.v1.*", |word| Some(word.to_owned()));
    let sample = match table.get("sample") {
        None => 1.0,
        Some(Value::Float(sample)) => *sample,
        Some(Value::Integer(sample)) => *sample as f64,
        Some(_) => return Err(ManifestError::value("scope.sample", "write a number from 0.0 to 1.0")),
    };
    let methods = patterns("methods")?.unwrap_or_default();
    let exclude = patterns("exclude")?.unwrap_or_default();
    let scope = Scope::new(sides.as_deref(), &methods, &exclude, outcomes.as_deref(), sample)?;
    Ok(scope.detailed(patterns("detailed")?.as_deref())?)
}

/// A list of words under a key of `[scope]`; none if the key is not there.
fn words<T>(
    table: &Table,
    key: &str,
    expected: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<Vec<T>>, ManifestError> {
    let wrong = |problem: String| ManifestError::value(format!("scope.{key}"), problem);
    let Some(value) = table.get(key) else { return Ok(None) };
    let list = value.as_array().ok_or_else(|| wrong(format!("write a list of {expected}, in brackets")))?;
    let word = |value: &Value| {
        let word = value.as_str().ok_or_else(|| wrong(format!("write each of {expected} in quotation marks")))?;
        parse(word).ok_or_else(|| wrong(format!("`{}` is none of {expected}", plain(word, MAX_WORD_BYTES))))
    };
    list.iter().map(word).collect::<Result<_, _>>().map(Some)
}

/// `destinations = ["influx"]` names; `[destinations.influx]` defines as well.
fn destinations(
    tracer: &str,
    value: Option<&Value>,
) -> Result<(Vec<String>, BTreeMap<String, Definition>), ManifestError> {
    let wrong = || {
        let expected = format!("write a list of at most {MAX_DESTINATIONS} names, or as many tables with a `url` each");
        ManifestError::value("destinations", expected)
    };
    match value {
        None => Ok((Vec::new(), BTreeMap::new())),
        Some(Value::Array(names)) if names.len() <= MAX_DESTINATIONS => {
            let names = names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>();
            Ok((names.ok_or_else(wrong)?, BTreeMap::new()))
        }
        Some(Value::Table(tables)) if tables.len() <= MAX_DESTINATIONS => {
            let define = |(name, value): (&String, &Value)| {
                let definition = Definition::named(name, value, &format!("destinations.{name}"), Some(tracer))?;
                Ok((name.clone(), definition))
            };
            let defines: BTreeMap<_, _> = tables.iter().map(define).collect::<Result<_, ConfigError>>()?;
            Ok((defines.keys().cloned().collect(), defines))
        }
        Some(_) => Err(wrong()),
    }
}

fn digest(value: &Value) -> Result<[u8; 32], ManifestError> {
    let wrong = || ManifestError::value("sha256", "write 64 hexadecimal digits in quotation marks");
    let hex = value.as_str().ok_or_else(wrong)?;
    let mut digest = [0; 32];
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    Ok(digest)
}

/// A number that JSON does not have, and the keys that lead to it, which are gathered only once there is one: a key can be
/// as long as the file, and there can be as many below it.
struct Unfit {
    number: f64,
    path: String,
}

impl Unfit {
    fn below(self, key: &str) -> Self {
        Self { path: plain(&format!("{key}{}", self.path), MAX_PATH_BYTES), ..self }
    }

    fn of_config(self) -> ManifestError {
        let Self { number, .. } = self;
        let problem = format!("tracers get it as JSON, which has no {number}");
        ManifestError::value(self.below("config").path, problem)
    }
}

/// A value as JSON. Dates become text.
fn json(value: &Value) -> Result<serde_json::Value, Unfit> {
    Ok(match value {
        Value::String(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => {
            let unfit = || Unfit { number: *number, path: String::new() };
            serde_json::Number::from_f64(*number).ok_or_else(unfit)?.into()
        }
        Value::Boolean(truth) => (*truth).into(),
        Value::Datetime(date) => date.to_string().into(),
        Value::Array(values) => {
            let element = |(index, value)| json(value).map_err(|unfit| unfit.below(&format!("[{index}]")));
            values.iter().enumerate().map(element).collect::<Result<Vec<_>, _>>()?.into()
        }
        Value::Table(table) => {
            let entry = |(name, value): (&String, &Value)| {
                Ok((name.clone(), json(value).map_err(|unfit| unfit.below(&format!(".{name}")))?))
            };
            serde_json::Value::Object(table.iter().map(entry).collect::<Result<_, Unfit>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hottap_core::rpc::Level;

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        match Manifest::parse("t", text.as_bytes()) {
            Ok(_) => panic!("{text:?} was taken"),
            Err(error) => assert!(error.to_string().contains(expected), "{text:?}: {error}"),
        }
    }

    #[test]
    fn an_empty_manifest_is_the_default_one() {
        assert_eq!(Manifest::parse("t", b"").expect("valid"), Manifest::default());
    }

    #[test]
    fn a_manifest_narrows_and_configures() {
        let text = r#"
            enabled = false
            sha256 = "0000000000000000000000000000000000000000000000000000000000000001"
            destinations = ["influx"]
            [scope]
            sides = ["server"]
            methods = ["shop.v1.*/*"]
            exclude = ["*/Check"]
            outcomes = ["error", "timed_out"]
            sample = 0.5
            detailed = ["shop.v1.Cart/*"]
            [config]
            measurement = "rpc"
            bounds = [1, 2.5]
        "#;
        let manifest = Manifest::parse("t", text.as_bytes()).expect("valid");
        assert!(!manifest.enabled);
        assert_eq!(manifest.sha256.map(|digest| digest[31]), Some(1));
        assert!(manifest.destinations == ["influx"] && manifest.defines.is_empty());
        assert!(manifest.scope.wants(Side::Server, "shop.v1.Checkout/Place"));
        assert!(!manifest.scope.wants(Side::Client, "shop.v1.Checkout/Place"));
        assert!(!manifest.scope.wants_outcome(Outcome::Ok as usize) && manifest.scope.samples());
        let level = |method| manifest.scope.level(Level::Detailed, method);
        assert_eq!((level("shop.v1.Cart/Add"), level("shop.v1.Checkout/Place")), (Level::Detailed, Level::Base));
        assert_eq!(manifest.config, r#"{"bounds":[1,2.5],"measurement":"rpc"}"#);
    }

    #[test]
    fn what_a_manifest_cannot_say_is_refused_by_the_name_of_its_key() {
        refused("enabeld = true", "has the unknown key `enabeld`; did you mean `enabled`?");
        refused("[scope]\nmethod = []", "has the unknown key `scope.method`; did you mean `scope.methods`?");
        let zs = format!("sha256 = \"zz{}\"", "0".repeat(62));
        let many = format!("[scope]\nexclude = [{}]", "\"x\", ".repeat(257));
        let long = format!("[scope]\nmethods = [\"{}\"]", "x".repeat(513));
        for (text, key, problem) in [
            ("enabled = 3", "enabled", "write true or false"),
            ("enabled = \"yes\"", "enabled", "write true or false"),
            ("scope = 3", "scope", "write a table"),
            ("config = \"x\"", "config", "write a table"),
            ("[scope]\nsides = \"server\"", "scope.sides", "write a list of client, server, endpoint"),
            ("[scope]\nsides = [\"sever\"]", "scope.sides", "`sever` is none of client, server, endpoint"),
            ("[scope]\nsides = [3]", "scope.sides", "in quotation marks"),
            ("[scope]\noutcomes = [\"bad\\u0007\"]", "scope.outcomes", "`bad\\u{7}` is none of ok, business_error"),
            ("[scope]\nmethods = \"a.*\"", "scope.methods", "write a list of patterns"),
            (&long, "scope.methods", "513 bytes"),
            (&many, "scope.exclude", "257 patterns"),
            ("[scope]\ndetailed = true", "scope.detailed", "write a list of patterns"),
            ("[scope]\nsample = 2.0", "scope.sample", "it is 2, write a number from 0.0 to 1.0"),
            ("[scope]\nsample = nan", "scope.sample", "NaN"),
            ("[scope]\nsample = \"10 %\"", "scope.sample", "write a number"),
            ("sha256 = \"abc\"", "sha256", "64 hexadecimal digits"),
            (&zs, "sha256", "64 hexadecimal"),
            ("sha256 = 3", "sha256", "64 hexadecimal digits"),
            ("destinations = \"influx\"", "destinations", "a list of at most 16 names"),
            ("destinations = [1]", "destinations", "a list of at most 16 names"),
            ("[destinations.a]\nurl = \"gopher://x\"", "destinations.a.url", ""),
            ("[config]\nx = nan", "config.x", "JSON"),
            ("[config.x]\ny = [1, [inf]]", "config.x.y[1][0]", "JSON, which has no inf"),
        ] {
            refused(text, &format!("has a `{key}` that cannot be used: "));
            refused(text, problem);
        }
        refused("enabled = true\n= 3", "is not TOML, line 2");
        refused("[config]\na = [1, { b = inf }]", "has a `config.a[1].b` that cannot be used: tracers get it as JSON");
        // It would be a word in the log and a label in the metrics.
        refused("[destinations.\"a\\nb\"]\nurl = \"stdout:\"", "a name is at most 64 letters");
    }

    #[test]
    fn long_keys_cost_no_more_than_they_are_long() {
        let long = "k".repeat(400_000);
        let many: String = (0..30_000).map(|i| format!("a{i}=1\n")).collect();
        // Each of the many keys has the long one before it.
        assert!(Manifest::parse("t", format!("[config.{long}]\n{many}").as_bytes()).is_ok());
        refused(&format!("[config.{long}]\n{many}z = nan"), "that cannot be used");
        for text in [format!("{long} = 1"), format!("[scope]\nsides = [\"{long}\"]")] {
            let error = Manifest::parse("t", text.as_bytes()).expect_err("refused").to_string();
            assert!(
                error.len() < 500 && (error.contains("did you mean") || error.contains("is none of client")),
                "{error}"
            );
        }
    }
}
