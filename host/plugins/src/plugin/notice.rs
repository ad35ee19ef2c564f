//! Notices of points that an operator may want to change though nothing is broken, for the log and the API. Pure.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::name::Name;
use super::operator::Access;
use crate::metrics::RefusedMetric;
use hottap_core::rpc::Level;

/// Patterns that one notice names; of more, their number is told.
const MAX_PATTERNS: usize = 8;

/// One thing that is not as the tracer or its manifest asks for.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Notice {
    pub(super) message: String,
    pub(super) what_to_do: String,
}

/// A metric that the tracer does not get.
impl From<RefusedMetric> for Notice {
    fn from(refused: RefusedMetric) -> Self {
        Self { message: refused.message, what_to_do: refused.what_to_do }
    }
}

/// Makes notices of one tracer.
pub(super) struct Notices<'n> {
    pub(super) tracer: &'n Name,
    /// The operator's configuration, if there is one.
    pub(super) config: Option<&'n Path>,
}

impl Notices<'_> {
    /// The tracer sees less of calls than it asked for.
    pub(super) fn level(&self, wanted: Level, granted: Level) -> Option<Notice> {
        (granted < wanted).then(|| Notice {
            message: format!(
                "it wants the level {} and gets {}: it does not see the events of calls",
                wanted.as_str(),
                granted.as_str()
            ),
            what_to_do: format!(
                "write level = \"{}\" under [tracers.{}] in {}",
                wanted.as_str(),
                self.tracer,
                self.config()
            ),
        })
    }

    /// The tracer cannot use a destination that its manifest names.
    pub(super) fn destinations(&self, access: &BTreeMap<String, Access>) -> Vec<Notice> {
        let (tracer, config) = (self.tracer, self.config());
        let notice = |(name, access): (&String, &Access)| match access {
            Access::Granted => None,
            Access::NotGranted => Some(Notice {
                message: format!("it may not use the destination {name}: what it sends there is refused"),
                what_to_do: format!("add \"{tracer}\" to `tracers` under [destinations.{name}] in {config}"),
            }),
            Access::Undefined => Some(Notice {
                message: format!("the destination {name} is not defined: what it sends there is refused"),
                what_to_do: format!("define [destinations.{name}] in {config}, with tracers = [\"{tracer}\"]"),
            }),
        };
        access.iter().filter_map(notice).collect()
    }

    /// Patterns of the scope have matched no call so far, by their keys.
    pub(super) fn patterns(&self, unmatched: &[(&'static str, String)]) -> Option<Notice> {
        if unmatched.is_empty() {
            return None;
        }
        let named: Vec<_> =
            unmatched.iter().take(MAX_PATTERNS).map(|(key, pattern)| format!("`{pattern}` in `{key}`")).collect();
        let more = match unmatched.len().saturating_sub(MAX_PATTERNS) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(Notice {
            message: format!("patterns of its scope have matched no call so far: {}{more}", named.join(", ")),
            what_to_do: format!(
                "if such calls have been made, correct [scope] in {}.toml; a name is PACKAGE.SERVICE/METHOD, or METHOD ROUTE for plain HTTP",
                self.tracer
            ),
        })
    }

    fn config(&self) -> String {
        match self.config {
            Some(path) => path.display().to_string(),
            None => "hottap.toml, which Builder::config or HOTTAP_CONFIG has to name".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(notice: Option<Notice>, message: &str, what_to_do: &str) {
        let notice = notice.expect("there is something to say");
        assert!(notice.message.contains(message), "{notice:?}");
        assert!(notice.what_to_do.contains(what_to_do), "{notice:?}");
    }

    #[test]
    fn a_notice_says_what_to_write_and_where() {
        let tracer = Name::new("influxdb").expect("a name");
        let notices = Notices { tracer: &tracer, config: Some(Path::new("/etc/hottap.toml")) };
        check(
            notices.level(Level::Detailed, Level::Base),
            "wants the level detailed and gets base",
            "write level = \"detailed\" under [tracers.influxdb] in /etc/hottap.toml",
        );
        assert_eq!(notices.level(Level::Detailed, Level::Detailed), None);
        assert_eq!(notices.level(Level::Base, Level::Base), None);
        let access = [("a", Access::Granted), ("b", Access::NotGranted), ("c", Access::Undefined)];
        let mut told = notices.destinations(&access.map(|(name, access)| (name.to_owned(), access)).into());
        check(told.pop(), "c is not defined", "[destinations.c] in /etc/hottap.toml, with tracers = [\"influxdb\"]");
        check(told.pop(), "may not use the destination b", "add \"influxdb\" to `tracers` under [destinations.b]");
        assert_eq!(told.pop(), None);
        let nowhere = Notices { config: None, ..notices };
        check(nowhere.level(Level::Detailed, Level::Base), "gets base", "HOTTAP_CONFIG");
    }

    #[test]
    fn patterns_without_a_match_are_named_and_many_are_counted() {
        let tracer = Name::new("t").expect("a name");
        let notices = Notices { tracer: &tracer, config: None };
        assert_eq!(notices.patterns(&[]), None);
        let two = [("methods", "a.*".to_owned()), ("exclude", "b.*".to_owned())];
        check(notices.patterns(&two), ": `a.*` in `methods`, `b.*` in `exclude`", "t.toml");
        let many: Vec<_> = (0..20).map(|i| ("methods", format!("m{i}"))).collect();
        check(notices.patterns(&many), "`m7` in `methods` and 12 more", "");
    }
}
