//! Reading environment variables by OpenTelemetry's rules; what they mean is in the files of those who ask.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

/// A problem of a variable, or of what it names: the reason for an error, after which nothing has been started, or for a
/// variable that was ignored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A variable's value can't be used. The value is not repeated: it may be a secret.
    #[error("the environment variable {variable} is to be {expected}: correct it, or remove it")]
    Invalid {
        /// Which one.
        variable: String,
        /// What it may be.
        expected: &'static str,
    },
    /// Certificates can't be read: those that the collector is checked against, or those that are shown to it.
    #[error("{path}, named by the environment variable {variable}, holds no certificates: name a PEM file of them")]
    Certificate {
        /// Which one.
        variable: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What this service shows a collector, so that it is known there, can't be read.
    #[error(
        "{path}, named by the environment variable {variable}, holds no private key of the certificate beside it: name a \
         PEM file of that key, not encrypted"
    )]
    Key {
        /// Which one.
        variable: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Of a certificate and its key, only one is named.
    #[error("the environment variable {set} says nothing without {missing}: set both, or neither")]
    Unpaired {
        /// The one that is set.
        set: String,
        /// The one that is not.
        missing: String,
    },
    /// An `https://` collector can't be checked against the certificates of this system.
    #[error("this system has no root certificates: install ca-certificates, or set OTEL_EXPORTER_OTLP_CERTIFICATE")]
    NoRoots {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The thread that exports can't be started.
    #[error("the thread that exports cannot be started")]
    Thread {
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Whoever waits longer waits for ever, and no clock overflows.
pub(super) const DAY: Duration = Duration::from_secs(86_400);

impl ConfigError {
    pub(super) fn invalid(variable: &str, expected: &'static str) -> Self {
        Self::Invalid { variable: variable.to_owned(), expected }
    }
}

/// The source of variables (the process's environment, or a test's table), and the errors of those that were ignored.
pub(super) struct Variables<'a> {
    find: &'a dyn Fn(&str) -> Option<String>,
    ignored: RefCell<Vec<ConfigError>>,
}

impl<'a> Variables<'a> {
    pub(super) fn new(find: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { find, ignored: RefCell::default() }
    }

    /// Ignores a variable, or a part of it, as if it were not set. One that is read for both signals has one problem.
    pub(super) fn ignore(&self, problem: ConfigError) {
        let mut ignored = self.ignored.borrow_mut();
        let text = problem.to_string();
        if !ignored.iter().any(|known| known.to_string() == text) {
            ignored.push(problem);
        }
    }

    /// The problems of the variables that were ignored, in the order in which they were read.
    pub(super) fn into_ignored(self) -> Vec<ConfigError> {
        self.ignored.into_inner()
    }

    /// A variable's value without spaces around it. One that is empty is not set: so the specification has it.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let value = (self.find)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// A variable's value as it is parsed. One that can't be parsed is ignored.
    pub(super) fn parsed<T>(
        &self,
        name: &str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let parsed = parse(&self.text(name)?);
        if parsed.is_none() {
            self.ignore(ConfigError::invalid(name, expected));
        }
        parsed
    }

    /// True if it says so, in either case; anything but `true` is false.
    pub(super) fn flag(&self, name: &str) -> bool {
        let flag = |value: &str| match value {
            value if value.eq_ignore_ascii_case("true") => Some(true),
            value if value.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        };
        self.parsed(name, "true or false", flag).unwrap_or(false)
    }

    /// The value as one of several words, in either case.
    pub(super) fn word<T: Copy>(&self, name: &str, expected: &'static str, words: &[(&str, T)]) -> Option<T> {
        let find = |value: &str| words.iter().find(|(word, _)| word.eq_ignore_ascii_case(value));
        self.parsed(name, expected, |value| find(value).map(|(_, meaning)| *meaning))
    }

    /// How long something may take, in milliseconds; 0 is without end, so the specification has it, and a day is as good.
    pub(super) fn timeout(&self, name: &str, default: Duration) -> Duration {
        let timeout = self.millis(name, default);
        if timeout.is_zero() { DAY } else { timeout }
    }

    /// A limit, which may be 0; none if it is not set.
    pub(super) fn limit(&self, name: &str) -> Option<u32> {
        self.parsed(name, "a number from 0 to 4294967295", |value| value.parse().ok())
    }

    /// A time in milliseconds; more than a day is a day.
    pub(super) fn millis(&self, name: &str, default: Duration) -> Duration {
        let millis = self.parsed(name, "a number of milliseconds", |value| value.parse().ok());
        millis.map_or(default, |millis| Duration::from_millis(millis).min(DAY))
    }

    /// A number that is at least 1 and at most `most`.
    pub(super) fn count(&self, name: &str, default: usize, most: usize) -> usize {
        let count = |value: &str| value.parse().ok().filter(|count| (1..=most).contains(count));
        self.parsed(name, "a number of spans from 1 to 1000000", count).unwrap_or(default)
    }
}
