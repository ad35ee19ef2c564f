//! A tonic server over TCP that counts its connections, and a client of the runtime that calls it, each with a recorder of
//! its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hottap::Hottap;
use hottap::client::ClientBuilder;
use hottap::rpc::{Outcome, RpcInfo};
use tokio::net::TcpSocket;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use crate::echo::Echo;
use crate::recorder::Recorder;
use crate::world::{self, Client};

#[track_caller]
pub(crate) fn check(info: &RpcInfo, outcome: Outcome, error_type: &str) {
    let stats = info.stats();
    assert_eq!((stats.outcome(), stats.error_type().as_str()), (outcome, error_type), "{}", stats.error_message());
}

/// The runtime as tonic's transport.
pub(crate) fn client(builder: ClientBuilder) -> Client {
    Client::over(builder.callee("echo").build().expect("builds"))
}

/// A tonic server that runs until it is stopped, and counts its connections.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    server: world::Running,
}

impl Running {
    pub(crate) async fn start(tap: &Hottap, echo: Echo) -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), tap, echo).await
    }

    pub(crate) async fn at(address: SocketAddr, tap: &Hottap, echo: Echo) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("sets");
        socket.bind(address).expect("binds");
        let service = Server::builder().layer(tap.server_layer()).add_service(echo);
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        let server = world::Running::on(socket.listen(1024).expect("listens"), |listener, stopped| {
            tokio::spawn(async move {
                let connections = TcpListenerStream::new(listener).map(move |connection| {
                    counted.fetch_add(1, Ordering::Relaxed);
                    connection
                });
                let stopped = async { _ = stopped.await };
                service.serve_with_incoming_shutdown(connections, stopped).await.expect("serves");
            })
        });
        Self { address: server.address, connections, server }
    }

    /// Ends it when the calls that it handles have ended: it gives up its connections with GOAWAY.
    pub(crate) async fn stop(self) {
        self.server.stop().await;
    }
}

pub(crate) struct World {
    pub(crate) client: Client,
    /// What the client saw.
    pub(crate) sent: Recorder,
    /// What the server's layer saw.
    pub(crate) served: Recorder,
    pub(crate) echo: Echo,
    pub(crate) server: Running,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(configure: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        let (sent, served, echo) = (Recorder::default(), Recorder::default(), Echo::default());
        let tap = sent.start("shop");
        let server = Running::start(&served.start("echo"), echo.clone()).await;
        let client = client(configure(tap.client(format!("http://{}", server.address))));
        Self { client, sent, served, echo, server }
    }

    /// Ends client and server, and looks that every call has finished once.
    pub(crate) async fn close(self) {
        drop(self.client);
        self.server.stop().await;
        self.sent.assert_each_finished_once();
    }
}
