//! What the layers' tests stand on here: the two runtimes, under the names that the layers' tests use.

use std::net::SocketAddr;

use axum::Router;
use hottap::Hottap;
use hottap::client::Client;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::service::Routes;

use crate::world::Handles;

/// What a client of tonic's calls through.
pub(crate) type Channel = Client;

pub(crate) fn channel(tap: &Hottap, address: SocketAddr) -> Channel {
    tap.client(format!("http://{address}")).callee("echo").build().expect("builds")
}

pub(crate) type HttpClient = Client;

/// A client of one server; HTTP/1.1 unless it is to be HTTP/2.
pub(crate) fn http_client(tap: &Hottap, address: SocketAddr, http2: bool) -> HttpClient {
    let builder = tap.client(format!("http://{address}"));
    let builder = if http2 { builder.http2_only() } else { builder.http1_only() };
    builder.build().expect("builds")
}

/// Serves until it is told to stop.
pub(crate) fn serve(
    tap: &Hottap,
    listener: TcpListener,
    service: impl Handles,
    stopped: oneshot::Receiver<()>,
) -> JoinHandle<()> {
    let bound = tap.server().listen(listener).expect("listens");
    tokio::spawn(async move {
        let served = bound.serve_until(Routes::new(service), async { _ = stopped.await }).await;
        assert_eq!((served.requests_cut, served.connections_cut), (0, 0));
    })
}

/// Serves until the task is aborted.
pub(crate) fn serve_router(tap: &Hottap, listener: TcpListener, router: Router) -> JoinHandle<()> {
    let bound = tap.server().listen(listener).expect("listens");
    tokio::spawn(async move { match bound.serve(router).await {} })
}
