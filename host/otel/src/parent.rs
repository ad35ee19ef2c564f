//! Which span a call's span is a child of: a caller in another process, the handler that makes the call, or what the
//! application has opened inside of it.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};

use super::identity::{RANDOM, span_id};
use super::span_of;
use hottap_core::propagate::SamplingMark;
use hottap_core::rpc::TraceContext;
use hottap_core::tracer::CallContext;

/// The context that the call's span is made in.
pub(super) fn of(call: &CallContext) -> Context {
    let trace = call.info().trace();
    if trace.parent_span_id == 0 {
        // Of no call; but the application may have opened a span. One that is none would be taken for one that is not sampled.
        let around = Context::map_current(|current| {
            let is_none = current.has_active_span() && !current.span().span_context().is_valid();
            if is_none { Context::new() } else { current.clone() }
        });
        let mark = SamplingMark::of(&call.extensions, trace.trace_id);
        return match mark.filter(|mark| mark.decided && !around.has_active_span()) {
            // Samplers that follow a parent follow a remote one that says nothing else.
            Some(_) => around.with_remote_span_context(decision(trace)),
            None => around,
        };
    }
    if let Some(span) = span_of(&call.extensions) {
        let around = span.context();
        if span.is_of(trace.parent_span_id) || span_id(around) == trace.parent_span_id {
            // An attempt is its call's. Other calls are made in a handler, which may have opened spans of its own.
            return if call.info().attempt_of().is_some() { around.clone() } else { innermost(around) };
        }
    }
    Context::current().with_remote_span_context(remote(trace, call.tracestate()))
}

/// The active context if there is a span in it: while a handler is polled, that is the handler's or one inside of it. So it is
/// if there is a span in neither.
fn innermost(around: &Context) -> Context {
    let (current, is_valid) = (Context::current(), |context: &Context| context.span().span_context().is_valid());
    if is_valid(&current) || !is_valid(around) { current } else { around.clone() }
}

fn flags(trace: &TraceContext) -> TraceFlags {
    let random = if trace.random { RANDOM } else { TraceFlags::default() };
    random.with_sampled(trace.sampled)
}

/// The caller's sampling decision for the trace that begins with the call, as a span context with invalid ids.
fn decision(trace: &TraceContext) -> SpanContext {
    let flags = TraceFlags::default().with_sampled(trace.sampled);
    SpanContext::new(TraceId::INVALID, SpanId::INVALID, flags, true, TraceState::NONE)
}

/// The caller's span.
fn remote(trace: &TraceContext, tracestate: &str) -> SpanContext {
    let flags = flags(trace);
    let state = if tracestate.is_empty() { TraceState::NONE } else { tracestate.parse().unwrap_or_default() };
    SpanContext::new(TraceId::from(trace.trace_id), SpanId::from(trace.parent_span_id), flags, true, state)
}
