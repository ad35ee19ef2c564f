//! What a native tracer sees of a call.

use std::sync::Arc;

use http::{Extensions, HeaderValue};

use super::RequestHead;
use crate::propagate::Baggage;
use crate::rpc::{CallExtensions, RpcHandle, RpcInfo, TraceContext};

/// One call: what is known of it, and a place for things that belong to it (Kitex's ctx).
#[derive(Debug)]
pub struct CallContext {
    pub(crate) info: RpcInfo,
    #[doc(hidden)]
    pub extensions: CallExtensions,
    /// Goes on with the trace.
    #[doc(hidden)]
    pub tracestate: Option<HeaderValue>,
    /// If somebody asked for it.
    pub(crate) request: Option<Arc<RequestHead>>,
}

impl CallContext {
    /// A context of its own, with nothing attached: for tests of tracers, and for who drives one by hand.
    #[must_use]
    pub fn new(info: RpcInfo) -> Self {
        Self { info, extensions: CallExtensions::default(), tracestate: None, request: None }
    }

    /// The same with a request's head.
    #[must_use]
    pub fn with_request(self, head: RequestHead) -> Self {
        Self { request: Some(Arc::new(head)), ..self }
    }

    /// For attempts, which begin as copies of their call. To tracers it is no value to keep: they clone the RpcInfo.
    pub(super) fn copy(&self) -> Self {
        Self {
            info: self.info.clone(),
            extensions: self.extensions.clone(),
            tracestate: self.tracestate.clone(),
            request: self.request.clone(),
        }
    }

    /// What is known of the call. Sizes, status and duration are complete in `finish`.
    #[must_use]
    pub fn info(&self) -> &RpcInfo {
        &self.info
    }

    /// Things that belong to this call, by type.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Things that belong to this call, by type. What is put in during `start` is seen by handlers (in the request's
    /// extensions) and in `finish`.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }

    /// The head of the call's request: there if the call has one, and some native tracer asks for it by
    /// [`Tracer::request_head`](crate::tracer::Tracer::request_head).
    #[must_use]
    pub fn request(&self) -> Option<&RequestHead> {
        self.request.as_deref()
    }

    /// W3C's `tracestate`: what came with the trace and goes on with it; "" if there is none.
    #[must_use]
    pub fn tracestate(&self) -> &str {
        self.tracestate.as_ref().and_then(|state| state.to_str().ok()).unwrap_or("")
    }

    /// What the `baggage` says under a key that came with the call, or with the one in whose handler it is made; as
    /// [`RpcHandle::baggage`].
    #[must_use]
    pub fn baggage(&self, key: &str) -> Option<String> {
        self.extensions.get::<Baggage>()?.get(key)
    }

    /// As whose child the other side sees the call, and the state that goes with it. None if nobody's.
    #[doc(hidden)]
    pub fn outgoing(&self) -> Option<(TraceContext, Option<HeaderValue>)> {
        if let Some(span) = &self.extensions.span {
            return span.outgoing(&self.info, self.tracestate.as_ref());
        }
        Some((self.info.trace, self.tracestate.clone()))
    }

    /// Makes the handle that a handler has of the call. `observer` is the number of the Hottap whose layer observes it,
    /// 0 for a call that is no request.
    pub(crate) fn handle(&self, observer: u64) -> RpcHandle {
        RpcHandle::new(self.info.clone(), observer, self.tracestate.clone(), self.extensions.clone())
    }

    /// Gives the call another trace identity, which everything after this sees: the tracers that start later, the
    /// plugins, and the headers that go out. A state belongs to the trace that it came with: another trace has none.
    pub fn set_trace(&mut self, trace: TraceContext) {
        if trace.trace_id != self.info.trace.trace_id {
            self.tracestate = None;
        }
        self.info.trace = trace;
    }
}
