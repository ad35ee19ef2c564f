//! Metrics that live in the host: what tracers record, staged and committed, and the page on which Prometheus reads it.
//!
//! Values move one way: a guest's calls → [`Stage`] (one per instance) → [`Registry`] at a commit → [`Writer`] at a
//! scrape. What leaves over OTLP is not here.

mod exposition;
mod families;
mod instrument;
mod limits;
mod misuse;
mod names;
mod registry;
mod series;
mod stage;
#[cfg(test)]
mod strict;

pub(crate) use exposition::Writer;
#[cfg(feature = "cli")]
pub(crate) use instrument::Defined;
pub(crate) use instrument::Kind;
pub(crate) use limits::{RegistryLimits, SeriesLimits};
pub(crate) use registry::Registry;
pub(crate) use stage::Stage;
