//! One connection from its acceptance to its end: handshake, first bytes, HTTP, and the one reason why it ended.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

use super::activity::Activity;
use super::admission::Admitted;
use super::body::Body;
use super::connect_info::Connected;
use super::counters::{Open, Reason};
use super::entry::{Entry, Layered};
use super::listen::Ends;
use super::patience::{Left, Patience, Version};
use super::settings::Settings;
use super::stream::{Stream, Transport};
use crate::socket::Socket;

type BoxError = Box<dyn Error + Send + Sync>;

/// How a connection of HTTP/2 begins (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a peer that was told that the connection ends has to hang up. It needs one round trip; until then the
/// connection has its place.
const GOODBYE: Duration = Duration::from_secs(5);
/// What a connection of HTTP/1.1 buffers of bodies each way: hyper's 400 KiB would be 4 GiB in ten thousand connections.
/// Less makes large bodies slower.
const BUFFER_BYTES: usize = 64 << 10;

/// What all connections of a server share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) tls: Option<TlsAcceptor>,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl Shared {
    pub(super) fn new(settings: Settings, tls: Option<TlsAcceptor>) -> Self {
        let header_bytes = settings.header_bytes;
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::default())
            // The time between two requests would count as reading a head: the time-outs here tell them apart.
            .header_read_timeout(None)
            .max_header_size(usize::try_from(header_bytes).unwrap_or(usize::MAX))
            .max_buf_size(BUFFER_BYTES.max(usize::try_from(header_bytes).unwrap_or(usize::MAX).saturating_mul(2)));
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::default())
            .keep_alive_interval(settings.ping_interval)
            .keep_alive_timeout(settings.ping_timeout)
            .max_concurrent_streams(settings.max_streams)
            .max_header_list_size(header_bytes)
            .max_pending_accept_reset_streams(settings.max_pending_resets)
            .max_local_error_reset_streams(settings.max_local_resets);
        Self { settings, tls, http1, http2 }
    }
}

/// Serves one connection until it ends.
pub(super) async fn run<S, R>(
    shared: Arc<Shared>,
    service: Layered<S>,
    (stream, ends): (Socket, Ends),
    (open, admitted): (Open, Admitted),
    mut stop: watch::Receiver<bool>,
) where
    S: Service<Request<Body>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: fmt::Display + Send + 'static,
    R: HttpBody + Send + 'static,
    R::Data: Send,
    R::Error: Into<BoxError> + fmt::Display + 'static,
{
    let reason = match begin(&shared, stream, open.activity(), &mut stop).await {
        Ok(Begun { stream, certificates, ahead, version }) => {
            let activity = open.activity().clone();
            let transport = Transport::new(stream, ahead, version, activity.clone(), admitted);
            let entry = Entry {
                service,
                ends: Connected::new(ends, certificates),
                activity,
                body_timeout: shared.settings.body_timeout,
                stream_timeout: shared.settings.stream_timeout,
            };
            let io = TokioIo::new(transport);
            let connection = match version {
                Version::One => Http::One { connection: shared.http1.serve_connection(io, entry).with_upgrades() },
                Version::Two => Http::Two { connection: shared.http2.serve_connection(io, entry) },
            };
            let Settings { header_timeout: header, idle_timeout: idle, write_timeout: write, .. } = shared.settings;
            drop(shared);
            serve(connection, open.activity(), Patience { version, header, idle, write }, &mut stop).await
        }
        Err(reason) => reason,
    };
    open.close(reason);
}

/// A connection over which HTTP may be spoken.
struct Begun {
    stream: Stream,
    /// Those of the peer, if there is TLS.
    certificates: Option<Vec<Vec<u8>>>,
    ahead: Bytes,
    version: Version,
}

/// Shakes hands, and finds out which HTTP the peer speaks.
async fn begin(
    shared: &Shared,
    stream: Socket,
    activity: &Activity,
    stop: &mut watch::Receiver<bool>,
) -> Result<Begun, Reason> {
    let (mut stream, certificates, agreed) = match &shared.tls {
        None => (Stream::Plain(stream), None, None),
        Some(acceptor) => {
            let timeout = shared.settings.tls_timeout;
            let shaken = within(timeout, Reason::TlsTimeout, stop, acceptor.accept(stream)).await?;
            let stream = shaken.map_err(|_error| Reason::Tls)?;
            let session = stream.get_ref().1;
            let chain = session.peer_certificates().unwrap_or_default();
            let certificates = chain.iter().map(|certificate| certificate.to_vec()).collect();
            let agreed = session.alpn_protocol().map(|name| if name == b"h2" { Version::Two } else { Version::One });
            (Stream::Tls(Box::new(stream)), Some(certificates), agreed)
        }
    };
    activity.expect_head();
    let mut first = [0; PREFACE.len()];
    let (ahead, version) = if agreed == Some(Version::One) {
        (Bytes::new(), Version::One)
    } else {
        let look = read_preface(&mut stream, &mut first);
        let looked = within(shared.settings.header_timeout, Reason::HeaderTimeout, stop, look).await?;
        let (count, is_preface) = looked.map_err(|_error| Reason::Reset)?;
        if count == 0 {
            return Err(Reason::Done);
        }
        let found = if is_preface { Version::Two } else { Version::One };
        (Bytes::copy_from_slice(first.get(..count).unwrap_or_default()), agreed.unwrap_or(found))
    };
    if version == Version::Two {
        activity.wait();
    }
    Ok(Begun { stream, certificates, ahead, version })
}

/// Reads until it is clear whether it is HTTP/2's preface; how much was read, and whether it is.
async fn read_preface(stream: &mut Stream, first: &mut [u8; PREFACE.len()]) -> io::Result<(usize, bool)> {
    let mut buffer = ReadBuf::new(first);
    loop {
        let before = buffer.filled().len();
        poll_fn(|context| Pin::new(&mut *stream).poll_read(context, &mut buffer)).await?;
        let filled = buffer.filled();
        if filled.len() == before || !PREFACE.starts_with(filled) {
            return Ok((filled.len(), false));
        }
        if filled.len() == PREFACE.len() {
            return Ok((filled.len(), true));
        }
    }
}

/// Waits for what the peer has to do, for so long, and no longer than the server runs.
async fn within<T>(
    timeout: Option<Duration>,
    late: Reason,
    stop: &mut watch::Receiver<bool>,
    future: impl Future<Output = T>,
) -> Result<T, Reason> {
    let mut future = pin!(future);
    let mut stopped = pin!(stopped(stop));
    let mut timer = pin!(timeout.map(sleep));
    poll_fn(|context| {
        if let Poll::Ready(result) = future.as_mut().poll(context) {
            return Poll::Ready(Ok(result));
        }
        if stopped.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(Reason::Shutdown));
        }
        match timer.as_mut().as_pin_mut() {
            Some(timer) => timer.poll(context).map(|()| Err(late)),
            None => Poll::Pending,
        }
    })
    .await
}

/// The server shuts down.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Whoever could say so is gone only when this task is being ended as well.
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending().await
    }
}

pin_project! {
    /// hyper's connection of either version.
    #[project = Project]
    enum Http<S, R>
    where
        S: Service<Request<Body>, Response = Response<R>>,
        S: Clone,
        S::Error: fmt::Display,
        S::Error: 'static,
        R: HttpBody,
        R: 'static,
        R::Error: Into<BoxError>,
        R::Error: fmt::Display,
    {
        One { #[pin] connection: http1::UpgradeableConnection<TokioIo<Transport>, Entry<S>> },
        Two { #[pin] connection: http2::Connection<TokioIo<Transport>, Entry<S>, TokioExecutor> },
    }
}

impl<S, R> Http<S, R>
where
    S: Service<Request<Body>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: fmt::Display + Send + 'static,
    R: HttpBody + Send + 'static,
    R::Data: Send,
    R::Error: Into<BoxError> + fmt::Display + 'static,
{
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        match self.project() {
            Project::One { connection } => connection.poll(context),
            Project::Two { connection } => connection.poll(context),
        }
    }

    fn say_goodbye(self: Pin<&mut Self>) {
        match self.project() {
            Project::One { connection } => connection.graceful_shutdown(),
            Project::Two { connection } => connection.graceful_shutdown(),
        }
    }
}

/// Lets a connection go on for as long as it may.
async fn serve<S, R>(
    connection: Http<S, R>,
    activity: &Activity,
    patience: Patience,
    stop: &mut watch::Receiver<bool>,
) -> Reason
where
    S: Service<Request<Body>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: fmt::Display + Send + 'static,
    R: HttpBody + Send + 'static,
    R::Data: Send,
    R::Error: Into<BoxError> + fmt::Display + 'static,
{
    let mut connection = pin!(connection);
    let mut stopped = pin!(stopped(stop));
    let mut timer = pin!(sleep_until(Instant::now() + patience.look_again()));
    // Why it ends, once the peer has been told that it does.
    let mut ending: Option<Reason> = None;
    poll_fn(|context| {
        loop {
            if let Poll::Ready(result) = connection.as_mut().poll(context) {
                let reason = match result {
                    Ok(()) if activity.is_upgraded() => Reason::Upgraded,
                    Ok(()) => ending.unwrap_or(Reason::Done),
                    Err(error) => ending.unwrap_or_else(|| reason(&error)),
                };
                return Poll::Ready(reason);
            }
            if ending != Some(Reason::Shutdown) && stopped.as_mut().poll(context).is_ready() {
                ending = Some(Reason::Shutdown);
                connection.as_mut().say_goodbye();
                timer.as_mut().reset(Instant::now() + GOODBYE);
                continue;
            }
            // The timer stands where it was as long as it is early enough: most that happens only makes it later.
            if let (None, Left::Until(moment, _)) = (ending, patience.left(activity.seen())) {
                let moment = activity.instant(moment);
                if moment < timer.deadline() {
                    timer.as_mut().reset(moment);
                }
            }
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            match (ending, patience.left(activity.seen())) {
                (Some(reason), _) => {
                    if activity.active() == 0 {
                        return Poll::Ready(reason);
                    }
                    timer.as_mut().reset(Instant::now() + GOODBYE);
                }
                (None, Left::Until(moment, reason)) => {
                    let moment = activity.instant(moment);
                    if moment > Instant::now() {
                        timer.as_mut().reset(moment);
                    } else if reason != Reason::Idle {
                        return Poll::Ready(reason);
                    } else {
                        ending = Some(reason);
                        connection.as_mut().say_goodbye();
                        timer.as_mut().reset(Instant::now() + GOODBYE);
                    }
                }
                (None, Left::Busy | Left::Forever) => {
                    timer.as_mut().reset(Instant::now() + patience.look_again());
                }
            }
        }
    })
    .await
}

/// What an error of hyper's says of the connection's end.
fn reason(error: &hyper::Error) -> Reason {
    if error.is_parse_too_large() {
        return Reason::HeaderTooLarge;
    }
    if error.is_parse() {
        return Reason::Protocol;
    }
    if error.is_timeout() {
        return Reason::PingTimeout;
    }
    if let Some(error) = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>()) {
        return if error.is_io() || error.is_remote() { Reason::Reset } else { Reason::Protocol };
    }
    // A socket's error, a message that ends too soon.
    Reason::Reset
}
