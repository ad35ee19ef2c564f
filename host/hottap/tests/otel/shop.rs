//! A shop that is served by the server runtime on a port of its own, and ways to ask it something.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use hottap::Hottap;
use hottap::client::Client;
use hottap::otel::{Conventions, Names};
use hottap::server::{Served, Server};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::SpanData;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::spans::Spans;

/// A shop on a port of its own, whose spans are kept.
pub(crate) struct Shop {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Served>,
}

pub(crate) fn router() -> Router {
    Router::new()
        .route("/users/{id}", get(|| async { "somebody" }))
        .route("/busy", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
}

impl Shop {
    pub(crate) async fn open(tap: &Hottap, configure: impl FnOnce(Server) -> Server) -> Self {
        let bound = configure(tap.server()).bind("127.0.0.1:0").await.expect("binds");
        let address = bound.local_addr().expect("over TCP");
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(bound.serve_until(router(), async { _ = stopped.await }));
        Self { address, stop, task }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connects")
    }

    /// All its calls have finished then.
    pub(crate) async fn close(self) {
        let _ = self.stop.send(());
        self.task.await.expect("no panic");
    }
}

pub(crate) fn tap(spans: &Spans, names: Names) -> Hottap {
    let tracer = spans.tracer().conventions(Conventions::new(names, names));
    Hottap::builder().service("shop").tracer(tracer).start().expect("starts")
}

/// Sends bytes, and reads until the other end has closed.
pub(crate) async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> String {
    stream.write_all(bytes).await.expect("sent");
    let mut answer = Vec::new();
    // A server that closes while something of the request is left resets the connection.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[track_caller]
pub(crate) fn the_one(spans: &Spans, kind: &SpanKind) -> SpanData {
    let mut found: Vec<_> = spans.ended().into_iter().filter(|span| span.span_kind == *kind).collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

pub(crate) const PLAIN: &str = "GET /users/17?q=1&sig=hunter2 HTTP/1.1\r\nhost: shop.example:8080\r\nuser-agent: curl/8\r\n\
                     connection: close\r\n\r\n";

/// A certificate for `localhost`: for the server, and as those have it who trust it.
pub(crate) fn certificate() -> (hottap::server::Tls, String, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("makes one");
    let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let tls = hottap::server::Tls::from_pem(pem.as_bytes(), key.as_bytes()).expect("TLS");
    (tls, pem, made.cert.der().clone())
}

/// One request of HTTP/2, by hyper alone.
pub(crate) async fn two(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, uri: &str) {
    let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.expect("shakes hands");
    let connection = tokio::spawn(connection);
    let request = Request::get(uri).body(Empty::<Bytes>::new()).expect("a request");
    let response = sender.send_request(request).await.expect("a response");
    response.into_body().collect().await.expect("ends");
    drop(sender);
    connection.await.expect("no panic").expect("ends well");
}

pub(crate) async fn ask(client: &Client, uri: &str) -> StatusCode {
    let request = Request::get(uri).header("user-agent", "shop/1").body(Empty::<Bytes>::new()).expect("a request");
    let response = client.clone().oneshot(request).await.expect("a response");
    let status = response.status();
    response.into_body().collect().await.expect("ends");
    status
}
