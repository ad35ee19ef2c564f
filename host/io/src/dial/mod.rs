//! The parts that the clients inside the host have in common: connecting, TLS, HTTP, and what a server's answer asks for.
//! Knows nothing of what is sent.

mod connect;
mod http;
#[cfg(not(feature = "tls"))]
mod no_tls;
mod partial_success;
#[cfg(feature = "tls")]
mod pem;
mod retry_after;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_fault;

pub use self::http::{Answer, Chain, End, HttpClient, HttpError, Protocol, USER_AGENT};
pub use connect::{ConnectError, connect, rounded};
#[cfg(not(feature = "tls"))]
pub use no_tls::{Handshake, Remedies, TlsFault};
pub use partial_success::{Encoding, PartialSuccess, media_type};
#[cfg(feature = "tls")]
pub use pem::{certificates, key, roots};
pub use retry_after::retry_after;
#[cfg(feature = "tls")]
pub use tls::{Handshake, NoRoots, system_roots};
#[cfg(feature = "tls")]
pub use tls_fault::{Remedies, TlsFault, TlsReason};
