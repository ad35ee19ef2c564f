//! Native tracers, the guard around a call, and the handle that layers and runtimes hold.

mod attempts;
mod begun;
mod call;
mod context;
mod core;
mod follow;
mod handle;
mod local;
mod log_spans;
mod native;
mod natives;
mod request;

pub use call::Call;
pub use context::CallContext;
pub use log_spans::LogSpans;
pub use native::Tracer;
pub use request::RequestHead;

pub use attempts::Attempts;
pub use begun::Begun;
pub use core::Core;
pub(crate) use follow::Follower;
pub use handle::Handle;
pub use local::Local;
pub use natives::Natives;
