//! Running tracers in wasmtime: from bytes to a component, from a component to instances. Nothing else in the crate
//! knows of wasmtime.

mod bounds;
mod engine;
mod guest;
mod handed;
mod host;
mod limits;
mod log;
mod meter;
mod module;
#[cfg(feature = "cli")]
mod names;
mod v0_1_draft;
mod wasi;

#[cfg(feature = "cli")]
pub(crate) use self::{bounds::BoundsError, log::Line, names::Interfaces};
pub(crate) use bounds::MAX_FILE_BYTES;
pub(crate) use engine::{Engine, WORKER_STACK};
#[cfg(feature = "cli")]
pub(crate) use guest::Trial;
pub(crate) use guest::{CallError, Cause, Guest, Identity, Settings, Surroundings};
pub(crate) use limits::Limits;
pub(crate) use meter::thread_cpu_time;
pub(crate) use module::{LoadError, Module};

/// The version of the contract that this host speaks.
#[cfg(feature = "cli")]
pub(crate) const CONTRACT: &str = v0_1_draft::VERSION;
