//! What the clients inside the host have in common, whomever they talk to. Knows nothing of what is sent.

#[cfg(any(feature = "otel", feature = "plugins"))]
mod connect;
mod host;
#[cfg(any(feature = "client", feature = "otel"))]
mod pem;
#[cfg(any(feature = "client", feature = "otel", feature = "plugins"))]
mod retry_after;
#[cfg(any(feature = "client", feature = "https", feature = "otel"))]
mod tls;
#[cfg(any(feature = "client", feature = "https", feature = "otel"))]
mod tls_fault;

#[cfg(any(feature = "otel", feature = "plugins"))]
pub(crate) use connect::connect;
#[cfg(feature = "plugins")]
pub(crate) use connect::{ConnectError, rounded};
pub(crate) use host::bare;
#[cfg(any(feature = "client", feature = "otel"))]
pub(crate) use pem::{certificates, key, roots};
#[cfg(any(feature = "client", feature = "otel", feature = "plugins"))]
pub(crate) use retry_after::retry_after;
#[cfg(feature = "https")]
pub(crate) use tls::NoRoots;
#[cfg(any(feature = "client", feature = "https", feature = "otel"))]
pub(crate) use tls::{Handshake, system_roots};
#[cfg(any(feature = "https", feature = "otel"))]
pub(crate) use tls_fault::Remedies;
#[cfg(any(feature = "client", feature = "https", feature = "otel"))]
pub(crate) use tls_fault::TlsFault;
#[cfg(feature = "client")]
pub(crate) use tls_fault::TlsReason;
