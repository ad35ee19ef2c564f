//! What is known of an RPC: plain data, which knows nothing of hyper, tokio or wasm.

mod symbol;
mod text;
mod method;
mod event;
mod status;
mod endpoint;
mod stats;
mod trace;
mod info;
mod clock;

pub use endpoint::{EndpointInfo, Peer};
pub use event::{Event, EventKind, EventStatus, Events, Level};
pub use info::{Invocation, RpcConfig, RpcInfo};
pub use method::Method;
pub use stats::{RpcStats, Traffic};
pub use status::{Outcome, Protocol, Side, Streaming};
pub use symbol::Symbol;
pub use trace::TraceContext;

pub(crate) use clock::Clock;
pub(crate) use method::MAX_METHOD_BYTES;
pub(crate) use symbol::error_type;
pub(crate) use text::cut;
