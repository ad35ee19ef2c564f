//! Servers for the tests: one on hyper that does what a test says, and one that speaks raw bytes.

use std::convert::Infallible;
use std::io::Read;
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::PATIENCE;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) connection: usize,
    pub(super) head: http::request::Parts,
    pub(super) body: Bytes,
}

impl Seen {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).map(|value| value.to_str().expect("text"))
    }
}

/// What a server does with a request.
pub(super) enum Answer {
    Says(http::Response<Full<Bytes>>),
    Hangs,
}

pub(super) fn status(status: u16) -> Answer {
    says(status, &[], "")
}

pub(super) fn says(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    let builder = headers
        .iter()
        .fold(http::Response::builder().status(status), |builder, (name, value)| builder.header(*name, *value));
    Answer::Says(builder.body(Full::new(body.into())).expect("an answer"))
}

/// A server until it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Receiver<Seen>,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Server {
    /// `answer` gets the request's number, from 0, and the request.
    pub(super) fn start(answer: impl Fn(usize, &Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address"), answer)
    }

    pub(super) fn start_at(
        address: SocketAddr,
        answer: impl Fn(usize, &Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = StdListener::bind(address).expect("a port");
        listener.set_nonblocking(true).expect("set");
        let address = listener.local_addr().expect("an address");
        let (tell, seen) = channel();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                tokio::spawn(accept(listener, Arc::new(answer), tell));
                let _ = stopped.await;
            });
        });
        Self { address, seen, _stop: stop }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("url = \"http://{}{path}\"", self.address)
    }

    /// The next request.
    #[track_caller]
    pub(super) fn next(&self) -> Seen {
        self.seen.recv_timeout(PATIENCE).expect("a request")
    }

    /// The requests that came and were not looked at.
    pub(super) fn rest(&self) -> Vec<Seen> {
        self.seen.try_iter().collect()
    }
}

async fn accept<A>(listener: StdListener, answer: Arc<A>, tell: Sender<Seen>)
where
    A: Fn(usize, &Seen) -> Answer + Send + Sync + 'static,
{
    let listener = TcpListener::from_std(listener).expect("a listener");
    let requests = Arc::new(AtomicUsize::new(0));
    for connection in 0.. {
        let Ok((stream, _)) = listener.accept().await else { return };
        tokio::spawn(serve(TokioIo::new(stream), connection, answer.clone(), requests.clone(), tell.clone()));
    }
}

/// Serves one connection.
pub(super) async fn serve<T, A>(
    io: T,
    connection: usize,
    answer: Arc<A>,
    requests: Arc<AtomicUsize>,
    tell: Sender<Seen>,
) where
    T: hyper::rt::Read + hyper::rt::Write + Unpin,
    A: Fn(usize, &Seen) -> Answer + Send + Sync + 'static,
{
    let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
        let (answer, requests, tell) = (answer.clone(), requests.clone(), tell.clone());
        async move {
            let (head, body) = request.into_parts();
            // A client that gave up is none of the server's business.
            let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            let seen = Seen { connection, head, body };
            let answer = answer(requests.fetch_add(1, Ordering::SeqCst), &seen);
            let _ = tell.send(seen);
            match answer {
                Answer::Says(response) => Ok::<_, Infallible>(response),
                Answer::Hangs => std::future::pending().await,
            }
        }
    });
    let _ = http1::Builder::new().serve_connection(io, service).await;
}

/// A server that does with each connection what `talk` does; it is told the connection's number, from 0.
pub(super) fn raw(talk: impl Fn(usize, StdStream) + Send + 'static) -> SocketAddr {
    let listener = StdListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for (connection, stream) in listener.incoming().enumerate() {
            talk(connection, stream.expect("a connection"));
        }
    });
    address
}

/// Reads one request with its body.
pub(super) fn read_request(stream: &mut StdStream) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).and_then(|text| text.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    let _ = stream.read_exact(&mut body);
    head + &String::from_utf8_lossy(&body)
}
