//! What comes with a request beside its caller's span, and goes on with the calls that are made on its behalf.

use http::{HeaderMap, HeaderValue};

use super::{Given, Propagators, tracestate};
use crate::rpc::CallExtensions;

/// A caller's word about the sampling of a trace, beside the flag that the trace is sampled. It is kept among a handler's
/// extensions, and only where the caller has said such a thing, so that a call without it costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamplingMark {
    trace_id: u128,
    /// The trace is one for debugging.
    pub(crate) debug: bool,
    /// The caller decided before the trace began: its root is sampled as it said, whatever a sampler of roots says.
    pub decided: bool,
}

impl SamplingMark {
    /// The mark of a call's trace.
    pub fn of(extensions: &CallExtensions, trace_id: u128) -> Option<Self> {
        extensions.get::<Self>().filter(|mark| mark.trace_id == trace_id).copied()
    }

    /// Keeps what was given of a call whose trace is this one. A trace without a word of its own has no mark.
    pub(super) fn keep(given: Given, trace_id: u128, extensions: &mut CallExtensions) {
        let (debug, decided) = match (given.remote(), given.decision()) {
            (Some(remote), _) => (remote.debug, false),
            (None, Some(decision)) => (decision.debug, true),
            (None, None) => return,
        };
        if debug || decided {
            extensions.insert(Self { trace_id, debug, decided });
        }
    }

    /// The call's trace has another id from now on, and is the same trace.
    pub fn rename(extensions: &mut CallExtensions, trace_id: u128) {
        if let Some(mark) = extensions.get_mut::<Self>() {
            mark.trace_id = trace_id;
        }
    }
}

/// The caller's baggage and its word about sampling, among what is attached to the call, and the state of its trace. A state
/// belongs to the trace that it came with: not to a new one that stands for a `traceparent` that can't be read, nor to one
/// that came in another way.
///
/// `trace_id` is the call's.
pub fn incoming(
    propagators: Propagators,
    given: Given,
    trace_id: u128,
    headers: &HeaderMap,
) -> (CallExtensions, Option<HeaderValue>) {
    let mut extensions = CallExtensions::default();
    if let Some(baggage) = propagators.extract_baggage(headers) {
        extensions.insert(baggage);
    }
    SamplingMark::keep(given, trace_id, &mut extensions);
    let tracestate = if matches!(given, Given::Remote(_)) { tracestate::extract(headers) } else { None };
    (extensions, tracestate)
}
