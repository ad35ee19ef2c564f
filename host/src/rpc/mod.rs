//! What is known of an RPC: plain data, which knows nothing of hyper, tokio or wasm.

mod clock;
mod config;
mod endpoint;
mod event;
mod extensions;
mod handle;
mod info;
mod invocation;
mod machine;
mod method;
mod notes;
mod stats;
mod status;
mod symbol;
mod tags;
mod text;
#[cfg(feature = "plugins")]
mod timestamp;
mod tokens;
mod trace;

pub use config::RpcConfig;
pub use endpoint::{EndpointInfo, Peer};
pub use event::{Event, EventKind, Events};
pub use handle::RpcHandle;
pub use info::RpcInfo;
pub use invocation::Invocation;
pub use method::Method;
pub use notes::RpcNotes;
pub use stats::{RpcStats, Traffic};
pub use status::{Codec, EventStatus, Interaction, Level, Outcome, Protocol, Side, Streaming, Transport};
pub use symbol::Symbol;
pub use tags::Tags;
pub use trace::TraceContext;

pub(crate) use clock::Clock;
pub(crate) use config::nanos;
pub(crate) use extensions::CallExtensions;
pub(crate) use method::MAX_METHOD_BYTES;
#[cfg(feature = "plugins")]
pub(crate) use symbol::MAX_METHODS;
pub(crate) use symbol::error_type;
pub(crate) use text::{MAX_MESSAGE_BYTES, cut};
pub(crate) use tokens::Tokens;
#[cfg(feature = "plugins")]
pub(crate) use {timestamp::Timestamp, tokens::MAX_STARTERS};
