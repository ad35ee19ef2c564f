//! What the clients inside the host have in common, whomever they talk to. Knows nothing of what is sent.

mod connect;
mod partial_success;
#[cfg(feature = "tls")]
mod pem;
mod retry_after;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_fault;

pub use connect::{ConnectError, connect, rounded};
pub use partial_success::{Encoding, PartialSuccess, media_type};
#[cfg(feature = "tls")]
pub use pem::{certificates, key, roots};
pub use retry_after::retry_after;
#[cfg(feature = "tls")]
pub use tls::{Handshake, NoRoots, system_roots};
#[cfg(feature = "tls")]
pub use tls_fault::{Remedies, TlsFault, TlsReason};
