//! The caller's span, as a request's headers give it in any format.

use http::{HeaderMap, HeaderValue};

use super::sampler::Sampler;
use super::traceparent::{self, TRACEPARENT};
use crate::rpc::TraceContext;

/// The caller's span, as it came over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote {
    pub trace_id: u128,
    pub span_id: u64,
    pub(crate) sampled: bool,
    /// The trace is one for debugging, which no sampler is to leave out. W3C's format can't say it.
    pub(crate) debug: bool,
    /// The lower 56 bits of the trace id are random. Only W3C's format can say it.
    pub(crate) random: bool,
}

impl Remote {
    /// A new span under this one.
    pub(super) fn child(self) -> TraceContext {
        self.as_context().child()
    }

    /// The caller's span itself, for calls that are passed on without a span of their own.
    pub(super) fn as_context(self) -> TraceContext {
        let Self { trace_id, span_id, sampled, random, .. } = self;
        TraceContext { trace_id, span_id, parent_span_id: 0, sampled, random }
    }
}

/// A caller's decision about a trace that it did not begin: the call begins it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub(crate) sampled: bool,
    /// The trace is one for debugging.
    pub(crate) debug: bool,
}

/// The caller's span, as a request's headers give it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Given {
    /// Nothing.
    #[default]
    Nothing,
    /// Something that is not valid. Two headers are not valid.
    Unreadable,
    /// Which it is.
    Remote(Remote),
    /// Which it is, in another format than W3C's.
    Other(Remote),
    /// There is none, and the trace that begins here is sampled or not.
    Decided(Decision),
}

impl Given {
    /// Takes one of the request's `traceparent` headers.
    pub(crate) fn add(&mut self, value: &HeaderValue) {
        // HTTP allows spaces around a value, and not every proxy takes them away.
        *self = match (&self, traceparent::parse(value.as_bytes().trim_ascii())) {
            (Self::Nothing, Some(remote)) => Self::Remote(remote),
            _ => Self::Unreadable,
        };
    }

    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut given = Self::Nothing;
        for value in headers.get_all(&TRACEPARENT) {
            given.add(value);
        }
        given
    }

    /// The one of two formats that counts, of which `later` is read after this one: the last span that is valid; without
    /// a span the last decision.
    pub(super) fn or(self, later: Self) -> Self {
        match (self, later) {
            (_, Self::Remote(_) | Self::Other(_)) => later,
            (Self::Remote(_) | Self::Other(_), _) => self,
            (_, Self::Decided(_)) => later,
            (Self::Nothing, _) => later,
            _ => self,
        }
    }

    /// The span, if there is a valid one.
    pub fn remote(self) -> Option<Remote> {
        match self {
            Self::Remote(remote) | Self::Other(remote) => Some(remote),
            Self::Nothing | Self::Unreadable | Self::Decided(_) => None,
        }
    }

    pub(super) fn decision(self) -> Option<Decision> {
        match self {
            Self::Decided(decision) => Some(decision),
            _ => None,
        }
    }

    /// The identity of a call that was given this: a child of the caller's span, or the root of a new trace.
    #[inline]
    pub fn trace(self, sampler: Sampler) -> TraceContext {
        let (trace, said) = match self.remote() {
            Some(remote) => (remote.child(), Some(remote.sampled)),
            None => (TraceContext::root(), self.decision().map(|decision| decision.sampled)),
        };
        TraceContext { sampled: sampler.decide(said, trace.trace_id), ..trace }
    }

    /// The trace, if it is one for debugging.
    pub(super) fn debugged(self) -> Option<u128> {
        self.remote().filter(|remote| remote.debug).map(|remote| remote.trace_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REMOTE: Remote = Remote { trace_id: 5, span_id: 7, sampled: false, debug: false, random: true };

    #[test]
    fn two_traceparents_are_none() {
        let mut headers = HeaderMap::new();
        let value = traceparent::format(&TraceContext::root()).expect("ASCII");
        headers.append(&TRACEPARENT, value.clone());
        assert!(matches!(Given::of(&headers), Given::Remote(_)));
        headers.append(&TRACEPARENT, value);
        assert_eq!(Given::of(&headers), Given::Unreadable);
    }

    #[test]
    fn a_child_is_in_the_callers_trace() {
        let child = REMOTE.child();
        assert_eq!((child.trace_id, child.parent_span_id, child.sampled, child.random), (5, 7, false, true));
        assert!(child.span_id != 7 && child.span_id != 0);
    }

    #[test]
    fn a_span_goes_before_a_decision_and_the_last_of_each_counts() {
        let decided = |sampled| Given::Decided(Decision { sampled, debug: false });
        let (first, second) = (Given::Remote(REMOTE), Given::Other(Remote { span_id: 8, ..REMOTE }));
        for (formats, expected, reason) in [
            (vec![], Given::Nothing, "nothing"),
            (vec![Given::Nothing, Given::Unreadable], Given::Unreadable, "one that is not valid"),
            (vec![first, second], second, "two spans"),
            (vec![first, Given::Unreadable], first, "one that is not valid changes nothing"),
            (vec![first, decided(true)], first, "a decision is for new traces"),
            (vec![decided(true), first], first, "whichever is first"),
            (vec![decided(true), decided(false)], decided(false), "two decisions"),
            (vec![Given::Unreadable, decided(false)], decided(false), "a decision beside a span that is not valid"),
            (vec![decided(false), Given::Unreadable], decided(false), "whichever is first"),
        ] {
            assert_eq!(formats.into_iter().fold(Given::Nothing, Given::or), expected, "{reason}");
        }
    }

    #[test]
    fn a_new_trace_is_sampled_as_its_caller_decided() {
        for sampled in [false, true] {
            let trace = Given::Decided(Decision { sampled, debug: false }).trace(Sampler::default());
            assert_eq!((trace.parent_span_id, trace.sampled), (0, sampled));
        }
        assert!(Given::Unreadable.trace(Sampler::default()).sampled, "as if nothing had come");
    }
}
