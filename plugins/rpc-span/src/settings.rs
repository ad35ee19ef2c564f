//! The manifest's `[config]`, the same for the instances that open spans and those that close them.

use hottap_guest::{Config, Error};
use serde::Deserialize;

/// What an operator can set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    pub(crate) destination: String,
    pub(crate) ratio: f64,
    pub(crate) b3: B3,
    pub(crate) method_names: bool,
    pub(crate) events: bool,
}

/// How the trace is told to services that read B3 headers and no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum B3 {
    Off,
    /// The header `b3`.
    Single,
    /// The headers `x-b3-*`.
    Multi,
}

impl Default for Settings {
    fn default() -> Self {
        Self { destination: "otlp".to_owned(), ratio: 1.0, b3: B3::Off, method_names: false, events: false }
    }
}

impl Settings {
    pub(crate) fn parse(config: &Config) -> Result<Self, Error> {
        let settings: Self = config.parse()?;
        if !(0.0..=1.0).contains(&settings.ratio) {
            return Err(Error::new("the manifest's [config]: `ratio` must be between 0 and 1"));
        }
        Ok(settings)
    }
}
