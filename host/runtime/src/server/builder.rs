//! What a service owner says of a server before it listens.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::net::{TcpListener, ToSocketAddrs};

use super::bound::Bound;
use super::listen::Listener;
use super::settings::{Settings, bounded};
use super::tls::{Tls, TlsError};
use hottap_core::layer::Classify;
use hottap_core::layer::ServerLayer;
use hottap_core::tracer::{Handle, Tracer};

/// A server that does not listen yet. Made by `Hottap::server`.
///
/// Each setting has a default that is safe towards strangers; each time-out can be turned off with `None`. Time-outs of
/// more than a year are a year.
#[derive(Clone, Debug)]
pub struct Server {
    layer: ServerLayer,
    settings: Settings,
    tls: Option<Tls>,
}

/// Why a server does not listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The address can't be had.
    #[error("cannot listen on {address}: see that nobody else does, and that this user may")]
    Listen {
        /// What was asked for, as far as it can be shown.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The certificates can't be used.
    #[error("cannot speak TLS")]
    Tls(#[from] TlsError),
}

impl Server {
    #[doc(hidden)]
    pub fn new(handle: Handle) -> Self {
        Self { layer: ServerLayer::new(handle), settings: Settings::default(), tls: None }
    }

    /// Adds a native tracer for the calls of this server alone, as [`ServerLayer::with_tracer`] does.
    #[must_use]
    pub fn with_tracer(mut self, tracer: impl Tracer) -> Self {
        self.layer = self.layer.with_tracer(tracer);
        self
    }

    /// Tells the application's own status from the heads of responses, as [`ServerLayer::with_business_status`] does.
    #[must_use]
    pub fn with_business_status(mut self, classify: impl Classify) -> Self {
        self.layer = self.layer.with_business_status(classify);
        self
    }

    /// Speaks TLS. Default plain text.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// How long the TLS handshake may take. Default 10 s; longer, and clients that never shake hands hold connections.
    #[must_use]
    pub fn tls_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.tls_timeout = timeout.into().map(bounded);
        self
    }

    /// How long the head of a request may take: from the connection's start for its first one, later from its first byte;
    /// for HTTP/2 how long its preface may. Default 10 s; the connection is closed. This is what bounds clients that send
    /// a byte at a time.
    #[must_use]
    pub fn header_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.header_timeout = timeout.into().map(bounded);
        self
    }

    /// How long a handler that reads a request's body waits for its next piece. Default 60 s; then the handler reads an
    /// error ([`BodyError::TimedOut`](super::BodyError::TimedOut)) and answers as it likes.
    ///
    /// Not for the streams of gRPC and Connect, which may be silent: see [`stream_timeout`](Self::stream_timeout).
    #[must_use]
    pub fn body_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.body_timeout = timeout.into().map(bounded);
        self
    }

    /// The same for requests of gRPC, gRPC-web and Connect's streams. Default none: a stream that says nothing for an hour
    /// is in order, and a peer that is gone is found by [pings](Self::pings).
    #[must_use]
    pub fn stream_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.stream_timeout = timeout.into().map(bounded);
        self
    }

    /// How long a peer may take nothing of what is sent to it. Default 60 s; then the connection is closed, and its calls
    /// finish as cancelled.
    ///
    /// What counts is the connection: a stream of HTTP/2 whose window its peer does not open, while others go on, waits as
    /// long as its handler does.
    #[must_use]
    pub fn write_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.write_timeout = timeout.into().map(bounded);
        self
    }

    /// How long a connection may be without a request. Default 90 s, more than the usual load balancers' 60 s; HTTP/2 is
    /// closed with GOAWAY.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.idle_timeout = timeout.into().map(bounded);
        self
    }

    /// Pings on connections of HTTP/2 over which nothing comes: how often, and how long to wait for the answer before the
    /// connection is closed. Default every 60 s, 20 s. Without them, streams whose peer vanished stay open.
    #[must_use]
    pub fn pings(mut self, every: impl Into<Option<Duration>>, timeout: Duration) -> Self {
        // hyper pings without a pause if there is none between two.
        self.settings.ping_interval = every.into().map(|every| bounded(every).max(Duration::from_millis(1)));
        self.settings.ping_timeout = bounded(timeout);
        self
    }

    /// How long requests may take to end after [`Bound::serve_until`] was told to stop; then they are cut. Default 30 s.
    #[must_use]
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.settings.shutdown_timeout = bounded(timeout);
        self
    }

    /// Connections at once; one more is closed as soon as it is accepted, and counted. Default 10,000.
    ///
    /// Refused, not left waiting: a client that is refused tries elsewhere, one that waits in the system's queue waits for
    /// its own time-out. See that the limit on open files (`ulimit -n`) is above it.
    #[must_use]
    pub fn max_connections(mut self, limit: usize) -> Self {
        self.settings.max_connections = limit;
        self
    }

    /// Connections of one peer at once: of one address of IPv4, or one network of 64 bits of IPv6. Default no limit, since
    /// all clients may come from one proxy.
    #[must_use]
    pub fn max_connections_per_peer(mut self, limit: impl Into<Option<usize>>) -> Self {
        self.settings.max_connections_per_peer = limit.into();
        self
    }

    /// Requests under way at once, over all connections, from the call of the service until the last of the response is
    /// gone. Default 50,000. One more is answered with 503, or RESOURCE_EXHAUSTED in gRPC, and never reaches the service; it is
    /// a call like any other, whose error type is `503` or `RESOURCE_EXHAUSTED`.
    #[must_use]
    pub fn max_requests(mut self, limit: usize) -> Self {
        self.settings.max_requests = limit;
        self
    }

    /// Streams at once on one connection of HTTP/2. Default 200; a well-behaved client waits, another's stream is reset.
    #[must_use]
    pub fn max_streams(mut self, limit: u32) -> Self {
        self.settings.max_streams = limit;
        self
    }

    /// Bytes of a request's head. Default 16 KiB. Over HTTP/1.1 more is answered with 431 and the connection closed, as are more
    /// than 100 headers; over HTTP/2 the stream is answered with 431 or reset.
    #[must_use]
    pub fn header_bytes(mut self, limit: u32) -> Self {
        self.settings.header_bytes = limit;
        self
    }

    /// Bounds on resets over HTTP/2, beyond which the connection is closed: streams that the peer reset before they were looked
    /// at (default 20, against "rapid reset"), and streams that the server had to reset because of the peer's errors
    /// (default 1,024).
    #[must_use]
    pub fn max_resets(mut self, by_peer: usize, by_server: usize) -> Self {
        self.settings.max_pending_resets = by_peer;
        self.settings.max_local_resets = by_server;
        self
    }

    /// Listens on an address of TCP.
    pub async fn bind(self, address: impl ToSocketAddrs + fmt::Debug) -> Result<Bound, BindError> {
        match TcpListener::bind(&address).await {
            Ok(listener) => self.listen(listener),
            Err(source) => Err(BindError::Listen { address: format!("{address:?}"), source }),
        }
    }

    /// Listens on a Unix socket. A socket that a server which is gone has left at the path is replaced, one on which somebody
    /// listens is an error; the file is removed with the [`Bound`].
    #[cfg(unix)]
    pub fn bind_unix(self, path: impl AsRef<std::path::Path>) -> Result<Bound, BindError> {
        let path = path.as_ref();
        match Listener::unix(path) {
            Ok(listener) => self.bound(listener),
            Err(source) => Err(BindError::Listen { address: path.display().to_string(), source }),
        }
    }

    /// Takes a listener that somebody else has made: from systemd, or with options of its own.
    pub fn listen(self, listener: TcpListener) -> Result<Bound, BindError> {
        self.bound(Listener::Tcp(listener))
    }

    /// Takes a listener on a Unix socket that somebody else has made; its file stays.
    #[cfg(unix)]
    pub fn listen_unix(self, listener: tokio::net::UnixListener) -> Result<Bound, BindError> {
        self.bound(Listener::Unix { listener, _file: None })
    }

    fn bound(self, listener: Listener) -> Result<Bound, BindError> {
        let tls = self.tls.as_ref().map(Tls::acceptor).transpose()?;
        Ok(Bound::new(listener, self.layer, self.settings, tls))
    }
}
