//! Histograms of any quantity: sizes, counts, ratios.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use super::define::{Define, Instrument, sealed};
use super::registry::HandOver;
use super::series::{Family, Recorded};
use crate::host;

/// A histogram of any quantity; for durations [`DurationHistogram`](super::DurationHistogram) is faster and exact.
/// Cheap to clone.
#[derive(Clone)]
pub struct Histogram {
    family: Rc<Family<Counts>>,
    bounds: Rc<[f64]>,
}

impl Histogram {
    /// Begins the definition of a histogram. Without bounds it has one bucket: count and sum.
    pub fn define(name: &str) -> Define<Self> {
        Define::new(name, "", &[])
    }

    /// The series with these label values; see [`Counter::with`](super::Counter::with).
    #[must_use]
    pub fn with(&self, values: &[&str]) -> HistogramSeries {
        HistogramSeries { recorded: self.family.with(values), bounds: self.bounds.clone() }
    }
}

impl Define<Histogram> {
    /// The unit, by OpenTelemetry's conventions: `By`, `s`, `{request}`; "" if there is none.
    pub fn unit(self, unit: &str) -> Self {
        self.set_unit(unit)
    }

    /// The inclusive upper bounds of the buckets, rising, at most 64.
    pub fn bounds(self, bounds: &[f64]) -> Self {
        self.set_bounds(bounds)
    }
}

impl sealed::Sealed for Histogram {}
impl Instrument for Histogram {
    fn from_definition(define: Define<Self>) -> Self {
        let id = host::histogram(&define.name, &define.unit, &define.help, &define.label_keys, &define.bounds);
        let buckets = define.bounds.len() + 1;
        let family = Family::new(define.name, define.label_keys.len(), id, move || Counts::new(buckets));
        Self { family, bounds: define.bounds.into() }
    }
}

/// One series of a [`Histogram`]. Cheap to clone; recording calls no one.
#[derive(Clone)]
pub struct HistogramSeries {
    recorded: Counts,
    bounds: Rc<[f64]>,
}

impl HistogramSeries {
    /// Records a value; what is not finite is ignored.
    #[inline]
    pub fn record(&self, value: f64) {
        if !value.is_finite() {
            return;
        }
        let recorded = &*self.recorded.0;
        let bucket = self.bounds.partition_point(|&bound| bound < value);
        if let Some(count) = recorded.counts.get(bucket) {
            count.set(count.get() + 1);
            recorded.sum.set(recorded.sum.get() + value);
        }
    }
}

#[derive(Clone)]
pub(crate) struct Counts(Rc<Cells>);

struct Cells {
    sum: Cell<f64>,
    counts: Box<[Cell<u64>]>,
}

impl Counts {
    fn new(buckets: usize) -> Self {
        Self(Rc::new(Cells { sum: Cell::new(0.0), counts: vec![Cell::new(0); buckets].into() }))
    }
}

impl Recorded for Counts {
    fn hand_over(&self, series: impl FnOnce() -> u32, _: &mut HandOver) -> bool {
        let Cells { sum, counts } = &*self.0;
        if counts.iter().all(|count| count.get() == 0) {
            return false;
        }
        let counts: Vec<u64> = counts.iter().map(Cell::take).collect();
        host::merge(series(), &counts, sum.take());
        true
    }

    fn is_in_use(&self) -> bool {
        Rc::strong_count(&self.0) > 1
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

impl fmt::Debug for HistogramSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistogramSeries").field("not_handed_over", &self.recorded.0.counts).finish()
    }
}
