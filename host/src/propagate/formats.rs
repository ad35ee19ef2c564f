//! Which formats traces travel in, and all of them applied together; each format is in a file of its own.

use std::sync::Once;

use http::{HeaderMap, HeaderValue};

use super::baggage::{self, BAGGAGE, Baggage};
use super::traceparent::{self, Given, Remote, TRACEPARENT};
use super::tracestate::TRACESTATE;
use super::{b3, jaeger};
use crate::rpc::TraceContext;

/// A format in which a trace, or what travels with it, is written into headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Propagator {
    /// W3C Trace Context: `traceparent` and `tracestate`.
    TraceContext,
    /// W3C Baggage: `baggage`, 64 members and 8192 bytes at most. What came with a request goes on as it came with the calls
    /// that its handler makes, unless the application gives a request its own header. With the feature `otel`, what the
    /// application has put into OpenTelemetry's active context goes with it: its members beside those that came and in their
    /// place where the keys are the same; none at all if the application has cleared the context's baggage.
    Baggage,
    /// B3 in one header, `b3`. Several headers are read, too. A trace that is marked for debugging (`d`) is sampled, and goes
    /// out marked, whatever a sampler says here, as long as the trace is the same.
    B3,
    /// B3 in several headers, `x-b3-*`. One header is read, too. Marked for debugging is `x-b3-flags: 1`, as in [`Self::B3`].
    B3Multi,
    /// Jaeger's own: `uber-trace-id`, whose flag for debugging is kept as in [`Self::B3`], and baggage, each member in a
    /// header `uberctx-KEY`. Keys are in lower case, as names of headers are; what came as W3C's baggage goes before what
    /// came as Jaeger's, both within the bounds of W3C's. It is not written where it would be longer than 8 KiB, together
    /// with W3C's if that is written, too. The header `jaeger-baggage` is not read.
    Jaeger,
}

const ALL: [(&str, Propagator); 5] = [
    ("tracecontext", Propagator::TraceContext),
    ("baggage", Propagator::Baggage),
    ("b3", Propagator::B3),
    ("b3multi", Propagator::B3Multi),
    ("jaeger", Propagator::Jaeger),
];

/// The formats that calls are propagated in. All are written; they are read in their order, and the last one that is valid
/// counts, as with OpenTelemetry's composite propagator.
///
/// By default what `OTEL_PROPAGATORS` says, and without it `tracecontext` and `baggage`. What is not among them is neither
/// read nor written, but for headers that the application itself gives a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Propagators {
    order: [Option<Propagator>; ALL.len()],
}

impl Default for Propagators {
    fn default() -> Self {
        Self::new([Propagator::TraceContext, Propagator::Baggage])
    }
}

impl Propagators {
    /// These, in this order. A format that comes twice counts once.
    pub fn new(formats: impl IntoIterator<Item = Propagator>) -> Self {
        let mut order = [None; ALL.len()];
        for format in formats {
            if !order.contains(&Some(format))
                && let Some(free) = order.iter_mut().find(|slot| slot.is_none())
            {
                *free = Some(format);
            }
        }
        Self { order }
    }

    /// What `OTEL_PROPAGATORS` says: a list of `tracecontext`, `baggage`, `b3`, `b3multi` and `jaeger`, or `none`. A name that
    /// is not known is left out, and the log says so once.
    pub fn from_env() -> Self {
        let Ok(list) = std::env::var("OTEL_PROPAGATORS") else { return Self::default() };
        let (propagators, unknown) = Self::parse(&list);
        if let Some(unknown) = unknown {
            static ONCE: Once = Once::new();
            ONCE.call_once(|| {
                tracing::warn!(
                    unknown,
                    "OTEL_PROPAGATORS names a format that is not known and is left out: it may be tracecontext, baggage, b3, \
                     b3multi, jaeger or none"
                );
            });
        }
        propagators
    }

    /// The list, and the first name of it that is not known. An empty list is the default.
    fn parse(list: &str) -> (Self, Option<String>) {
        let names = || list.split(',').map(str::trim).filter(|name| !name.is_empty());
        let find = |name: &str| ALL.iter().find(|(known, _)| *known == name).map(|(_, format)| *format);
        let unknown = names().find(|name| *name != "none" && find(name).is_none()).map(str::to_owned);
        if names().next().is_none() {
            return (Self::default(), None);
        }
        (Self::new(names().filter_map(find)), unknown)
    }

    /// No more than what is found in the one walk over a request's headers.
    #[inline]
    pub(crate) fn is_default(self) -> bool {
        self == Self { order: [Some(Propagator::TraceContext), Some(Propagator::Baggage), None, None, None] }
    }

    fn formats(self) -> impl Iterator<Item = Propagator> {
        self.order.into_iter().flatten()
    }

    fn has(self, format: Propagator) -> bool {
        self.order.contains(&Some(format))
    }

    /// What a request's caller wants to reach everybody behind it.
    pub(super) fn extract_baggage(self, headers: &HeaderMap) -> Option<Baggage> {
        let baggage = if self.has(Propagator::Baggage) { Baggage::extract(headers) } else { None };
        if self.has(Propagator::Jaeger) { jaeger::extract_baggage(headers, baggage) } else { baggage }
    }

    /// Sends baggage along, unless the application has given the request its own. In both formats together it is no more than
    /// in W3C's alone: servers refuse requests whose headers are long, and callers decide how long these are.
    pub(super) fn inject_baggage(self, baggage: Option<Baggage>, headers: &mut HeaderMap) {
        let w3c = self.has(Propagator::Baggage);
        if self.has(Propagator::Jaeger) {
            let own = w3c && headers.contains_key(&BAGGAGE);
            let own = if own { Baggage::extract(headers) } else { baggage.clone() };
            if let Some(baggage) = own {
                let taken = if w3c { baggage.0.len() } else { 0 };
                jaeger::inject_baggage(&baggage, baggage::BOUNDS.bytes.saturating_sub(taken), headers);
            }
        }
        if let Some(baggage) = baggage.filter(|_| w3c) {
            baggage.inject(headers);
        }
    }

    /// What a request says of its caller's span.
    pub(crate) fn extract(self, headers: &HeaderMap) -> Given {
        let mut given = Given::Nothing;
        for format in self.formats() {
            let other = |found: Option<Remote>| found.map_or(Given::Nothing, Given::Other);
            let found = match format {
                Propagator::TraceContext => Given::of(headers),
                Propagator::B3 | Propagator::B3Multi => other(b3::extract(headers)),
                Propagator::Jaeger => other(jaeger::extract(headers)),
                Propagator::Baggage => Given::Nothing,
            };
            if found.remote().is_some() || given == Given::Nothing {
                given = found;
            }
        }
        given
    }

    /// The application has given a request a trace, in one of these formats.
    pub(super) fn is_given(self, headers: &HeaderMap) -> bool {
        if self.is_default() { headers.contains_key(&TRACEPARENT) } else { self.extract(headers) != Given::Nothing }
    }

    /// Writes a call's identity in all formats. A request has room for 32,768 headers; one that is full goes out without.
    pub(super) fn inject(
        self,
        trace: &TraceContext,
        debug: bool,
        mut tracestate: Option<HeaderValue>,
        headers: &mut HeaderMap,
    ) {
        for format in self.formats() {
            match format {
                Propagator::TraceContext => {
                    if let Some(value) = traceparent::format(trace) {
                        let _ = headers.try_insert(&TRACEPARENT, value);
                    }
                    if let Some(tracestate) = tracestate.take()
                        && !headers.contains_key(&TRACESTATE)
                    {
                        let _ = headers.try_insert(&TRACESTATE, tracestate);
                    }
                }
                Propagator::B3 => b3::inject_one(trace, debug, headers),
                Propagator::B3Multi => b3::inject_many(trace, debug, headers),
                Propagator::Jaeger => jaeger::inject(trace, debug, headers),
                Propagator::Baggage => {}
            }
        }
    }
}

/// The number that hex digits stand for, in either case; none if there are none or more than `most`.
pub(super) fn hex(digits: &[u8], most: usize) -> Option<u128> {
    if digits.is_empty() || digits.len() > most.min(32) {
        return None;
    }
    digits.iter().try_fold(0u128, |number, byte| {
        let digit = char::from(*byte).to_digit(16)?;
        Some(number << 4 | u128::from(digit))
    })
}

/// A value that names a trace: marked as sensitive, so that HTTP/2 keeps it out of its table, for it never comes again.
pub(super) fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(mut value) = HeaderValue::from_str(value) {
        value.set_sensitive(true);
        let _ = headers.try_insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_formats_in_their_order() {
        use Propagator::{B3, B3Multi, Baggage, Jaeger, TraceContext};
        for (list, expected, unknown, reason) in [
            ("tracecontext,baggage", &[TraceContext, Baggage][..], None, "the default"),
            ("", &[TraceContext, Baggage], None, "empty is not set"),
            ("none", &[], None, "none"),
            (" b3 , b3multi,jaeger,b3", &[B3, B3Multi, Jaeger], None, "spaces, and one twice"),
            ("baggage,ottrace,tracecontext", &[Baggage, TraceContext], Some("ottrace"), "one that is not known"),
            ("XRAY", &[], Some("XRAY"), "none that is known"),
        ] {
            let (propagators, told) = Propagators::parse(list);
            assert_eq!(propagators.formats().collect::<Vec<_>>(), expected, "{list:?}: {reason}");
            assert_eq!(told.as_deref(), unknown, "{list:?}: {reason}");
            assert_eq!(propagators.is_default(), expected == [TraceContext, Baggage], "{list:?}: {reason}");
        }
    }

    #[test]
    fn the_last_valid_format_counts() {
        let all = Propagators::parse("tracecontext,b3,jaeger").0;
        let mut headers = HeaderMap::new();
        let span = |headers: &HeaderMap| all.extract(headers).remote().map(|remote| remote.span_id);
        assert_eq!(all.extract(&headers), Given::Nothing);
        headers.insert("traceparent", HeaderValue::from_static("00-nonsense"));
        assert_eq!(all.extract(&headers), Given::Unreadable);
        let valid = HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-0000000000000001-01");
        headers.insert("traceparent", valid);
        assert_eq!(span(&headers), Some(1));
        headers.insert("b3", HeaderValue::from_static("80f198ee56343ba864fe8b2a57d3eff7-0000000000000002-1"));
        assert_eq!(span(&headers), Some(2));
        headers.insert("uber-trace-id", HeaderValue::from_static("80f198ee56343ba864fe8b2a57d3eff7:3:0:1"));
        assert_eq!(span(&headers), Some(3));
        headers.insert("uber-trace-id", HeaderValue::from_static("nonsense"));
        assert_eq!(span(&headers), Some(2), "one that is not valid changes nothing");
    }

    #[test]
    fn what_is_written_is_read_back_in_every_format() {
        for (name, format) in ALL {
            if format == Propagator::Baggage {
                continue;
            }
            let propagators = Propagators::new([format]);
            for _ in 0..200 {
                let trace = TraceContext { sampled: fastrand::bool(), ..TraceContext::root() };
                let mut headers = HeaderMap::new();
                propagators.inject(&trace, false, None, &mut headers);
                let remote = propagators.extract(&headers).remote().expect(name);
                let read = (remote.trace_id, remote.span_id, remote.sampled);
                assert_eq!(read, (trace.trace_id, trace.span_id, trace.sampled), "{name}: {headers:?}");
            }
        }
    }

    #[test]
    fn nobody_makes_a_service_send_more_than_servers_take() {
        let both = Propagators::new([Propagator::Baggage, Propagator::Jaeger]);
        let (colons, long) = (format!("a={}", ":".repeat(6_000)), format!("a={}", "x".repeat(8_190)));
        let many = |bytes: usize| (0..64).map(|i| format!("k{i}={}", "x".repeat(bytes))).collect::<Vec<_>>().join(",");
        for (baggage, expected) in [("a=1,b=2", 3), (&colons, 1), (&long, 1), (&many(100), 1), (&many(20), 65)] {
            let baggage = Baggage(HeaderValue::from_str(baggage).expect("visible"));
            let mut headers = HeaderMap::new();
            both.inject_baggage(Some(baggage), &mut headers);
            let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
            assert!(headers.len() == expected && bytes <= 8_192 + 64, "{} headers of {bytes} bytes", headers.len());
        }
    }

    #[test]
    fn no_bytes_make_a_parser_panic() {
        let mut rng = fastrand::Rng::with_seed(7);
        let all = Propagators::parse("tracecontext,b3,jaeger,baggage").0;
        let valid = [
            ("b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90"),
            ("x-b3-traceid", "80f198ee56343ba864fe8b2a57d3eff7"),
            ("x-b3-spanid", "e457b5a2e4d86bd1"),
            ("x-b3-flags", "1"),
            ("uber-trace-id", "80f198ee56343ba864fe8b2a57d3eff7:e457b5a2e4d86bd1:0:1"),
            ("traceparent", "00-80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-01"),
            ("tracestate", "congo=t61rcWkgMzE,rojo@a=00f067aa0ba902b7"),
            ("baggage", "user=J%C3%BCrgen;p=1,tenant=acme"),
            ("uberctx-user", "J%C3%BCrgen+M"),
            ("uberctx-tenant", "acme"),
        ];
        for _ in 0..20_000 {
            let mut headers = HeaderMap::new();
            for (name, value) in valid {
                let mut bytes = value.as_bytes().to_vec();
                bytes.truncate(rng.usize(..=80));
                bytes.extend((0..rng.usize(..6)).map(|_| rng.u8(..)));
                if let Some(byte) = bytes.get_mut(rng.usize(..70)) {
                    *byte = rng.u8(..);
                }
                if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                    headers.append(name, value);
                }
            }
            let (extensions, _) = super::super::incoming(all, all.extract(&headers), &headers);
            let baggage = extensions.get::<Baggage>().cloned();
            assert!(baggage.as_ref().is_none_or(|baggage| baggage.0.len() <= 8192));
            all.inject_baggage(baggage, &mut HeaderMap::new());
        }
    }
}
