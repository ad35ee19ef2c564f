//! Histograms of durations: recorded in whole nanoseconds, so sums are exact and no float is touched until a flush.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::RPC_DURATION_BOUNDS;
use super::buckets::Bounds;
use super::define::{Define, Instrument, sealed};
use super::registry::HandOver;
use super::series::{Family, Recorded};
use crate::host;

const NANOS_PER_SECOND: f64 = 1e9;

/// A histogram of durations in seconds: the fast one. Cheap to clone.
#[derive(Clone)]
pub struct DurationHistogram {
    family: Rc<Family<Nanos>>,
    bounds: Rc<Bounds>,
}

impl DurationHistogram {
    /// Begins the definition of a histogram in seconds, with [`RPC_DURATION_BOUNDS`] unless others are given.
    pub fn define(name: &str) -> Define<Self> {
        Define::new(name, "s", &RPC_DURATION_BOUNDS)
    }

    /// The series with these label values; see [`Counter::with`](super::Counter::with).
    #[must_use]
    pub fn with(&self, values: &[&str]) -> DurationSeries {
        DurationSeries { cells: self.family.with(values).0, bounds: self.bounds.clone() }
    }
}

impl Define<DurationHistogram> {
    /// The inclusive upper bounds of the buckets, in seconds, rising, at most 64.
    pub fn bounds(self, seconds: &[f64]) -> Self {
        self.set_bounds(seconds)
    }
}

impl sealed::Sealed for DurationHistogram {}
impl Instrument for DurationHistogram {
    fn from_definition(define: Define<Self>) -> Self {
        let id = host::histogram(&define.name, &define.unit, &define.help, &define.label_keys, &define.bounds);
        // A negative bound becomes 0 and holds nothing but 0, as it should: durations are not negative.
        let nanos: Vec<u64> = define.bounds.iter().map(|bound| (bound * NANOS_PER_SECOND).round() as u64).collect();
        let bounds = Rc::new(Bounds::new(&nanos));
        let buckets = bounds.buckets();
        let family = Family::new(define.name, define.label_keys.len(), id, move || Nanos::new(buckets));
        Self { family, bounds }
    }
}

/// One series of a [`DurationHistogram`]. Cheap to clone; recording calls no one.
#[derive(Clone)]
pub struct DurationSeries {
    /// The sum, and one count for each bucket: in one piece, because this is the hot path of most tracers.
    cells: Rc<[Cell<u64>]>,
    bounds: Rc<Bounds>,
}

impl DurationSeries {
    /// Records a duration; more than 584 years count as 584.
    #[inline]
    pub fn record(&self, duration: Duration) {
        self.record_nanos(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Records a duration in nanoseconds, as the column `durations` has it.
    #[inline]
    pub fn record_nanos(&self, nanos: u64) {
        if let [sum, counts @ ..] = &*self.cells
            && let Some(count) = counts.get(self.bounds.bucket(nanos))
        {
            count.set(count.get() + 1);
            sum.set(sum.get().saturating_add(nanos));
        }
    }
}

#[derive(Clone)]
pub(crate) struct Nanos(Rc<[Cell<u64>]>);

impl Nanos {
    fn new(buckets: usize) -> Self {
        Self(vec![Cell::new(0); buckets + 1].into())
    }
}

impl Recorded for Nanos {
    fn hand_over(&self, series: impl FnOnce() -> u32, _: &mut HandOver) -> bool {
        let [sum, counts @ ..] = &*self.0 else { return false };
        if counts.iter().all(|count| count.get() == 0) {
            return false;
        }
        let counts: Vec<u64> = counts.iter().map(Cell::take).collect();
        host::merge(series(), &counts, sum.take() as f64 / NANOS_PER_SECOND);
        true
    }

    fn is_in_use(&self) -> bool {
        Rc::strong_count(&self.0) > 1
    }
}

impl fmt::Debug for DurationHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurationHistogram").finish_non_exhaustive()
    }
}

impl fmt::Debug for DurationSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurationSeries").field("sum_and_counts", &self.cells).finish()
    }
}
