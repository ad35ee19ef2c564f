//! The host's queues towards destinations: bounded, in memory, retried, counted. Knows nothing of tracers but names.
//!
//! For each destination, at every moment, with each term counted on its own:
//! `accepted = delivered + queued + dropped{reason}`. What was accepted is delivered at least once or dropped and
//! counted: a server that took a payload and failed to say so gets it again.

mod account;
mod answer;
mod destination;
mod handle;
mod parcel;
mod partial;
mod refusals;
mod retry;
mod secrets;
mod sink;
mod state;
#[cfg(test)]
mod tests;
mod verdict;
mod worker;

pub use account::{Refusal, Refused};
pub use handle::Outbox;
pub(crate) use parcel::Parcel;
pub use secrets::value as secret;
pub(crate) use state::DestinationState;
