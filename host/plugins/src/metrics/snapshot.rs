//! A tracer's series as they were at one moment; who reads them, and in what words, is not known here.

use std::sync::Arc;

use super::instrument::Definition;
use super::registry::Owner;
use super::series::LabelValues;

/// One tracer's series at one moment, copied so that no commit waits for text being made of them.
pub(super) struct Snapshot {
    /// How many there are, without overflow series.
    pub(super) series: usize,
    pub(super) metrics: Vec<MetricValues>,
}

/// A metric with all its series, the overflow series among them.
pub(super) struct MetricValues {
    pub(super) definition: Arc<Definition>,
    series: Vec<Taken>,
    /// The buckets of all series, one after the other.
    buckets: Vec<u64>,
}

struct Taken {
    labels: Option<LabelValues>,
    value: f64,
    since_ms: u64,
}

/// A series' value.
pub(super) struct Value<'s> {
    /// None on the overflow series.
    pub(super) labels: Option<&'s [u8]>,
    /// A counter's or gauge's value, a histogram's sum.
    pub(super) value: f64,
    /// Observations per bucket, each on its own; empty unless it is a histogram.
    pub(super) buckets: &'s [u64],
    /// When it began at zero, in milliseconds of the registry's clock.
    #[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "Prometheus is not told"))]
    pub(super) since_ms: u64,
}

impl Snapshot {
    pub(super) fn of(owner: &Owner) -> Self {
        let state = owner.lock();
        let metrics = state.metrics().map(|metric| {
            let mut values = MetricValues {
                definition: Arc::clone(&metric.definition),
                series: Vec::with_capacity(metric.series().size_hint().0),
                buckets: Vec::new(),
            };
            for series in metric.series() {
                let (labels, value, since_ms) = (series.labels().cloned(), series.value(), series.since_ms());
                values.series.push(Taken { labels, value, since_ms });
                values.buckets.extend(series.buckets());
            }
            values
        });
        Self { metrics: metrics.collect(), series: state.series() }
    }
}

impl MetricValues {
    pub(super) fn series(&self) -> impl Iterator<Item = Value<'_>> {
        let mut buckets = self.buckets.chunks(self.definition.buckets().max(1));
        self.series.iter().map(move |taken| Value {
            labels: taken.labels.as_deref(),
            value: taken.value,
            buckets: buckets.next().unwrap_or_default(),
            since_ms: taken.since_ms,
        })
    }
}
