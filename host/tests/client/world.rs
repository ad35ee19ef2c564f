//! A tonic server over TCP, and a client of the runtime that calls it, each with a recorder of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hottap::Hottap;
use hottap::client::ClientBuilder;
use hottap::rpc::{Outcome, RpcInfo};
use http::uri::PathAndQuery;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt};
use tonic::client::Grpc;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use crate::codec::BytesCodec;
use crate::echo::Echo;
use crate::recorder::Recorder;

#[track_caller]
pub(crate) fn check(info: &RpcInfo, outcome: Outcome, error_type: &str) {
    let stats = info.stats();
    assert_eq!((stats.outcome(), stats.error_type().as_str()), (outcome, error_type), "{}", stats.error_message());
}

/// The runtime as tonic's transport.
#[derive(Clone)]
pub(crate) struct Client(pub(crate) Grpc<hottap::client::Client>);

impl Client {
    pub(crate) fn of(builder: ClientBuilder) -> Self {
        Self(Grpc::new(builder.callee("echo").build().expect("builds")))
    }

    pub(crate) fn new(tap: &Hottap, address: SocketAddr) -> Self {
        Self::of(tap.client(format!("http://{address}")))
    }

    pub(crate) async fn unary(&self, message: &str) -> Result<Bytes, Status> {
        self.send(Request::new(message.to_owned().into())).await.map(Response::into_inner)
    }

    pub(crate) async fn unary_within(&self, message: &str, timeout: Duration) -> Result<Bytes, Status> {
        let mut request = Request::new(message.to_owned().into());
        request.set_timeout(timeout);
        self.send(request).await.map(Response::into_inner)
    }

    pub(crate) async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        let mut grpc = self.0.clone();
        grpc.ready().await.expect("ready");
        grpc.unary(request, path("/test.Echo/Unary"), BytesCodec).await
    }

    pub(crate) async fn download(&self, message: &str) -> Result<Streaming<Bytes>, Status> {
        let mut grpc = self.0.clone();
        grpc.ready().await.expect("ready");
        let request = Request::new(message.to_owned().into());
        grpc.server_streaming(request, path("/test.Echo/Download"), BytesCodec).await.map(Response::into_inner)
    }

    pub(crate) async fn upload(&self, messages: impl Stream<Item = Bytes> + Send + 'static) -> Result<Bytes, Status> {
        let mut grpc = self.0.clone();
        grpc.ready().await.expect("ready");
        let request = Request::new(messages);
        grpc.client_streaming(request, path("/test.Echo/Upload"), BytesCodec).await.map(Response::into_inner)
    }

    pub(crate) async fn chat(
        &self,
        messages: impl Stream<Item = Bytes> + Send + 'static,
    ) -> Result<Streaming<Bytes>, Status> {
        let mut grpc = self.0.clone();
        grpc.ready().await.expect("ready");
        grpc.streaming(Request::new(messages), path("/test.Echo/Chat"), BytesCodec).await.map(Response::into_inner)
    }
}

fn path(path: &str) -> PathAndQuery {
    path.parse().expect("a path")
}

/// All messages of a stream.
pub(crate) async fn collect(stream: Streaming<Bytes>) -> Vec<Result<Bytes, Status>> {
    stream.collect().await
}

/// A tonic server that runs until it is stopped, and counts its connections.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(tap: &Hottap, echo: Echo) -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), tap, echo).await
    }

    pub(crate) async fn at(address: SocketAddr, tap: &Hottap, echo: Echo) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("sets");
        socket.bind(address).expect("binds");
        let listener: TcpListener = socket.listen(1024).expect("listens");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::builder().layer(tap.server_layer()).add_service(echo);
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        let task = tokio::spawn(async move {
            let connections = TcpListenerStream::new(listener).map(move |connection| {
                counted.fetch_add(1, Ordering::Relaxed);
                connection
            });
            let stopped = async { _ = stopped.await };
            server.serve_with_incoming_shutdown(connections, stopped).await.expect("serves");
        });
        Self { address, connections, stop, task }
    }

    /// Ends it when the calls that it handles have ended: it gives up its connections with GOAWAY.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        self.task.await.expect("the server does not panic");
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
        let client = Client::of(configure(tap.client(format!("http://{}", server.address))));
        Self { client, sent, served, echo, server }
    }

    /// Ends client and server, and looks that every call has finished once.
    pub(crate) async fn close(self) {
        drop(self.client);
        self.server.stop().await;
        self.sent.assert_each_finished_once();
    }
}
