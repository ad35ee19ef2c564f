//! Both ends of a connection, in the extensions of each request that comes over it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::rpc::Peer;

/// Who is at the two ends of the connection that a request came over: in the extensions of every request that
/// `hottap::server` hands to a service. Cheap to clone.
///
/// Beside it are tonic's `TcpConnectInfo` or `UdsConnectInfo` (feature `tonic`), so that `Request::remote_addr` works,
/// and axum's `ConnectInfo<SocketAddr>` (feature `axum`).
///
/// ```
/// use hottap::server::{Body, ConnectInfo};
///
/// fn caller(request: &http::Request<Body>) -> String {
///     request.extensions().get::<ConnectInfo>().map(|ends| ends.peer().to_string()).unwrap_or_default()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ConnectInfo(Arc<Both>);

#[derive(Debug)]
struct Both {
    local: Peer,
    peer: Peer,
    tls: Option<Vec<Vec<u8>>>,
}

impl ConnectInfo {
    /// `tls` are the certificates of the peer if the connection has TLS.
    #[doc(hidden)]
    #[must_use]
    pub fn new(local: Peer, peer: Peer, tls: Option<Vec<Vec<u8>>>) -> Self {
        Self(Arc::new(Both { local, peer, tls }))
    }

    /// This end.
    #[must_use]
    pub fn local(&self) -> &Peer {
        &self.0.local
    }

    /// The caller's end: a socket address, or `unix:` and the path if the caller has bound its socket to one.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// The caller's address, over TCP.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        match self.0.peer {
            Peer::Socket(address) => Some(address),
            _ => None,
        }
    }

    /// The connection has TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.tls.is_some()
    }

    /// The caller's certificates in DER, its own first: there are some if `Tls::client_ca` asked for
    /// them, and then they have been verified.
    pub fn peer_certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.0.tls.iter().flatten().map(Vec::as_slice)
    }
}
