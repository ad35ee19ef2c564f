//! The service that observes the calls that the one inside sends.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use http::{Extensions, Request, Response, Uri};
use http_body::Body;
use tower_service::Service;

use super::{ClientBody, ClientLayer};
use crate::layer::active::{Active, Start};
use crate::layer::owner::Owner;
use crate::layer::protocol;
use crate::layer::protocol::Head;
use crate::layer::protocol::http::ResponseTo;
use crate::layer::{Probe, ResponseBody, ResponseFuture, Route};
use crate::propagate;
use crate::propagate::Parent;
use crate::rpc::{Peer, RpcHandle, RpcInfo, RpcNotes, Side};
use crate::tracer::{Begun, RequestHead};

/// A service whose calls are observed. Made by a [`ClientLayer`](super::ClientLayer).
#[derive(Clone)]
pub struct ClientService<S> {
    pub(in crate::layer) inner: S,
    pub(in crate::layer) layer: ClientLayer,
}

impl<S, B, R> Service<Request<B>> for ClientService<S>
where
    S: Service<Request<B::Observed>, Response = Response<R>>,
    S::Error: fmt::Display + 'static,
    B: ClientBody,
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
    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.send(request, &NoHooks)
    }
}

/// The knowledge of a sender inside the layer about its calls. Each hook is called once for a call that a tracer wants, on the
/// task of the call.
pub(in crate::layer) trait Hooks {
    /// Adds to the head of the request where it goes, if that does not say so itself.
    fn place(&self, head: RequestHead) -> RequestHead {
        head
    }

    /// Adds what is known of the call beforehand, before the tracers start.
    fn fill(&self, _info: &mut RpcInfo) {}

    /// Hands something on to the service inside, in the extensions of the request.
    fn join(&self, _active: &Active, _extensions: &mut Extensions) {}
}

/// A request says everything itself.
struct NoHooks;

impl Hooks for NoHooks {}

impl<S> ClientService<S> {
    /// Sends a call. The hooks add what the request does not say.
    #[inline]
    pub(in crate::layer) fn send<B, R>(
        &mut self,
        mut request: Request<B>,
        hooks: &impl Hooks,
    ) -> ResponseFuture<S::Future>
    where
        S: Service<Request<B::Observed>, Response = Response<R>>,
        S::Error: fmt::Display + 'static,
        B: ClientBody,
        R: Body,
    {
        let core = self.layer.handle.core();
        // A forwarded request is another call to its receiver, so the handle of the handled call does not go with it.
        request.extensions_mut().remove::<RpcHandle>();
        let Some((begun, head)) = begin(&self.layer, &request) else {
            propagate::forward(core.trace.propagators(), request.headers_mut());
            let request = request.map(|body| body.observe(Probe::idle()));
            return ResponseFuture::new(self.inner.call(request), Owner::default(), None);
        };
        let begun = begun.requested(core, || hooks.place(RequestHead::of(&request)));
        let announced = head.length.announced(request.body());
        let (mut active, parent) = observe(&self.layer, begun, &head, &request, hooks);
        let context = active.call().context();
        let propagators = core.trace.propagators();
        parent.inject(context.outgoing(), &context.extensions, propagators, request.headers_mut());
        active.start_plugins(request.headers_mut());
        hooks.join(&active, request.extensions_mut());
        let probe = Probe::new(active.request_tap(announced));
        let mut owner = Owner::new(active);
        let request = request.map(|body| body.observe(probe));
        let inner = owner.guard(|| self.inner.call(request));
        ResponseFuture::new(inner, owner, None)
    }
}

/// None if nobody wants the call.
#[inline]
fn begin<'a, B>(layer: &ClientLayer, request: &'a Request<B>) -> Option<(Begun, Head<'a>)> {
    let (core, own) = (layer.handle.core(), layer.own.as_ref());
    if !Begun::may_be_wanted(core, Side::Client, own) {
        return None;
    }
    let head = Head::of(request).propagated(core.trace.propagators(), request.headers());
    let begun = if let Some(method) = head.wire.method(request.uri().path()) {
        Begun::new(core, Side::Client, &[method], own)
    } else {
        let method = protocol::method(request.method());
        // Not axum's: in a proxy the extensions are those of the request that came in.
        match request.extensions().get::<Route>() {
            Some(route) => Begun::new(core, Side::Client, &[method, " ", route.as_str()], own),
            None => Begun::new(core, Side::Client, &[method], own),
        }
    };
    Some((begun?, head))
}

/// Starts the call; the last is what the request's headers have to say of it.
fn observe<B>(
    layer: &ClientLayer,
    begun: Begun,
    head: &Head<'_>,
    request: &Request<B>,
    hooks: &impl Hooks,
) -> (Box<Active>, Parent) {
    let mut parent = Parent::of(head.given, layer.handle.core().trace.sampler());
    let tracestate = parent.take_tracestate(request.headers());
    let begun = begun.inherit(std::mem::take(&mut parent.extensions), tracestate);
    let (wire, trace) = (head.wire, parent.trace);
    let (response_to, classify) = (ResponseTo::of(request.method()), layer.classify.clone());
    let start = Start { side: Side::Client, wire, trace, response_to, hides_routes: false, classify };
    let mut active = Active::new(layer.handle.core(), begun, start);
    let info = active.info_mut();
    info.config.deadline = head.deadline();
    info.config.codec = head.codec();
    info.to.service = layer.callee;
    info.from.method = parent.caller;
    info.set_peer(peer(request.uri()));
    hooks.fill(info);
    if let Some(notes) = request.extensions().get::<RpcNotes>() {
        notes.apply(info);
    }
    active.start();
    (active, parent)
}

/// Where the request goes, if its URI says so; without user and password, which it may hold.
fn peer(uri: &Uri) -> Peer {
    let Some(host) = uri.host() else {
        return Peer::Unknown;
    };
    let port = uri.port_u16().or_else(|| match uri.scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    });
    let ip = crate::rpc::bare(host).parse::<IpAddr>();
    match (ip, port) {
        (Ok(ip), Some(port)) => Peer::Socket(SocketAddr::new(ip, port)),
        (_, Some(port)) => Peer::text(&format!("{host}:{port}")),
        (_, None) => Peer::text(host),
    }
}

impl<S> fmt::Debug for ClientService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientService").field("callee", &self.layer.callee).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_is_what_the_uri_says_without_its_secrets() {
        for (uri, expected) in [
            ("http://10.0.0.1:8080/x", "10.0.0.1:8080"),
            ("http://[::1]:8080/x", "[::1]:8080"),
            ("http://inventory/x", "inventory:80"),
            ("https://user:hunter2@inventory/x", "inventory:443"),
            ("inventory:50051", "inventory:50051"),
            ("/x", ""),
        ] {
            let parsed: Uri = uri.parse().expect("a URI");
            assert_eq!(peer(&parsed).to_string(), expected, "{uri}");
        }
        assert!(matches!(peer(&"http://10.0.0.1/".parse().expect("a URI")), Peer::Socket(_)));
    }
}
