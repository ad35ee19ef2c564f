//! What the handler that is being polled on this thread continues: its own call, or the caller's trace.
//!
//! A thread-local that server layers set around each poll of a handler's future and of its response's body. It does not
//! follow tasks that the handler spawns.

use std::cell::RefCell;

use http::{Extensions, HeaderMap, HeaderValue};

use super::{Given, Remote, tracestate};
use crate::rpc::TraceContext;

thread_local! {
    static AMBIENT: RefCell<Option<Box<Ambient>>> = const { RefCell::new(None) };
}

/// What client calls inside a handler continue.
#[derive(Debug)]
pub(crate) struct Ambient {
    /// The handler's own call, or, if that is not traced, its caller's span.
    trace: TraceContext,
    /// `trace` is the handler's own call.
    traced: bool,
    /// What came with the request, for whoever continues its trace.
    tracestate: Option<HeaderValue>,
    /// What native tracers attached to the handler's call.
    extensions: Extensions,
}

impl Ambient {
    /// For a handler whose call is traced.
    pub(crate) fn traced(
        trace: TraceContext,
        remote: Option<Remote>,
        headers: &HeaderMap,
        extensions: Extensions,
    ) -> Box<Self> {
        // A state belongs to the trace that it came with: not to one that a tracer has put in its place, nor to a new
        // one that stands for a traceparent that can't be read.
        let continued = remote.is_some_and(|remote| remote.trace_id == trace.trace_id);
        let tracestate = if continued { tracestate::extract(headers) } else { None };
        Box::new(Self { trace, traced: true, tracestate, extensions })
    }

    /// For a handler whose call nobody wants: what its caller sent, if it sent a trace.
    #[inline]
    pub(crate) fn passing(headers: &HeaderMap) -> Option<Box<Self>> {
        let trace = Given::of(headers).remote()?.as_context();
        let tracestate = tracestate::extract(headers);
        Some(Box::new(Self { trace, traced: false, tracestate, extensions: Extensions::new() }))
    }

    /// What is handed to a client call: where it belongs, the state that goes with it, and the handler's extensions.
    pub(super) fn with<R>(read: impl FnOnce(&Self) -> R) -> Option<R> {
        AMBIENT.try_with(|ambient| ambient.try_borrow().ok()?.as_deref().map(read)).ok().flatten()
    }

    pub(super) fn trace(&self) -> TraceContext {
        self.trace
    }

    pub(super) fn tracestate(&self) -> Option<&HeaderValue> {
        self.tracestate.as_ref()
    }

    pub(super) fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Makes it this thread's until the guard is dropped; then it is put back, also if what runs in between panics.
    ///
    /// With none, everything stays as it is.
    #[inline]
    pub(crate) fn enter(slot: &mut Option<Box<Self>>) -> Entered<'_> {
        if slot.is_some() {
            swap(slot);
            return Entered(Some(slot));
        }
        Entered(None)
    }
}

/// Puts back what was there before.
pub(crate) struct Entered<'a>(Option<&'a mut Option<Box<Ambient>>>);

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(slot) = self.0.as_deref_mut() {
            swap(slot);
        }
    }
}

/// While it is entered, the slot keeps what the thread had before: handlers that are polled inside another's poll nest.
fn swap(slot: &mut Option<Box<Ambient>>) {
    // While a thread ends its thread-locals are gone; then nothing is swapped, neither on the way in nor out.
    let _ = AMBIENT.try_with(|ambient| {
        if let Ok(mut ambient) = ambient.try_borrow_mut() {
            std::mem::swap(&mut *ambient, slot);
        }
    });
}

/// What a new call on this thread is a child of: the handler's call, or, if that is not traced, its caller's.
pub(crate) fn current() -> Option<TraceContext> {
    Ambient::with(Ambient::trace)
}

impl TraceContext {
    /// The call that the current task handles.
    ///
    /// Some inside a handler whose call is traced, also while the handler's response body is produced; none
    /// elsewhere, in calls that no tracer wants, and in tasks that the handler spawned. Client calls made inside the
    /// handler become its children by themselves.
    #[must_use]
    pub fn current() -> Option<Self> {
        Ambient::with(|ambient| ambient.traced.then_some(ambient.trace)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traced() -> (TraceContext, Option<Box<Ambient>>) {
        let trace = TraceContext::root();
        (trace, Some(Ambient::traced(trace, None, &HeaderMap::new(), Extensions::new())))
    }

    fn with_traceparent(trace: &TraceContext) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", super::super::traceparent::format(trace).expect("ASCII"));
        headers.insert("tracestate", HeaderValue::from_static("a=1"));
        headers
    }

    #[test]
    fn a_call_is_current_only_while_its_handler_is_polled() {
        let (outer, mut first) = traced();
        let (inner, mut second) = traced();
        assert_eq!(TraceContext::current(), None);
        {
            let _first = Ambient::enter(&mut first);
            assert_eq!(TraceContext::current(), Some(outer));
            {
                let _second = Ambient::enter(&mut second);
                assert_eq!(TraceContext::current(), Some(inner));
            }
            assert_eq!(TraceContext::current(), Some(outer));
        }
        assert_eq!(TraceContext::current(), None);
        assert!(first.is_some_and(|ambient| ambient.trace == outer));
    }

    #[test]
    fn a_panicking_handler_leaves_nothing_behind() {
        let (_, mut slot) = traced();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _entered = Ambient::enter(&mut slot);
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(result.is_err());
        assert_eq!(TraceContext::current(), None);
    }

    #[test]
    fn a_call_that_is_not_traced_is_not_current_but_its_trace_goes_on() {
        let caller = TraceContext::root();
        let mut slot = Ambient::passing(&with_traceparent(&caller));
        let _entered = Ambient::enter(&mut slot);
        assert_eq!(TraceContext::current(), None);
        assert_eq!(current().map(|trace| (trace.trace_id, trace.span_id)), Some((caller.trace_id, caller.span_id)));
    }

    #[test]
    fn a_tracestate_stays_with_its_trace() {
        let caller = TraceContext::root();
        let headers = with_traceparent(&caller);
        let same = Ambient::traced(caller.child(), Given::of(&headers).remote(), &headers, Extensions::new());
        assert!(same.tracestate.is_some());
        let other = Ambient::traced(TraceContext::root(), Given::of(&headers).remote(), &headers, Extensions::new());
        assert!(other.tracestate.is_none());
    }
}
