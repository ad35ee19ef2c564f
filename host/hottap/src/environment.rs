//! The settings that the environment overrides: `HOTTAP_*`, read once when a Hottap starts. Pure but for that reading.

use std::ffi::OsString;
use std::path::PathBuf;

const DISABLE: &str = "HOTTAP_DISABLE";
const PLUGINS: &str = "HOTTAP_PLUGINS";
const CONFIG: &str = "HOTTAP_CONFIG";
const ADMIN: &str = "HOTTAP_ADMIN";

/// The environment's settings. A variable that is empty counts as not set, as OpenTelemetry's do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Environment {
    /// The kill switch.
    pub(super) disabled: bool,
    pub(super) plugins: Option<PathBuf>,
    pub(super) config: Option<PathBuf>,
    pub(super) admin: Option<String>,
    /// Values that do not count, for the log: which, why, and what happens instead.
    pub(super) ignored: Vec<String>,
}

impl Environment {
    pub(super) fn read() -> Self {
        Self::of(|name| std::env::var_os(name))
    }

    fn of(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mut ignored = Vec::new();
        let disabled = variable(DISABLE).is_some_and(|value| match value.to_str().and_then(boolean) {
            Some(value) => value,
            None => {
                ignored.push(format!(
                    "{DISABLE}={value:?} is not understood, so tracing is not disabled; \
                     1, true, yes or on disables it, 0, false, no or off does not"
                ));
                false
            }
        });
        let admin = variable(ADMIN).and_then(|value| match value.to_str().map(str::trim) {
            Some(address) => Some(address.to_owned()),
            None => {
                ignored.push(format!(
                    "{ADMIN}={value:?} is not UTF-8 and does not count; give an address such as 127.0.0.1:9600"
                ));
                None
            }
        });
        let admin = admin.filter(|address| !address.is_empty());
        let (plugins, config) = (variable(PLUGINS).map(PathBuf::from), variable(CONFIG).map(PathBuf::from));
        let mut environment = Self { disabled, plugins, config, admin, ignored };
        if !cfg!(feature = "plugins") {
            environment.without_plugins();
        }
        environment
    }

    /// A build without plugins has no plugin dir, no configuration and no admin API.
    fn without_plugins(&mut self) {
        let set = [
            (PLUGINS, self.plugins.take().is_some()),
            (CONFIG, self.config.take().is_some()),
            (ADMIN, self.admin.take().is_some()),
        ];
        for (name, _) in set.into_iter().filter(|(_, is_set)| *is_set) {
            self.ignored
                .push(format!("{name} does not count: this service is built without hottap's feature `plugins`"));
        }
    }
}

/// The value of a boolean variable, in any case and with spaces around it; none if it is neither.
fn boolean(value: &str) -> Option<bool> {
    let is_one_of = |words: &[&str]| words.iter().any(|word| value.trim().eq_ignore_ascii_case(word));
    if is_one_of(&["1", "true", "yes", "on"]) {
        Some(true)
    } else {
        is_one_of(&["0", "false", "no", "off", ""]).then_some(false)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn with(name: &str, value: impl Into<OsString>) -> Environment {
        let value = value.into();
        Environment::of(|asked| (asked == name).then(|| value.clone()))
    }

    #[track_caller]
    fn check(value: impl Into<OsString>, disabled: bool, is_understood: bool) {
        let value = value.into();
        let environment = with(DISABLE, value.clone());
        assert_eq!(environment.disabled, disabled, "{value:?}");
        assert_eq!(environment.ignored.is_empty(), is_understood, "{value:?}: {:?}", environment.ignored);
    }

    #[test]
    fn the_kill_switch_is_a_boolean_in_any_case() {
        for value in ["1", "true", "yes", "on", "TRUE", "Yes", "oN", " 1 ", "true\n"] {
            check(value, true, true);
        }
        for value in ["0", "false", "no", "off", "FALSE", "Off", "", " "] {
            check(value, false, true);
        }
    }

    #[test]
    fn a_kill_switch_that_is_not_understood_disables_nothing_and_is_named() {
        for value in ["2", "y", "ture", "disabled", "01", "1;", "tru e"] {
            check(value, false, false);
        }
        check(OsString::from_vec(vec![0xff, b'1']), false, false);
        let ignored = with(DISABLE, "ture").ignored;
        assert!(
            ignored[0].contains("HOTTAP_DISABLE=\"ture\"") && ignored[0].contains("1, true, yes or on"),
            "{ignored:?}"
        );
    }

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        for name in [DISABLE, PLUGINS, CONFIG, ADMIN] {
            assert_eq!(with(name, ""), Environment::default(), "{name}");
        }
        assert_eq!(with(ADMIN, " \t"), Environment::default());
    }

    #[cfg(feature = "plugins")]
    #[test]
    fn paths_need_not_be_utf_8_and_an_address_has_to_be() {
        let bytes = || OsString::from_vec(vec![b'/', 0xff]);
        assert_eq!(with(PLUGINS, bytes()).plugins, Some(PathBuf::from(bytes())));
        assert_eq!(with(CONFIG, bytes()).config, Some(PathBuf::from(bytes())));
        let environment = with(ADMIN, bytes());
        assert_eq!(environment.admin, None);
        assert!(environment.ignored[0].contains("HOTTAP_ADMIN"), "{environment:?}");
        assert_eq!(with(ADMIN, " 127.0.0.1:0\n").admin.as_deref(), Some("127.0.0.1:0"));
    }

    #[cfg(not(feature = "plugins"))]
    #[test]
    fn without_plugins_the_variables_of_plugins_are_named() {
        for name in [PLUGINS, CONFIG, ADMIN] {
            let environment = with(name, "/x");
            assert!(
                environment.ignored[0].contains(name) && environment.ignored[0].contains("feature"),
                "{environment:?}"
            );
        }
    }
}
