//! Both ends of a server's connection and whether it has TLS, as far as the server's runtime tells them in the request's
//! extensions.

use http::Extensions;

use crate::rpc::Peer;

/// Whether the connection has TLS; a runtime that is not known here is taken for one without.
pub(super) fn has_tls(extensions: &Extensions) -> bool {
    extensions.get::<super::ConnectInfo>().is_some_and(super::ConnectInfo::is_tls)
}

/// This end and the caller's; unknown what no runtime that is known here gave.
pub(super) fn of(extensions: &Extensions) -> (Peer, Peer) {
    if let Some(ends) = extensions.get::<super::ConnectInfo>() {
        return (ends.local().clone(), ends.peer().clone());
    }
    #[cfg(feature = "tonic")]
    {
        use tonic::transport::server::TcpConnectInfo;
        // With TLS, tonic gives this one too.
        if let Some(info) = extensions.get::<TcpConnectInfo>()
            && let Some(remote) = info.remote_addr()
        {
            return (info.local_addr().map_or(Peer::Unknown, Peer::Socket), Peer::Socket(remote));
        }
    }
    #[cfg(feature = "axum")]
    {
        use axum::extract::ConnectInfo;
        use std::net::SocketAddr;
        if let Some(ConnectInfo(address)) = extensions.get::<ConnectInfo<SocketAddr>>() {
            return (Peer::Unknown, Peer::Socket(*address));
        }
    }
    #[cfg(all(feature = "tonic", unix))]
    {
        use tonic::transport::server::UdsConnectInfo;
        if let Some(info) = extensions.get::<UdsConnectInfo>() {
            // Clients rarely bind their socket to a path; that it came over one is all that is known then.
            let path = info.peer_addr.as_ref().and_then(|address| address.as_pathname());
            let peer = path.map_or_else(|| Peer::text("unix:"), |path| Peer::text(&format!("unix:{}", path.display())));
            return (Peer::Unknown, peer);
        }
    }
    (Peer::Unknown, Peer::Unknown)
}
