//! The service that observes the endpoint inside it.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::HeaderMap;
use tower_service::Service;

use super::EndpointFuture;
use super::future::Observed;
use super::layer::{About, ask};
use crate::propagate::{Ambient, Given, Parent};
use crate::rpc::Side;
use crate::tracer::{Begun, Handle};

/// An endpoint whose calls are observed. Made by an [`EndpointLayer`](super::EndpointLayer).
pub struct EndpointService<S, Req, Res, Err> {
    inner: S,
    handle: Handle,
    about: Arc<About<Req, Res, Err>>,
}

impl<S, Req, Res, Err> EndpointService<S, Req, Res, Err> {
    pub(super) fn new(inner: S, handle: Handle, about: Arc<About<Req, Res, Err>>) -> Self {
        Self { inner, handle, about }
    }

    /// Starts the call, if somebody wants it.
    fn begin(&self, request: &Req) -> Option<Observed<Res, Err>> {
        let (core, about) = (self.handle.core(), &self.about);
        if !Begun::may_be_wanted(core, Side::Endpoint, None) {
            return None;
        }
        let name = ask(&about.name_of, request).flatten();
        let begun = Begun::new(core, Side::Endpoint, &[name.as_deref().unwrap_or(&about.name)], None)?;
        let mut parent = Parent::of(Given::Nothing, core.trace.sampler());
        let begun = begun.inherit(std::mem::take(&mut parent.extensions), parent.tracestate.take());
        let mut call = begun.call(core.clone(), Side::Endpoint, parent.trace);
        let info = call.info_mut();
        (info.from.service, info.from.method) = (info.to.service, parent.caller);
        if let Some(notes) = ask(&about.notes, request) {
            notes.apply(info);
        }
        call.start();
        // There are no headers to see or to set.
        call.start_plugins(&mut HeaderMap::new());
        let rpc = call.context().handle(0);
        let (business, attempts) = (about.business.clone(), about.attempts.clone());
        Some(Observed { call, rpc, business, attempts, error_type: about.error_type })
    }
}

impl<S, Req, Res, Err> Service<Req> for EndpointService<S, Req, Res, Err>
where
    S: Service<Req, Response = Res, Error = Err>,
    Err: fmt::Display + 'static,
{
    type Response = Res;
    type Error = Err;
    type Future = EndpointFuture<S::Future, Res, Err>;

    #[inline]
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Err>> {
        self.inner.poll_ready(context)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let mut observed = self.begin(&request);
        let mut ambient = observed.as_ref().map(|observed| Ambient::Traced(observed.rpc.clone()));
        let inner = {
            let _entered = Ambient::enter(&mut ambient);
            Observed::guard(&mut observed, || self.inner.call(request))
        };
        EndpointFuture::new(inner, observed, ambient)
    }
}

impl<S: Clone, Req, Res, Err> Clone for EndpointService<S, Req, Res, Err> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), handle: self.handle.clone(), about: self.about.clone() }
    }
}

impl<S, Req, Res, Err> fmt::Debug for EndpointService<S, Req, Res, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointService").field("name", &self.about.name).finish_non_exhaustive()
    }
}
