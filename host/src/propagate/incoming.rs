//! What comes with a request beside its caller's span, and goes on with the calls that are made on its behalf.

use http::{Extensions, HeaderMap, HeaderValue};

use super::baggage::Baggage;
use super::{Remote, tracestate};

/// The caller's baggage, among what is attached to the call, and the state of its trace. A state belongs to the trace that
/// it came with: not to a new one that stands for a `traceparent` that can't be read.
pub(crate) fn incoming(remote: Option<Remote>, headers: &HeaderMap) -> (Extensions, Option<HeaderValue>) {
    let mut extensions = Extensions::new();
    if let Some(baggage) = Baggage::extract(headers) {
        extensions.insert(baggage);
    }
    (extensions, remote.and_then(|_| tracestate::extract(headers)))
}
