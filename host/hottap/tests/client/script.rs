//! Servers that do what the test says: with each connection byte by byte, or with each request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use hottap::client::{Client, Error};
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

pub(crate) struct Script {
    pub(crate) address: SocketAddr,
    /// How many connections there were.
    pub(crate) accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Script {
    /// Runs `play` with each connection and its number, which begins with 0.
    pub(crate) async fn start<P, F>(play: P) -> Self
    where
        P: Fn(Wire, usize) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("accepts");
                let number = count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(play(Wire(stream), number));
            }
        });
        Self { address, accepted, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection.
pub(crate) struct Wire(pub(crate) TcpStream);

/// An HTTP/1.1 response of two bytes.
pub(crate) const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

impl Wire {
    /// Reads up to the empty line after a request's head. False if the client has gone.
    pub(crate) async fn head(&mut self) -> bool {
        let mut seen = Vec::new();
        let mut byte = [0];
        while !seen.ends_with(b"\r\n\r\n") {
            match self.0.read(&mut byte).await {
                Ok(1) => seen.push(byte[0]),
                _ => return false,
            }
        }
        true
    }

    /// Reads the preface of HTTP/2. False if the client has gone.
    pub(crate) async fn preface(&mut self) -> bool {
        self.0.read_exact(&mut [0; 24]).await.is_ok()
    }

    /// Reads up to the head of the next request of HTTP/2; the number of its stream. None if the client has gone.
    pub(crate) async fn stream(&mut self) -> Option<u32> {
        const HEADERS: u8 = 1;
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let [a, b, c, kind, _, stream @ ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            self.0.read_exact(&mut payload).await.ok()?;
            if kind == HEADERS {
                return Some(u32::from_be_bytes(stream));
            }
        }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        // The client may have gone.
        let _ = self.0.write_all(bytes).await;
    }

    /// Reads whatever comes, until nothing does.
    pub(crate) async fn drain(&mut self) {
        let mut rest = [0; 1024];
        while let Ok(1..) = self.0.read(&mut rest).await {}
    }

    /// Breaks the connection off: not FIN but RST.
    pub(crate) fn reset(self) {
        self.0.set_zero_linger().expect("sets");
    }
}

/// Makes a call of plain HTTP, and reads all of its response.
pub(crate) async fn get(client: &Client, path: &str) -> Result<Response<Bytes>, Error> {
    send(client, Request::get(path).body(Full::default()).expect("a request")).await
}

pub(crate) async fn send(client: &Client, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Error> {
    let response = client.clone().oneshot(request).await?;
    let (parts, body) = response.into_parts();
    Ok(Response::from_parts(parts, body.collect().await?.to_bytes()))
}

/// A server of HTTP/1.1 and HTTP/2 whose answers a function gives; over TLS if there is an acceptor.
pub(crate) struct Handler {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    handled: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

pub(crate) type Answer = Response<BoxBody<Bytes, std::io::Error>>;

impl Handler {
    /// `answer` gets each request, its body, and its number, which begins with 0.
    pub(crate) async fn start<A, F>(answer: A) -> Self
    where
        A: Fn(Request<Bytes>, usize) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        Self::at("127.0.0.1:0".parse().expect("an address"), None, answer).await
    }

    pub(crate) async fn at<A, F>(address: SocketAddr, tls: Option<TlsAcceptor>, answer: A) -> Self
    where
        A: Fn(Request<Bytes>, usize) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("sets");
        socket.bind(address).expect("binds");
        let listener = socket.listen(1024).expect("listens");
        let address = listener.local_addr().expect("bound");
        let (accepted, handled) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (connections, requests) = (accepted.clone(), handled.clone());
        let task = tokio::spawn(async move {
            // They end with the server.
            let mut serving = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.expect("accepts");
                connections.fetch_add(1, Ordering::SeqCst);
                let (answer, requests, tls) = (answer.clone(), requests.clone(), tls.clone());
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let (answer, number) = (answer.clone(), requests.fetch_add(1, Ordering::SeqCst));
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await?.to_bytes();
                        Ok::<_, hyper::Error>(answer(Request::from_parts(parts, body), number).await)
                    }
                });
                serving.spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    // A client may break the connection, or like the certificate not at all.
                    match tls {
                        None => _ = builder.serve_connection(TokioIo::new(stream), service).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, accepted, handled, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections there were.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// How many requests there were.
    pub(crate) fn handled(&self) -> usize {
        self.handled.load(Ordering::SeqCst)
    }

    /// Ends it with all of its connections.
    pub(crate) async fn stop(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer with a status, headers and a body.
pub(crate) fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Answer {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {});
    response.body(BoxBody::new(body)).expect("an answer")
}
