//! Both ends of a connection, told to each request that comes over it in the types of all libraries that may ask.

use http::Extensions;

use super::listen::Ends;
use hottap_core::layer::ConnectInfo;
use hottap_core::rpc::Peer;

/// One connection as its requests know it.
#[derive(Debug)]
pub(super) struct Connected {
    info: ConnectInfo,
    #[cfg(feature = "tonic")]
    ends: Ends,
}

impl Connected {
    /// `tls` are the certificates of the peer if the connection has TLS.
    pub(super) fn new(ends: Ends, tls: Option<Vec<Vec<u8>>>) -> Self {
        let (local, peer) = match &ends {
            Ends::Tcp { local, peer } => (local.map_or(Peer::Unknown, Peer::Socket), Peer::Socket(*peer)),
            #[cfg(unix)]
            Ends::Unix { local, peer, .. } => (unix(local), unix(peer)),
        };
        Self {
            info: ConnectInfo::new(local, peer, tls),
            #[cfg(feature = "tonic")]
            ends,
        }
    }

    /// Puts the ends into the extensions of a request.
    pub(super) fn tell(&self, extensions: &mut Extensions) {
        #[cfg(feature = "axum")]
        if let Some(peer) = self.info.peer_addr() {
            extensions.insert(axum::extract::ConnectInfo(peer));
        }
        #[cfg(feature = "tonic")]
        self.tell_tonic(extensions);
        extensions.insert(self.info.clone());
    }

    #[cfg(feature = "tonic")]
    fn tell_tonic(&self, extensions: &mut Extensions) {
        use tonic::transport::server as tonic;

        match &self.ends {
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
fn unix(address: &Option<std::sync::Arc<tokio::net::unix::SocketAddr>>) -> Peer {
    let path = address.as_ref().and_then(|address| address.as_pathname());
    path.map_or_else(|| Peer::text("unix:"), |path| Peer::text(&format!("unix:{}", path.display())))
}
