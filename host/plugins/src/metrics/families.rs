//! The page of all tracers' metrics for Prometheus; values are the registry's.

use super::exposition::Writer;
use super::instrument::Kind;
use super::registry::{Owner, Registry};
use super::series::label_values;
use super::sink::{Families, Samples};
use super::snapshot::{MetricValues, Snapshot};

impl Registry {
    /// Writes all committed series, and what the host knows of them: how many there are, and what tracers did wrong.
    ///
    /// Of one tracer's commit a page has everything or nothing. Metrics of several tracers share a family if their
    /// definitions agree; others are refused when they are defined, so the page is always valid. The family's help text is
    /// that of the tracer that was live first.
    pub(crate) fn write(&self, writer: &mut Writer, now_ms: u64) {
        for owner in &self.swept(now_ms) {
            let shown = Snapshot::of(owner);
            owner.write_known(shown.series, writer);
            for metric in &shown.metrics {
                metric.write(writer, &owner.tracer);
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
    fn write(&self, writer: &mut Writer, tracer: &str) {
        let definition = &*self.definition;
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
        let family = writer.family(&definition.page, definition.kind, help);
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use super::*;
    use crate::metrics::{RegistryLimits, SeriesLimits, Stage, strict};

    const GAUGE: (Kind, &str) = (Kind::Gauge, "");
    const COUNTER: (Kind, &str) = (Kind::Counter, "");
    const HISTOGRAM: (Kind, &str) = (Kind::Histogram, "");

    /// One instance of a tracer.
    fn stage(registry: &Arc<Registry>, tracer: &str) -> Stage {
        Stage::new(Arc::clone(registry), tracer.into(), SeriesLimits::default())
    }

    /// Defines a metric without labels, and commits one series of it with the value 1 (a histogram: one observation).
    /// False if it was refused.
    fn commit(stage: &mut Stage, name: &str, (kind, unit): (Kind, &str), now: u64) -> bool {
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
        stage.commit(now);
        of != 0
    }

    #[track_caller]
    fn read(registry: &Registry, now: u64) -> strict::Page {
        let mut writer = Writer::default();
        registry.write(&mut writer, now);
        strict::parse(&writer.finish())
    }

    /// Lets tracers define metrics in this order, and reads the page.
    #[track_caller]
    fn page(metrics: &[(&str, &str, (Kind, &str))]) -> strict::Page {
        let registry = Arc::new(Registry::new(RegistryLimits::default()));
        for &(tracer, name, of) in metrics {
            assert!(commit(&mut stage(&registry, tracer), name, of, 1), "{name}");
        }
        read(&registry, 2)
    }

    #[test]
    fn the_tracer_that_was_live_first_keeps_a_name() {
        for (first, second, expected, reason) in [
            (("x", GAUGE), ("x", GAUGE), &["x", "x"][..], "the same is shared"),
            (("x.y", GAUGE), ("x_y", GAUGE), &["x_y", "x_y"], "so is one family under two names"),
            (("x", GAUGE), ("x", (Kind::Gauge, "{call}")), &["x", "x"], "an annotation is no unit"),
            (("x", COUNTER), ("x.total", GAUGE), &["x_total"], "one name of two kinds"),
            (("x.total", GAUGE), ("x", COUNTER), &["x_total"], "and the other way round"),
            (("x", GAUGE), ("x", COUNTER), &["x"], "one name of two kinds, which become two names on the page"),
            (("x", HISTOGRAM), ("x.sum", GAUGE), &["x_sum"], "a histogram's line"),
            (("x.count", GAUGE), ("x", HISTOGRAM), &["x_count"], "and the other way round"),
        ] {
            // The first is the last by name.
            let registry = Arc::new(Registry::new(RegistryLimits::default()));
            let (mut b, mut a) = (stage(&registry, "b"), stage(&registry, "a"));
            assert!(commit(&mut b, first.0, first.1, 1), "{reason}");
            let shared = expected.len() == 2;
            assert_eq!(commit(&mut a, second.0, second.1, 1), shared, "{reason}");
            let page = read(&registry, 2);
            let owners: Vec<_> = expected.iter().zip(["b", "a"]).collect();
            for (name, tracer) in &owners {
                assert!(page.value(name, &[("tracer", tracer)]).is_some(), "{reason}: {name} of {tracer}\n{page:?}");
            }
            let of_a = page.samples().filter(|(name, labels, _)| {
                !name.starts_with("hottap_") && labels.iter().any(|(key, value)| key == "tracer" && value == "a")
            });
            assert_eq!(of_a.count(), usize::from(shared), "{reason}\n{page:?}");
            if !shared {
                let refused = registry.usage("a").expect("known");
                assert_eq!(refused.errors, [("taken", 1), ("refused", 1)], "{reason}");
                let message = &refused.refused[0].message;
                assert!(message.contains(second.0) && message.contains("the tracer b was live before"), "{message}");
                let labels = [("tracer", "a"), ("reason", "taken")];
                assert_eq!(page.value("hottap_tracer_metric_errors_total", &labels), Some(1.0));
            }
            assert_eq!(registry.usage("b").map(|usage| usage.errors), Some(Vec::new()), "{reason}");
        }
    }

    #[test]
    fn one_tracer_has_a_name_once() {
        let registry = Arc::new(Registry::new(RegistryLimits::default()));
        let mut a = stage(&registry, "a");
        for (name, of, fits) in [
            ("x.y", GAUGE, true),
            ("x_y", GAUGE, false),
            ("x", (Kind::Histogram, "y"), false),
            ("x/y", COUNTER, true),
            ("x.y.total", GAUGE, false),
        ] {
            assert_eq!(commit(&mut a, name, of, 1), fits, "{name}");
        }
        let page = read(&registry, 2);
        assert!(
            page.value("x_y", &[("tracer", "a")]).is_some() && page.value("x_y_total", &[("tracer", "a")]).is_some()
        );
        let refused = registry.usage("a").expect("known").refused;
        assert!(refused.iter().any(|refused| refused.message.contains("its metric x.y has that")), "{refused:?}");
    }

    #[test]
    fn a_name_is_kept_across_instances_and_while_there_are_series_of_it() {
        let limits = RegistryLimits::default();
        let idle = limits.idle.as_millis() as u64;
        let registry = Arc::new(Registry::new(limits));
        let mut first = stage(&registry, "first");
        assert!(commit(&mut first, "x", GAUGE, 1));
        let mut other = stage(&registry, "a");
        drop(first);
        assert!(!commit(&mut other, "x", COUNTER, 1), "its instance trapped");
        let mut next = stage(&registry, "first");
        assert!(commit(&mut next, "x", COUNTER, 1), "a swap may define its own otherwise");
        assert!(commit(&mut other, "x", COUNTER, 1), "which is what the other one has");
        assert_eq!(registry.usage("a").expect("known").refused, [], "it is defined now");
        assert!(!commit(&mut next, "x", GAUGE, 1), "both have it");
        drop(next);
        drop(other);
        let mut third = stage(&registry, "third");
        assert!(!commit(&mut third, "x", GAUGE, 2), "series of both are there");
        read(&registry, idle + 10);
        assert!(commit(&mut third, "x", GAUGE, idle + 11), "nothing is left of the others");
        assert_eq!(read(&registry, idle + 12).value("x", &[("tracer", "third")]), Some(1.0));
    }

    #[test]
    fn names_of_former_instances_make_room_for_the_next_ones() {
        let registry = Arc::new(Registry::new(RegistryLimits::default()));
        let mut old = stage(&registry, "a");
        assert!(commit(&mut old, "x.sum", GAUGE, 1) && commit(&mut old, "y", GAUGE, 1));
        let mut new = stage(&registry, "a");
        assert!(commit(&mut new, "x", HISTOGRAM, 2));
        let page = read(&registry, 3);
        assert_eq!(page.value("x_sum", &[("tracer", "a")]), Some(0.5));
        assert_eq!(page.value("y", &[("tracer", "a")]), Some(1.0), "it is in nobody's way");
        assert_eq!(page.value("hottap_tracer_series", &[("tracer", "a")]), Some(2.0));
    }

    #[test]
    fn names_of_the_conventions_and_the_hosts_own_are_refused() {
        let registry = Arc::new(Registry::new(RegistryLimits::default()));
        let mut thief = stage(&registry, "a");
        assert!(!commit(&mut thief, "rpc.client.call.duration", (Kind::Gauge, "s"), 1));
        assert!(!commit(&mut thief, "hottap.tracer.series", GAUGE, 1));
        let mut red = stage(&registry, "red-metrics");
        assert!(commit(&mut red, "rpc.client.call.duration", (Kind::Histogram, "s"), 1));
        let page = read(&registry, 2);
        let count = page.value("rpc_client_call_duration_seconds_count", &[("tracer", "red-metrics")]);
        assert_eq!(count, Some(1.0));
        for (reason, times) in [("convention", 1.0), ("reserved", 1.0), ("refused", 2.0)] {
            let labels = [("tracer", "a"), ("reason", reason)];
            assert_eq!(page.value("hottap_tracer_metric_errors_total", &labels), Some(times), "{reason}");
        }
        let refused = registry.usage("a").expect("known").refused;
        assert!(
            refused[1].message.contains("define it as a histogram in s, and the tracer as a gauge in s"),
            "{refused:?}"
        );
        assert!(refused[0].message.contains("the host's own"), "{refused:?}");
    }

    #[test]
    fn the_help_text_is_that_of_the_tracer_that_was_live_first() {
        let registry = Arc::new(Registry::new(RegistryLimits::default()));
        for (tracer, help) in [("z", "Orders."), ("a", "Send money to me.")] {
            let mut stage = stage(&registry, tracer);
            let of = stage.counter("orders", "", help, &[""; 0]);
            let series = stage.series_of(of, &[""; 0]);
            stage.add(&[series], &[1.0]);
            stage.commit(1);
        }
        let page = read(&registry, 2);
        assert_eq!(page.families.get("orders_total").map(|family| family.help.as_str()), Some("Orders."));
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
