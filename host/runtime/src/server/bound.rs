//! A server that listens: takes connections, and brings them to an end.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::{pending, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body as HttpBody;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

use super::activity::Activity;
use super::admission::{Admission, Refusal, places};
use super::body::Body;
use super::connection::{Shared, run};
use super::counters::{ConnectionCounters, Counters, Open};
use super::inner::Inner;
use super::listen::{Ends, Listener, pause};
use super::routes;
use super::settings::Settings;
use crate::socket::Socket;
use hottap_core::layer::ServerLayer;

type BoxError = Box<dyn Error + Send + Sync>;

/// A server that listens; connections wait in the system's queue until it serves.
pub struct Bound {
    listener: Listener,
    layer: ServerLayer,
    settings: Settings,
    tls: Option<TlsAcceptor>,
    counters: Arc<Counters>,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// Connections that were closed with something still open on them, when
    /// [`Server::shutdown_timeout`](super::Server::shutdown_timeout) was over.
    pub connections_cut: u64,
    /// Requests that were under way on them; their calls finished as cancelled.
    pub requests_cut: u64,
}

impl Bound {
    pub(super) fn new(listener: Listener, layer: ServerLayer, settings: Settings, tls: Option<TlsAcceptor>) -> Self {
        let counters = Arc::new(Counters { server: listener.address(), ..Counters::default() });
        layer.handle().core().metric_sources.add(&counters);
        Self { listener, layer, settings, tls, counters }
    }

    /// Where it listens: with port 0, the port that the system chose. None for a Unix socket.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.listener {
            Listener::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            Listener::Unix { .. } => None,
        }
    }

    /// What becomes of the connections; can be read at any time, also after the end.
    #[must_use]
    pub fn connections(&self) -> ConnectionCounters {
        ConnectionCounters::new(self.counters.clone())
    }

    /// Serves until it is dropped. Then everything closes at once: the listener, the connections, and the handlers, whose
    /// calls finish as cancelled.
    ///
    /// axum's `Router`, and the one in tonic's `Routes`, are made to tell their routes (feature `axum`); a router inside other
    /// layers needs a [`RouteLayer`](hottap_core::layer::RouteLayer). Each request gets a clone of the service, which is waited for until it is ready. A service that panics or gives an
    /// error is answered for with 500, or INTERNAL in gRPC.
    pub async fn serve<S, R>(self, service: S) -> Infallible
    where
        S: Service<Request<Body>, Response = Response<R>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: fmt::Display + Send + 'static,
        R: HttpBody + Send + 'static,
        R::Data: Send,
        R::Error: Into<BoxError> + fmt::Display + 'static,
    {
        self.serve_until(service, pending()).await;
        // The future that never ends has ended.
        pending().await
    }

    /// Serves until `shutdown` is ready, and then gracefully ends: nobody is accepted any more, every peer is told (GOAWAY,
    /// `connection: close`), connections without a request close, and requests under way have
    /// [`Server::shutdown_timeout`](super::Server::shutdown_timeout) to end. What is open then is cut, and counted.
    ///
    /// Dropped before, it closes everything at once, as [`serve`](Self::serve) does.
    pub async fn serve_until<S, R>(self, service: S, shutdown: impl Future<Output = ()>) -> Served
    where
        S: Service<Request<Body>, Response = Response<R>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: fmt::Display + Send + 'static,
        R: HttpBody + Send + 'static,
        R::Data: Send,
        R::Error: Into<BoxError> + fmt::Display + 'static,
    {
        let Self { listener, layer, settings, tls, counters } = self;
        let admission = Admission::new(settings.max_connections, settings.max_connections_per_peer);
        let patience = settings.shutdown_timeout;
        let requests = places(settings.max_requests);
        let max_requests = requests.available_permits();
        let (service, hides_routes) = routes::told(service);
        let service = layer.around(Inner::new(service, requests.clone()), hides_routes);
        let shared = Arc::new(Shared::new(settings, tls));
        let (stop, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        {
            let mut shutdown = pin!(shutdown);
            let mut accepting = Accepting { listener: &listener, counters: &counters, failures: 0, pause: None };
            while let Some((stream, ends)) =
                poll_fn(|context| accepting.poll(context, shutdown.as_mut(), &mut connections)).await
            {
                match admission.admit(ends.peer_ip()) {
                    Ok(admitted) => {
                        let open = Open::new(counters.clone(), Activity::new());
                        connections.spawn(run(
                            shared.clone(),
                            service.clone(),
                            (stream, ends),
                            (open, admitted),
                            stopped.clone(),
                        ));
                    }
                    Err(Refusal::Limit) => Counters::count(&counters.limit),
                    Err(Refusal::PeerLimit) => Counters::count(&counters.peer_limit),
                }
            }
        }
        drop((listener, shared, service, stopped));
        // Without connections there is nobody to hear it.
        let _ = stop.send(true);
        let all = async { while connections.join_next().await.is_some() {} };
        let mut served = Served::default();
        if tokio::time::timeout(patience, all).await.is_err() {
            served.requests_cut = u64::try_from(max_requests - requests.available_permits()).unwrap_or(u64::MAX);
            connections.shutdown().await;
            // Nothing was cut before: whoever drops the server is not here any more.
            served.connections_cut = counters.cut();
        }
        served
    }
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// Waits for the next connection.
struct Accepting<'a> {
    listener: &'a Listener,
    counters: &'a Counters,
    /// Errors of the listener in a row.
    failures: u32,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Accepting<'_> {
    /// None if the server is to end. What has ended of the connections is cleared away by the way.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        shutdown: Pin<&mut impl Future<Output = ()>>,
        connections: &mut JoinSet<()>,
    ) -> Poll<Option<(Socket, Ends)>> {
        if shutdown.poll(context).is_ready() {
            return Poll::Ready(None);
        }
        while let Poll::Ready(Some(_)) = connections.poll_join_next(context) {}
        loop {
            if let Some(pause) = &mut self.pause {
                if pause.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.pause = None;
            }
            match self.listener.poll_accept(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(accepted)) => {
                    self.failures = 0;
                    Counters::count(&self.counters.accepted);
                    return Poll::Ready(Some(accepted));
                }
                Poll::Ready(Err(error)) => {
                    Counters::count(&self.counters.accept_errors);
                    if let Some(wait) = pause(&error, self.failures) {
                        if self.failures == 0 {
                            tracing::warn!(%error, "cannot accept connections; trying again until it works");
                        }
                        self.failures = self.failures.saturating_add(1);
                        self.pause = Some(Box::pin(sleep(wait)));
                    }
                }
            }
        }
    }
}
