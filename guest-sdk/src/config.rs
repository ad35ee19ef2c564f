//! What a tracer is given when it is made, and what it may ask for.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::host;
use crate::json_path::path_before;

/// How much is recorded of the calls in a tracer's scope (Kitex's level).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// Start and finish, sizes, status.
    #[default]
    Base,
    /// Every event that the layers can see. The operator's cap holds.
    Detailed,
}

impl Level {
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Base => 1,
            Self::Detailed => 2,
        }
    }
}

/// What a tracer is given when it is made: the manifest's `[config]`, who the service is, and the time; and what it may
/// ask for in return.
///
/// The settings ([`level`](Self::level), [`flush_every`](Self::flush_every), [`attempts`](Self::attempts)) work until
/// [`Tracer::new`](crate::Tracer::new) has returned; later the host ignores them and says so in its log.
#[derive(Debug)]
pub struct Config {
    json: String,
    identity: Vec<(String, String)>,
    now: u64,
}

impl Config {
    pub(crate) fn new(json: String, identity: Vec<(String, String)>, now: u64) -> Self {
        Self { json, identity, now }
    }

    /// The manifest's `[config]` as a type of your own. Without one it is the empty object, so give what is optional
    /// `#[serde(default)]`; `#[serde(deny_unknown_fields)]` finds the operator's typing errors.
    ///
    /// # Errors
    /// If `[config]` has not the shape of `T`; the text names the key.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.json).map_err(|error| {
            // Line and column are those of the JSON that the host made of the manifest: they would mislead.
            let text = error.to_string();
            let reason = text.rfind(" at line ").map_or(text.as_str(), |end| text.get(..end).unwrap_or(&text));
            // The text is one line, so the column is the place in it.
            let key = path_before(&self.json, error.column());
            if key.is_empty() || reason.contains(&format!("`{key}`")) {
                return Error::new(format_args!("the manifest's [config]: {reason}"));
            }
            Error::new(format_args!("the manifest's [config]: `{key}`: {reason}"))
        })
    }

    /// The manifest's `[config]` as JSON; `{}` if there is none.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// What is known of the service that this tracer looks at, by OpenTelemetry's resource attributes.
    #[must_use]
    pub fn identity(&self, attribute: &str) -> Option<&str> {
        self.identity.iter().find(|(key, _)| key == attribute).map(|(_, value)| value.as_str())
    }

    /// All that is known of the service, as pairs of resource attribute and value.
    pub fn identities(&self) -> impl Iterator<Item = (&str, &str)> {
        self.identity.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// `service.name`; "" if not known.
    #[must_use]
    pub fn service_name(&self) -> &str {
        self.identity("service.name").unwrap_or("")
    }

    /// `service.instance.id`; "" if not known.
    #[must_use]
    pub fn instance_id(&self) -> &str {
        self.identity("service.instance.id").unwrap_or("")
    }

    /// The time, in nanoseconds since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Asks how much is recorded of the calls in this tracer's scope; without it [`Level::Base`].
    pub fn level(&self, level: Level) -> &Self {
        host::level(level.number());
        self
    }

    /// Asks for another flush period than one second. The host keeps it between 50 ms and 60 s.
    pub fn flush_every(&self, period: Duration) -> &Self {
        host::every(u32::try_from(period.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Asks for a row per attempt beside the row per call, where the client retries.
    pub fn attempts(&self) -> &Self {
        host::attempts();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        #[serde(default)]
        top: u32,
        #[serde(default, rename = "in")]
        inner: Option<Inner>,
    }

    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Inner {
        side: Vec<u8>,
    }

    fn config(json: &str) -> Config {
        Config::new(json.to_owned(), vec![("service.name".to_owned(), "checkout".to_owned())], 7)
    }

    #[test]
    fn config_is_a_type_of_the_tracers_own() {
        assert_eq!(config("{}").parse(), Ok(Settings { top: 0, inner: None }));
        assert_eq!(config(r#"{"top": 3}"#).parse(), Ok(Settings { top: 3, inner: None }));
        assert_eq!(config("{}").service_name(), "checkout");
        assert_eq!(config("{}").instance_id(), "");
    }

    #[test]
    fn a_wrong_config_names_the_key_and_not_a_line_that_nobody_wrote() {
        for (json, expected) in [
            (r#"{"topp": 3}"#, "the manifest's [config]: unknown field `topp`, expected `top` or `in`"),
            (r#"{"top": "x"}"#, "the manifest's [config]: `top`: invalid type: string \"x\", expected u32"),
            (
                r#"{"top":3,"in":{"side":[1,-2]}}"#,
                "the manifest's [config]: `in.side[1]`: invalid value: integer `-2`, expected u8",
            ),
            (r#"{"top":3,"in":{}}"#, "the manifest's [config]: `in`: missing field `side`"),
        ] {
            let error = config(json).parse::<Settings>().map_err(|error| error.to_string());
            assert_eq!(error, Err(expected.to_owned()));
        }
    }
}
