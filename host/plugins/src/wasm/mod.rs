//! Running tracers in wasmtime: from bytes to a component, from a component to instances. Nothing else in the crate
//! knows of wasmtime.

mod bounds;
mod child;
#[cfg(feature = "compiler")]
mod componentize;
#[cfg(all(feature = "compiler", any(test, feature = "drive")))]
pub(crate) mod corpus;
mod cutoff;
mod engine;
mod guest;
mod handed;
mod headers;
mod host;
mod limits;
mod log;
mod meter;
mod module;
#[cfg(feature = "compiler")]
mod names;
mod starter;
mod v0_1_draft;
mod wasi;

#[cfg(feature = "compiler")]
pub use self::{guest::Trial, log::Line, names::Interfaces};
pub use bounds::{BoundsError, Checked, MAX_FILE_BYTES};
pub use child::Compile;
#[cfg(feature = "compiler")]
pub use child::{COMMAND as COMPILE_COMMAND, serve as serve_compiler};
pub use cutoff::{Cancel, with_cutoff};
pub use engine::{EngineError, START_NEEDS_STACK, WORKER_STACK};
pub use guest::{CallError, Cause, Guest, Identity, Pace, Settings, State, Surroundings};
pub use headers::HeaderGrants;
pub use limits::Limits;
pub use meter::thread_cpu_time;
pub use module::{Engines, LoadError, Module, check};
pub use starter::{FUEL_PER_NANO, Starter};

/// The version of the contract that this host speaks.
pub const CONTRACT: &str = v0_1_draft::VERSION;
