//! Names of metrics and labels from OpenTelemetry's to Prometheus' syntax; pure text, knows no series.
//!
//! After the specification's page "Prometheus and OpenMetrics Compatibility": what Prometheus does not take becomes
//! `_`, several `_` become one, units become words, counters end in `_total`, gauges in the unit `1` in `_ratio`.

use std::fmt;

use super::instrument::Kind;

/// The name of a Prometheus family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FamilyName {
    /// Everything before `_total`; never empty.
    stem: Box<str>,
    /// Whether `_total` follows.
    total: bool,
}

impl FamilyName {
    /// `None` if nothing is left of the name (a counter called `total`).
    pub(super) fn new(name: &str, unit: &str, kind: Kind) -> Option<Self> {
        let total = matches!(kind, Kind::Counter);
        let ratio = matches!(kind, Kind::Gauge) && unit == "1";
        let (amount, per) = unit.split_once('/').unwrap_or((unit, ""));
        let (amount, per) = (unit_word(amount, AMOUNTS), unit_word(per, PERIODS));
        let mut words: Vec<&str> = tokens(name).collect();
        words.retain(|word| !(total && *word == "total" || ratio && *word == "ratio"));
        if !words.contains(&amount.as_str()) {
            words.extend(tokens(&amount));
        }
        if !per.is_empty() && !words.ends_with(&["per", &per]) {
            words.push("per");
            words.extend(tokens(&per));
        }
        if ratio {
            words.push("ratio");
        }
        let mut stem = words.join("_");
        if stem.is_empty() {
            return None;
        }
        if stem.starts_with(|c: char| c.is_ascii_digit()) {
            stem.insert(0, '_');
        }
        Some(Self { stem: stem.into(), total })
    }

    /// Returns true if this name is in the part of the namespace that the host keeps for its own families, or one that
    /// Prometheus makes by itself: a series `up` would be taken for the health of the service.
    pub(super) fn is_reserved(&self) -> bool {
        let is_the_hosts = &*self.stem == "hottap" || self.stem.starts_with("hottap_");
        is_the_hosts || self.stem.starts_with("scrape_") || PROMETHEUS_OWN.contains(&&*self.to_string())
    }
}

/// The whole name.
impl fmt::Display for FamilyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stem)?;
        f.write_str(if self.total { "_total" } else { "" })
    }
}

/// The names on a page that a family takes. A histogram takes its lines' names and its own.
pub(super) fn on_page(family: &str, kind: Kind) -> impl Iterator<Item = String> {
    lines_of(kind).iter().map(move |suffix| format!("{family}{suffix}"))
}

/// Returns true if two families have a name on a page in common.
pub(super) fn overlap(one: (&str, Kind), other: (&str, Kind)) -> bool {
    let has = |(family, kind): (&str, Kind), name: &str| {
        name.strip_prefix(family).is_some_and(|suffix| lines_of(kind).contains(&suffix))
    };
    // A line's name is no other histogram's line: it would have to end in two ways.
    has(one, other.0) || has(other, one.0)
}

fn lines_of(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Counter | Kind::Gauge => &[""],
        Kind::Histogram => &["", "_bucket", "_sum", "_count"],
    }
}

/// A text of any kind as part of a name; "" if nothing in it can be.
fn part(text: &str) -> String {
    tokens(text).collect::<Vec<_>>().join("_")
}

/// An attribute's key as a label's name; `None` if nothing in it can be part of one.
///
/// Names that begin with two `_` are Prometheus' own; none can come out of here.
pub(super) fn label(key: &str) -> Option<String> {
    let mut name = String::with_capacity(key.len() + 4);
    for c in key.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c);
        } else if !name.ends_with('_') {
            name.push('_');
        }
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert_str(0, "key_");
    } else if name.starts_with('_') {
        name.insert_str(0, "key");
    }
    (!name.is_empty() && name != "key_").then_some(name)
}

fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|token| !token.is_empty())
}

/// A UCUM unit in words; "" for none, for `1`, and for annotations such as `{request}`.
fn unit_word(unit: &str, words: &[(&str, &str)]) -> String {
    let unit = unit.trim();
    if unit.contains(['{', '}']) {
        return String::new();
    }
    match words.iter().find(|(symbol, _)| *symbol == unit) {
        Some((_, word)) => (*word).to_owned(),
        None => part(unit),
    }
}

/// Series that Prometheus adds by itself, beside `scrape_…`, and those that its readers take for a description of the target:
/// <https://prometheus.io/docs/concepts/jobs_instances/>, and OpenTelemetry's page on compatibility with Prometheus.
const PROMETHEUS_OWN: &[&str] = &["up", "ALERTS", "ALERTS_FOR_STATE", "target_info", "otel_scope_info"];

const AMOUNTS: &[(&str, &str)] = &[
    ("1", ""),
    ("%", "percent"),
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tebibytes"),
    ("kBy", "kilobytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
];

const PERIODS: &[(&str, &str)] = &[
    ("s", "second"),
    ("m", "minute"),
    ("min", "minute"),
    ("h", "hour"),
    ("d", "day"),
    ("w", "week"),
    ("wk", "week"),
    ("mo", "month"),
    ("y", "year"),
    ("a", "year"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn family(name: &str, unit: &str, kind: Kind, expected: &str, reason: &str) {
        let got = FamilyName::new(name, unit, kind).map(|family| family.to_string());
        assert_eq!(got.as_deref().unwrap_or("none"), expected, "{reason}");
    }

    #[test]
    fn metric_names_follow_the_specification() {
        use Kind::{Counter, Gauge, Histogram};
        for (name, unit, kind, expected, reason) in [
            ("rpc.server.call.duration", "s", Histogram, "rpc_server_call_duration_seconds", "dots and a unit"),
            ("rpc.calls", "{call}", Counter, "rpc_calls_total", "annotations are no unit"),
            ("rpc.calls", "1", Counter, "rpc_calls_total", "1 is no unit on counters"),
            ("rpc.calls.total", "", Counter, "rpc_calls_total", "total only once"),
            ("total", "", Counter, "none", "nothing left"),
            ("total", "By", Counter, "bytes_total", "the unit is left"),
            ("total.5xx", "", Counter, "_5xx_total", "no name begins with a digit"),
            ("cpu.utilization", "1", Gauge, "cpu_utilization_ratio", "1 is a ratio on gauges"),
            ("hit.ratio", "1", Gauge, "hit_ratio", "ratio only once"),
            ("share", "%", Gauge, "share_percent", "percent"),
            ("sent", "By", Counter, "sent_bytes_total", "bytes"),
            ("sent.bytes", "By", Counter, "sent_bytes_total", "bytes only once"),
            ("speed", "By/s", Gauge, "speed_bytes_per_second", "a rate"),
            ("speed", "{call}/min", Gauge, "speed_per_minute", "a rate of something counted"),
            ("calls.per.second", "1/s", Gauge, "calls_per_second", "the rate only once"),
            ("a--b__c/d", "", Gauge, "a_b_c_d", "several become one"),
            ("heat", "kcal_th/mol", Gauge, "heat_kcal_th_per_mol", "unknown units stay"),
            ("x", "/", Gauge, "x", "a unit of nothing"),
            ("x", "..//..", Gauge, "x", "a unit of nothing but dots"),
            ("size", "1", Histogram, "size", "no ratio on histograms"),
        ] {
            family(name, unit, kind, expected, reason);
        }
    }

    #[test]
    fn label_names_follow_the_specification() {
        for (key, expected, reason) in [
            ("rpc.method", "rpc_method", "dots"),
            ("a..b", "a_b", "several become one"),
            ("_a", "key_a", "no _ in front"),
            ("__name__", "key_name_", "nothing of Prometheus' own"),
            ("2xx", "key_2xx", "no digit in front"),
            ("größe", "gr_e", "only ASCII"),
            ("日本", "none", "nothing left"),
            ("", "none", "nothing there"),
            ("a\nb\"c", "a_b_c", "quotes and line ends"),
        ] {
            assert_eq!(label(key).as_deref().unwrap_or("none"), expected, "{reason}");
        }
    }

    #[test]
    fn families_overlap_if_a_page_would_have_one_name_twice() {
        use Kind::{Counter, Gauge, Histogram};
        for (one, other, expected) in [
            (("x", Gauge), ("x", Counter), true),
            (("x", Gauge), ("y", Gauge), false),
            (("x", Histogram), ("x_bucket", Gauge), true),
            (("x", Histogram), ("x_sum", Histogram), true),
            (("x", Histogram), ("x", Gauge), true),
            (("x", Gauge), ("x_sum", Gauge), false),
            (("x", Histogram), ("x_max", Gauge), false),
            (("x", Histogram), ("x_sum_count", Gauge), false),
            (("x_sum", Histogram), ("x_count", Histogram), false),
        ] {
            assert_eq!((overlap(one, other), overlap(other, one)), (expected, expected), "{one:?} {other:?}");
            let names: Vec<String> = on_page(one.0, one.1).collect();
            assert_eq!(on_page(other.0, other.1).any(|name| names.contains(&name)), expected, "{one:?} {other:?}");
        }
    }

    #[test]
    fn the_hosts_names_and_prometheus_own_are_reserved() {
        for (name, unit, kind, expected) in [
            ("hottap.calls", "", Kind::Counter, true),
            ("hottap", "s", Kind::Gauge, true),
            ("hottap", "", Kind::Gauge, true),
            ("hottap", "", Kind::Counter, true),
            ("total.hottap.x", "", Kind::Counter, true),
            ("hottapper", "", Kind::Counter, false),
            ("my.hottap.calls", "", Kind::Counter, false),
            ("up", "", Kind::Gauge, true),
            ("up", "s", Kind::Gauge, false),
            ("ups", "", Kind::Gauge, false),
            ("scrape.duration", "s", Kind::Gauge, true),
            ("ALERTS", "", Kind::Gauge, true),
            ("target.info", "", Kind::Gauge, true),
        ] {
            let got = FamilyName::new(name, unit, kind).map(|family| family.is_reserved());
            assert_eq!(got, Some(expected), "{name} in {unit:?}");
        }
    }
}
