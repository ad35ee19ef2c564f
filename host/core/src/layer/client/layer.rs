//! The layer that a service owner adds to a client.

use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::ClientService;
use crate::layer::Classify;
use crate::rpc::Symbol;
use crate::tracer::{Handle, Natives, Tracer};

/// Observes the calls that a client makes. Made by `Hottap::client_layer`.
///
/// It fits every tower service that takes HTTP requests: tonic's `Channel`, hyper-util's legacy client, and whatever is
/// layered on them, as long as the request's body is a [`ClientBody`](crate::layer::ClientBody). Outside of a retrying layer it
/// sees one call with all its retries, inside of it each attempt.
///
/// A call starts when the request is handed to the layer; it finishes once: when the response has been read to its end,
/// when the response, its body or its future is dropped before, or with an error. Responses and errors pass unchanged.
///
/// - **Method**: the path of a call of gRPC, gRPC-web or Connect; otherwise the HTTP method, with the
///   [`Route`](crate::layer::Route) that the application may have put into the request's extensions.
/// - **Trace**: a `traceparent` that the application gave the request is the parent; otherwise the call that the current
///   task handles; otherwise a trace starts here. The request goes out with a `traceparent` of the call's own, and with
///   the `tracestate` that came with the trace, unless it has one. Tasks that a handler spawns, and a `tower::buffer`
///   outside of this layer, do not know what is being handled.
/// - **Where it goes** is what the request's URI says. tonic's `Channel` keeps that to itself: make its clients with
///   `with_origin`, and their calls say it too (`server.address`).
/// - **Status**: as of a [`ServerLayer`](crate::layer::ServerLayer).
/// - **Streaming** is told by the messages that were counted: a stream of at most one message each way looks unary.
#[cfg_attr(feature = "reqwest", doc = include_str!("../reqwest/guide.md"))]
#[derive(Clone)]
pub struct ClientLayer {
    pub(in crate::layer) handle: Handle,
    /// The tracers of this layer alone.
    pub(in crate::layer) own: Option<Arc<Natives>>,
    pub(super) callee: Symbol,
    pub(super) classify: Option<Arc<dyn Classify>>,
}

impl ClientLayer {
    #[doc(hidden)]
    pub fn new(handle: Handle) -> Self {
        Self { handle, own: None, callee: Symbol::NONE, classify: None }
    }

    /// Wraps a service, as [`Layer::layer`] does; the trait need not be imported.
    ///
    /// A field for a client of tonic's has the type `GreeterClient<hottap::ClientService<Channel>>`.
    #[must_use]
    pub fn layer<S>(&self, inner: S) -> ClientService<S> {
        ClientService { inner, layer: self.clone() }
    }

    /// Names the service that is called, such as `inventory`. Without it the callee has no name.
    #[must_use]
    pub fn callee(mut self, service: &str) -> Self {
        self.callee = Symbol::intern(service);
        self
    }

    /// Adds a native tracer for the calls of this client alone (Kitex's `WithTracer`). It is started after those of
    /// `Builder::tracer`, and gets every call, whatever other tracers want.
    #[must_use]
    pub fn with_tracer(mut self, tracer: impl Tracer) -> Self {
        self.own = Some(Arc::new(Natives::with(self.own.as_deref(), &self.handle.core().natives, tracer)));
        self
    }

    /// Tells the application's own status from the heads of responses: what a handler puts into a response's extensions
    /// does not come over the wire.
    #[must_use]
    pub fn with_business_status(mut self, classify: impl Classify) -> Self {
        self.classify = Some(Arc::new(classify));
        self
    }
}

impl<S> Layer<S> for ClientLayer {
    type Service = ClientService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        self.layer(inner)
    }
}

impl fmt::Debug for ClientLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientLayer").field("callee", &self.callee).finish_non_exhaustive()
    }
}
