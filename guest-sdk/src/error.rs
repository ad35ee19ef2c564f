//! Why a tracer could not be made: a sentence for the operator.

use std::fmt;

/// Why a tracer could not be made. The host refuses the module, and shows the text to the operator.
///
/// Say what to do: which key of the manifest's `[config]`, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    /// An error from anything that can be shown: `.map_err(Error::new)`.
    pub fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<String> for Error {
    fn from(reason: String) -> Self {
        Self(reason)
    }
}

impl From<&str> for Error {
    fn from(reason: &str) -> Self {
        Self(reason.to_owned())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::new(error)
    }
}
