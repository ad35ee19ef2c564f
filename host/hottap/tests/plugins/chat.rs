//! A tonic server over TCP and streaming calls of it, both behind the layers of one Hottap.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hottap::{ClientService, Hottap};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::server::NamedService;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};
use tower::{Service, service_fn};

use crate::codec::BytesCodec;

/// Its path, and the name that its calls have.
pub(crate) const CHAT: &str = "test.Chat/Chat";

/// A service that gives every message back.
#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "test.Chat";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let handler = |request: Request<Streaming<Bytes>>| async move { Ok(Response::new(request.into_inner())) };
            Ok(tonic::server::Grpc::new(BytesCodec).streaming(service_fn(handler), request).await)
        })
    }
}

/// Serves until the runtime ends.
pub(crate) async fn serve(tap: &Hottap) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let server = Server::builder().layer(tap.server_layer()).add_service(Echo);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

pub(crate) fn connect(tap: &Hottap, address: SocketAddr) -> Grpc<ClientService<Channel>> {
    let channel = Endpoint::from_shared(format!("http://{address}")).expect("a URL").connect_lazy();
    Grpc::new(tap.client_layer().callee("chat").layer(channel))
}

/// A call that is open.
pub(crate) struct Chat {
    send: mpsc::Sender<Bytes>,
    receive: Streaming<Bytes>,
}

impl Chat {
    pub(crate) async fn start(client: &Grpc<ClientService<Channel>>) -> Result<Self, Status> {
        let mut client = client.clone();
        client.ready().await.expect("ready");
        let (send, messages) = mpsc::channel(1);
        let request = Request::new(ReceiverStream::new(messages));
        let path = format!("/{CHAT}").parse().expect("a path");
        let receive = client.streaming(request, path, BytesCodec).await?.into_inner();
        Ok(Self { send, receive })
    }

    /// Sends a message of so many bytes, and has it back.
    pub(crate) async fn say(&mut self, size: usize) {
        self.send.send(Bytes::from(vec![b'x'; size])).await.expect("the call is open");
        let back = self.receive.message().await.expect("no error").expect("a message");
        assert_eq!(back.len(), size);
    }

    pub(crate) async fn end(mut self) {
        drop(self.send);
        assert!(self.receive.message().await.expect("no error").is_none());
    }
}
