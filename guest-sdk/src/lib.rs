//! Write RPC tracers for Hottap in Rust; this crate is the guest's side, not the host's.
//!
#![doc = include_str!("../README.md")]

mod tracer;
mod export;
mod config;
mod error;
mod batch;
mod call;
mod column;
mod kinds;
mod event;
mod symbol;
pub mod metrics;
pub mod log;
pub mod outbox;
pub mod state;
#[cfg(target_arch = "wasm32")]
mod abi;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

#[cfg(target_arch = "wasm32")]
use abi::imports as host;
#[cfg(not(target_arch = "wasm32"))]
use testing::imports as host;

pub use batch::{Batch, Call};
pub use column::{Column, Element};
pub use config::{Config, Level};
pub use error::Error;
pub use event::{Event, EventKind, EventStatus, Tag};
pub use kinds::{Kind, Outcome, Protocol, Side, Streaming};
pub use symbol::{Symbol, Text, error_type, grpc_status_name};
pub use tracer::{Cause, Flush, Tracer};

/// For [`export!`] alone; it may change in any version.
#[doc(hidden)]
pub mod __macro {
    pub use crate::export::{Instance, new_tracer};
}
