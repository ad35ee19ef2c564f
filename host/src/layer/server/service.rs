//! The service that observes the calls that the one inside handles.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::peer;
use crate::layer::active::{Active, Owner, Start};
use crate::layer::exchange::{Direction, Tap};
use crate::layer::protocol::{self, grpc};
use crate::layer::{RequestBody, ResponseBody, ResponseFuture};
use crate::propagate::{self, Ambient};
use crate::rpc::{EventKind, Protocol, Side, TraceContext};
use crate::tracer::{Begun, Core};

/// A service whose calls are observed. Made by a [`ServerLayer`](super::ServerLayer).
#[derive(Clone)]
pub struct ServerService<S> {
    inner: S,
    core: Arc<Core>,
}

impl<S> ServerService<S> {
    pub(super) fn new(inner: S, core: Arc<Core>) -> Self {
        Self { inner, core }
    }
}

impl<S, B, R> Service<Request<B>> for ServerService<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>>,
    S::Error: fmt::Display + 'static,
    B: Body,
    R: Body,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    #[inline]
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Some((begun, protocol)) = begin(&self.core, &request) else {
            let mut ambient = Ambient::passing(request.headers());
            let request = request.map(|body| RequestBody::new(body, None));
            let inner = {
                let _entered = Ambient::enter(&mut ambient);
                self.inner.call(request)
            };
            return ResponseFuture::new(inner, Owner::default(), ambient);
        };
        let (mut owner, tap, ambient) = observe(&self.core, begun, protocol, &mut request);
        let mut ambient = Some(ambient);
        let request = request.map(|body| RequestBody::new(body, Some(tap)));
        let inner = {
            let _entered = Ambient::enter(&mut ambient);
            owner.guard(|| self.inner.call(request))
        };
        ResponseFuture::new(inner, owner, ambient)
    }
}

/// None if nobody wants the call.
#[inline]
fn begin<B>(core: &Core, request: &Request<B>) -> Option<(Begun, Protocol)> {
    if core.live.is_idle(Side::Server) {
        return None;
    }
    let protocol = protocol::detect(request.headers());
    let begun = if protocol == Protocol::Grpc {
        Begun::new(core, Side::Server, &[grpc::method(request.uri().path())])
    } else {
        let method = protocol::http::method(request.method());
        match protocol::http::route(request.extensions()) {
            Some(route) => Begun::new(core, Side::Server, &[method, " ", route]),
            None => Begun::new(core, Side::Server, &[method]),
        }
    };
    Some((begun?, protocol))
}

/// Starts the call, and prepares all that will watch it.
fn observe<B>(
    core: &Arc<Core>,
    begun: Begun,
    protocol: Protocol,
    request: &mut Request<B>,
) -> (Owner, Tap, Box<Ambient>) {
    let remote = propagate::extract(request.headers());
    let trace = remote.map_or_else(TraceContext::root, propagate::Remote::child);
    let start = Start { side: Side::Server, protocol, trace, to_head: request.method() == Method::HEAD };
    let (active, exchange) = Active::start(core, begun, start, |info| {
        if protocol != Protocol::Http {
            info.config.deadline = grpc::deadline(request.headers());
        }
        info.set_peer(peer::of(request.extensions()));
    });
    let context = active.call().context();
    let attached = context.extensions().clone();
    // The trace may be one that a tracer has set.
    let ambient = Ambient::traced(context.info().trace, remote, request.headers(), attached.clone());
    if !attached.is_empty() {
        request.extensions_mut().extend(attached);
    }
    exchange.record(EventKind::SERVER_HANDLE_START);
    (Owner::new(active), Tap::new(exchange, Direction::Request), ambient)
}

#[cfg(feature = "tonic")]
impl<S: tonic::server::NamedService> tonic::server::NamedService for ServerService<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> fmt::Debug for ServerService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerService").finish_non_exhaustive()
    }
}
