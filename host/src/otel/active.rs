//! The span that is active in a call's handler, as it is kept with the call; it is made in `tracer`.

use http::HeaderValue;
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;

use super::attributes::Told;
use super::parent;
use crate::rpc::{RpcInfo, TraceContext};

/// A call's span, or what is around a call that has none by choice. Calls that are made in its handler inherit it.
#[derive(Clone, Debug)]
pub(crate) struct ActiveSpan {
    context: Context,
    /// Whose it is, by the call's identity.
    span_id: u64,
    /// How much could be said of what is called when the call started.
    told: Told,
    /// Something is to be said of the call when it ends, by the tracer with this number.
    recording: Option<u64>,
    /// It is what is around the call, and not the call's.
    around: bool,
}

impl ActiveSpan {
    /// The span of the call with this identity. Of the call's end hears only a tracer that is `recording`.
    pub(super) fn new(context: Context, span_id: u64, told: Told, recording: Option<u64>) -> Self {
        Self { context, span_id, told, recording, around: false }
    }

    /// What is around a call that is not traced by choice; its children are its parent's.
    pub(super) fn around(context: Context, span_id: u64) -> Self {
        Self { context, span_id, told: Told::All, recording: None, around: true }
    }

    /// As whose child the other side sees a call with this identity, and the state that goes with it: as that of the span
    /// around a call that has none by choice, and as its call's where attempts have no spans. None if nobody's.
    pub(crate) fn outgoing(
        &self,
        info: &RpcInfo,
        tracestate: Option<&HeaderValue>,
    ) -> Option<(TraceContext, Option<HeaderValue>)> {
        let own = *info.trace();
        let is_its_calls = info.attempt_of().is_some() && self.is_of(own.parent_span_id);
        if !(is_its_calls || self.around && self.is_of(own.span_id)) {
            return Some((own, tracestate.cloned()));
        }
        let span = self.context.span();
        let trace = parent::identity(span.span_context(), 0, &own)?;
        let state = match trace.trace_id == own.trace_id {
            true => tracestate.cloned(),
            false => parent::state(span.span_context()),
        };
        Some((trace, state))
    }

    /// What is active while the handler runs.
    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// It belongs to the call with this identity.
    pub(super) fn is_of(&self, span_id: u64) -> bool {
        self.span_id == span_id
    }

    pub(super) fn told(&self) -> Told {
        self.told
    }

    pub(super) fn is_recorded_by(&self, tracer: u64) -> bool {
        self.recording == Some(tracer)
    }
}
