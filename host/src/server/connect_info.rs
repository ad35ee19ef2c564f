//! Both ends of a connection, in the extensions of each request that comes over it.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Extensions;

use super::listen::Ends;
use crate::rpc::Peer;

/// Who is at the two ends of the connection that a request came over: in the extensions of every request that
/// [`hottap::server`](crate::server) hands to a service. Cheap to clone.
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
    #[cfg_attr(not(feature = "tonic"), expect(dead_code, reason = "tonic alone asks for them as they are"))]
    ends: Ends,
}

impl ConnectInfo {
    /// `tls` are the peer's certificates if the connection has TLS.
    pub(super) fn new(ends: Ends, tls: Option<Vec<Vec<u8>>>) -> Self {
        let (local, peer) = match &ends {
            Ends::Tcp { local, peer } => (local.map_or(Peer::Unknown, Peer::Socket), Peer::Socket(*peer)),
            #[cfg(unix)]
            Ends::Unix { local, peer, .. } => (unix(local), unix(peer)),
        };
        Self(Arc::new(Both { local, peer, tls, ends }))
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

    /// The caller's certificates in DER, its own first: there are some if [`Tls::client_ca`](super::Tls::client_ca) asked for
    /// them, and then they have been verified.
    pub fn peer_certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.0.tls.iter().flatten().map(Vec::as_slice)
    }

    /// Tells a request where it comes from, in the words of all who may ask.
    pub(super) fn tell(&self, extensions: &mut Extensions) {
        #[cfg(feature = "axum")]
        if let Peer::Socket(peer) = self.0.peer {
            extensions.insert(axum::extract::ConnectInfo(peer));
        }
        #[cfg(feature = "tonic")]
        self.tell_tonic(extensions);
        extensions.insert(self.clone());
    }

    #[cfg(feature = "tonic")]
    fn tell_tonic(&self, extensions: &mut Extensions) {
        use tonic::transport::server as tonic;

        match &self.0.ends {
            Ends::Tcp { local, peer } => {
                extensions.insert(tonic::TcpConnectInfo { local_addr: *local, remote_addr: Some(*peer) });
            }
            #[cfg(unix)]
            Ends::Unix { peer, credentials, .. } => {
                extensions.insert(tonic::UdsConnectInfo { peer_addr: peer.clone(), peer_cred: *credentials });
            }
        }
    }
}

/// Clients rarely bind their socket to a path; that it came over one is all that is known then.
#[cfg(unix)]
fn unix(address: &Option<Arc<tokio::net::unix::SocketAddr>>) -> Peer {
    let path = address.as_ref().and_then(|address| address.as_pathname());
    path.map_or_else(|| Peer::text("unix:"), |path| Peer::text(&format!("unix:{}", path.display())))
}
