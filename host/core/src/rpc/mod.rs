//! What is known of an RPC: plain data, which knows nothing of hyper, tokio or wasm.

mod clock;
mod config;
mod endpoint;
mod event;
mod extensions;
mod handle;
mod host;
mod info;
mod invocation;
mod machine;
mod method;
mod notes;
mod random;
mod stats;
mod status;
mod symbol;
mod tags;
mod text;
mod timestamp;
mod trace;

pub use config::RpcConfig;
pub use endpoint::{EndpointInfo, Peer};
pub use event::{Event, EventKind, Events};
pub use handle::RpcHandle;
pub use info::RpcInfo;
#[doc(hidden)]
pub use info::{MAX_STARTERS, Tokens};
pub use invocation::Invocation;
pub use method::Method;
pub use notes::RpcNotes;
pub use stats::{RpcStats, Traffic};
pub use status::{Codec, EventStatus, Interaction, Level, Outcome, Protocol, Side, Streaming, Transport};
pub use symbol::Symbol;
pub use tags::Tags;
pub use trace::TraceContext;

#[doc(hidden)]
pub use clock::Clock;
#[doc(hidden)]
pub use config::nanos;
pub(crate) use extensions::EnteredSpan;
#[doc(hidden)]
pub use extensions::{ActiveSpan, CallExtensions};
#[doc(hidden)]
pub use host::bare;
pub(crate) use method::MAX_METHOD_BYTES;
#[doc(hidden)]
pub use random::random_u128;
pub(crate) use symbol::MAX_METHODS;
#[doc(hidden)]
pub use symbol::error_type;
#[doc(hidden)]
pub use text::{MAX_MESSAGE_BYTES, cut};
#[doc(hidden)]
pub use timestamp::Timestamp;
