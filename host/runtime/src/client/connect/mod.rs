//! One endpoint's connections: the name, the address, the handshake, all within the time for connecting.

mod fault;
mod queue;
mod resolve;
mod stream;
mod tls;

pub use resolve::{Addresses, Resolve};
pub use tls::{Tls, TlsError};

pub(super) use fault::ConnectFault;
pub(super) use queue::Queue;
pub(super) use stream::Stream;
pub(super) use tls::Offer;

use hottap_core::lock::lock;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout};
use tower_service::Service;

use self::queue::Making;
use self::resolve::Resolver;
use self::stream::Socket;
use super::balance::Health;
use super::endpoint::Place;
use super::{Error, ErrorKind, Phase};
use crate::client::error;
use hottap_io::dial::Handshake;

/// How long the first address of a name is tried alone before one of the other family is tried beside it; RFC 8305
/// recommends 250 ms, and hyper's default is this.
const HAPPY_EYEBALLS: Duration = Duration::from_millis(300);

const NO_ANSWER: &str = "the name server did not answer in time";

/// Connects to one endpoint.
#[derive(Clone)]
pub(super) struct Connector(Arc<Inner>);

struct Inner {
    place: Place,
    resolve: Option<Arc<dyn Resolve>>,
    tls: Option<Handshake>,
    timeout: Option<Duration>,
    last: LastFailure,
    health: Arc<Health>,
    /// Only if calls share the connection.
    queue: Option<Queue>,
}

/// A connection that was given up after this time by the calls that wanted it is one that failed. Shorter, and impatient
/// callers would make a good endpoint a bad one; longer, and calls with little time would find out about a dead one again
/// and again.
const GIVEN_UP: Duration = Duration::from_millis(500);

/// Sees whether a connection is given up.
struct Patience<'a> {
    health: &'a Health,
    began: Instant,
    over: bool,
}

impl Drop for Patience<'_> {
    fn drop(&mut self) {
        if !self.over && self.began.elapsed() >= GIVEN_UP {
            self.health.failed();
        }
    }
}

/// Why there was no connection the last time. Calls that wait for a connection that another one is making are told by the
/// pool only that it has not come to be.
#[derive(Clone, Default)]
pub(super) struct LastFailure(Arc<Mutex<Option<Error>>>);

impl LastFailure {
    fn set(&self, error: &Error) {
        *lock(&self.0) = Some(error.clone());
    }

    pub(super) fn get(&self) -> Option<Error> {
        lock(&self.0).clone()
    }
}

/// How far a connection has come, for the one who runs out of patience with it.
#[derive(Clone, Debug, Default)]
struct Progress(Arc<AtomicU8>);

impl Progress {
    fn set(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Relaxed);
    }

    fn get(&self) -> Phase {
        let at = self.0.load(Ordering::Relaxed);
        [Phase::Resolve, Phase::Handshake].into_iter().find(|phase| *phase as u8 == at).unwrap_or(Phase::Connect)
    }
}

impl Connector {
    pub(super) fn new(
        place: Place,
        resolve: Option<Arc<dyn Resolve>>,
        tls: Option<Handshake>,
        timeout: Option<Duration>,
        last: LastFailure,
        health: Arc<Health>,
        queue: Option<Queue>,
    ) -> Self {
        Self(Arc::new(Inner { place, resolve, tls, timeout, last, health, queue }))
    }

    async fn connect(self, making: Option<Making>) -> Result<TokioIo<Stream>, ConnectFault> {
        let mut patience = Patience { health: &self.0.health, began: Instant::now(), over: false };
        let progress = Progress::default();
        let connecting = self.dial(&progress);
        let result = match self.0.timeout {
            None => connecting.await,
            Some(limit) => match timeout(limit, connecting).await {
                Ok(result) => result,
                Err(_) => Err(match progress.get() {
                    // It is the name server that did not answer, and not the host.
                    Phase::Resolve => error::because(Error::new(ErrorKind::Dns, Phase::Resolve), NO_ANSWER),
                    phase => Error::new(ErrorKind::ConnectTimedOut, phase),
                }),
            },
        };
        patience.over = true;
        result.map(TokioIo::new).map_err(|error| {
            self.0.last.set(&error);
            if let Some(making) = making {
                making.fail();
            }
            ConnectFault(error)
        })
    }

    async fn dial(&self, progress: &Progress) -> Result<Stream, Error> {
        progress.set(Phase::Connect);
        let socket = match &self.0.place {
            Place::Unix(path) => Socket::connect_unix(path).await.map_err(error::of_connect)?,
            Place::Network(uri) => {
                let mut http =
                    HttpConnector::new_with_resolver(Resolver::new(self.0.resolve.clone(), progress.clone()));
                http.enforce_http(false);
                http.set_nodelay(true);
                http.set_happy_eyeballs_timeout(Some(HAPPY_EYEBALLS));
                // It is divided among the addresses, so that the first cannot use up all of it.
                http.set_connect_timeout(self.0.timeout);
                Socket::Tcp(http.call(uri.clone()).await.map_err(resolve::error)?.into_inner())
            }
        };
        let Some(tls) = &self.0.tls else {
            return Ok(Stream::Plain(socket));
        };
        progress.set(Phase::Handshake);
        tls.shake(socket).await.map(|stream| Stream::Tls(Box::new(stream))).map_err(error::of_handshake)
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = ConnectFault;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectFault>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectFault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        // From here on, not from when it is first polled: the pool has others wait already.
        let making = self.0.queue.as_ref().map(Queue::begin);
        Box::pin(self.clone().connect(making))
    }
}
