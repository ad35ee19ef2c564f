//! What comes with a request beside its caller's span, and goes on with the calls that are made on its behalf.

use http::{HeaderMap, HeaderValue};

use super::baggage::Baggage;
use super::{Given, Propagators, tracestate};
use crate::rpc::CallExtensions;

/// The caller's baggage, among what is attached to the call, and the state of its trace. A state belongs to the trace that
/// it came with: not to a new one that stands for a `traceparent` that can't be read, nor to one that came in another way.
pub(crate) fn incoming(
    propagators: Propagators,
    given: Given,
    headers: &HeaderMap,
) -> (CallExtensions, Option<HeaderValue>) {
    let mut extensions = CallExtensions::default();
    if propagators.has_baggage()
        && let Some(baggage) = Baggage::extract(headers)
    {
        extensions.insert(baggage);
    }
    let tracestate = if matches!(given, Given::Remote(_)) { tracestate::extract(headers) } else { None };
    (extensions, tracestate)
}
