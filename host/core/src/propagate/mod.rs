//! Trace context and baggage, W3C's and others: read from requests, written into them; and what the current task's client
//! calls continue.
//!
//! The wire formats are pure and know no HTTP runtime; only `ambient` knows about threads.

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

pub use active::{ActiveBaggage, set_active_baggage};
pub(crate) use ambient::Ambient;
pub use ambient::remaining;
pub use baggage::{Baggage, key};
pub use formats::KNOWN as PROPAGATORS;
pub use formats::VARIABLE as PROPAGATORS_VARIABLE;
pub use formats::{Propagator, Propagators};
pub use given::Given;
pub use incoming::SamplingMark;
pub use incoming::incoming;
pub(crate) use log::LogSpan;
pub use outgoing::Parent;
pub(crate) use outgoing::forward;
pub use outgoing::identify;
pub use percent::{decode, encode};
pub use sampler::LiveSampler;
pub use sampler::{NAMES as SAMPLERS, Sampler};
pub use scope::Scoped;
pub use settings::TraceSettings;
pub use traceparent::NAME as TRACEPARENT;
pub use tracestate::within_bounds;
