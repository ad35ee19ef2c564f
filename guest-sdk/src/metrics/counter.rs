//! Counters: sums that only rise.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use super::define::{Define, Instrument, sealed};
use super::registry::HandOver;
use super::series::{Family, Recorded};
use crate::host;

/// A sum that only rises. Cheap to clone.
#[derive(Clone)]
pub struct Counter(Rc<Family<Sum>>);

impl Counter {
    /// Begins the definition of a counter.
    pub fn define(name: &str) -> Define<Self> {
        Define::new(name, "", &[])
    }

    /// The series with these label values, one for each key that was defined (a missing one is "", which debug builds
    /// and tests complain about). A look-up among strings: keep what you get where speed counts, for example in a
    /// [`Keyed`](super::Keyed).
    ///
    /// Above 4096 sets of values between two flushes there is one series for the rest, with the values `_OTHER`.
    #[must_use]
    pub fn with(&self, values: &[&str]) -> CounterSeries {
        CounterSeries(self.0.with(values))
    }
}

impl Define<Counter> {
    /// The unit, by OpenTelemetry's conventions: `By`, `s`, `{request}`; "" if there is none.
    pub fn unit(self, unit: &str) -> Self {
        self.set_unit(unit)
    }
}

impl sealed::Sealed for Counter {}
impl Instrument for Counter {
    fn from_definition(define: Define<Self>) -> Self {
        let id = host::counter(&define.name, &define.unit, &define.help, &define.label_keys);
        Self(Family::new(define.name, define.label_keys.len(), id, Sum::default))
    }
}

/// One series of a [`Counter`]: what you add to. Cheap to clone; recording calls no one.
#[derive(Clone)]
pub struct CounterSeries(Sum);

impl CounterSeries {
    /// Adds a value; what is negative or not finite is ignored.
    #[inline]
    pub fn add(&self, value: f64) {
        if value > 0.0 && value < f64::INFINITY {
            self.0.0.set(self.0.0.get() + value);
        }
    }

    /// Adds one.
    #[inline]
    pub fn increment(&self) {
        self.add(1.0);
    }
}

#[derive(Clone, Default)]
pub(crate) struct Sum(Rc<Cell<f64>>);

impl Recorded for Sum {
    fn hand_over(&self, series: impl FnOnce() -> u32, to: &mut HandOver) -> bool {
        let sum = self.0.take();
        if sum > 0.0 {
            to.add(series(), sum);
        }
        sum > 0.0
    }

    fn is_in_use(&self) -> bool {
        Rc::strong_count(&self.0) > 1
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counter").finish_non_exhaustive()
    }
}

impl fmt::Debug for CounterSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CounterSeries").field("not_handed_over", &self.0.0.get()).finish()
    }
}
