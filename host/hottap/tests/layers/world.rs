//! A gRPC server over TCP and a client of it, each with a Hottap and a recorder of its own; what they are made of is the
//! stand's.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use hottap::Hottap;
use http::uri::PathAndQuery;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_stream::{Stream, StreamExt};
use tonic::body::Body as TonicBody;
use tonic::client::Grpc;
use tonic::server::NamedService;
use tonic::{Request, Response, Status, Streaming};
use tower::Service;

use crate::codec::BytesCodec;
use crate::echo::Echo;
use crate::recorder::Recorder;
use crate::stand::{self, Channel};

#[derive(Clone)]
pub(crate) struct Client(pub(crate) Grpc<Channel>);

impl Client {
    pub(crate) fn new(tap: &Hottap, address: std::net::SocketAddr) -> Self {
        Self::over(stand::channel(tap, address))
    }

    pub(crate) fn over(channel: Channel) -> Self {
        Self(Grpc::new(channel))
    }

    pub(crate) async fn unary(&self, message: &str) -> Result<Bytes, Status> {
        self.send("/test.Echo/Unary", Request::new(message.to_owned().into())).await.map(Response::into_inner)
    }

    pub(crate) async fn unary_within(&self, message: &str, timeout: Duration) -> Result<Bytes, Status> {
        let mut request = Request::new(message.to_owned().into());
        request.set_timeout(timeout);
        self.send("/test.Echo/Unary", request).await.map(Response::into_inner)
    }

    pub(crate) async fn send(&self, path: &str, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        let mut grpc = self.0.clone();
        grpc.ready().await.expect("ready");
        grpc.unary(request, self::path(path), BytesCodec).await
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

pub(crate) struct World {
    pub(crate) client: Client,
    /// What the client's layer saw.
    pub(crate) sent: Recorder,
    /// What the server's layer saw.
    pub(crate) served: Recorder,
    pub(crate) echo: Echo,
    pub(crate) address: std::net::SocketAddr,
    server: Running,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(Echo::default()).await
    }

    pub(crate) async fn with(echo: Echo) -> Self {
        let (sent, served) = (Recorder::default(), Recorder::default());
        let (client_tap, server_tap) = (sent.start("shop"), served.start("echo"));
        Self::of(echo, (&client_tap, sent), (&server_tap, served)).await
    }

    pub(crate) async fn of(echo: Echo, client: (&Hottap, Recorder), server: (&Hottap, Recorder)) -> Self {
        let running = Running::start(server.0, echo.clone()).await;
        let address = running.address;
        Self {
            client: Client::new(client.0, address),
            sent: client.1,
            served: server.1,
            echo,
            address,
            server: running,
        }
    }

    /// Ends client and server, and looks that every call has finished once.
    pub(crate) async fn close(self) {
        drop(self.client);
        self.server.stop().await;
        self.sent.assert_each_finished_once();
        self.served.assert_each_finished_once();
    }
}

/// A service that a gRPC server takes.
pub(crate) trait Handles:
    Service<http::Request<TonicBody>, Response = http::Response<TonicBody>, Error = Infallible, Future: Send>
    + NamedService
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Handles for S where
    S: Service<http::Request<TonicBody>, Response = http::Response<TonicBody>, Error = Infallible, Future: Send>
        + NamedService
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// A server that runs until it is stopped.
pub(crate) struct Running {
    pub(crate) address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(tap: &Hottap, service: impl Handles) -> Self {
        Self::of(|listener, stopped| stand::serve(tap, listener, service, stopped)).await
    }

    /// Of whatever serves on a listener until it is told to stop.
    pub(crate) async fn of(serve: impl FnOnce(TcpListener, oneshot::Receiver<()>) -> JoinHandle<()>) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.expect("binds"), serve)
    }

    pub(crate) fn on(
        listener: TcpListener,
        serve: impl FnOnce(TcpListener, oneshot::Receiver<()>) -> JoinHandle<()>,
    ) -> Self {
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = oneshot::channel::<()>();
        Self { address, stop, task: serve(listener, stopped) }
    }

    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        self.task.await.expect("the server does not panic");
    }
}
