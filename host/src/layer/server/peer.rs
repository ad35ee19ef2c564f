//! Who called, as far as the server's runtime tells it in the request's extensions.

use http::Extensions;

use crate::rpc::Peer;

/// The caller's address; unknown if no runtime that is known here gave it.
#[cfg_attr(
    not(any(feature = "tonic", feature = "axum")),
    expect(unused_variables, reason = "only runtimes tell the peer, and none is compiled in")
)]
pub(super) fn of(extensions: &Extensions) -> Peer {
    #[cfg(feature = "tonic")]
    {
        use tonic::transport::server::TcpConnectInfo;
        // With TLS, tonic gives this one too.
        if let Some(address) = extensions.get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr) {
            return Peer::Socket(address);
        }
    }
    #[cfg(feature = "axum")]
    {
        use axum::extract::ConnectInfo;
        use std::net::SocketAddr;
        if let Some(ConnectInfo(address)) = extensions.get::<ConnectInfo<SocketAddr>>() {
            return Peer::Socket(*address);
        }
    }
    #[cfg(all(feature = "tonic", unix))]
    {
        use tonic::transport::server::UdsConnectInfo;
        if let Some(info) = extensions.get::<UdsConnectInfo>() {
            // Clients rarely bind their socket to a path; that it came over one is all that is known then.
            let path = info.peer_addr.as_ref().and_then(|address| address.as_pathname());
            return path.map_or_else(|| Peer::text("unix:"), |path| Peer::text(&format!("unix:{}", path.display())));
        }
    }
    Peer::Unknown
}
