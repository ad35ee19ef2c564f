//! The client runtime: calls over HTTP/1.1 and HTTP/2, with connections, time-outs, retries and several endpoints, each
//! call observed by the tracers.

mod attempts;
mod balance;
mod body;
mod builder;
mod client;
mod connect;
mod deadline;
mod endpoint;
mod error;
mod outgoing;
mod replay;
mod retry;
mod send;
mod watch;

pub use body::Body;
pub use builder::{BuildError, ClientBuilder};
pub use client::{Client, ClientFuture};
pub use connect::{Addresses, Resolve, Tls, TlsError};
pub use error::{Error, ErrorKind, Phase};
pub use retry::Retry;
