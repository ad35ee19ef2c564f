//! Plugins of Hottap: tracers as WebAssembly modules, the directory that they come from, what they record and send, the
//! configuration of the operator and the admin API.
//!
//! Services depend on the crate `hottap`, which re-exports what is documented here. All modules and items that are hidden from
//! the documentation are public to the other crates of Hottap alone: no promise holds for them.

#[macro_use]
#[path = "../wit/columns.rs"]
mod table;

#[doc(hidden)]
pub mod admin;
#[doc(hidden)]
pub mod config;
#[cfg(feature = "drive")]
#[doc(hidden)]
pub mod drive;
#[cfg(any(feature = "fuzz", test))]
#[doc(hidden)]
pub mod fuzz;
#[doc(hidden)]
pub mod metrics;
#[doc(hidden)]
pub mod outbox;
#[doc(hidden)]
pub mod plugin;
#[doc(hidden)]
pub mod wasm;

pub use admin::{AdminFuture, AdminService};
pub use plugin::{NotReady, Ready};
pub use wasm::Compile;
