//! What a metric is: its definition as a tracer gives it, checked against bounds; not its values.

use super::claims::Claim;
use super::misuse::Misuse;
use super::names::{self, FamilyName};
use super::series::LabelValues;

/// Bytes in a metric's name, after OpenTelemetry's syntax for instrument names.
const MAX_NAME_BYTES: usize = 255;
/// Bytes in a unit, after OpenTelemetry.
const MAX_UNIT_BYTES: usize = 63;
/// Bytes of a help text that are kept. It is sent with every scrape, so a book would cost every scrape.
const MAX_HELP_BYTES: usize = 1024;
/// Label keys of one metric. Every one is sent with every series; OpenTelemetry's RPC metrics have six.
const MAX_KEYS: usize = 16;
/// Bytes in a label key.
const MAX_KEY_BYTES: usize = 128;
/// Bounds of one histogram; part of the contract with guests. Each is one more line per series and scrape.
const MAX_BOUNDS: usize = 64;

/// What a metric measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A sum that only grows.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// Counts per bucket, and the sum of the values.
    Histogram,
}

impl Kind {
    /// Prometheus' word for it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric as a tracer defined it. Every text and list in it is bounded, and it has a name in Prometheus' syntax.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) kind: Kind,
    pub(super) name: Box<str>,
    pub(super) unit: Box<str>,
    pub(super) help: Box<str>,
    /// The label keys as given, and beside them their names for Prometheus.
    pub(super) keys: Box<[Box<str>]>,
    pub(super) labels: Box<[Box<str>]>,
    /// Inclusive upper bounds; empty unless it is a histogram.
    pub(super) bounds: Box<[f64]>,
    /// The name of its family on Prometheus' page.
    pub(super) page: Box<str>,
    /// Holds its names for its tracer, for as long as an instance or a committed series has this definition; none before
    /// it is claimed.
    pub(super) claim: Option<Claim>,
}

/// A metric as it is shown to those who try a tracer out: in the tracer's own words.
#[cfg(feature = "compiler")]
#[derive(Debug, serde::Serialize)]
pub struct Defined {
    pub name: String,
    pub kind: &'static str,
    pub unit: String,
    pub labels: Vec<String>,
}

impl Definition {
    #[cfg(feature = "compiler")]
    pub(super) fn shown(&self) -> Defined {
        Defined {
            name: self.name.to_string(),
            kind: self.kind.as_str(),
            unit: self.unit.to_string(),
            labels: self.keys.iter().map(|key| hottap_core::plain::message(key)).collect(),
        }
    }

    /// Checks and keeps what a guest gave. A help text beyond its bound is cut; anything else wrong refuses the whole.
    pub(super) fn new(
        kind: Kind,
        name: &str,
        unit: &str,
        help: &str,
        keys: &[impl AsRef<str>],
        bounds: &[f64],
    ) -> Result<Self, Misuse> {
        if !is_instrument_name(name) {
            return Err(Misuse::Name);
        }
        if unit.len() > MAX_UNIT_BYTES || !unit.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
            return Err(Misuse::Unit);
        }
        let labels = label_names(keys)?;
        let rising = bounds.iter().zip(bounds.iter().skip(1)).all(|(low, high)| low < high);
        if bounds.len() > MAX_BOUNDS || !rising || !bounds.iter().all(|bound| bound.is_finite()) {
            return Err(Misuse::Bounds);
        }
        let family = FamilyName::new(name, unit, kind).ok_or(Misuse::Name)?;
        if family.is_reserved() {
            return Err(Misuse::Reserved);
        }
        Ok(Self {
            kind,
            name: name.into(),
            unit: unit.into(),
            help: help[..help.floor_char_boundary(MAX_HELP_BYTES)].into(),
            keys: keys.iter().map(|key| key.as_ref().into()).collect(),
            labels,
            bounds: bounds.into(),
            page: family.to_string().into(),
            claim: None,
        })
    }

    /// Whether series of the one can go on as series of the other: all but the help text is the same.
    pub(super) fn same_series(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.name == other.name
            && self.unit == other.unit
            && self.keys == other.keys
            && self.bounds == other.bounds
    }

    /// Returns true if a page would have a name of both twice.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        names::overlap((&self.page, self.kind), (&other.page, other.kind))
    }

    /// How many buckets a series has: one per bound and one for what is above the last; none unless a histogram.
    pub(super) fn buckets(&self) -> usize {
        match self.kind {
            Kind::Histogram => self.bounds.len() + 1,
            Kind::Counter | Kind::Gauge => 0,
        }
    }

    /// Bytes that a series with these labels has on a page, about.
    pub(super) fn page_bytes(&self, values: Option<&LabelValues>) -> usize {
        let lines = match self.kind {
            Kind::Histogram => self.bounds.len() + 3,
            Kind::Counter | Kind::Gauge => 1,
        };
        let names: usize = self.labels.iter().map(|label| label.len() + 4).sum();
        let values = values.map_or(0, |values| values.len());
        // The rest of a line: the tracer's name, a bound, the value, what stands between.
        lines * (self.name.len() + names + values + 64)
    }

    /// Bytes on the heap, about.
    pub(super) fn bytes(&self) -> usize {
        let keys: usize = self.keys.iter().chain(&self.labels).map(|key| key.len() + size_of::<Box<str>>()).sum();
        // The name stands here twice, as given and as a family's; and in a claim with each of its lines.
        size_of::<Self>()
            + 8 * (self.name.len() + 32)
            + self.unit.len()
            + self.help.len()
            + keys
            + 8 * self.bounds.len()
    }
}

/// OpenTelemetry's syntax: a letter, then letters, digits, `_`, `.`, `-` and `/`.
fn is_instrument_name(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'/'))
}

/// The keys' names for Prometheus. Refuses two keys that become one name, and the names that mean something else:
/// `tracer` is the host's, `le` and `quantile` are Prometheus', `otel_metric_overflow` marks the overflow series.
fn label_names(keys: &[impl AsRef<str>]) -> Result<Box<[Box<str>]>, Misuse> {
    if keys.len() > MAX_KEYS {
        return Err(Misuse::LabelKeys);
    }
    let mut names: Vec<Box<str>> = Vec::with_capacity(keys.len());
    for key in keys {
        let key = key.as_ref();
        if key.len() > MAX_KEY_BYTES {
            return Err(Misuse::LabelKeys);
        }
        let name = names::label(key).ok_or(Misuse::LabelKeys)?.into_boxed_str();
        if names.contains(&name) || matches!(&*name, "tracer" | "le" | "quantile" | "otel_metric_overflow") {
            return Err(Misuse::LabelKeys);
        }
        names.push(name);
    }
    Ok(names.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, unit: &str, keys: &[&str], bounds: &[f64], expected: Result<(), Misuse>) {
        let got = Definition::new(Kind::Histogram, name, unit, "", keys, bounds).map(|_| ());
        assert_eq!(got, expected, "{name:?} in {unit:?} by {keys:?} with {} bounds", bounds.len());
    }

    #[test]
    fn a_definition_out_of_bounds_is_refused_by_its_part() {
        let long_name = "n".repeat(256);
        let long_unit = "u".repeat(64);
        let long_key = "k".repeat(129);
        let many_keys: Vec<String> = (0..17).map(|n| format!("k{n}")).collect();
        let many_keys: Vec<&str> = many_keys.iter().map(String::as_str).collect();
        let many_bounds: Vec<f64> = (0..65).map(f64::from).collect();
        for (name, unit, keys, bounds, expected) in [
            ("a", "", &[][..], &[][..], Ok(())),
            (&long_name[1..], &long_unit[1..], &[&long_key[1..]], &many_bounds[1..], Ok(())),
            ("a", "", &many_keys[1..], &[], Ok(())),
            ("", "", &[], &[], Err(Misuse::Name)),
            (&long_name, "", &[], &[], Err(Misuse::Name)),
            ("1a", "", &[], &[], Err(Misuse::Name)),
            ("_a", "", &[], &[], Err(Misuse::Name)),
            ("a b", "", &[], &[], Err(Misuse::Name)),
            ("a\nb 1", "", &[], &[], Err(Misuse::Name)),
            ("größe", "", &[], &[], Err(Misuse::Name)),
            ("a", &long_unit, &[], &[], Err(Misuse::Unit)),
            ("a", "µs", &[], &[], Err(Misuse::Unit)),
            ("a", "s\n", &[], &[], Err(Misuse::Unit)),
            ("a", "", &many_keys, &[], Err(Misuse::LabelKeys)),
            ("a", "", &[&long_key], &[], Err(Misuse::LabelKeys)),
            ("a", "", &[""], &[], Err(Misuse::LabelKeys)),
            ("a", "", &["x", "x"], &[], Err(Misuse::LabelKeys)),
            ("a", "", &["x.y", "x_y"], &[], Err(Misuse::LabelKeys)),
            ("a", "", &["tracer"], &[], Err(Misuse::LabelKeys)),
            ("a", "", &["le"], &[], Err(Misuse::LabelKeys)),
            ("a", "", &["otel.metric.overflow"], &[], Err(Misuse::LabelKeys)),
            ("a", "", &[], &many_bounds, Err(Misuse::Bounds)),
            ("a", "", &[], &[1.0, 1.0], Err(Misuse::Bounds)),
            ("a", "", &[], &[2.0, 1.0], Err(Misuse::Bounds)),
            ("a", "", &[], &[f64::NAN], Err(Misuse::Bounds)),
            ("a", "", &[], &[1.0, f64::NAN, 2.0], Err(Misuse::Bounds)),
            ("a", "", &[], &[1.0, f64::INFINITY], Err(Misuse::Bounds)),
            ("hottap.calls", "", &[], &[], Err(Misuse::Reserved)),
        ] {
            check(name, unit, keys, bounds, expected);
        }
    }

    #[test]
    fn a_long_help_text_is_cut_between_characters() {
        let help = "ä".repeat(600);
        let definition = Definition::new(Kind::Gauge, "a", "", &help[..], &[""; 0], &[]).expect("a definition");
        assert_eq!(definition.help.len(), 1024);
        let help = format!("x{help}");
        let definition = Definition::new(Kind::Gauge, "a", "", &help, &[""; 0], &[]).expect("a definition");
        assert_eq!(definition.help.len(), 1023);
    }
}
