//! How a metric is defined: name, unit, help, label keys, and for histograms the bounds of its buckets.

use std::marker::PhantomData;

use super::buckets::MOST;
use crate::log;

/// The definition of a metric, step by step; [`build`](Self::build) makes the instrument.
///
/// ```
/// use hottap_guest::metrics::Counter;
///
/// let orders = Counter::define("shop.orders").unit("{order}").help("Orders placed.").labels(["country"]).build();
/// orders.with(&["NL"]).increment();
/// ```
#[derive(Debug, Clone)]
#[must_use = "a definition does nothing until `build`"]
pub struct Define<I> {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) help: String,
    pub(crate) label_keys: Vec<String>,
    pub(crate) bounds: Vec<f64>,
    instrument: PhantomData<fn() -> I>,
}

/// A kind of instrument that [`Define`] can build: counter, gauge, histogram, histogram of durations.
pub trait Instrument: Sized + sealed::Sealed {
    #[doc(hidden)]
    fn from_definition(definition: Define<Self>) -> Self;
}

pub(crate) mod sealed {
    /// Keeps [`Instrument`](super::Instrument) closed.
    pub trait Sealed {}
}

impl<I: Instrument> Define<I> {
    pub(crate) fn new(name: &str, unit: &str, bounds: &[f64]) -> Self {
        Self {
            name: name.to_owned(),
            unit: unit.to_owned(),
            help: String::new(),
            label_keys: Vec::new(),
            bounds: bounds.to_vec(),
            instrument: PhantomData,
        }
    }

    /// What it says, in a sentence.
    pub fn help(mut self, help: &str) -> Self {
        help.clone_into(&mut self.help);
        self
    }

    /// The keys of its labels; a series has one value for each.
    pub fn labels<'k>(mut self, keys: impl IntoIterator<Item = &'k str>) -> Self {
        self.label_keys = keys.into_iter().map(str::to_owned).collect();
        self
    }

    /// Makes the instrument. Do it once, in [`Tracer::new`](crate::Tracer::new). Defining the same metric again is the
    /// same metric; defining it otherwise replaces its series in the host.
    #[must_use]
    pub fn build(self) -> I {
        I::from_definition(self)
    }

    pub(crate) fn set_unit(mut self, unit: &str) -> Self {
        unit.clone_into(&mut self.unit);
        self
    }

    /// Takes the bounds that rise. The host would refuse others, and the histogram with them.
    pub(crate) fn set_bounds(mut self, bounds: &[f64]) -> Self {
        self.bounds.clear();
        for &bound in bounds {
            let rises = self.bounds.last().is_none_or(|&last| bound > last);
            if bound.is_finite() && rises && self.bounds.len() < MOST {
                self.bounds.push(bound);
            } else {
                log::warn(format_args!(
                    "histogram {}: bound {bound} is left out: bounds must rise, and there are at most {MOST}",
                    self.name
                ));
            }
        }
        self
    }
}
