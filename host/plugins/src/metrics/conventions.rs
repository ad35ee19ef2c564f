//! The metrics of OpenTelemetry's semantic conventions: their names have a fixed kind and unit. Pure.
//!
//! Dashboards and alerts read these names without knowing which tracer writes them. A gauge named
//! `rpc.client.call.duration` would be taken for the histogram of that name, or keep that histogram off the page.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::instrument::{Definition, Kind};
use super::names::{self, FamilyName};

/// One metric a line: name, kind, unit. Its head says where it comes from.
const TABLE: &str = include_str!("conventions.txt");

/// A metric as the conventions define it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Convention {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) unit: &'static str,
    /// Its name on Prometheus' page.
    pub(super) page: String,
}

struct Conventions {
    by_name: HashMap<&'static str, Convention>,
    /// Every name on a page that one of them has, to the metric's own name.
    by_page: HashMap<String, &'static str>,
}

static CONVENTIONS: LazyLock<Conventions> = LazyLock::new(|| {
    let mut all = Conventions { by_name: HashMap::new(), by_page: HashMap::new() };
    for convention in TABLE.lines().filter_map(parse) {
        for page in names::on_page(&convention.page, convention.kind) {
            all.by_page.entry(page).or_insert(convention.name);
        }
        all.by_name.insert(convention.name, convention);
    }
    all
});

/// Reads a line; none if it is a comment.
fn parse(line: &'static str) -> Option<Convention> {
    let mut words = line.split(' ');
    let (name, kind) = (words.next()?, words.next()?);
    let kind = match kind {
        "counter" => Kind::Counter,
        "gauge" => Kind::Gauge,
        "histogram" => Kind::Histogram,
        _ => return None,
    };
    let unit = words.next().unwrap_or("");
    Some(Convention { name, kind, unit, page: FamilyName::new(name, unit, kind)?.to_string() })
}

/// Returns the convention that a definition breaks: it has its name, or one of its names on Prometheus' page, and is
/// another kind or in another unit. Units that are only annotations, such as `{request}`, are not compared.
pub(super) fn broken_by(definition: &Definition) -> Option<&'static Convention> {
    // Names of instruments are the same in capital letters.
    let lower = definition.name.to_ascii_lowercase();
    let agrees = |with: &Convention| with.kind == definition.kind && with.page.eq_ignore_ascii_case(&definition.page);
    if let Some(named) = CONVENTIONS.by_name.get(&*lower) {
        return (!agrees(named)).then_some(named);
    }
    names::on_page(&definition.page, definition.kind)
        .filter_map(|page| CONVENTIONS.by_page.get(&page.to_ascii_lowercase()))
        .filter_map(|name| CONVENTIONS.by_name.get(name))
        .find(|convention| !agrees(convention))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Kind, name: &str, unit: &str, broken: Option<&str>, reason: &str) {
        let definition = Definition::new(kind, name, unit, "", &[""; 0], &[]).expect("a definition");
        assert_eq!(broken_by(&definition).map(|convention| convention.name), broken, "{reason}");
    }

    #[test]
    fn a_name_of_the_conventions_has_their_kind_and_unit() {
        use Kind::{Counter, Gauge, Histogram};
        let duration = Some("rpc.client.call.duration");
        for (kind, name, unit, broken, reason) in [
            (Histogram, "rpc.client.call.duration", "s", None, "as it is defined"),
            (Gauge, "rpc.client.call.duration", "s", duration, "a gauge"),
            (Counter, "rpc.client.call.duration", "s", duration, "a counter"),
            (Histogram, "rpc.client.call.duration", "ms", duration, "another unit"),
            (Histogram, "rpc.client.call.duration", "", duration, "no unit"),
            (Gauge, "RPC.Client.Call.Duration", "s", duration, "capital letters"),
            (Gauge, "rpc_client_call_duration_seconds", "", duration, "its name on the page"),
            (Gauge, "rpc/client/call-duration", "s", duration, "which other names become, too"),
            (Gauge, "rpc.client.call.duration.seconds.bucket", "", duration, "one of its lines on the page"),
            (Counter, "rpc.client.call.duration", "By", duration, "everything else"),
            (Histogram, "rpc_client_call_duration", "s", None, "the same family under another name"),
            (Gauge, "rpc.client.call.duration.max", "s", None, "a name of its own"),
            (Gauge, "http.server.active_requests", "{request}", None, "an up-down counter"),
            (Gauge, "http.server.active_requests", "", None, "an annotation is no unit"),
            (Counter, "http.server.active_requests", "", Some("http.server.active_requests"), "not a counter"),
            (Histogram, "http.server.request.duration", "s", None, "HTTP's"),
            (Histogram, "rpc.server.duration", "ms", None, "a deprecated one, in its unit"),
            (Counter, "shop.orders", "{order}", None, "no convention"),
        ] {
            check(kind, name, unit, broken, reason);
        }
    }

    #[test]
    fn the_table_is_read_whole() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!((CONVENTIONS.by_name.len(), lines), (503, 503));
        for convention in CONVENTIONS.by_name.values() {
            check(convention.kind, convention.name, convention.unit, None, convention.name);
        }
    }
}
