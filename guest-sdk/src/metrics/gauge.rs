//! Gauges: values that go up and down.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use super::define::{Define, Instrument, sealed};
use super::registry::HandOver;
use super::series::{Family, Recorded};
use crate::host;

/// A value that goes up and down. Cheap to clone.
#[derive(Clone)]
pub struct Gauge(Rc<Family<Value>>);

impl Gauge {
    /// Begins the definition of a gauge.
    pub fn define(name: &str) -> Define<Self> {
        Define::new(name, "", &[])
    }

    /// The series with these label values; see [`Counter::with`](super::Counter::with).
    #[must_use]
    pub fn with(&self, values: &[&str]) -> GaugeSeries {
        GaugeSeries(self.0.with(values))
    }
}

impl Define<Gauge> {
    /// The unit, by OpenTelemetry's conventions: `By`, `s`, `{request}`; "" if there is none.
    pub fn unit(self, unit: &str) -> Self {
        self.set_unit(unit)
    }
}

impl sealed::Sealed for Gauge {}
impl Instrument for Gauge {
    fn from_definition(define: Define<Self>) -> Self {
        let id = host::gauge(&define.name, &define.unit, &define.help, &define.label_keys);
        Self(Family::new(define.name, define.label_keys.len(), id, Value::default))
    }
}

/// One series of a [`Gauge`]. Cheap to clone; recording calls no one.
#[derive(Clone)]
pub struct GaugeSeries(Value);

impl GaugeSeries {
    /// Sets the value.
    #[inline]
    pub fn set(&self, value: f64) {
        self.0.0.set(Change::Set(value));
    }

    /// Changes the value by so much.
    #[inline]
    pub fn add(&self, change: f64) {
        let value = &self.0.0;
        value.set(match value.get() {
            Change::None => Change::Add(change),
            Change::Add(before) => Change::Add(before + change),
            Change::Set(before) => Change::Set(before + change),
        });
    }
}

#[derive(Clone, Default)]
pub(crate) struct Value(Rc<Cell<Change>>);

#[derive(Clone, Copy, Debug, Default)]
enum Change {
    #[default]
    None,
    Add(f64),
    Set(f64),
}

impl Recorded for Value {
    fn hand_over(&self, series: impl FnOnce() -> u32, to: &mut HandOver) -> bool {
        match self.0.take() {
            Change::None => return false,
            Change::Add(change) => to.add(series(), change),
            Change::Set(value) => to.set(series(), value),
        }
        true
    }

    fn is_in_use(&self) -> bool {
        Rc::strong_count(&self.0) > 1
    }
}

impl fmt::Debug for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauge").finish_non_exhaustive()
    }
}

impl fmt::Debug for GaugeSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GaugeSeries").field("not_handed_over", &self.0.0.get()).finish()
    }
}
