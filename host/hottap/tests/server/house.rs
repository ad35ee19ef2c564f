//! A running server whose handler does what the path says, with a recorder of its calls.
//!
//! `/hello` says so. `/echo` gives the body back as it comes, `/read` its length or the error that it ended with. `/hang`
//! never answers, `/wait` does when it is told to. `/panic` and `/panic-body` panic, `/fail` gives an error. `/down/N` gives N
//! bytes. `/ends` tells both ends, `/upgrade` makes an echo of the connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hottap::server::{Body, Bound, ConnectInfo, ConnectionCounters, Connections, Served, Server};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper_util::rt::TokioIo;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use crate::raw::Raw;
use crate::recorder::Recorder;

pub(crate) type Reply = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;
/// When a test gives up: long, so that a busy machine fails no test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// A time-out that a test waits for to pass.
pub(crate) const SHORT: Duration = Duration::from_millis(150);

#[derive(Clone, Default)]
pub(crate) struct Handler {
    /// A handler has got as far as to hang or to wait.
    pub(crate) reached: Arc<Notify>,
    /// How many have.
    pub(crate) hanging: Arc<AtomicUsize>,
    /// Lets those go on that wait.
    pub(crate) go: Arc<Notify>,
}

pub(crate) fn text(text: impl Into<Bytes>) -> Response<Reply> {
    Response::new(Full::new(text.into()).map_err(|never| match never {}).boxed_unsync())
}

impl Handler {
    pub(crate) async fn handle(self, mut request: Request<Body>) -> Result<Response<Reply>, io::Error> {
        let path = request.uri().path().to_owned();
        if let Some(size) = path.strip_prefix("/down/") {
            return Ok(Response::new(pieces(size.parse().expect("a size"))));
        }
        match path.as_str() {
            "/echo" => {
                let body = request.into_body().map_err(Into::into);
                return Ok(Response::new(body.boxed_unsync()));
            }
            "/read" => return Ok(read(request.into_body()).await),
            "/hang" => {
                self.hanging.fetch_add(1, Ordering::Relaxed);
                self.reached.notify_one();
                std::future::pending::<()>().await;
            }
            "/wait" => {
                let go = self.go.notified();
                self.hanging.fetch_add(1, Ordering::Relaxed);
                self.reached.notify_one();
                go.await;
            }
            "/panic" => panic!("as the path said"),
            "/panic-body" => {
                let mut count = 0;
                let pieces = std::iter::from_fn(move || {
                    count += 1;
                    assert!(count < 2, "as the path said");
                    Some(Ok(Frame::data(Bytes::from("piece"))))
                });
                return Ok(Response::new(StreamBody::new(tokio_stream::iter(pieces)).boxed_unsync()));
            }
            "/fail" => return Err(io::Error::other("a secret")),
            "/ends" => {
                let ends = request.extensions().get::<ConnectInfo>().expect("told");
                let certificates = ends.peer_certificates().count();
                return Ok(text(format!("{} {} {} {certificates}", ends.local(), ends.peer(), ends.is_tls())));
            }
            "/upgrade" => {
                tokio::spawn(async move {
                    let upgraded = hyper::upgrade::on(&mut request).await.expect("upgrades");
                    let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded));
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
                let head = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
                let head = head.header("connection", "upgrade").header("upgrade", "echo");
                return Ok(head.body(text("").into_body()).expect("a head"));
            }
            _ => {}
        }
        Ok(text("hello"))
    }
}

async fn read(mut body: Body) -> Response<Reply> {
    let mut length = 0_u64;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => length += frame.data_ref().map_or(0, |data| data.len() as u64),
            Err(error) => {
                let mut response = text(error.to_string());
                *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
                return response;
            }
        }
    }
    text(length.to_string())
}

/// So many bytes, none of them stored.
pub(crate) fn pieces(size: u64) -> Reply {
    const PIECE: u64 = 64 << 10;
    let zeros = Bytes::from_static(&[0; PIECE as usize]);
    let mut left = size;
    let pieces = std::iter::from_fn(move || {
        let now = left.min(PIECE);
        left -= now;
        (now > 0).then(|| Ok(Frame::data(zeros.slice(..now as usize))))
    });
    StreamBody::new(tokio_stream::iter(pieces)).boxed_unsync()
}

pub(crate) struct House {
    pub(crate) served: Recorder,
    pub(crate) handler: Handler,
    address: Option<SocketAddr>,
    counters: ConnectionCounters,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Served>,
}

impl House {
    pub(crate) async fn start(configure: impl FnOnce(Server) -> Server) -> Self {
        let served = Recorder::default();
        let tap = served.start("house");
        let bound = configure(tap.server()).bind("127.0.0.1:0").await.expect("binds");
        Self::of(served, bound)
    }

    pub(crate) fn of(served: Recorder, bound: Bound) -> Self {
        let handler = Handler::default();
        let handle = handler.clone();
        let service = tower::service_fn(move |request| handle.clone().handle(request));
        let (address, counters) = (bound.local_addr(), bound.connections());
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(bound.serve_until(service, async { _ = stopped.await }));
        Self { served, handler, address, counters, stop, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address.expect("over TCP")
    }

    pub(crate) fn connections(&self) -> Connections {
        self.counters.snapshot()
    }

    pub(crate) async fn connect(&self) -> Raw {
        Raw::tcp(self.address()).await
    }

    /// Waits until the counters say so.
    #[track_caller]
    pub(crate) fn until(&self, what: impl Fn(&Connections) -> bool) -> impl Future<Output = Connections> {
        until(self.counters.clone(), what)
    }

    /// The server still serves strangers.
    pub(crate) async fn assert_serves(&self) {
        let mut other = self.connect().await;
        other.send("GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        let answer = other.rest().await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    }

    pub(crate) fn begin_to_stop(self) -> Stopping {
        let _ = self.stop.send(());
        Stopping { served: self.served, counters: self.counters, task: self.task }
    }

    /// Ends the server; every call has finished once, every connection is accounted for.
    pub(crate) async fn close(self) -> (Served, Connections) {
        self.begin_to_stop().ended().await
    }

    /// Drops the server as it is.
    pub(crate) async fn kill(self) -> Connections {
        self.task.abort();
        let _ = self.task.await;
        until(self.counters, |seen| seen.open == 0).await
    }
}

pub(crate) struct Stopping {
    served: Recorder,
    counters: ConnectionCounters,
    task: JoinHandle<Served>,
}

impl Stopping {
    pub(crate) async fn ended(self) -> (Served, Connections) {
        let ended = tokio::time::timeout(PATIENCE, self.task).await.expect("the server ends").expect("no panic");
        let seen = self.counters.snapshot();
        let refused = seen.refused.limit + seen.refused.peer_limit;
        assert_eq!(seen.accepted, refused + seen.open + seen.closed.total(), "{seen:?}");
        assert_eq!(seen.closed.failed, 0, "the server is at fault: {seen:?}");
        self.served.assert_each_finished_once();
        (ended, seen)
    }
}

#[track_caller]
fn until(counters: ConnectionCounters, what: impl Fn(&Connections) -> bool) -> impl Future<Output = Connections> {
    let at = std::panic::Location::caller();
    async move {
        let came = async {
            loop {
                let seen = counters.snapshot();
                if what(&seen) {
                    return seen;
                }
                tokio::task::yield_now().await;
            }
        };
        match tokio::time::timeout(PATIENCE, came).await {
            Ok(seen) => seen,
            Err(_) => panic!("at {at}: {:#?}", counters.snapshot()),
        }
    }
}

/// A service of hyper-util's client towards a house.
pub(crate) type Client = hyper_util::client::legacy::Client<hyper_util::client::legacy::connect::HttpConnector, Reply>;

pub(crate) fn client(http2: bool) -> Client {
    let mut builder = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new());
    builder.http2_only(http2).build_http()
}
