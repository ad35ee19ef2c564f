//! The name of a plugin: the stem of its file.

use std::fmt;
use std::sync::Arc;

/// Bytes of a name.
pub const MAX_BYTES: usize = 64;

/// The name of a plugin: at most 64 letters, digits, `.`, `-` and `_`. It is a label in metrics and a word in the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// None if it is no name.
    pub fn new(stem: &str) -> Option<Self> {
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        (!stem.is_empty() && stem.len() <= MAX_BYTES && !stem.starts_with('.') && stem.chars().all(valid))
            .then(|| Self(stem.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn shared(&self) -> &Arc<str> {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        for (stem, valid) in [
            ("red-metrics", true),
            ("a.b_c-1", true),
            ("", false),
            (".hidden", false),
            ("white space", false),
            ("ünïcode", false),
            ("a/b", false),
        ] {
            assert_eq!(Name::new(stem).is_some(), valid, "{stem:?}");
        }
        assert!(Name::new(&"x".repeat(65)).is_none());
    }
}
