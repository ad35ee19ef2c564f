//! A header of a destination: its name, and where its value comes from. The value itself is never shown. Pure.

use std::fmt;
use std::path::PathBuf;

use http::{HeaderName, HeaderValue};
use toml::{Table, Value};

use super::ungrantable::is_the_transports;
use super::{ConfigError, check_keys};

const KEYS: &[&str] = &["env", "file", "prefix"];
const EXPECTED: &str = "write text, { env = \"NAME\" } or { file = \"/path\" }; a `prefix`, such as \"Token \", may stand beside env or file";

/// One header of every request to a destination.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) name: HeaderName,
    pub(crate) source: HeaderSource,
}

/// Where a header's value comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum HeaderSource {
    /// The value itself, marked as sensitive: it may be a password all the same.
    Text(HeaderValue),
    /// An environment variable of this process, after the prefix.
    Env { name: String, prefix: String },
    /// A file's contents without the white space around them, after the prefix.
    File { path: PathBuf, prefix: String },
}

impl Header {
    /// Reads one entry of a destination's `headers`. `key` is where they stand.
    pub(super) fn parse(name: &str, value: &Value, key: &str) -> Result<Self, ConfigError> {
        let key = format!("{key}.{name}");
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| ConfigError::value(&key, "this is no name of a header"))?;
        if is_the_transports(&name) {
            return Err(ConfigError::value(&key, "the transport itself sets this header; leave it out"));
        }
        let source =
            match value {
                Value::String(text) => HeaderSource::Text(secret(text).ok_or_else(|| {
                    ConfigError::value(&key, "a header's value is one line without control characters")
                })?),
                Value::Table(table) => {
                    check_keys(table, KEYS, &format!("{key}."))?;
                    source(table, &key, EXPECTED)?
                }
                _ => return Err(ConfigError::value(&key, EXPECTED)),
            };
        Ok(Self { name, source })
    }
}

/// Reads the place of a secret, of which a table names one: `env` or `file`, and perhaps a `prefix`. `key` is where the
/// table stands.
pub(super) fn source(table: &Table, key: &str, expected: &'static str) -> Result<HeaderSource, ConfigError> {
    let text = |word: &str| match table.get(word) {
        None => Ok(None),
        Some(Value::String(text)) if !text.contains('\0') => Ok(Some(text.clone())),
        Some(_) => Err(ConfigError::value(format!("{key}.{word}"), expected)),
    };
    let prefix = text("prefix")?.unwrap_or_default();
    if secret(&prefix).is_none() {
        return Err(ConfigError::value(format!("{key}.prefix"), "it must be one line of text"));
    }
    match (text("env")?, text("file")?) {
        (Some(name), None) if !name.is_empty() && !name.contains('=') => Ok(HeaderSource::Env { name, prefix }),
        (None, Some(path)) if !path.is_empty() => Ok(HeaderSource::File { path: path.into(), prefix }),
        _ => Err(ConfigError::value(key, expected)),
    }
}

/// A header's value that no Debug output shows; none if it cannot be one.
fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The name and where the value comes from, never the value.
impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name)?;
        match &self.source {
            HeaderSource::Text(_) => f.write_str("(text)"),
            HeaderSource::Env { name, .. } => write!(f, "(environment variable {name})"),
            HeaderSource::File { path, .. } => write!(f, "(file {})", path.display()),
        }
    }
}

impl fmt::Debug for HeaderSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text",
            Self::Env { .. } => "Env",
            Self::File { .. } => "File",
        })
    }
}
