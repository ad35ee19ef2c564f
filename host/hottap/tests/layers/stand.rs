//! What tests of the layers stand on: tonic's channel and server, hyper-util's client, axum's server, each inside a layer.
//! The runtimes have one with the same names, so that the same tests hold them to the same.

use std::net::SocketAddr;

use axum::Router;
use bytes::Bytes;
use hottap::{ClientService, Hottap, RequestBody};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Endpoint, Server};

use crate::world::Handles;

/// What a client of tonic's calls through.
pub(crate) type Channel = ClientService<tonic::transport::Channel>;

pub(crate) fn channel(tap: &Hottap, address: SocketAddr) -> Channel {
    over(tap, Endpoint::from_shared(format!("http://{address}")).expect("a URL").connect_lazy())
}

/// The layer over a channel that is there.
pub(crate) fn over(tap: &Hottap, channel: tonic::transport::Channel) -> Channel {
    tap.client_layer().callee("echo").layer(channel)
}

pub(crate) type HttpClient = ClientService<Client<HttpConnector, RequestBody<Full<Bytes>>>>;

/// A client of one server; HTTP/1.1 unless it is to be HTTP/2.
pub(crate) fn http_client(tap: &Hottap, _: SocketAddr, http2: bool) -> HttpClient {
    tap.client_layer().layer(Client::builder(TokioExecutor::new()).http2_only(http2).build_http())
}

/// Serves until it is told to stop.
pub(crate) fn serve(
    tap: &Hottap,
    listener: TcpListener,
    service: impl Handles,
    stopped: oneshot::Receiver<()>,
) -> JoinHandle<()> {
    let server = Server::builder().layer(tap.server_layer()).add_service(service);
    tokio::spawn(async move {
        let connections = TcpListenerStream::new(listener);
        let stopped = async { _ = stopped.await };
        server.serve_with_incoming_shutdown(connections, stopped).await.expect("serves");
    })
}

/// Serves until the task is aborted.
pub(crate) fn serve_router(tap: &Hottap, listener: TcpListener, router: Router) -> JoinHandle<()> {
    let router = router.layer(tap.server_layer());
    tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") })
}
