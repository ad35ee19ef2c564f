//! Which family each tracer's metric stands in on the page, and the page itself; values are the registry's.

use std::collections::{HashMap, HashSet};

use super::exposition::Writer;
use super::instrument::{Definition, Kind};
use super::names;
use super::registry::{Owner, Registry};
use super::series::label_values;
use super::sink::{Families, Samples};
use super::snapshot::{MetricValues, Snapshot};

impl Registry {
    /// Writes all committed series, and what the host knows of them: how many there are, and what tracers did wrong.
    ///
    /// Of one tracer's commit a page has everything or nothing. Tracers whose metrics have the same name in Prometheus
    /// share a family if kind and unit are the same; otherwise the later one by name gets a family with the tracer's
    /// name in it, so that the page is always valid.
    pub(crate) fn write(&self, writer: &mut Writer, now_ms: u64) {
        let owners = self.swept(now_ms);
        let mut claims = Claims::of(writer);
        for owner in &owners {
            let tracer = &*owner.tracer;
            let shown = Snapshot::of(owner);
            owner.write_known(shown.series, writer);
            for metric in &shown.metrics {
                metric.write(writer, &mut claims, tracer);
            }
        }
    }
}

impl Owner {
    /// Writes what the host knows of a tracer's metrics beside their values.
    pub(super) fn write_known(&self, series: usize, writer: &mut impl Families) {
        let tracer = &*self.tracer;
        writer
            .family("hottap_tracer_series", Kind::Gauge, "Series that a tracer has, without overflow series.")
            .sample([("tracer", tracer)], series as f64);
        let errors = writer.family(
            "hottap_tracer_metric_errors_total",
            Kind::Counter,
            "What a tracer asked of its metrics and was not done as asked, by reason.",
        );
        for (reason, count) in self.misuses.counts() {
            errors.sample([("tracer", tracer), ("reason", reason)], count as f64);
        }
    }
}

impl MetricValues {
    fn write(&self, writer: &mut Writer, claims: &mut Claims, tracer: &str) {
        let definition = &*self.definition;
        let name = claims.claim(tracer, definition);
        let made_up;
        let help = if definition.help.is_empty() {
            // Readers of the page expect some text; the name as the tracer gave it is the most that is known.
            made_up = match &*definition.unit {
                "" | "1" => definition.name.clone().into_string(),
                unit => format!("{} in {unit}", definition.name),
            };
            made_up.as_str()
        } else {
            &definition.help
        };
        let family = writer.family(&name, definition.kind, help);
        for series in self.series() {
            let overflow = series.labels.is_none().then_some(("otel_metric_overflow", "true"));
            let values = label_values(series.labels.unwrap_or_default());
            let labels = definition.labels.iter().map(|name| &**name).zip(values);
            let labels = [("tracer", tracer)].into_iter().chain(overflow).chain(labels);
            match definition.kind {
                Kind::Counter | Kind::Gauge => family.sample(labels, series.value),
                Kind::Histogram => family.histogram(labels, &definition.bounds, series.buckets, series.value),
            }
        }
    }
}

/// Whose each name on a page is: a family's own, and those of a histogram's lines.
#[derive(Debug, Default)]
struct Claims {
    /// Sample names that are taken.
    taken: HashSet<String>,
    families: HashMap<String, Shared>,
}

/// A family of tracers' metrics.
#[derive(Debug)]
struct Shared {
    kind: Kind,
    unit: Box<str>,
    /// The tracer that came last. They come by name, so one that comes twice is this one.
    tracer: Box<str>,
}

impl Claims {
    /// Begins with the families that the host has written already, which nobody else gets.
    fn of(writer: &Writer) -> Self {
        let mut claims = Self::default();
        for (name, kind) in writer.begun() {
            claims.take(name, kind);
        }
        claims
    }

    /// The family for a tracer's metric; tracers come by name.
    ///
    /// The name as it is; else with the tracer's name behind it; else with a number behind that.
    fn claim(&mut self, tracer: &str, definition: &Definition) -> String {
        let part = names::part(tracer);
        let mut name = definition.family.with_suffix("");
        for attempt in 1_usize.. {
            if let Some(shared) = self.families.get_mut(&name)
                && shared.kind == definition.kind
                && shared.unit == definition.unit
                && &*shared.tracer != tracer
            {
                shared.tracer = tracer.into();
                return name;
            }
            if !sample_names(&name, definition.kind).any(|name| self.taken.contains(&name)) {
                break;
            }
            name = match attempt {
                1 if !part.is_empty() => definition.family.with_suffix(&part),
                _ => definition.family.with_suffix(format!("{part}_{}", attempt.max(2)).trim_start_matches('_')),
            };
        }
        self.take(&name, definition.kind);
        let shared = Shared { kind: definition.kind, unit: definition.unit.clone(), tracer: tracer.into() };
        self.families.insert(name.clone(), shared);
        name
    }

    fn take(&mut self, name: &str, kind: Kind) {
        self.taken.extend(sample_names(name, kind));
    }
}

/// The names that must be free for a family. A histogram takes its lines' names and its own.
fn sample_names(name: &str, kind: Kind) -> impl Iterator<Item = String> {
    let suffixes: &[&str] = match kind {
        Kind::Counter | Kind::Gauge => &[""],
        Kind::Histogram => &["", "_bucket", "_sum", "_count"],
    };
    suffixes.iter().map(move |suffix| format!("{name}{suffix}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::metrics::{RegistryLimits, SeriesLimits, Stage, strict};

    const GAUGE: (Kind, &str) = (Kind::Gauge, "");

    /// Gives each tracer one series per metric with the value 1 (a histogram: one observation), and reads the page.
    #[track_caller]
    fn page(metrics: &[(&str, &str, (Kind, &str))]) -> strict::Page {
        let registry = Arc::new(Registry::new(RegistryLimits::default()));
        for &(tracer, name, (kind, unit)) in metrics {
            let mut stage = Stage::new(Arc::clone(&registry), tracer.into(), SeriesLimits::default());
            let of = match kind {
                Kind::Counter => stage.counter(name, unit, "", &[""; 0]),
                Kind::Gauge => stage.gauge(name, unit, "", &[""; 0]),
                Kind::Histogram => stage.histogram(name, unit, "", &[""; 0], &[1.0]),
            };
            let series = stage.series_of(of, &[""; 0]);
            match kind {
                Kind::Histogram => stage.merge(series, &[1, 0], 0.5),
                Kind::Counter | Kind::Gauge => stage.add(&[series], &[1.0]),
            }
            stage.commit(1);
            assert_eq!(registry.usage(tracer).map(|usage| usage.errors), Some(Vec::new()));
        }
        let mut writer = Writer::default();
        registry.write(&mut writer, 2);
        strict::parse(&writer.finish())
    }

    #[test]
    fn metrics_that_share_a_name_share_a_family_only_if_they_agree() {
        let histogram = (Kind::Histogram, "");
        for (metrics, expected, reason) in [
            (&[("b", "x", GAUGE), ("a", "x", GAUGE)][..], &[("x", "a"), ("x", "b")][..], "one kind and unit"),
            (&[("b", "x", (Kind::Gauge, "{call}")), ("a", "x", GAUGE)], &[("x", "a"), ("x_b", "b")], "other units"),
            (
                &[("b", "x", (Kind::Counter, "")), ("a", "x.total", GAUGE)],
                &[("x_total", "a"), ("x_b_total", "b")],
                "kinds",
            ),
            (&[("a", "x.y", GAUGE), ("a", "x_y", GAUGE)], &[("x_y", "a"), ("x_y_a", "a")], "one tracer, one name"),
            (
                &[("a", "x.y", GAUGE), ("a", "x/y", GAUGE), ("a", "x_y", GAUGE)],
                &[("x_y", "a"), ("x_y_a", "a"), ("x_y_a_2", "a")],
                "one tracer, one name, three times",
            ),
            (
                &[("a", "x", histogram), ("b", "x.sum", GAUGE)],
                &[("x_sum", "a"), ("x_sum_b", "b")],
                "a histogram's line",
            ),
            (&[("a", "x.count", GAUGE), ("b", "x", histogram)], &[("x_count", "a"), ("x_b_count", "b")], "and back"),
            (
                &[("a", "x", GAUGE), ("日", "x", histogram)],
                &[("x", "a"), ("x_2_sum", "日")],
                "a tracer without letters",
            ),
            (
                &[("a.b", "x", GAUGE), ("a-b", "x", histogram)],
                &[("x_sum", "a-b"), ("x_a_b", "a.b")],
                "by tracers' names",
            ),
        ] {
            let page = page(metrics);
            for (name, tracer) in expected {
                assert!(page.value(name, &[("tracer", tracer)]).is_some(), "{reason}: {name} of {tracer}\n{page:?}");
            }
        }
    }

    #[test]
    fn the_hosts_families_are_nobody_elses() {
        let registry = Arc::new(Registry::new(RegistryLimits::default()));
        let mut stage = Stage::new(Arc::clone(&registry), "a".into(), SeriesLimits::default());
        assert_eq!(stage.gauge("hottap.tracer.series", "", "", &[""; 0]), 0);
        let of = stage.gauge("process.memory", "", "", &[""; 0]);
        let series = stage.series_of(of, &[""; 0]);
        stage.set(&[series], &[5.0]);
        stage.commit(1);
        let mut writer = Writer::default();
        writer.family("process_memory", Kind::Gauge, "the host's").sample([], 7.0);
        registry.write(&mut writer, 2);
        let page = strict::parse(&writer.finish());
        assert_eq!(page.value("process_memory", &[]), Some(7.0));
        assert_eq!(page.value("process_memory_a", &[("tracer", "a")]), Some(5.0));
        assert_eq!(page.value("hottap_tracer_series", &[("tracer", "a")]), Some(1.0));
        let refused = [("tracer", "a"), ("reason", "reserved")];
        assert_eq!(page.value("hottap_tracer_metric_errors_total", &refused), Some(1.0));
    }

    #[test]
    fn a_metric_without_help_is_described_by_its_own_name() {
        let page = page(&[("a", "rpc.call.duration", (Kind::Gauge, "s")), ("a", "x", GAUGE)]);
        let help = |name: &str| page.families.get(name).map(|family| family.help.as_str());
        assert_eq!(help("rpc_call_duration_seconds"), Some("rpc.call.duration in s"));
        assert_eq!(help("x"), Some("x"));
    }

    /// Numbers that look random and are the same in every run (SplitMix64).
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) % bound as u64) as usize
        }

        fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
            of[self.below(of.len())]
        }

        fn text(&mut self) -> String {
            let parts = [
                "",
                "a",
                "\"",
                "\\",
                "\n",
                "{",
                "}",
                ",",
                "=",
                "é",
                "\u{10FFFF}",
                "\u{0}",
                " ",
                "le",
                "# TYPE x gauge\n",
            ];
            (0..self.below(6)).map(|_| self.one_of(&parts)).collect()
        }
    }

    #[test]
    fn whatever_tracers_do_the_page_is_valid_and_labels_round_trip() {
        for seed in 0..60 {
            let mut numbers = Numbers(seed);
            let registry = Arc::new(Registry::new(RegistryLimits { page_bytes: 10_000, ..RegistryLimits::default() }));
            let limits = SeriesLimits { series: 12, instruments: 8, ..SeriesLimits::default() };
            let mut texts = HashSet::new();
            for now in 0..8 {
                let tracer: String = numbers.one_of(&["a", "b", "a.b", "a_b", "日", "q\"\\\n", "x_total", ""]).into();
                let mut stage = Stage::new(Arc::clone(&registry), tracer.as_str().into(), limits);
                for _ in 0..20 {
                    let name = numbers.one_of(&[
                        "x",
                        "x.sum",
                        "x_count",
                        "x.bucket",
                        "x/a",
                        "total",
                        "x.total",
                        "x.b",
                        "hottap.x",
                        "9",
                        "x_2",
                        "bytes",
                        "x_seconds",
                        "ratio",
                    ]);
                    let unit = numbers.one_of(&["", "s", "1", "By", "{a}", "a b"]);
                    let keys = numbers.one_of(&[&["k"][..], &[], &["a.b", "日c"], &["k", "k"], &["le"]]);
                    let help = numbers.text();
                    let of = match numbers.below(3) {
                        0 => stage.counter(name, unit, &help, keys),
                        1 => stage.gauge(name, unit, &help, keys),
                        _ => stage.histogram(
                            name,
                            unit,
                            &help,
                            keys,
                            numbers.one_of(&[&[][..], &[0.0, 0.5], &[2.0, 1.0]]),
                        ),
                    };
                    let values: Vec<String> = keys.iter().map(|_| numbers.text()).collect();
                    let series = stage.series_of(of, &values);
                    let value = numbers.one_of(&[0.0, 1.5, -1.0, f64::NAN, f64::MAX, 1e-300]);
                    stage.add(&[series, numbers.below(30) as u32], &[value, 1.0]);
                    stage.set(&[series], &[value]);
                    stage.merge(series, numbers.one_of(&[&[1][..], &[u64::MAX, 1, 0], &[0; 2]]), value);
                    texts.extend(values);
                }
                if numbers.below(4) > 0 {
                    stage.commit(now);
                }
                let mut writer = Writer::default();
                registry.write(&mut writer, now);
                let page = strict::parse(&writer.finish());
                for (name, labels, _) in page.samples().filter(|(name, ..)| !name.starts_with("hottap_")) {
                    assert!(labels.iter().any(|(key, _)| key == "tracer"), "{name} has no tracer");
                    for (key, value) in labels.iter().filter(|(key, _)| matches!(&**key, "k" | "a_b" | "key_c")) {
                        assert!(texts.contains(value), "{key} of {name} was never {value:?}");
                    }
                }
            }
        }
    }
}
