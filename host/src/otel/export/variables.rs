//! Reading environment variables by OpenTelemetry's rules; what they mean is in the files of those who ask.

use std::path::PathBuf;
use std::time::Duration;

/// Why there is no export. Nothing has been started then.
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

/// Where variables are read from: the process's environment, or a test's table.
pub(super) struct Variables<'a>(pub(super) &'a dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    /// A variable's value without spaces around it. One that is empty is not set: so the specification has it.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let value = (self.0)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// True if it says so; anything but `true` is false.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The value as one word of several, which are written in lower case.
    pub(super) fn word(&self, name: &str) -> Option<String> {
        self.text(name).map(|value| value.to_ascii_lowercase())
    }

    /// How long something may take, in milliseconds; 0 is without end, so the specification has it, and a day is as good.
    pub(super) fn timeout(&self, name: &str, default: Duration) -> Result<Duration, ConfigError> {
        let timeout = self.millis(name, default)?;
        Ok(if timeout.is_zero() { DAY } else { timeout })
    }

    /// A limit, which may be 0; none if it is not set.
    pub(super) fn limit(&self, name: &str) -> Result<Option<u32>, ConfigError> {
        let Some(value) = self.text(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| ConfigError::invalid(name, "a number from 0 to 4294967295"))
    }

    /// A time in milliseconds; more than a day is a day.
    pub(super) fn millis(&self, name: &str, default: Duration) -> Result<Duration, ConfigError> {
        let Some(value) = self.text(name) else { return Ok(default) };
        let millis = value.parse().map_err(|_| ConfigError::invalid(name, "a number of milliseconds"))?;
        Ok(Duration::from_millis(millis).min(DAY))
    }

    /// A number that is at least 1 and at most `most`.
    pub(super) fn count(&self, name: &str, default: usize, most: usize) -> Result<usize, ConfigError> {
        let Some(value) = self.text(name) else { return Ok(default) };
        let count = value.parse().ok().filter(|count| (1..=most).contains(count));
        count.ok_or_else(|| ConfigError::invalid(name, "a number of spans from 1 to 1000000"))
    }
}
