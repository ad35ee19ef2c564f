//! The admin API on a port of its own: one thread, bounded in everything that a peer can make it hold.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, ToSocketAddrs};
use std::pin::pin;
use std::sync::{Arc, OnceLock, mpsc};
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::{AdminFuture, AdminService};
use hottap_core::panics::{Panic, Place};

/// What peers can make the admin port hold.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Open connections. One more closes the oldest, so that whoever comes is answered: with fewer, scrapers close each
    /// other's; each can cost a page of metrics in memory if its peer does not read.
    connections: usize,
    /// For a request's head to arrive whole, and between two requests. A scraper that asks less often makes a new
    /// connection; a longer time lets those who send a byte now and then hold theirs.
    head: Duration,
    /// For an action to be answered. The supervisor answers sooner, unless the file system of the plugin dir holds it up.
    answer: Duration,
    /// How long a connection may live; then it finishes its answer and closes. It ends those who ask and never read.
    life: Duration,
    /// For the last answer, once a connection has reached its age.
    last: Duration,
}

const BOUNDS: Bounds = Bounds {
    connections: 64,
    head: Duration::from_secs(5),
    answer: Duration::from_secs(4),
    life: Duration::from_secs(60),
    last: Duration::from_secs(5),
};

/// Bytes of a request's head, and of what hyper buffers on the way out; a browser's head has one or two KiB.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Header lines in a request.
const MAX_HEADERS: usize = 64;
/// How long to wait when the system can't give another connection (it is out of files or memory).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The pause between attempts to open a port that is in use: soon enough for the next scrape after another process has left
/// it, and seldom enough for an address with a name, which is looked up each time.
const RETRY: Duration = Duration::from_secs(5);
/// How much longer than it may take a shutdown waits for the thread itself, which ends at once if no report hangs.
const THREAD_END: Duration = Duration::from_millis(500);

/// The admin port did not open.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address can't be listened on.
    #[error("cannot listen on {address} for the admin api: {}", remedy(source))]
    Bind { address: String, source: io::Error },
    /// The system gives no thread, or no means to wait on sockets.
    #[error(
        "cannot start the admin api's thread: free files, memory or threads of this process, or leave the admin address out"
    )]
    Thread(#[source] io::Error),
}

impl ServeError {
    /// No later attempt can succeed, because what was given is no address.
    fn is_final(&self) -> bool {
        matches!(self, Self::Bind { source, .. } if source.kind() == io::ErrorKind::InvalidInput)
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program listens there; give another port, or 0 for any that is free",
        io::ErrorKind::PermissionDenied => "this user may not; give a port from 1024 on",
        io::ErrorKind::AddrNotAvailable => {
            "it is no address of this machine; give 127.0.0.1, 0.0.0.0 or one of its own"
        }
        _ => "give an address and a port, such as 127.0.0.1:9600",
    }
}

/// The open admin port. Dropping it closes the port and lets answers in flight finish, without waiting for them.
pub struct AdminServer {
    /// Set once the port is open.
    address: Arc<OnceLock<SocketAddr>>,
    /// How long what is in flight may take, once it shall stop.
    stop: watch::Sender<Option<Duration>>,
    ended: mpsc::Receiver<()>,
    thread: JoinHandle<()>,
}

impl fmt::Debug for AdminServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminServer").field("address", &self.address.get()).finish_non_exhaustive()
    }
}

/// Opens the admin port: `address` with a port, 0 for any that is free. A name is looked up, which can block.
///
/// It is served on a thread of its own, so that neither a busy service nor a blocked runtime keeps it from answering.
pub fn serve(address: impl ToSocketAddrs + fmt::Display, service: AdminService) -> Result<AdminServer, ServeError> {
    serve_within(BOUNDS, address, service)
}

/// The same for a service that goes on without the admin API: if the port cannot be opened, that is logged, and tried again
/// every five seconds until it succeeds. None if it cannot succeed later either.
pub fn serve_or_retry(address: String, service: AdminService) -> Option<AdminServer> {
    serve_or_retry_every(RETRY, address, service)
}

fn serve_or_retry_every(retry: Duration, address: String, service: AdminService) -> Option<AdminServer> {
    let error = match serve(&*address, service.clone()) {
        Ok(server) => return Some(server),
        Err(error) => error,
    };
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    if error.is_final() {
        tracing::warn!("{error} ({cause}); the service goes on without the admin api");
        return None;
    }
    tracing::warn!(
        "{error} ({cause}); the service goes on without the admin api, and it is tried again every {retry:?}"
    );
    match run(BOUNDS, Port::Later { address, retry }, service) {
        Ok(server) => Some(server),
        Err(error) => {
            tracing::warn!("{error}; the service goes on without the admin api");
            None
        }
    }
}

fn serve_within(
    bounds: Bounds,
    address: impl ToSocketAddrs + fmt::Display,
    service: AdminService,
) -> Result<AdminServer, ServeError> {
    let listener = listen(&address).map_err(|source| ServeError::Bind { address: address.to_string(), source })?;
    run(bounds, Port::Open(listener), service)
}

/// The port that a server has, or is to get.
enum Port {
    Open(StdListener),
    /// It is opened as soon as that is possible.
    Later {
        address: String,
        retry: Duration,
    },
}

fn listen(address: impl ToSocketAddrs) -> io::Result<StdListener> {
    let listener = StdListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Starts the thread, which serves once the port is open.
fn run(bounds: Bounds, port: Port, service: AdminService) -> Result<AdminServer, ServeError> {
    let address = Arc::new(OnceLock::new());
    let (stop, mut stopped) = watch::channel(None);
    let (started, start) = mpsc::sync_channel(1);
    let (end, ended) = mpsc::sync_channel(1);
    // The runtime is made, used and dropped on its own thread: dropping one inside another one panics.
    let opened = address.clone();
    let body = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return drop(started.send(Err(error))),
        };
        runtime.block_on(async {
            let listener = match port {
                Port::Open(listener) => listener,
                Port::Later { address, retry } => {
                    let _ = started.send(Ok(()));
                    match open_later(&address, retry, &mut stopped).await {
                        Some(listener) => listener,
                        None => return,
                    }
                }
            };
            let listener = listener.local_addr().and_then(|address| {
                let _ = opened.set(address);
                TcpListener::from_std(listener)
            });
            match listener {
                Ok(listener) => {
                    let _ = started.try_send(Ok(()));
                    accept(bounds, listener, service, stopped).await;
                }
                Err(error) => drop(started.try_send(Err(error))),
            }
        });
        drop(runtime);
        let _ = end.send(());
    };
    let thread = thread::Builder::new().name("hottap-admin".to_owned()).spawn(body).map_err(ServeError::Thread)?;
    match start.recv() {
        Ok(Ok(())) => Ok(AdminServer { address, stop, ended, thread }),
        Ok(Err(error)) => Err(ServeError::Thread(error)),
        Err(error) => Err(ServeError::Thread(io::Error::other(error))),
    }
}

impl AdminServer {
    /// The address that it listens on, with the port that was found if 0 was asked for; none as long as the port is not open.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.address.get().copied()
    }

    /// Closes the port, gives answers in flight `within` to finish, closes what is left, and joins the thread. Blocks
    /// the caller for that long at most, and half a second more if a report hangs: then it returns false and leaves
    /// the thread behind.
    pub fn shutdown(self, within: Duration) -> bool {
        // An error means that the thread has ended by itself.
        let _ = self.stop.send(Some(within));
        match self.ended.recv_timeout(within.saturating_add(THREAD_END)) {
            Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => self.thread.join().is_ok(),
            Err(mpsc::RecvTimeoutError::Timeout) => false,
        }
    }
}

/// Tries to open the port again and again. None if it is told to stop, or the handle is dropped.
async fn open_later(
    address: &str,
    retry: Duration,
    stopped: &mut watch::Receiver<Option<Duration>>,
) -> Option<StdListener> {
    loop {
        if timeout(retry, stopped.wait_for(Option::is_some)).await.is_ok() {
            return None;
        }
        if let Ok(listener) = listen(address) {
            tracing::info!(address, "the admin api is open now");
            return Some(listener);
        }
    }
}

/// Accepts until it is told to stop, or the handle is dropped.
async fn accept(
    bounds: Bounds,
    listener: TcpListener,
    service: AdminService,
    mut stopped: watch::Receiver<Option<Duration>>,
) {
    let mut connections = JoinSet::new();
    let mut by_age: VecDeque<AbortHandle> = VecDeque::new();
    let mut failing = false;
    let for_connections = stopped.clone();
    {
        let mut stop = pin!(stopped.wait_for(Option::is_some));
        loop {
            let accepted = poll_fn(|cx| match stop.as_mut().poll(cx) {
                Poll::Ready(_) => Poll::Ready(None),
                Poll::Pending => listener.poll_accept(cx).map(Some),
            });
            match accepted.await {
                None => break,
                Some(Ok((stream, peer))) => {
                    failing = false;
                    while let Some(ended) = connections.try_join_next() {
                        if let Err(error) = ended
                            && let Ok(payload) = error.try_into_panic()
                        {
                            Panic::note(Place::Admin, &*payload);
                        }
                    }
                    by_age.retain(|connection| !connection.is_finished());
                    if by_age.len() >= bounds.connections
                        && let Some(oldest) = by_age.pop_front()
                    {
                        oldest.abort();
                    }
                    let connection = serve_connection(bounds, stream, peer, service.clone(), for_connections.clone());
                    by_age.push_back(connections.spawn(connection));
                }
                // A peer that went away while it waited says nothing about the next one.
                Some(Err(error)) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Some(Err(error)) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, "the admin port gets no connections; trying again and again");
                    }
                    if timeout(ACCEPT_PAUSE, stop.as_mut()).await.is_ok() {
                        break;
                    }
                }
            }
        }
    }
    drop(listener);
    let within = stopped.borrow().unwrap_or(bounds.last);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(within, all).await;
}

/// Answers requests until the peer closes, a bound is reached, or the server stops.
async fn serve_connection(
    bounds: Bounds,
    stream: TcpStream,
    peer: SocketAddr,
    service: AdminService,
    mut stopped: watch::Receiver<Option<Duration>>,
) {
    // Answers are written in one piece; a system that can't switch delays off only delays them.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(move |request| {
        let answering = service.answer(&request, Some(peer));
        async move { timeout(bounds.answer, answering).await.unwrap_or_else(|_| Ok(AdminFuture::late())) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = pin!(connection);
    let closed = {
        let mut end = pin!(timeout(bounds.life, stopped.wait_for(Option::is_some)));
        poll_fn(|cx| match connection.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending => end.as_mut().poll(cx).map(|_| false),
        })
        .await
    };
    if !closed {
        connection.as_mut().graceful_shutdown();
        // What peers do wrong is theirs: nobody here could do anything about it.
        let _ = timeout(bounds.last, connection).await;
    }
}
