//! Tracers and the set of those that are live: the native trait, the guard around a call, Hottap itself.

mod attempts;
mod begun;
mod builder;
mod call;
mod cell;
mod context;
mod core;
mod environment;
mod follow;
mod hottap;
mod live;
mod local;
mod log_spans;
mod mask;
mod native;
mod natives;
mod request;
mod scope;
#[cfg(feature = "plugins")]
mod seen;
mod shown;
mod start;

pub use builder::{Builder, StartError};
pub use call::Call;
pub use context::CallContext;
pub use hottap::Hottap;
pub use log_spans::LogSpans;
pub use native::Tracer;
pub use request::RequestHead;

#[cfg(feature = "attempts")]
pub(crate) use attempts::Attempts;
pub(crate) use begun::Begun;
pub(crate) use cell::LiveCell;
pub(crate) use core::Core;
pub(crate) use follow::Follower;
pub(crate) use live::Rules;
pub(crate) use natives::Natives;
#[cfg(feature = "plugins")]
pub(crate) use {
    live::{Live, MethodId, Rule},
    local::Local,
    mask::{MAX_PLUGINS, Mask},
    scope::{Scope, ScopeError},
    shown::Shown,
    start::{BUDGET, Start},
};
