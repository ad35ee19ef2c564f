//! What became of every span and of every export of metrics, each number counted on its own and none derived.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hottap_core::host_metrics::{MetricFamily, MetricKind, MetricSource};

/// What became of the spans that were sampled and have ended: at every moment
/// `ended = exported + rejected + failed + dropped + pending`, as far as they are read at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// All of them.
    pub ended: u64,
    /// The collector has taken them.
    pub exported: u64,
    /// The collector has answered, and refused them (OTLP's partial success).
    pub rejected: u64,
    /// They could not be delivered: nobody answered, or what answered is no collector, or it wants them not.
    pub failed: u64,
    /// They were not tried: too many waited, they ended after the shutdown, or there was no time left.
    pub dropped: u64,
    /// They wait, or are being sent.
    pub pending: u64,
}

/// What became of the exports of metrics, each of which has all series: at every moment
/// `exports = exported + failed + pending`, as far as they are read at one moment.
///
/// What a failed export was to say, the next one says where metrics are cumulative; where they are deltas it is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricCounts {
    /// All of them.
    pub exports: u64,
    /// The collector has taken all their messages, each in whole or in part.
    pub exported: u64,
    /// A message of them could not be delivered: nobody answered in time, or what answered is no collector, or it wants it
    /// not. The others of the same export may have arrived.
    pub failed: u64,
    /// They are being sent.
    pub pending: u64,
    /// Data points that the collector has refused in messages that it has taken (OTLP's partial success).
    pub rejected_points: u64,
}

/// Both, for who shows them.
#[derive(Clone, Debug)]
pub struct Accounts {
    pub(super) spans: Arc<Account>,
    pub(super) metrics: Arc<MetricAccount>,
}

/// What became of spans and of exports of metrics, as the metrics of the host show it.
impl MetricSource for Accounts {
    fn families(&self) -> Vec<MetricFamily> {
        let (spans, metrics) = (self.spans.counts(), self.metrics.counts());
        let one =
            |name, kind, help, value: u64| MetricFamily { name, kind, help, samples: vec![(vec![], value as f64)] };
        let by = |name, help, label: &'static str, counts: &[(&str, u64)]| MetricFamily {
            name,
            kind: MetricKind::Counter,
            help,
            samples: counts.iter().map(|(value, count)| (vec![(label, (*value).to_owned())], *count as f64)).collect(),
        };
        let counter = MetricKind::Counter;
        vec![
            one("hottap_otel_spans_ended_total", counter, "Sampled spans that have ended.", spans.ended),
            one("hottap_otel_spans_exported_total", counter, "Spans that the collector took.", spans.exported),
            one("hottap_otel_spans_pending", MetricKind::Gauge, "Spans that wait for the collector.", spans.pending),
            by(
                "hottap_otel_spans_lost_total",
                "Spans that were lost, by reason.",
                "reason",
                &[("rejected", spans.rejected), ("failed", spans.failed), ("dropped", spans.dropped)],
            ),
            by(
                "hottap_otel_metric_exports_total",
                "Exports of metrics, by result.",
                "result",
                &[("exported", metrics.exported), ("failed", metrics.failed)],
            ),
            one(
                "hottap_otel_metric_points_rejected_total",
                counter,
                "Data points that the collector refused in exports that it took.",
                metrics.rejected_points,
            ),
        ]
    }
}

/// Counts, written by those who handle spans.
#[derive(Debug, Default)]
pub(super) struct Account {
    ended: AtomicU64,
    exported: AtomicU64,
    rejected: AtomicU64,
    failed: AtomicU64,
    /// Dropped: too many waited.
    queue_full: AtomicU64,
    /// Dropped: they ended after the shutdown.
    shut_down: AtomicU64,
    /// Dropped: there was no time left.
    timed_out: AtomicU64,
    pending: AtomicU64,
}

impl Account {
    pub(super) fn counts(&self) -> Counts {
        Counts {
            ended: self.ended.load(Relaxed),
            exported: self.exported.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
            failed: self.failed.load(Relaxed),
            dropped: self.drops().into_iter().map(|(_, spans)| spans).sum(),
            pending: self.pending.load(Relaxed),
        }
    }

    /// Spans that were dropped, each with the reason that OpenTelemetry's conventions have for it, as far as they have one.
    pub(super) fn drops(&self) -> [(&'static str, u64); 3] {
        [
            ("queue_full", self.queue_full.load(Relaxed)),
            ("already_shutdown", self.shut_down.load(Relaxed)),
            ("timeout", self.timed_out.load(Relaxed)),
        ]
    }

    pub(super) fn ended(&self) {
        self.ended.fetch_add(1, Relaxed);
    }

    pub(super) fn waits(&self) {
        self.pending.fetch_add(1, Relaxed);
    }

    /// One for which there was no room, so that it never waited.
    pub(super) fn queue_full(&self) {
        self.queue_full.fetch_add(1, Relaxed);
    }

    /// One that ended after the shutdown.
    pub(super) fn shut_down(&self) {
        self.shut_down.fetch_add(1, Relaxed);
    }

    /// Some of those that waited and were not tried.
    pub(super) fn timed_out(&self, spans: usize) {
        self.timed_out.fetch_add(spans as u64, Relaxed);
        self.pending.fetch_sub(spans as u64, Relaxed);
    }

    /// No more of them are rejected than there are.
    pub(super) fn delivered(&self, spans: usize, rejected: u64) {
        let spans = spans as u64;
        self.exported.fetch_add(spans - rejected, Relaxed);
        self.rejected.fetch_add(rejected, Relaxed);
        self.pending.fetch_sub(spans, Relaxed);
    }

    pub(super) fn failed(&self, spans: usize) {
        self.failed.fetch_add(spans as u64, Relaxed);
        self.pending.fetch_sub(spans as u64, Relaxed);
    }
}

/// MetricCounts, written by those who export.
#[derive(Debug, Default)]
pub(super) struct MetricAccount {
    exports: AtomicU64,
    exported: AtomicU64,
    failed: AtomicU64,
    pending: AtomicU64,
    rejected_points: AtomicU64,
}

impl MetricAccount {
    pub(super) fn counts(&self) -> MetricCounts {
        MetricCounts {
            exports: self.exports.load(Relaxed),
            exported: self.exported.load(Relaxed),
            failed: self.failed.load(Relaxed),
            pending: self.pending.load(Relaxed),
            rejected_points: self.rejected_points.load(Relaxed),
        }
    }

    pub(super) fn began(&self) {
        self.exports.fetch_add(1, Relaxed);
        self.pending.fetch_add(1, Relaxed);
    }

    /// Of a message that was taken.
    pub(super) fn rejected(&self, points: u64) {
        self.rejected_points.fetch_add(points, Relaxed);
    }

    pub(super) fn delivered(&self) {
        self.exported.fetch_add(1, Relaxed);
        self.pending.fetch_sub(1, Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Relaxed);
        self.pending.fetch_sub(1, Relaxed);
    }
}
