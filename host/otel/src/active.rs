//! The span that is active in a call's handler, as it is kept with the call; it is made in `tracer`.

use std::any::Any;
use std::cell::RefCell;

use http::HeaderValue;
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, ContextGuard};

use super::attributes::Told;
use super::identity;
use hottap_core::rpc::{ActiveSpan, CallExtensions, RpcInfo, TraceContext};

/// A call's span, or what is around a call that has none by choice. Calls that are made in its handler inherit it.
#[derive(Clone, Debug)]
pub(crate) struct CallSpan {
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

impl CallSpan {
    /// The span of the call with this identity. Of the call's end hears only a tracer that is `recording`.
    pub(super) fn new(context: Context, span_id: u64, told: Told, recording: Option<u64>) -> Self {
        Self { context, span_id, told, recording, around: false }
    }

    /// What is around a call that is not traced by choice; its children are its parent's.
    pub(super) fn around(context: Context, span_id: u64) -> Self {
        Self { context, span_id, told: Told::All, recording: None, around: true }
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

/// The span among what is attached to a call; none if OpenTelemetry has made none.
pub(super) fn span_of(extensions: &CallExtensions) -> Option<&CallSpan> {
    let span: &dyn Any = extensions.span.as_deref()?;
    span.downcast_ref()
}

thread_local! {
    /// The guards of the spans that are entered on this thread, the innermost last.
    static ENTERED: RefCell<Vec<ContextGuard>> = const { RefCell::new(Vec::new()) };
}

impl ActiveSpan for CallSpan {
    /// The identity of the span around a call that has none by choice, and that of its call where attempts have no spans.
    fn outgoing(
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
        let trace = identity::of(span.span_context(), 0, &own)?;
        let state = match trace.trace_id == own.trace_id {
            true => tracestate.cloned(),
            false => identity::state(span.span_context()),
        };
        Some((trace, state))
    }

    #[inline]
    fn enter(&self) {
        let guard = self.context.clone().attach();
        // While the thread ends, there is no place for the guard: then the context is active for no time at all.
        let _ = ENTERED.try_with(|entered| entered.borrow_mut().push(guard));
    }

    #[inline]
    fn leave(&self) {
        let _ = ENTERED.try_with(|entered| {
            let guard = entered.borrow_mut().pop();
            drop(guard);
        });
    }
}
