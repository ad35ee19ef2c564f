//! The table `[admin]` of `hottap.toml`: whether operators may act through the admin API, and with which token. Pure.

use toml::Value;

use super::header::{self, HeaderSource};
use super::{ConfigError, check_keys};

const KEYS: &[&str] = &["actions", "token"];
const TOKEN_KEYS: &[&str] = &["env", "file"];
const TOKEN: &str = "write { env = \"NAME\" } or { file = \"/path\" }";

/// The operator's settings of the admin API. By default it only shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AdminConfig {
    /// Tracers can be paused, reloaded and so on over HTTP.
    pub(crate) actions: bool,
    /// The place of the token that every action needs. None: only peers on this machine may act, on the admin port.
    pub(crate) token: Option<HeaderSource>,
}

impl AdminConfig {
    /// Reads the table `[admin]`.
    ///
    /// # Errors
    /// They name the key and say what to write; none repeats a value.
    pub(super) fn from_toml(value: Option<&Value>) -> Result<Self, ConfigError> {
        let Some(value) = value else { return Ok(Self::default()) };
        let table = value.as_table().ok_or_else(|| ConfigError::value("admin", "write a table [admin]"))?;
        check_keys(table, KEYS, "admin.")?;
        let actions = match table.get("actions") {
            None => false,
            Some(Value::Boolean(actions)) => *actions,
            Some(_) => return Err(ConfigError::value("admin.actions", "write true or false")),
        };
        Ok(Self { actions, token: table.get("token").map(token).transpose()? })
    }
}

/// Reads the place of the token. The token itself may not stand there: more people read the configuration than may act.
fn token(value: &Value) -> Result<HeaderSource, ConfigError> {
    let key = "admin.token";
    let table = value.as_table().ok_or_else(|| ConfigError::value(key, TOKEN))?;
    check_keys(table, TOKEN_KEYS, "admin.token.")?;
    header::source(table, key, TOKEN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::Table;

    fn parse(text: &str) -> Result<AdminConfig, ConfigError> {
        let table: Table = text.parse().expect("TOML");
        AdminConfig::from_toml(table.get("admin"))
    }

    #[test]
    fn actions_are_off_unless_the_operator_says_otherwise() {
        let env = || HeaderSource::Env { name: "TOKEN".to_owned(), prefix: String::new() };
        let file = || HeaderSource::File { path: "/run/token".into(), prefix: String::new() };
        for (text, actions, token) in [
            ("", false, None),
            ("[admin]", false, None),
            ("[admin]\nactions = false", false, None),
            ("[admin]\nactions = true", true, None),
            ("[admin]\nactions = true\ntoken = { env = \"TOKEN\" }", true, Some(env())),
            ("[admin]\ntoken = { file = \"/run/token\" }", false, Some(file())),
        ] {
            assert_eq!(parse(text), Ok(AdminConfig { actions, token }), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_without_its_value() {
        for (text, part) in [
            ("admin = \"s3cret\"", "a table [admin]"),
            ("[admin]\naction = true", "unknown key `admin.action`; did you mean `admin.actions`?"),
            ("[admin]\nactions = \"s3cret\"", "`admin.actions`"),
            ("[admin]\ntoken = \"s3cret\"", "`admin.token`"),
            ("[admin]\ntoken = { }", "{ env = \"NAME\" }"),
            ("[admin]\ntoken = { env = \"A\", file = \"s3cret\" }", "`admin.token`"),
            ("[admin]\ntoken = { env = 3 }", "`admin.token.env`"),
            ("[admin]\ntoken = { env = \"\" }", "`admin.token`"),
            ("[admin]\ntoken = { path = \"s3cret\" }", "unknown key `admin.token.path`"),
            ("[admin]\ntoken = { env = \"A\", prefix = \"s3cret\" }", "unknown key `admin.token.prefix`"),
        ] {
            let error = parse(text).expect_err(text);
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(part) && !shown.contains("s3cret"), "{text}: {shown}");
        }
    }
}
