//! W3C Trace Context: reading it from requests, writing it into them, and what the current task's client calls continue.
//!
//! The wire formats are pure and know no HTTP runtime; only [`ambient`] knows about threads.

mod ambient;
mod outgoing;
mod scope;
mod traceparent;
mod tracestate;

pub(crate) use ambient::Ambient;
pub(crate) use outgoing::{Parent, forward};
pub use scope::Scoped;
pub(crate) use traceparent::{Given, NAME as TRACEPARENT, Remote};
