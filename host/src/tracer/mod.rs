//! Tracers and the set of those that are live: the native trait, the guard around a call, Hottap itself.

mod native;
mod context;
mod natives;
mod mask;
mod scope;
mod live;
mod call;
mod core;
mod local;
mod hottap;
mod builder;

pub use builder::{Builder, StartError};
pub use call::Call;
pub use context::CallContext;
pub use hottap::Hottap;
pub use native::Tracer;

pub(crate) use call::Begun;
pub(crate) use core::Core;
pub(crate) use live::{LiveCell, Rules};
#[cfg(feature = "plugins")]
pub(crate) use {
    live::{MethodId, Rule},
    local::Local,
    mask::{MAX_PLUGINS, Mask},
    scope::{Scope, ScopeError},
};
