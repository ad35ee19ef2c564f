//! What is known of an RPC: plain data, which knows nothing of hyper, tokio or wasm.

mod clock;
mod endpoint;
mod event;
mod info;
mod method;
mod stats;
mod status;
mod symbol;
mod text;
mod tokens;
mod trace;

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
#[cfg(feature = "plugins")]
pub(crate) use tokens::MAX_STARTERS;
pub(crate) use tokens::Tokens;
