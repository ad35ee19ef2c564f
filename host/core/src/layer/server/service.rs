//! The service that observes the calls that the one inside handles.

use std::fmt;
use std::task::{Context, Poll};

use http::{Extensions, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ServerLayer, peer};
use crate::layer::active::{Active, Start};
use crate::layer::owner::Owner;
use crate::layer::protocol;
use crate::layer::protocol::Head;
use crate::layer::protocol::http::ResponseTo;
use crate::layer::tap::Tap;
use crate::layer::{RequestBody, ResponseBody, ResponseFuture};
use crate::propagate;
use crate::propagate::Ambient;
use crate::rpc::{EventKind, RpcHandle, Side};
use crate::tracer::{Begun, RequestHead};

/// A service whose calls are observed. Made by a [`ServerLayer`](super::ServerLayer).
#[derive(Clone)]
pub struct ServerService<S> {
    pub(super) inner: S,
    /// It has a router whose routes do not reach this layer.
    pub(super) hides_routes: bool,
    pub(super) layer: ServerLayer,
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
        if is_observed(&self.layer, request.extensions()) {
            let request = request.map(|body| RequestBody::new(body, None));
            return ResponseFuture::new(self.inner.call(request), Owner::default(), None);
        }
        let Some((begun, head)) = begin(&self.layer, &request) else {
            let headers = request.headers();
            let mut ambient =
                Ambient::passing(self.layer.handle.core().trace.propagators(), headers, || protocol::deadline(headers));
            let request = request.map(|body| RequestBody::new(body, None));
            let inner = {
                let _entered = Ambient::enter(&mut ambient);
                self.inner.call(request)
            };
            return ResponseFuture::new(inner, Owner::default(), ambient);
        };
        let (mut active, tap, rpc) = observe(self, begun, &head, &request);
        active.start_plugins(request.headers_mut());
        let mut owner = Owner::new(active);
        if !rpc.extensions().is_empty() {
            request.extensions_mut().extend(Extensions::clone(rpc.extensions()));
        }
        request.extensions_mut().insert(rpc.clone());
        let mut ambient = Some(Ambient::Traced(rpc));
        let request = request.map(|body| RequestBody::new(body, Some(tap)));
        let inner = {
            let _entered = Ambient::enter(&mut ambient);
            owner.guard(|| self.inner.call(request))
        };
        ResponseFuture::new(inner, owner, ambient)
    }
}

/// Returns true if a layer of the same Hottap around this one observes the request already: it is one call. A layer with
/// tracers or a classifier of its own observes it all the same, for their sake.
#[inline]
fn is_observed(layer: &ServerLayer, extensions: &Extensions) -> bool {
    layer.own.is_none()
        && layer.classify.is_none()
        && extensions.get::<RpcHandle>().is_some_and(|rpc| rpc.is_observed_by(layer.handle.core().id))
}

/// None if nobody wants the call.
#[inline]
fn begin<'a, B>(layer: &ServerLayer, request: &'a Request<B>) -> Option<(Begun, Head<'a>)> {
    let (core, own) = (layer.handle.core(), layer.own.as_ref());
    if !Begun::may_be_wanted(core, Side::Server, own) {
        return None;
    }
    let mut head = Head::of(request).propagated(core.trace.propagators(), request.headers());
    let path = request.uri().path();
    // Where messages are framed nobody asks for the route.
    let route = if head.wire.is_framed() { None } else { protocol::http::route(request.extensions()) };
    if let Some(route) = route {
        head = head.routed(route, path);
    }
    let begun = if let Some(method) = head.wire.method(path) {
        Begun::new(core, Side::Server, &[method], own)
    } else {
        let method = protocol::method(request.method());
        match route {
            Some(route) => Begun::new(core, Side::Server, &[method, " ", route], own),
            // A router inside of the layer may tell it in the response.
            None => Begun::before_its_route(core, Side::Server, method, own),
        }
    };
    Some((begun?, head))
}

/// Starts the call, and prepares all that will watch it; the last is what the handler sees of it.
fn observe<S, B: Body>(
    service: &ServerService<S>,
    begun: Begun,
    head: &Head<'_>,
    request: &Request<B>,
) -> (Box<Active>, Tap, RpcHandle) {
    let layer = &service.layer;
    let core = layer.handle.core();
    let wire = head.wire;
    let trace = head.given.trace(core.trace.sampler());
    let (extensions, tracestate) =
        propagate::incoming(core.trace.propagators(), head.given, trace.trace_id, request.headers());
    let begun = begun.inherit(extensions, tracestate).requested(core, || {
        let tls = peer::has_tls(request.extensions());
        RequestHead::of(request).over(tls)
    });
    let (response_to, classify) = (ResponseTo::of(request.method()), layer.classify.clone());
    let start = Start { side: Side::Server, wire, trace, response_to, hides_routes: service.hides_routes, classify };
    let mut active = Active::new(core, begun, start);
    let info = active.info_mut();
    info.config.deadline = head.deadline();
    info.config.codec = head.codec();
    info.config.transport = protocol::transport(request.version());
    let (local, peer) = peer::of(request.extensions());
    info.set_local(local);
    info.set_peer(peer);
    active.start();
    let rpc = active.call().context().handle(core.id);
    active.handled_by(rpc.clone());
    active.exchange().record(EventKind::SERVER_HANDLE_START);
    let tap = active.request_tap(head.length.announced(request.body()));
    (active, tap, rpc)
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
