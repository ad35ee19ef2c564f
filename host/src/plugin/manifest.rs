//! The manifest beside a module: it names, narrows and configures; it grants nothing. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use toml::{Table, Value};

use crate::config::{ConfigError, Definition, UnknownKey, check_keys};
use crate::rpc::{Outcome, Side};
use crate::tracer::{Scope, ScopeError};

/// Bytes of a manifest.
pub(crate) const MAX_BYTES: u64 = 1 << 20;
const KEYS: &[&str] = &["enabled", "sha256", "destinations", "scope", "config"];
/// Destinations in one manifest.
const MAX_DESTINATIONS: usize = 16;
const SCOPE_KEYS: &[&str] = &["sides", "methods", "exclude", "outcomes", "sample", "detailed"];

/// Why a manifest does not count.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    #[error("is not UTF-8")]
    Encoding,
    #[error("is not TOML: {0}")]
    Syntax(String),
    #[error(transparent)]
    Key(#[from] UnknownKey),
    #[error("has the wrong type of value: {0}")]
    Type(String),
    #[error("has the unknown {what} `{value}`, expected one of {expected}")]
    Word { what: &'static str, value: String, expected: &'static str },
    #[error("[scope] {0}")]
    Scope(#[from] ScopeError),
    #[error("destinations must be a list of names, or tables with a `url` each")]
    Destinations,
    #[error(transparent)]
    Definition(#[from] ConfigError),
    #[error("sha256 must be 64 hexadecimal digits")]
    Digest,
    #[error("[config] holds {0}, which JSON cannot say")]
    Config(f64),
}

/// What a manifest says; without one, its default.
#[derive(Debug, PartialEq)]
pub(crate) struct Manifest {
    pub(crate) enabled: bool,
    /// The only bytes that may be loaded.
    pub(crate) sha256: Option<[u8; 32]>,
    /// Destinations that the tracer uses: the operator has to define them.
    pub(crate) destinations: Vec<String>,
    /// Destinations that the manifest defines itself, which counts only where the operator trusts the plugin dir.
    pub(crate) defines: BTreeMap<String, Definition>,
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
            config: "{}".into(),
        }
    }
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default = "yes")]
    enabled: bool,
    sha256: Option<String>,
    destinations: Option<Value>,
    #[serde(default)]
    scope: RawScope,
    #[serde(default)]
    config: Table,
}

#[derive(Default, Deserialize)]
struct RawScope {
    sides: Option<Vec<String>>,
    #[serde(default)]
    methods: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
    outcomes: Option<Vec<String>>,
    sample: Option<f64>,
    detailed: Option<Vec<String>>,
}

fn yes() -> bool {
    true
}

impl Manifest {
    /// Reads the manifest of a tracer.
    pub(crate) fn parse(tracer: &str, bytes: &[u8]) -> Result<Self, ManifestError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ManifestError::Encoding)?;
        let table: Table = text.parse().map_err(|error: toml::de::Error| ManifestError::Syntax(one_line(&error)))?;
        check_keys(&table, KEYS, "")?;
        if let Some(Value::Table(scope)) = table.get("scope") {
            check_keys(scope, SCOPE_KEYS, "scope.")?;
        }
        let raw: Raw = table.try_into().map_err(|error| ManifestError::Type(one_line(&error)))?;
        let sides = raw.scope.sides.map(|sides| sides.iter().map(|side| parse_side(side)).collect()).transpose()?;
        let outcomes = raw
            .scope
            .outcomes
            .map(|outcomes| outcomes.iter().map(|outcome| parse_outcome(outcome)).collect())
            .transpose()?;
        let (sides, outcomes): (Option<Vec<Side>>, Option<Vec<Outcome>>) = (sides, outcomes);
        let (destinations, defines) = destinations(tracer, raw.destinations.as_ref())?;
        Ok(Self {
            enabled: raw.enabled,
            destinations,
            defines,
            sha256: raw.sha256.as_deref().map(parse_digest).transpose()?,
            scope: Arc::new(
                Scope::new(
                    sides.as_deref(),
                    &raw.scope.methods,
                    &raw.scope.exclude,
                    outcomes.as_deref(),
                    raw.scope.sample.unwrap_or(1.0),
                )?
                .detailed(raw.scope.detailed.as_deref())?,
            ),
            config: json(&Value::Table(raw.config))?.to_string(),
        })
    }
}

/// `destinations = ["influx"]` names; `[destinations.influx]` defines as well.
fn destinations(
    tracer: &str,
    value: Option<&Value>,
) -> Result<(Vec<String>, BTreeMap<String, Definition>), ManifestError> {
    match value {
        None => Ok((Vec::new(), BTreeMap::new())),
        Some(Value::Array(names)) if names.len() <= MAX_DESTINATIONS => {
            let names = names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>();
            Ok((names.ok_or(ManifestError::Destinations)?, BTreeMap::new()))
        }
        Some(Value::Table(tables)) if tables.len() <= MAX_DESTINATIONS => {
            let define = |(name, value): (&String, &Value)| {
                let definition = Definition::from_toml(value, &format!("destinations.{name}"), Some(tracer))?;
                Ok((name.clone(), definition))
            };
            let defines: BTreeMap<_, _> = tables.iter().map(define).collect::<Result<_, ConfigError>>()?;
            Ok((defines.keys().cloned().collect(), defines))
        }
        Some(_) => Err(ManifestError::Destinations),
    }
}

fn parse_side(word: &str) -> Result<Side, ManifestError> {
    Ok(match word {
        "client" => Side::Client,
        "server" => Side::Server,
        "endpoint" => Side::Endpoint,
        _ => {
            let expected = "client, server, endpoint";
            return Err(ManifestError::Word { what: "side", value: word.to_owned(), expected });
        }
    })
}

fn parse_outcome(word: &str) -> Result<Outcome, ManifestError> {
    (0..Outcome::COUNT as u8).filter_map(Outcome::from_number).find(|outcome| outcome.as_str() == word).ok_or_else(
        || {
            let expected = "ok, business_error, error, cancelled, timed_out, panicked";
            ManifestError::Word { what: "outcome", value: word.to_owned(), expected }
        },
    )
}

fn parse_digest(hex: &str) -> Result<[u8; 32], ManifestError> {
    let mut digest = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return Err(ManifestError::Digest);
    }
    for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| ManifestError::Digest)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| ManifestError::Digest)?;
    }
    Ok(digest)
}

/// TOML as JSON. Dates become text.
fn json(value: &Value) -> Result<serde_json::Value, ManifestError> {
    Ok(match value {
        Value::String(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => serde_json::Number::from_f64(*number).ok_or(ManifestError::Config(*number))?.into(),
        Value::Boolean(truth) => (*truth).into(),
        Value::Datetime(date) => date.to_string().into(),
        Value::Array(values) => values.iter().map(json).collect::<Result<Vec<_>, _>>()?.into(),
        Value::Table(table) => serde_json::Value::Object(
            table.iter().map(|(key, value)| Ok((key.clone(), json(value)?))).collect::<Result<_, ManifestError>>()?,
        ),
    })
}

fn one_line(error: &toml::de::Error) -> String {
    error.message().lines().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::Level;

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
    fn what_a_manifest_cannot_say_is_refused_by_name() {
        refused("enabeld = true", "unknown key `enabeld`; did you mean `enabled`?");
        refused("[scope]\nmethod = []", "unknown key `scope.method`; did you mean `scope.methods`?");
        refused("enabled = 3", "wrong type");
        refused("[scope]\nsides = [\"sever\"]", "unknown side `sever`");
        refused("[scope]\noutcomes = [\"bad\"]", "unknown outcome `bad`");
        refused("[scope]\nsample = 2.0", "sample is 2");
        refused("sha256 = \"abc\"", "64 hexadecimal digits");
        refused("sha256 = \"zz00000000000000000000000000000000000000000000000000000000000001\"", "64 hexadecimal");
        refused("destinations = \"influx\"", "a list of names");
        refused("destinations = [1]", "a list of names");
        refused("[destinations.a]\nurl = \"gopher://x\"", "destinations.a.url");
        refused("= 3", "not TOML");
        refused("[config]\nx = nan", "config");
    }
}
