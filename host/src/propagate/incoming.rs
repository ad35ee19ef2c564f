//! What comes with a request beside its caller's span, and goes on with the calls that are made on its behalf.

use http::{HeaderMap, HeaderValue};

use super::{Given, Propagators, tracestate};
use crate::rpc::CallExtensions;

/// This trace is one for debugging: so its caller says, and so it goes on. It is kept among a handler's extensions, so that
/// a call without it costs nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Debugged {
    pub(super) trace_id: u128,
}

/// The caller's baggage and whether it debugs, among what is attached to the call, and the state of its trace. A state
/// belongs to the trace that it came with: not to a new one that stands for a `traceparent` that can't be read, nor to one
/// that came in another way.
pub(crate) fn incoming(
    propagators: Propagators,
    given: Given,
    headers: &HeaderMap,
) -> (CallExtensions, Option<HeaderValue>) {
    let mut extensions = CallExtensions::default();
    if let Some(baggage) = propagators.extract_baggage(headers) {
        extensions.insert(baggage);
    }
    if let Some(trace_id) = given.debugged() {
        extensions.insert(Debugged { trace_id });
    }
    let tracestate = if matches!(given, Given::Remote(_)) { tracestate::extract(headers) } else { None };
    (extensions, tracestate)
}
