//! The layer that a service owner adds to a server.

use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::ServerService;
use crate::layer::Classify;
use crate::layer::routing::hides_routes;
use crate::tracer::{Handle, Natives, Tracer};

/// Observes the calls that a server handles. Made by `Hottap::server_layer`.
///
/// It fits every tower service that takes HTTP requests and gives HTTP responses: tonic's
/// (`Server::builder().layer(..)`), axum's (`Router::layer(..)`), and those that hyper runs by way of hyper-util's
/// `TowerToHyperService`. Stand it outside of what may refuse calls, so that they are seen too.
///
/// The request's body has the type [`RequestBody`](crate::layer::RequestBody)`<B>` inside. A layer inside that takes axum's own
/// body alone, such as `axum::middleware::from_fn`, goes on with a `Router::layer` of its own, which makes it axum's again.
///
/// A call starts when its request's head is there, before anything inside the layer runs. It finishes once: when the
/// transport has taken the last of the response, when it drops the response or its future before (the client is gone, or
/// the deadline has passed), or when something inside panics. The panic goes on; responses and errors pass unchanged.
///
/// Nested layers of the same Hottap, such as the runtime's around a router's, observe a request once, as one call: the
/// outer layer does. An inner layer with tracers or a classifier of its own observes it once more, for those.
///
/// - **Method**: the path of a call of gRPC, gRPC-web or Connect; otherwise the HTTP method and the route that a router has
///   told (axum's, by the feature `axum`, or a [`Route`](crate::layer::Route)), never the path. Where axum's are lost, the log
///   says so once, with the target `hottap::route`.
/// - **Trace**: a valid `traceparent` is the parent; otherwise a trace starts here. Client calls that the handler makes
///   through a [`ClientLayer`](crate::layer::ClientLayer) are children, also in a handler whose call no tracer wants: then they
///   continue the caller's trace.
/// - **Status**: gRPC's numbers for gRPC, gRPC-web and Connect. Messages are never decompressed; the end of a gRPC-web or
///   Connect stream and Connect's errors are, if gzip or deflate compressed them: 64 KiB of them at the most, on the call's
///   own thread. Where the end came in another encoding, there is no RPC status, and the call counts as a success.
/// - **Streaming** is told by the messages that were counted: a stream of at most one message each way looks unary.
#[derive(Clone)]
pub struct ServerLayer {
    pub(super) handle: Handle,
    /// The tracers of this layer alone.
    pub(super) own: Option<Arc<Natives>>,
    pub(super) classify: Option<Arc<dyn Classify>>,
}

impl ServerLayer {
    #[doc(hidden)]
    pub fn new(handle: Handle) -> Self {
        Self { handle, own: None, classify: None }
    }

    /// The handle of its Hottap.
    #[doc(hidden)]
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Wraps a service, as [`Layer::layer`] does; the trait need not be imported.
    ///
    /// Inside axum's router (`Router::layer`) it sees the routes. A `Router` that it stands around needs a `RouteLayer`
    /// (feature `axum`).
    #[must_use]
    pub fn layer<S>(&self, inner: S) -> ServerService<S> {
        self.around(inner, hides_routes::<S>())
    }

    /// Wraps a service whose routes reach the layer or are hidden from it.
    #[doc(hidden)]
    pub fn around<S>(&self, inner: S, hides_routes: bool) -> ServerService<S> {
        ServerService { inner, hides_routes, layer: self.clone() }
    }

    /// Adds a native tracer for the calls of this server alone (Kitex's `WithTracer`). It is started after those of
    /// `Builder::tracer`, and gets every call, whatever other tracers want.
    #[must_use]
    pub fn with_tracer(mut self, tracer: impl Tracer) -> Self {
        self.own = Some(Arc::new(Natives::with(self.own.as_deref(), &self.handle.core().natives, tracer)));
        self
    }

    /// Tells the application's own status from the heads of responses, for handlers that do not put a
    /// [`BusinessStatus`](crate::layer::BusinessStatus) into their responses' extensions; where there is one, it counts.
    #[must_use]
    pub fn with_business_status(mut self, classify: impl Classify) -> Self {
        self.classify = Some(Arc::new(classify));
        self
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = ServerService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        self.layer(inner)
    }
}

impl fmt::Debug for ServerLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerLayer").finish_non_exhaustive()
    }
}
