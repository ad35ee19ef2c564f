//! A hyper server over TCP, in either version of HTTP, around a service that a test makes, and hyper's clients for it.
//! No layer is in it: a test puts its own where it wants them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hottap::{ClientService, RequestBody};
use http::{Request, Response};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::Service;

use crate::pair::Http;
use crate::recorder::Recorder;

pub(crate) const BOTH: [Http; 2] = [Http::One, Http::Two];

/// The least that hyper buffers of a connection: what is longer has to go out before anything else.
const BUFFER_BYTES: usize = 8192;

/// A server that accepts connections until it is dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Served {
    pub(crate) async fn start<S, B>(http: Http, service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        let task = tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.expect("accepts");
                let (connection, service) = (TokioIo::new(connection), TowerToHyperService::new(service.clone()));
                tokio::spawn(async move {
                    // Clients may break the connection, and services panic.
                    let _ = match http {
                        Http::One => {
                            let mut server = hyper::server::conn::http1::Builder::new();
                            server.max_buf_size(BUFFER_BYTES).serve_connection(connection, service).await
                        }
                        Http::Two => {
                            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                            server.serve_connection(connection, service).await
                        }
                    };
                });
            }
        });
        Self { address, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) type HyperClient<B> = ClientService<Client<HttpConnector, RequestBody<B>>>;

/// hyper's client behind a layer.
pub(crate) fn client<B>(sent: &Recorder, http: Http) -> HyperClient<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    let client = Client::builder(TokioExecutor::new()).http2_only(http == Http::Two).build_http();
    sent.start("shop").client_layer().layer(client)
}

/// A body of a few bytes that never ends, and remembers whether anybody has asked for any of it.
#[derive(Clone, Default)]
pub(crate) struct Endless {
    asked: Arc<AtomicBool>,
    given: bool,
}

impl Endless {
    pub(crate) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.asked.store(true, Ordering::SeqCst);
        if std::mem::replace(&mut self.given, true) {
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"piece")))))
    }
}
