//! Why a configuration does not count. No message repeats a value: it may be a secret in the wrong place.

use super::UnknownKey;
use hottap_core::plain::plain;

/// Bytes shown of a path of keys, and of what the parser says. Known keys with the longest names between them have
/// fewer; a key that is made up can be as long as its file.
const MAX_TEXT_BYTES: usize = 512;

/// Why the operator's configuration, or a definition in a manifest, is not taken. Display goes on after the file's
/// name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("is not UTF-8")]
    Encoding,
    #[error("is not TOML, line {line}: {message}", message = plain(message, MAX_TEXT_BYTES))]
    Syntax { line: usize, message: String },
    #[error(transparent)]
    Key(#[from] UnknownKey),
    #[error("needs `{key}`: {expected}", key = plain(key, MAX_TEXT_BYTES))]
    Missing { key: String, expected: &'static str },
    #[error("has a `{key}` that cannot be used: {expected}", key = plain(key, MAX_TEXT_BYTES))]
    Value { key: String, expected: &'static str },
    #[error("has {found} {what}, at most {limit} are taken")]
    TooMany { what: &'static str, found: usize, limit: usize },
}

impl ConfigError {
    pub(super) fn value(key: impl Into<String>, expected: &'static str) -> Self {
        Self::Value { key: key.into(), expected }
    }
}
