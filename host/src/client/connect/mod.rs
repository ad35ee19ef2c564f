//! One endpoint's connections: the name, the address, the handshake, all within the time for connecting.

mod fault;
mod resolve;
mod stream;
mod tls;

pub use resolve::{Addresses, Resolve};
pub use tls::{Tls, TlsError};

pub(super) use fault::ConnectFault;
pub(super) use stream::Stream;
pub(super) use tls::{Handshake, Offer};

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout};
use tower_service::Service;

use self::resolve::Resolver;
use self::stream::Socket;
use super::endpoint::Place;
use super::{Error, ErrorKind, Phase};

/// How long the first address of a name is tried alone before one of the other family is tried beside it; RFC 8305
/// recommends 250 ms, and hyper's default is this.
const HAPPY_EYEBALLS: Duration = Duration::from_millis(300);
/// An attempt to connect that took at least this long has kept others waiting, who would each wait as long again.
const SLOW: Duration = Duration::from_millis(100);
/// They get its error instead, if they come within this time. Longer, and calls would fail that nobody tried for.
const FRESH: Duration = Duration::from_millis(20);

/// Connects to one endpoint.
#[derive(Clone)]
pub(super) struct Connector(Arc<Inner>);

struct Inner {
    place: Place,
    resolve: Option<Arc<dyn Resolve>>,
    tls: Option<Handshake>,
    timeout: Option<Duration>,
    /// The last failure that kept others waiting, and when it was.
    slow: Mutex<Option<(Instant, Error)>>,
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
    ) -> Self {
        Self(Arc::new(Inner { place, resolve, tls, timeout, slow: Mutex::new(None) }))
    }

    async fn connect(self) -> Result<TokioIo<Stream>, ConnectFault> {
        let began = Instant::now();
        if let Some(error) = self.slow_failure(began) {
            return Err(ConnectFault(error));
        }
        let progress = Progress::default();
        let connecting = self.dial(&progress);
        let result = match self.0.timeout {
            None => connecting.await,
            Some(limit) => match timeout(limit, connecting).await {
                Ok(result) => result,
                Err(_) => Err(Error::new(ErrorKind::ConnectTimedOut, progress.get())),
            },
        };
        result.map(TokioIo::new).map_err(|error| {
            let now = Instant::now();
            if now - began >= SLOW {
                *self.0.slow.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, error.clone()));
            }
            ConnectFault(error)
        })
    }

    fn slow_failure(&self, now: Instant) -> Option<Error> {
        let slow = self.0.slow.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, error) = slow.as_ref()?;
        (now.saturating_duration_since(*at) <= FRESH).then(|| error.clone())
    }

    async fn dial(&self, progress: &Progress) -> Result<Stream, Error> {
        progress.set(Phase::Connect);
        let socket = match &self.0.place {
            Place::Unix(path) => Socket::Unix(UnixStream::connect(path).await.map_err(Error::of_connect)?),
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
        tls.shake(socket).await.map(|stream| Stream::Tls(Box::new(stream))).map_err(Error::of_handshake)
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
        Box::pin(self.clone().connect())
    }
}
