//! W3C Trace Context and Baggage: read from requests, written into them; and what the current task's client calls
//! continue.
//!
//! The wire formats are pure and know no HTTP runtime; only [`ambient`] knows about threads.

mod ambient;
mod baggage;
mod incoming;
mod outgoing;
mod scope;
mod traceparent;
mod tracestate;

pub(crate) use ambient::Ambient;
#[cfg(feature = "client")]
pub(crate) use ambient::remaining;
pub(crate) use incoming::incoming;
pub(crate) use outgoing::{Parent, forward};
pub use scope::Scoped;
pub(crate) use traceparent::{Given, NAME as TRACEPARENT, Remote};
