//! Why a configuration does not count. No message repeats a value: it may be a secret in the wrong place.

use super::UnknownKey;

/// Why the operator's configuration, or a definition in a manifest, is not taken. Display goes on after the file's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("is not UTF-8")]
    Encoding,
    #[error("is not TOML, line {line}: {message}")]
    Syntax { line: usize, message: String },
    #[error(transparent)]
    Key(#[from] UnknownKey),
    #[error("needs `{key}`: {expected}")]
    Missing { key: String, expected: &'static str },
    #[error("has a `{key}` that cannot be used: {expected}")]
    Value { key: String, expected: &'static str },
    #[error("has {found} {what}, at most {limit} are taken")]
    TooMany { what: &'static str, found: usize, limit: usize },
}

impl ConfigError {
    pub(super) fn value(key: impl Into<String>, expected: &'static str) -> Self {
        Self::Value { key: key.into(), expected }
    }
}
