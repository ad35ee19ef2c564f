//! Metrics that live in the host: what tracers record, staged and committed, and the page on which Prometheus reads it.
//!
//! Values move one way: a guest's calls → [`Stage`] (one per instance) → [`Registry`] at a commit → `Writer` at a
//! scrape, or `HostMetrics` at an export over OTLP. Who sends the messages is not here.

mod claims;
mod conventions;
mod exposition;
mod families;
mod instrument;
mod limits;
mod misuse;
mod names;
#[cfg(feature = "otlp")]
mod otlp;
mod refused;
mod registry;
mod series;
mod sink;
mod snapshot;
mod stage;
#[cfg(any(feature = "fuzz", test))]
#[cfg_attr(not(test), expect(dead_code, reason = "tests look at what is on a page, fuzzing only reads it"))]
mod strict;

pub(crate) use exposition::Writer;
#[cfg(feature = "compiler")]
pub use instrument::Defined;
pub use instrument::Kind;
pub use limits::RegistryLimits;
pub(crate) use limits::SeriesLimits;
#[cfg(feature = "otlp")]
pub(crate) use otlp::HostMetrics;
pub use refused::RefusedMetric;
pub use registry::Registry;
pub(crate) use sink::{Families, Samples};
pub use stage::Stage;

/// Panics unless this is a page that a strict reader takes.
#[cfg(any(feature = "fuzz", test))]
pub(crate) fn assert_page(text: &str) {
    drop(strict::parse(text));
}
