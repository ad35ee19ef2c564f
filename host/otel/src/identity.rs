//! The identity that a call has by its span.

use http::HeaderValue;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags, TraceState};

use hottap_core::propagate::within_bounds;
use hottap_core::rpc::TraceContext;

/// Of W3C's Level 2.
pub(super) const RANDOM: TraceFlags = TraceFlags::new(2);

/// The identity that a span gives a call with this trace; none if it is no span of its own, as those of a provider that does
/// nothing.
pub(super) fn of(span: &SpanContext, parent: u64, own: &TraceContext) -> Option<TraceContext> {
    let trace_id = u128::from_be_bytes(span.trace_id().to_bytes());
    let trace = TraceContext {
        trace_id,
        span_id: u64::from_be_bytes(span.span_id().to_bytes()),
        parent_span_id: parent,
        sampled: span.is_sampled(),
        // Not all that make spans keep the flag of their trace.
        random: if trace_id == own.trace_id { own.random } else { span.trace_flags() & RANDOM == RANDOM },
    };
    (span.is_valid() && trace.span_id != parent).then_some(trace)
}

/// The state of a span's trace; none if it has none.
pub(super) fn state(span: &SpanContext) -> Option<HeaderValue> {
    let state = span.trace_state();
    let header = (*state != TraceState::NONE).then(|| HeaderValue::try_from(state.header()).ok()).flatten()?;
    // A sampler may have added to it.
    within_bounds(header)
}

pub(super) fn span_id(context: &Context) -> u64 {
    u64::from_be_bytes(context.span().span_context().span_id().to_bytes())
}
