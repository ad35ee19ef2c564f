//! Write RPC tracers for Hottap in Rust; this crate is the guest's side, not the host's.
//!
#![doc = include_str!("../README.md")]

#[macro_use]
#[path = "../wit/columns.rs"]
mod table;

#[cfg(target_arch = "wasm32")]
mod abi;
mod batch;
mod call;
mod column;
mod config;
pub mod conventions;
mod error;
mod event;
mod export;
mod field;
mod items;
mod json_path;
mod kinds;
mod lines;
pub mod log;
pub mod metrics;
pub mod outbox;
mod outlet;
mod starter;
pub mod state;
mod streams;
mod symbol;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod tracer;

#[cfg(target_arch = "wasm32")]
use abi::imports as host;
#[cfg(not(target_arch = "wasm32"))]
use testing::imports as host;

pub use batch::{Batch, Call};
pub use column::{Column, Element};
pub use config::{Config, Level};
pub use error::Error;
pub use event::{Event, EventKind, EventStatus, Tag};
pub use field::Field;
pub use kinds::{Kind, Outcome, Protocol, Side, Streaming};
pub use starter::{HeaderRefusal, StartedCall, Starter};
pub use streams::{Moment, Moments, Streams};
pub use symbol::{Symbol, Text, error_type, grpc_status_name};
pub use tracer::{Cause, Flush, Tracer};

/// For [`export!`] alone; it may change in any version.
#[doc(hidden)]
pub mod __macro {
    #[cfg(target_arch = "wasm32")]
    pub use crate::abi::{start, streams};
    pub use crate::export::{NewInstance, new_follower, new_follower_or_starter, new_tracer, new_tracer_or_starter};
}
