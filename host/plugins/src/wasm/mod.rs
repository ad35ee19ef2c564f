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
mod rlimits;
mod starter;
mod thread;
mod v0_1_draft;
mod wasi;

#[cfg(feature = "compiler")]
pub use self::{guest::Trial, names::Interfaces};
pub use bounds::MAX_FILE_BYTES;
pub(crate) use bounds::{BoundsError, Checked};
#[cfg(feature = "compiler")]
pub use child::serve as serve_compiler;
pub use child::{COMMAND as COMPILE_COMMAND, Compile};
pub use cutoff::Cancel;
pub(crate) use cutoff::with_cutoff;
pub use engine::WORKER_STACK;
pub(crate) use engine::{EngineError, START_NEEDS_STACK};
pub(crate) use guest::{CallError, Surroundings};
pub use guest::{Cause, Guest, Identity, Pace, Settings, State};
pub(crate) use headers::HeaderGrants;
pub use limits::Limits;
pub use log::Line;
pub(crate) use module::LoadError;
pub use module::{Engines, Module, check};
pub(crate) use starter::FUEL_PER_NANO;
pub use starter::Starter;
pub(crate) use thread::{lower_priority, thread_cpu_time};

/// The version of the contract that this host speaks.
pub const CONTRACT: &str = v0_1_draft::VERSION;
