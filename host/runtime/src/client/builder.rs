//! How a client is put together.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Authority;

use super::connect::{Resolve, Tls, TlsError};
use super::endpoint::{Endpoint, Http, Settings, Target};
use super::retry::Retry;
use super::send::Sender;
use super::service::Client;
use hottap_core::layer::Classify;
use hottap_core::layer::ClientLayer;
use hottap_core::rpc::{RpcConfig, nanos};
use hottap_core::tracer::{Handle, Tracer};

/// Time for connecting, unless it is set: long enough for three lost packets, short enough for a person.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection that nobody needs stays open.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// Such connections to one endpoint.
const MAX_IDLE: usize = 32;
/// The longest time: beyond it a sum of a moment and a time could overflow, and nobody waits for it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
/// Pings in quicker succession are what servers hang up for.
const LEAST_PING_INTERVAL: Duration = Duration::from_secs(1);
/// Endpoints of one client: to choose one is to look at each.
const MAX_ENDPOINTS: usize = 1024;

/// Builds a [`Client`]. Made by `Hottap::client`.
pub struct ClientBuilder {
    layer: ClientLayer,
    endpoints: Vec<String>,
    settings: Settings,
    authority: Option<String>,
    timeout: Option<Duration>,
    attempt_timeout: Option<Duration>,
    stream_timeout: Option<Duration>,
    retry: Option<Retry>,
}

impl ClientBuilder {
    #[doc(hidden)]
    pub fn new(handle: Handle, endpoint: String) -> Self {
        let settings = Settings {
            http: Http::Auto,
            tls: None,
            authority: None,
            resolve: None,
            connect_timeout: Some(CONNECT_TIMEOUT),
            idle_timeout: Some(IDLE_TIMEOUT),
            max_idle: MAX_IDLE,
            keep_alive: None,
        };
        Self {
            layer: ClientLayer::new(handle),
            endpoints: vec![endpoint],
            settings,
            authority: None,
            timeout: None,
            attempt_timeout: None,
            stream_timeout: None,
            retry: None,
        }
    }

    /// One more place that serves the same, at most 1024 in all. Each call goes to the less busy of two that are well.
    ///
    /// An endpoint that can't be connected to, or that says it is not available (gRPC's UNAVAILABLE in the response's
    /// head, HTTP's 503), or that breaks off or lets time out five calls in a row, gets no calls for a second, and for twice as long each time it fails again, up to 30 s; then one
    /// call tries it. If none is left, the one whose failure is the longest ago is asked.
    #[must_use]
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoints.push(endpoint.into());
        self
    }

    /// Names the service that is called, as [`ClientLayer::callee`] does.
    #[must_use]
    pub fn callee(mut self, service: &str) -> Self {
        self.layer = self.layer.callee(service);
        self
    }

    /// Adds a native tracer for the calls of this client alone, as [`ClientLayer::with_tracer`] does.
    #[must_use]
    pub fn with_tracer(mut self, tracer: impl Tracer) -> Self {
        self.layer = self.layer.with_tracer(tracer);
        self
    }

    /// Tells the application's own status, as [`ClientLayer::with_business_status`] does.
    #[must_use]
    pub fn with_business_status(mut self, classify: impl Classify) -> Self {
        self.layer = self.layer.with_business_status(classify);
        self
    }

    /// How long a call may take, from its start to the end of its response. The least counts of this, of the
    /// `grpc-timeout` that the request has, and of what is left to the call that the current task handles. Default none.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// How long one attempt may take until the head of its response is there, connecting included. Default none.
    #[must_use]
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = Some(limit);
        self
    }

    /// How long connecting may take: name, address and TLS. Default 10 s.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.settings.connect_timeout = Some(limit);
        self
    }

    /// How long the application waits for the next piece of a response. Default none.
    #[must_use]
    pub fn stream_recv_timeout(mut self, limit: Duration) -> Self {
        self.stream_timeout = Some(limit);
        self
    }

    /// Tries calls again that failed. Default not.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// How TLS is done with `https` endpoints, and on Unix sockets if this is given.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.settings.tls = Some(tls);
        self
    }

    /// Resolves names in place of the system's resolver.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolve) -> Self {
        self.settings.resolve = Some(Arc::new(resolver));
        self
    }

    /// The authority that requests name (`:authority`, `host`), in place of the endpoint's.
    #[must_use]
    pub fn authority(mut self, authority: impl Into<String>) -> Self {
        self.authority = Some(authority.into());
        self
    }

    /// Speaks HTTP/1.1 alone. Default: gRPC is HTTP/2; the rest is HTTP/1.1, or what TLS agrees on.
    #[must_use]
    pub fn http1_only(mut self) -> Self {
        self.settings.http = Http::One;
        self
    }

    /// Speaks HTTP/2 alone, also without TLS ("prior knowledge").
    #[must_use]
    pub fn http2_only(mut self) -> Self {
        self.settings.http = Http::Two;
        self
    }

    /// How long a connection that nobody needs stays open, and how many such to each endpoint. Default 90 s and 32.
    #[must_use]
    pub fn idle(mut self, time: Duration, connections: usize) -> Self {
        (self.settings.idle_timeout, self.settings.max_idle) = (Some(time.min(LONGEST)), connections);
        self
    }

    /// Asks HTTP/2 peers every `interval` whether they are there, and closes the connection if no answer comes within
    /// `timeout`. An interval of less than a second is one second. Default not.
    #[must_use]
    pub fn http2_keep_alive(mut self, interval: Duration, timeout: Duration) -> Self {
        // hyper pings without a pause if there is none between two.
        self.settings.keep_alive = Some((interval.clamp(LEAST_PING_INTERVAL, LONGEST), timeout.min(LONGEST)));
        self
    }

    /// The client. Reads certificates; does not connect: that happens with the first call.
    ///
    /// # Errors
    ///
    /// If an endpoint or the authority can't be read, or TLS can't be set up.
    pub fn build(self) -> Result<Client, BuildError> {
        let Self { layer, endpoints, mut settings, authority, timeout, .. } = self;
        if endpoints.len() > MAX_ENDPOINTS {
            return Err(BuildError::TooManyEndpoints);
        }
        settings.authority = match authority {
            None => None,
            Some(text) => Some(text.parse::<Authority>().map_err(|_| BuildError::Authority(text))?),
        };
        let endpoints: Vec<Arc<Endpoint>> = endpoints
            .iter()
            .map(|endpoint| Endpoint::new(Target::parse(endpoint)?, &settings).map(Arc::new))
            .collect::<Result<_, _>>()?;
        let config = RpcConfig {
            connect_timeout: settings.connect_timeout.map_or(0, nanos),
            stream_recv_timeout: self.stream_timeout.map_or(0, nanos),
            ..RpcConfig::default()
        };
        let has_one_origin = endpoints.windows(2).all(|pair| match pair {
            [one, next] => one.origin() == next.origin(),
            _ => true,
        });
        let sender = Sender {
            endpoints,
            has_one_origin,
            retry: self.retry,
            attempt_timeout: self.attempt_timeout,
            stream_timeout: self.stream_timeout,
        };
        Ok(Client::new(&layer, sender, config, timeout))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

/// Why a client can't be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// An endpoint can't be read.
    #[error("the endpoint {endpoint:?} is not one: {why}")]
    Endpoint {
        /// As it was given.
        endpoint: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There are more than 1024.
    #[error("a client has at most 1024 endpoints: put a balancer between, or build several")]
    TooManyEndpoints,
    /// The authority can't be read.
    #[error("{0:?} is no authority: give a host, and a port if need be")]
    Authority(String),
    /// TLS can't be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}
