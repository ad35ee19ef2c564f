//! What the handler that is being polled on this thread continues: its own call, or the caller's trace.
//!
//! A thread-local that server layers set around each poll of a handler's future and of its response's body. It does not
//! follow tasks that the handler spawns.

use std::cell::RefCell;

use http::{HeaderMap, HeaderValue};

use super::baggage::Baggage;
use super::given::{Decision, Remote};
use super::incoming::SamplingMark;
use super::log::LogSpan;
use super::{Propagators, jaeger};
use crate::rpc::{CallExtensions, Clock, EnteredSpan, RpcHandle, RpcInfo, Symbol, TraceContext};

thread_local! {
    static AMBIENT: RefCell<Option<Ambient>> = const { RefCell::new(None) };
}

/// What client calls inside a handler continue.
#[derive(Debug)]
pub(crate) enum Ambient {
    /// The handler's own call.
    Traced(RpcHandle),
    /// The handler's call is not traced: what its caller sent.
    Passing(Box<Passing>),
}

/// What the caller of a call that nobody wants sent, for the calls that are made on its behalf.
#[derive(Debug)]
pub(crate) struct Passing {
    trace: Option<TraceContext>,
    /// The caller's decision about traces that begin on its behalf, if it sent one without a trace.
    decision: Option<Decision>,
    tracestate: Option<HeaderValue>,
    /// Its baggage, and its word about the sampling of its trace.
    extensions: CallExtensions,
    /// When it has to be done, by the process's clock; 0 is never.
    until: u64,
}

impl Ambient {
    /// For a handler whose call nobody wants: what its caller sent, if it sent anything that goes on. `deadline` is in
    /// nanoseconds from now, 0 is none.
    #[inline]
    pub(crate) fn passing(
        propagators: Propagators,
        headers: &HeaderMap,
        deadline: impl FnOnce() -> u64,
    ) -> Option<Self> {
        if !headers.keys().any(|name| goes_on(name.as_str())) {
            return None;
        }
        let deadline = deadline();
        let given = propagators.extract(headers);
        let (trace, decision) = (given.remote().map(Remote::as_context), given.decision());
        // A trace that has not begun has no id, and no mark.
        let trace_id = trace.map_or(0, |trace| trace.trace_id);
        let (extensions, tracestate) = super::incoming(propagators, given, trace_id, headers);
        if trace.is_none() && decision.is_none() && extensions.is_empty() && deadline == 0 {
            return None;
        }
        let until = if deadline == 0 { 0 } else { Clock::get().now().saturating_add(deadline) };
        Some(Self::Passing(Box::new(Passing { trace, decision, tracestate, extensions, until })))
    }

    /// What is handed to a client call: where it belongs, the state that goes with it, and the handler's extensions.
    pub(super) fn with<R>(read: impl FnOnce(&Self) -> R) -> Option<R> {
        AMBIENT.try_with(|ambient| ambient.try_borrow().ok()?.as_ref().map(read)).ok().flatten()
    }

    /// None if the handler's call is not traced and its caller sent no trace.
    pub(super) fn trace(&self) -> Option<TraceContext> {
        match self {
            Self::Traced(rpc) => Some(rpc.info().trace),
            Self::Passing(passing) => passing.trace,
        }
    }

    /// As whose child a call goes out that nobody wants, and the state that goes with it; none as of [`trace`](Self::trace).
    pub(super) fn outgoing(&self) -> Option<(TraceContext, Option<HeaderValue>)> {
        if let Self::Traced(rpc) = self
            && let Some(span) = &rpc.extensions().span
        {
            return span.outgoing(rpc.info(), rpc.tracestate());
        }
        self.trace().map(|trace| (trace, self.tracestate().cloned()))
    }

    /// The method that is being handled; none if it is not known yet, or not traced.
    pub(super) fn method(&self) -> Symbol {
        match self {
            Self::Traced(rpc) => rpc.info().invocation.method.symbol().unwrap_or(Symbol::NONE),
            Self::Passing(_) => Symbol::NONE,
        }
    }

    pub(super) fn tracestate(&self) -> Option<&HeaderValue> {
        match self {
            Self::Traced(rpc) => rpc.tracestate(),
            Self::Passing(passing) => passing.tracestate.as_ref(),
        }
    }

    pub(super) fn extensions(&self) -> CallExtensions {
        self.attached().clone()
    }

    pub(super) fn attached(&self) -> &CallExtensions {
        match self {
            Self::Traced(rpc) => rpc.extensions(),
            Self::Passing(passing) => &passing.extensions,
        }
    }

    /// The baggage of calls that are made now: what came, and what the application has put beside it.
    pub(super) fn baggage(&self) -> Option<Baggage> {
        let attached = self.attached();
        super::active::baggage(attached.get(), attached.span.as_deref())
    }

    /// The decision of the caller, for traces that begin on its behalf.
    pub(super) fn decision(&self) -> Option<Decision> {
        match self {
            Self::Traced(rpc) => {
                let trace = &rpc.info().trace;
                let mark = SamplingMark::of(rpc.extensions(), trace.trace_id).filter(|mark| mark.decided)?;
                Some(Decision { sampled: trace.sampled, debug: mark.debug })
            }
            Self::Passing(passing) => passing.decision,
        }
    }

    /// When the handler's call has to be done, by the process's clock; none if it has no deadline.
    fn until(&self) -> Option<u64> {
        let until = match self {
            Self::Traced(rpc) => match rpc.info().config.deadline {
                0 => 0,
                deadline => rpc.info().stats.started.saturating_add(deadline),
            },
            Self::Passing(passing) => passing.until,
        };
        (until != 0).then_some(until)
    }

    /// Makes it this thread's until the guard is dropped; then it is put back, also if what runs in between panics.
    ///
    /// With none, everything stays as it is.
    #[inline]
    pub(crate) fn enter(slot: &mut Option<Self>) -> Entered<'_> {
        if let Some(ambient) = slot.as_ref() {
            let attached = ambient.attach();
            swap(slot);
            return Entered { slot: Some(slot), _attached: attached };
        }
        Entered { slot: None, _attached: Attached::default() }
    }

    /// Makes the spans of the handler's call the active ones, if it has some.
    fn attach(&self) -> Attached {
        Attached { _span: self.attached().enter_span(), _log: self.attached().get().map(LogSpan::enter) }
    }
}

/// A header of this name may say something that goes on with the handler's own calls. Found in one walk over the few
/// headers that RPCs have: to look each of them up would mean to hash it.
fn goes_on(name: &str) -> bool {
    matches!(name, "traceparent" | "baggage" | "grpc-timeout" | "connect-timeout-ms" | "b3")
        || name.starts_with("x-b3-")
        || jaeger::is_one(name)
}

/// Puts back what was there before.
pub(crate) struct Entered<'a> {
    slot: Option<&'a mut Option<Ambient>>,
    _attached: Attached,
}

/// The span of the call and the span of the log, while they are the active ones of the thread.
#[derive(Default)]
struct Attached {
    _span: EnteredSpan,
    _log: Option<tracing::span::EnteredSpan>,
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(slot) = self.slot.as_deref_mut() {
            swap(slot);
        }
    }
}

/// While it is entered, the slot keeps what the thread had before: handlers that are polled inside another's poll nest.
fn swap(slot: &mut Option<Ambient>) {
    // While a thread ends its thread-locals are gone; then nothing is swapped, neither on the way in nor out.
    let _ = AMBIENT.try_with(|ambient| {
        if let Ok(mut ambient) = ambient.try_borrow_mut() {
            std::mem::swap(&mut *ambient, slot);
        }
    });
}

/// How long the call that the current task handles may still take; zero if its time is over, none if it has no deadline.
pub fn remaining() -> Option<std::time::Duration> {
    let until = Ambient::with(Ambient::until).flatten()?;
    Some(std::time::Duration::from_nanos(until.saturating_sub(Clock::get().now())))
}

impl TraceContext {
    /// The call that the current task handles.
    ///
    /// Some inside a handler whose call is traced, also while the handler's response body is produced; none
    /// elsewhere, in calls that no tracer wants, and in tasks that the handler spawned. Client calls made inside the
    /// handler become its children by themselves.
    #[must_use]
    pub fn current() -> Option<Self> {
        RpcInfo::current().map(|rpc| rpc.info().trace)
    }
}

impl RpcInfo {
    /// The call that the current task handles: what is known of it, and a place for what the handler has to say.
    ///
    /// Some and none like [`TraceContext::current`]. The request's extensions hold the same [`RpcHandle`]; take it from
    /// there, or from here before, into tasks that the handler spawns.
    #[must_use]
    pub fn current() -> Option<RpcHandle> {
        Ambient::with(|ambient| match ambient {
            Ambient::Traced(rpc) => Some(rpc.clone()),
            Ambient::Passing(_) => None,
        })
        .flatten()
    }
}

/// A call with this identity that is being handled.
#[cfg(test)]
pub(super) fn rpc(trace: TraceContext, headers: &HeaderMap) -> RpcHandle {
    use crate::rpc::{Level, Method, RpcStats, Side};

    let stats = RpcStats::new(Level::Detailed, 0, 0);
    let info = RpcInfo::new(1, Side::Server, Method::new("a.B/C"), trace, stats);
    let (extensions, tracestate) =
        super::incoming(Propagators::default(), Propagators::default().extract(headers), trace.trace_id, headers);
    RpcHandle::new(info, 0, tracestate, extensions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traced() -> (TraceContext, Option<Ambient>) {
        let trace = TraceContext::root();
        (trace, Some(Ambient::Traced(rpc(trace, &HeaderMap::new()))))
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
        assert!(first.is_some_and(|ambient| ambient.trace() == Some(outer)));
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
        let mut slot = Ambient::passing(Propagators::default(), &with_traceparent(&caller), || 0);
        let _entered = Ambient::enter(&mut slot);
        assert_eq!(TraceContext::current(), None);
        let passed_on = Ambient::with(Ambient::trace).flatten().map(|trace| (trace.trace_id, trace.span_id));
        assert_eq!(passed_on, Some((caller.trace_id, caller.span_id)));
    }

    #[test]
    fn a_call_that_is_not_traced_hands_on_its_deadline() {
        assert_eq!(remaining(), None);
        let second = 1_000_000_000;
        let headers = [(http::HeaderName::from_static("grpc-timeout"), HeaderValue::from_static("1S"))];
        let mut slot = Ambient::passing(Propagators::default(), &headers.into_iter().collect(), || second);
        let _entered = Ambient::enter(&mut slot);
        assert_eq!(Ambient::with(Ambient::trace), Some(None), "no trace came with it");
        let left = remaining().expect("it has a deadline");
        assert!(left.as_nanos() <= u128::from(second) && left.as_millis() > 500, "{left:?}");
    }

    #[test]
    fn a_tracestate_stays_with_its_trace() {
        let mut headers = with_traceparent(&TraceContext::root());
        let state = |headers: &HeaderMap| {
            super::super::incoming(Propagators::default(), super::super::Given::of(headers), 1, headers).1
        };
        assert!(state(&headers).is_some());
        headers.insert("traceparent", HeaderValue::from_static("00-nonsense"));
        assert!(state(&headers).is_none());
    }
}
