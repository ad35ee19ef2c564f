//! What a client call sends along: who its parent is, and the headers that say so.

use http::{HeaderMap, HeaderValue};

use super::Propagators;
use super::ambient::Ambient;
use super::baggage::Baggage;
use super::given::Given;
use super::incoming::SamplingMark;
use super::sampler::Sampler;
use super::tracestate::{self, TRACESTATE};
use crate::rpc::{CallExtensions, Symbol, TraceContext};

/// Where a client call belongs.
///
/// In this order: the `traceparent` that the application gave the request; the call that the current task handles, or
/// that call's caller if it is not traced itself; a new trace. One that can't be read counts as not given, and takes the
/// request's `tracestate` with it.
pub struct Parent {
    /// The identity of the new call.
    pub trace: TraceContext,
    /// What native tracers attached to the call that the current task handles.
    pub extensions: CallExtensions,
    /// The method whose handler makes the call; none if no handler does.
    pub(crate) caller: Symbol,
    /// What goes on with the ambient trace.
    pub(crate) tracestate: Option<HeaderValue>,
    baggage: Option<Baggage>,
    /// The application gave the request a trace, in W3C's format.
    own: bool,
    /// The request's own state belongs to no trace.
    orphan: bool,
}

impl Parent {
    /// Decides it from what the request says and from the current task.
    pub fn of(given: Given, sampler: Sampler) -> Self {
        let own = matches!(given, Given::Remote(_));
        let orphan = matches!(given, Given::Unreadable | Given::Decided(_));
        // Each of the two is made where it is wanted: one that is put together of their parts is copied once more, which is
        // 25 ns of the 350 that a call costs its thread.
        let ambient = Ambient::with(|ambient| {
            let mut extensions = ambient.extensions();
            let (trace, tracestate) = match (given.remote(), ambient.trace()) {
                (None, Some(handled)) => {
                    let trace = handled.child();
                    let sampled = sampler.decide(Some(handled.sampled), trace.trace_id);
                    (TraceContext { sampled, ..trace }, ambient.tracestate().cloned())
                }
                _ => {
                    // The request's own decision goes before the one that the handler's caller made.
                    let handlers = ambient.decision().map_or(Given::Nothing, Given::Decided);
                    (marked(handlers.or(given), sampler, &mut extensions), None)
                }
            };
            let baggage = ambient.baggage();
            Self {
                trace,
                extensions: with_baggage(extensions, baggage.as_ref()),
                caller: ambient.method(),
                tracestate,
                baggage,
                own,
                orphan,
            }
        });
        ambient.unwrap_or_else(|| {
            let baggage = active_baggage();
            let mut extensions = CallExtensions::default();
            let trace = marked(given, sampler, &mut extensions);
            Self {
                trace,
                extensions: with_baggage(extensions, baggage.as_ref()),
                caller: Symbol::NONE,
                tracestate: None,
                baggage,
                own,
                orphan,
            }
        })
    }

    /// The state that goes on with the call: of the ambient trace, or what the application gave together with its own.
    pub fn take_tracestate(&mut self, headers: &HeaderMap) -> Option<HeaderValue> {
        if self.own { tracestate::extract(headers) } else { self.tracestate.take() }
    }

    /// Writes the headers of a call that goes out with this identity and the state that belongs to it, which a tracer may
    /// have set in the meantime. Without one it goes out as the application made it. `extensions` are the call's.
    pub fn inject(
        self,
        outgoing: Option<(TraceContext, Option<HeaderValue>)>,
        extensions: &CallExtensions,
        propagators: Propagators,
        headers: &mut HeaderMap,
    ) {
        if let Some((trace, tracestate)) = outgoing {
            // The application's own goes out as it is, but within its bounds and with its trace alone.
            if self.orphan || (self.own && !tracestate::is_exactly(tracestate.as_ref(), headers)) {
                headers.remove(&TRACESTATE);
            }
            let debug = is_debugged(extensions, &trace);
            propagators.inject(&trace, debug, tracestate, headers);
        }
        propagators.inject_baggage(self.baggage, headers);
    }
}

/// The identity of a call of which this is given, and what its caller said of its sampling among its extensions.
fn marked(given: Given, sampler: Sampler, extensions: &mut CallExtensions) -> TraceContext {
    let trace = given.trace(sampler);
    SamplingMark::keep(given, trace.trace_id, extensions);
    trace
}

fn is_debugged(extensions: &CallExtensions, trace: &TraceContext) -> bool {
    SamplingMark::of(extensions, trace.trace_id).is_some_and(|mark| mark.debug)
}

/// What is attached to the new call has the baggage that goes on with it, which may be another than what came.
fn with_baggage(mut extensions: CallExtensions, baggage: Option<&Baggage>) -> CallExtensions {
    if extensions.get() != baggage {
        match baggage {
            Some(baggage) => _ = extensions.insert(baggage.clone()),
            None => _ = extensions.remove::<Baggage>(),
        }
    }
    extensions
}

/// What goes on with a call that no handler makes.
fn active_baggage() -> Option<Baggage> {
    super::active::baggage(None, None)
}

/// One attempt at a call has an identity of its own; the rest of its headers are the call's, and so is whether it debugs.
pub fn identify(trace: &TraceContext, propagators: Propagators, headers: &mut HeaderMap) {
    // The default formats can't say it.
    let debug = !propagators.is_default() && propagators.extract(headers).debugged() == Some(trace.trace_id);
    propagators.inject(trace, debug, None, headers);
}

/// For a call that no tracer wants: what the current task continues goes on, unless the application gave its own.
#[inline]
pub(crate) fn forward(propagators: Propagators, headers: &mut HeaderMap) {
    let ambient = Ambient::with(|ambient| {
        let own = propagators.is_given(headers);
        match ambient.outgoing().filter(|_| !own) {
            Some((trace, tracestate)) => {
                propagators.inject(&trace, is_debugged(ambient.attached(), &trace), tracestate, headers);
            }
            None => {
                if let Some(decision) = ambient.decision().filter(|_| !own) {
                    propagators.decide(decision, headers);
                }
            }
        }
        ambient.baggage()
    });
    propagators.inject_baggage(ambient.unwrap_or_else(active_baggage), headers);
}

#[cfg(test)]
mod tests {
    use super::super::ambient::rpc;
    use super::super::baggage::BAGGAGE;
    use super::super::traceparent::TRACEPARENT;
    use super::*;

    fn request(traceparent: Option<&str>, tracestate: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(value) = traceparent {
            headers.insert(&TRACEPARENT, HeaderValue::from_str(value).expect("ASCII"));
        }
        if let Some(value) = tracestate {
            headers.insert(&TRACESTATE, HeaderValue::from_static(value));
        }
        headers
    }

    fn text(trace: &TraceContext) -> String {
        format!("00-{:032x}-{:016x}-01", trace.trace_id, trace.span_id)
    }

    fn state(headers: &HeaderMap) -> Option<&str> {
        headers.get(&TRACESTATE).and_then(|value| value.to_str().ok())
    }

    /// Sends a request and gives back its headers and the identity of its call.
    fn send(mut headers: HeaderMap) -> (HeaderMap, TraceContext) {
        let mut parent = Parent::of(Given::of(&headers), Sampler::default());
        let (trace, tracestate) = (parent.trace, parent.take_tracestate(&headers));
        let extensions = std::mem::take(&mut parent.extensions);
        parent.inject(Some((trace, tracestate)), &extensions, Propagators::default(), &mut headers);
        (headers, trace)
    }

    #[test]
    fn a_call_outside_a_handler_starts_a_trace() {
        let (headers, trace) = send(request(None, None));
        assert_eq!(trace.parent_span_id, 0);
        assert_eq!(Given::of(&headers).remote().map(|remote| remote.span_id), Some(trace.span_id));
    }

    #[test]
    fn a_traceparent_of_the_application_is_the_parent() {
        let own = TraceContext::root();
        let (headers, trace) = send(request(Some(&text(&own)), Some("a=1")));
        assert_eq!((trace.trace_id, trace.parent_span_id), (own.trace_id, own.span_id));
        assert_eq!(Given::of(&headers).remote().map(|remote| remote.span_id), Some(trace.span_id));
        assert_eq!(state(&headers), Some("a=1"));
    }

    #[test]
    fn a_traceparent_that_cannot_be_read_starts_a_trace_without_state() {
        let (headers, trace) = send(request(Some("00-nonsense"), Some("a=1")));
        assert_eq!(trace.parent_span_id, 0);
        assert_eq!(headers.get_all(&TRACEPARENT).iter().count(), 1);
        assert_eq!(state(&headers), None);
    }

    #[test]
    fn a_call_inside_a_handler_continues_it_with_its_state() {
        let caller = TraceContext::root();
        let incoming = request(Some(&text(&caller)), Some("a=1"));
        let handled = caller.child();
        let mut slot = Some(Ambient::Traced(rpc(handled, &incoming)));
        let _entered = Ambient::enter(&mut slot);

        let (headers, trace) = send(request(None, None));
        assert_eq!((trace.trace_id, trace.parent_span_id), (caller.trace_id, handled.span_id));
        assert_eq!(state(&headers), Some("a=1"));

        let (headers, _) = send(request(None, Some("b=2")));
        assert_eq!(state(&headers), Some("b=2"), "the application's own state stays");

        let other = TraceContext::root();
        let (headers, trace) = send(request(Some(&text(&other)), None));
        assert_eq!(trace.parent_span_id, other.span_id);
        assert_eq!(state(&headers), None, "the handler's state belongs to another trace");

        let mut headers = request(None, None);
        forward(Propagators::default(), &mut headers);
        assert_eq!(
            Given::of(&headers).remote().map(|remote| remote.span_id),
            Some(handled.span_id),
            "a call nobody wants"
        );
    }

    #[test]
    fn a_trace_that_a_tracer_sets_goes_out_without_the_old_ones_state() {
        let caller = TraceContext::root();
        let incoming = request(Some(&text(&caller)), Some("a=1"));
        let mut slot = Ambient::passing(Propagators::default(), &incoming, || 0);
        let _entered = Ambient::enter(&mut slot);
        let mut headers = request(None, None);
        let other = TraceContext::root();
        let parent = Parent::of(Given::of(&headers), Sampler::default());
        parent.inject(Some((other, None)), &CallExtensions::default(), Propagators::default(), &mut headers);
        assert_eq!(Given::of(&headers).remote().map(|remote| remote.trace_id), Some(other.trace_id));
        assert_eq!(state(&headers), None);
    }

    #[test]
    fn baggage_goes_on_with_every_call_of_a_handler() {
        let incoming = HeaderMap::from_iter([(BAGGAGE.clone(), HeaderValue::from_static("user=42"))]);
        let expected = Some(&HeaderValue::from_static("user=42"));
        let traced = Some(Ambient::Traced(rpc(TraceContext::root(), &incoming)));
        for mut slot in [traced, Ambient::passing(Propagators::default(), &incoming, || 0)] {
            let _entered = Ambient::enter(&mut slot);
            assert_eq!(send(HeaderMap::new()).0.get(&BAGGAGE), expected);
            let mut headers = request(Some("the application's"), None);
            forward(Propagators::default(), &mut headers);
            assert_eq!(headers.get(&BAGGAGE), expected);
            let own = HeaderMap::from_iter([(BAGGAGE.clone(), HeaderValue::from_static("user=1"))]);
            assert_eq!(send(own).0.get(&BAGGAGE), Some(&HeaderValue::from_static("user=1")), "the application's own");
        }
    }

    #[test]
    fn a_call_nobody_wants_sends_only_what_it_was_given() {
        let mut headers = request(None, None);
        forward(Propagators::default(), &mut headers);
        assert!(headers.is_empty());

        let caller = TraceContext::root();
        let mut slot = Ambient::passing(Propagators::default(), &request(Some(&text(&caller)), Some("a=1")), || 0);
        let _entered = Ambient::enter(&mut slot);
        forward(Propagators::default(), &mut headers);
        assert_eq!(headers.get(&TRACEPARENT).and_then(|value| value.to_str().ok()), Some(text(&caller).as_str()));
        assert_eq!(state(&headers), Some("a=1"));

        let mut own = request(Some("the application's"), None);
        forward(Propagators::default(), &mut own);
        assert_eq!(own.get(&TRACEPARENT), Some(&HeaderValue::from_static("the application's")));
    }

    #[test]
    fn an_attempt_debugs_if_its_call_does() {
        use super::super::Propagator::{B3, B3Multi, Jaeger};

        let trace = TraceContext::root();
        let propagators = Propagators::new([B3, B3Multi, Jaeger]);
        for (debug, attempt, expected) in
            [(true, trace.child(), true), (false, trace.child(), false), (true, TraceContext::root(), false)]
        {
            let mut headers = HeaderMap::new();
            propagators.inject(&trace, debug, None, &mut headers);
            identify(&attempt, propagators, &mut headers);
            assert_eq!(headers.get("b3").is_some_and(|b3| b3.as_bytes().ends_with(b"-d")), expected, "{headers:?}");
            assert_eq!(headers.contains_key("x-b3-flags"), expected, "{headers:?}");
            assert_eq!(propagators.extract(&headers).debugged(), expected.then_some(attempt.trace_id), "{headers:?}");
        }
    }

    #[test]
    fn a_call_nobody_wants_debugs_if_its_caller_does() {
        use super::super::Propagator::{B3, Jaeger};

        let propagators = Propagators::new([B3, Jaeger]);
        let own = HeaderMap::from_iter([
            (
                "b3".parse().expect("a name"),
                HeaderValue::from_static("80f198ee56343ba864fe8b2a57d3eff7-1111111111111111-d"),
            ),
            ("uberctx-user".parse().expect("a name"), HeaderValue::from_static("42")),
        ]);
        let mut slot = Ambient::passing(propagators, &own, || 0);
        let _entered = Ambient::enter(&mut slot);
        let mut headers = HeaderMap::new();
        forward(propagators, &mut headers);
        assert_eq!((headers.get("b3"), headers.get("uberctx-user")), (own.get("b3"), own.get("uberctx-user")));
        assert!(headers.get("uber-trace-id").is_some_and(|value| value.as_bytes().ends_with(b":03")), "{headers:?}");
        let baggage_alone =
            HeaderMap::from_iter([("uberctx-user".parse().expect("a name"), HeaderValue::from_static("42"))]);
        let mut slot = Ambient::passing(propagators, &baggage_alone, || 0);
        let _entered = Ambient::enter(&mut slot);
        let mut headers = HeaderMap::new();
        forward(propagators, &mut headers);
        assert_eq!(headers, baggage_alone);
    }
}
