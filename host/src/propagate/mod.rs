//! Trace context and baggage, W3C's and others: read from requests, written into them; and what the current task's client
//! calls continue.
//!
//! The wire formats are pure and know no HTTP runtime; only [`ambient`] knows about threads.

#[cfg(feature = "otel")]
mod active;
mod ambient;
mod b3;
mod baggage;
mod formats;
mod given;
mod incoming;
mod jaeger;
mod list;
mod log;
mod outgoing;
mod percent;
mod sampler;
mod scope;
mod settings;
mod traceparent;
mod tracestate;

pub(crate) use ambient::Ambient;
#[cfg(feature = "attempts")]
pub(crate) use ambient::remaining;
pub(crate) use baggage::Baggage;
#[cfg(any(feature = "otel", feature = "plugins"))]
pub(crate) use formats::KNOWN as PROPAGATORS;
#[cfg(feature = "otel")]
pub(crate) use formats::VARIABLE as PROPAGATORS_VARIABLE;
pub use formats::{Propagator, Propagators};
pub(crate) use given::Given;
#[cfg(feature = "otel")]
pub(crate) use incoming::SamplingMark;
pub(crate) use incoming::incoming;
pub(crate) use log::LogSpan;
#[cfg(feature = "attempts")]
pub(crate) use outgoing::identify;
pub(crate) use outgoing::{Parent, forward};
#[cfg(feature = "otel")]
pub(crate) use percent::decode;
pub(crate) use percent::unescaped;
pub(crate) use sampler::LiveSampler;
#[cfg(any(feature = "otel", feature = "plugins"))]
pub(crate) use sampler::{NAMES as SAMPLERS, Sampler};
pub use scope::Scoped;
pub(crate) use settings::TraceSettings;
pub(crate) use traceparent::NAME as TRACEPARENT;
#[cfg(feature = "otel")]
pub(crate) use tracestate::within_bounds;
