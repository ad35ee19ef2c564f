//! One place that calls go to: where it is, its connections, and how it has been doing.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::balance::Health;
use super::connect::{Connector, LastFailure, Offer, Queue, Resolve, Tls};
use super::outgoing::Outgoing;
use super::{BuildError, Error, ErrorKind, Phase};
use crate::client::error;
use hottap_core::rpc::Peer;
use hottap_core::rpc::bare;

/// The port that an `https` endpoint has when it names none.
const HTTPS_PORT: u16 = 443;
const HTTP_PORT: u16 = 80;

/// Where it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// By name or address.
    Network(Uri),
    Unix(PathBuf),
}

/// An endpoint as it was given.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    pub(super) place: Place,
    scheme: Scheme,
    authority: Authority,
    peer: Peer,
}

impl Target {
    /// Reads `http://host:port`, `https://host` or `unix:/path`.
    pub(super) fn parse(text: &str) -> Result<Self, BuildError> {
        let wrong = |why: &'static str| BuildError::Endpoint { endpoint: text.to_owned(), why };
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if !cfg!(unix) {
                return Err(wrong("this system has no Unix sockets; use http:// or https://"));
            }
            if !path.starts_with('/') {
                return Err(wrong("the path of a Unix socket must begin with a slash"));
            }
            let authority = Authority::from_static("localhost");
            let peer = Peer::text(&format!("unix:{path}"));
            return Ok(Self { place: Place::Unix(path.into()), scheme: Scheme::HTTP, authority, peer });
        }
        let uri: Uri = text.parse().map_err(|_| wrong("it is no URI"))?;
        let scheme = uri.scheme().cloned().ok_or_else(|| wrong("it must begin with http://, https:// or unix:"))?;
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(wrong("it must begin with http://, https:// or unix:"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong("it must end after host and port: requests have the path"));
        }
        let authority = uri.authority().cloned().ok_or_else(|| wrong("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("user and password do not belong here: send a header"));
        }
        let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
        if port.len() > 1 && authority.port_u16().is_none() {
            return Err(wrong("its port is no number from 0 to 65535"));
        }
        let default = if scheme == Scheme::HTTPS { HTTPS_PORT } else { HTTP_PORT };
        let host = authority.host();
        let port = authority.port_u16().unwrap_or(default);
        let peer = match bare(host).parse::<IpAddr>() {
            Ok(ip) => Peer::Socket((ip, port).into()),
            Err(_) => Peer::text(&format!("{host}:{port}")),
        };
        Ok(Self { place: Place::Network(uri), scheme, authority, peer })
    }

    fn host(&self) -> &str {
        bare(self.authority.host())
    }
}

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Http {
    /// gRPC in HTTP/2; the rest in HTTP/1.1, or, where there is TLS, in what both prefer.
    #[default]
    Auto,
    One,
    Two,
}

/// What all endpoints of a client have in common.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) http: Http,
    pub(super) tls: Option<Tls>,
    pub(super) authority: Option<Authority>,
    pub(super) resolve: Option<Arc<dyn Resolve>>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) max_idle: usize,
    pub(super) keep_alive: Option<(Duration, Duration)>,
}

/// A place with its connections.
pub(super) struct Endpoint {
    scheme: Scheme,
    authority: Authority,
    pub(super) peer: Peer,
    http: Http,
    /// For what need not be HTTP/2.
    any: Client<Connector, Outgoing>,
    two: Client<Connector, Outgoing>,
    pub(super) health: Arc<Health>,
    last: LastFailure,
    /// Before the connection of `two`, if calls share it.
    queue: Option<Queue>,
}

impl Endpoint {
    pub(super) fn new(target: Target, settings: &Settings) -> Result<Self, BuildError> {
        // TLS on a Unix socket is what the application asks for by saying how.
        let on_unix = matches!(target.place, Place::Unix(_)) && settings.tls.is_some();
        let secure = target.scheme == Scheme::HTTPS || on_unix;
        let (last, health) = (LastFailure::default(), Arc::<Health>::default());
        // Without a pool each call has a connection of its own.
        let queue = (settings.max_idle > 0).then(Queue::default);
        let client = |offer: Offer| {
            let tls = if secure {
                let tls = settings.tls.clone().unwrap_or_default();
                Some(tls.handshake(target.host(), offer)?)
            } else {
                None
            };
            let place = target.place.clone();
            let resolve = settings.resolve.clone();
            let queue = queue.clone().filter(|_| matches!(offer, Offer::Http2));
            let (timeout, last, health) = (settings.connect_timeout, last.clone(), health.clone());
            let connector = Connector::new(place, resolve, tls, timeout, last, health, queue);
            let mut builder = Client::builder(TokioExecutor::new());
            builder.timer(TokioTimer::new()).pool_timer(TokioTimer::new());
            builder.pool_idle_timeout(settings.idle_timeout).pool_max_idle_per_host(settings.max_idle);
            builder.http2_only(matches!(offer, Offer::Http2));
            if let Some((interval, timeout)) = settings.keep_alive {
                builder.http2_keep_alive_interval(interval).http2_keep_alive_timeout(timeout);
                builder.http2_keep_alive_while_idle(true);
            }
            Ok::<_, BuildError>(builder.build(connector))
        };
        let any = if settings.http == Http::One { Offer::Http1 } else { Offer::Both };
        Ok(Self {
            any: client(any)?,
            two: client(Offer::Http2)?,
            scheme: if secure { Scheme::HTTPS } else { Scheme::HTTP },
            authority: settings.authority.clone().unwrap_or_else(|| target.authority.clone()),
            peer: target.peer,
            http: settings.http,
            health,
            last,
            queue,
        })
    }

    /// Scheme and authority of the requests that go there.
    pub(super) fn origin(&self) -> (&Scheme, &Authority) {
        (&self.scheme, &self.authority)
    }

    /// Sends a request, over a connection of its own if need be.
    pub(super) async fn send(&self, request: Request<Outgoing>, grpc: bool) -> Result<Response<Incoming>, Error> {
        self.exchange(request, grpc).await.map_err(|error| error.at(&self.peer, None))
    }

    async fn exchange(&self, mut request: Request<Outgoing>, grpc: bool) -> Result<Response<Incoming>, Error> {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
        let uri = Uri::from_parts(parts);
        *request.uri_mut() =
            uri.map_err(|error| error::because(Error::new(ErrorKind::Request, Phase::Start), error))?;
        let two = self.http == Http::Two || (grpc && self.http == Http::Auto);
        *request.version_mut() = if two { Version::HTTP_2 } else { Version::HTTP_11 };
        if let Some(queue) = self.queue.as_ref().filter(|_| two)
            && queue.wait().await.is_err()
            && let Some(error) = self.last.get()
        {
            return Err(error);
        }
        let sending = if two { self.two.request(request) } else { self.any.request(request) };
        sending.await.map_err(|error| error::of_send(error, || self.last.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_or_a_socket_and_nothing_else() {
        for (text, expected) in [
            ("http://inventory:50051", Ok("inventory:50051")),
            ("http://inventory", Ok("inventory:80")),
            ("https://inventory/", Ok("inventory:443")),
            ("http://10.0.0.1:8080", Ok("10.0.0.1:8080")),
            ("http://[::1]:8080", Ok("[::1]:8080")),
            ("unix:/run/a.sock", Ok("unix:/run/a.sock")),
            ("unix:///run/a.sock", Ok("unix:/run/a.sock")),
            ("unix:a.sock", Err("slash")),
            ("inventory:50051", Err("begin with")),
            ("ftp://inventory", Err("begin with")),
            ("http://inventory/v1", Err("end after host")),
            ("http://user:hunter2@inventory", Err("send a header")),
            ("http://", Err("no URI")),
            ("http://inventory:99999", Err("port")),
            ("http://inventory:", Ok("inventory:80")),
            ("", Err("no URI")),
        ] {
            match (Target::parse(text), expected) {
                (Ok(target), Ok(peer)) => assert_eq!(target.peer.to_string(), peer, "{text}"),
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{text}: {error}"),
                (found, expected) => panic!("{text}: {found:?}, not {expected:?}"),
            }
        }
    }
}
