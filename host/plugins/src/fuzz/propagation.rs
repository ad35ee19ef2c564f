//! Headers in which a trace comes and goes on, in every format.

use http::HeaderMap;

use super::bytes::{Bytes, headers};
use hottap_core::propagate::{Parent, Propagator, Propagators, Sampler, incoming};

/// Each byte of the first has one bit for a format; the rest are header lines.
const FORMATS: [Propagator; 5] =
    [Propagator::TraceContext, Propagator::Baggage, Propagator::B3, Propagator::B3Multi, Propagator::Jaeger];
/// Bytes that one call may add to a request's headers: a full baggage and a full state with their names.
const MOST_ADDED: usize = 10 << 10;

/// Whatever headers come, the call that goes out has the trace of the one that came, and bounded headers.
pub fn propagation(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let (reads, writes) = (propagators(bytes.byte()), propagators(bytes.byte()));
    let came = headers(bytes.rest());

    let given = reads.extract(&came);
    let trace = given.trace(Sampler::default());
    assert!(trace.trace_id != 0 && trace.span_id != 0, "{trace:?}");
    let (extensions, tracestate) = incoming(reads, given, trace.trace_id, &came);
    assert!(tracestate.is_none_or(|state| state.len() <= 512), "the state of a trace is bounded");
    drop(extensions);

    let mut parent = Parent::of(given, Sampler::default());
    let goes = parent.trace;
    if let Some(remote) = given.remote() {
        assert_eq!((goes.trace_id, goes.parent_span_id), (remote.trace_id, remote.span_id));
    }
    let outgoing = Some((goes, parent.take_tracestate(&came)));
    let extensions = std::mem::take(&mut parent.extensions);
    let mut went = came.clone();
    parent.inject(outgoing, &extensions, writes, &mut went);
    assert!(size(&went) <= size(&came) + MOST_ADDED, "{} became {}", size(&came), size(&went));
    if writes_traces(writes) {
        let again = writes.extract(&went).remote().map(|remote| (remote.trace_id, remote.span_id));
        assert_eq!(again, Some((goes.trace_id, goes.span_id)), "{writes:?} writes what it reads: {went:?}");
    }
}

fn propagators(bits: u8) -> Propagators {
    Propagators::new(FORMATS.into_iter().enumerate().filter(|(at, _)| bits & 1 << at != 0).map(|(_, format)| format))
}

fn writes_traces(propagators: Propagators) -> bool {
    propagators.names().iter().any(|name| *name != "baggage")
}

fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}
