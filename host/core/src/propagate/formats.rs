//! Which formats traces travel in, and all of them applied together; each format is in a file of its own.

use std::fmt;
use std::sync::Once;

use http::{HeaderMap, HeaderValue};

use super::baggage::{self, BAGGAGE, Baggage};
use super::given::{Decision, Given};
use super::traceparent::{self, TRACEPARENT};
use super::tracestate::TRACESTATE;
use super::{b3, jaeger};
use crate::rpc::TraceContext;

/// A format in which a trace, or what travels with it, is written into headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Propagator {
    /// W3C Trace Context, Level 2: `traceparent` and `tracestate`. The flag that the trace id is random goes on as it came and
    /// is set for traces that begin here; other flags than that and "sampled" are sent as zero. A `tracestate` over 512 bytes
    /// or 32 members loses members over 128 bytes first, then others, both from its end.
    TraceContext,
    /// W3C Baggage: `baggage`, 64 members and 8192 bytes at most; members beyond that are left out. In values, bytes that are
    /// no ASCII are escaped when they are sent, and what is no UTF-8 is read as U+FFFD. What came with a request goes on as it came with the calls
    /// that its handler makes, unless the application gives a request its own header. With the feature `otel`, what the
    /// application has put into OpenTelemetry's active context goes with it: its members beside those that came and in their
    /// place where the keys are the same; none at all if the application has cleared the context's baggage.
    Baggage,
    /// B3 in one header, `b3`. Several headers are read, too. A trace that is marked for debugging (`d`) is sampled, and goes
    /// out marked, whatever a sampler says here, as long as the trace is the same. A decision without a span (`b3: 0`,
    /// `x-b3-sampled: 0` alone) is that of the trace which begins with the call; a trace that goes on keeps its own.
    B3,
    /// B3 in several headers, `x-b3-*`. One header is read, too. Marked for debugging is `x-b3-flags: 1`, as in [`Self::B3`].
    B3Multi,
    /// Jaeger's own: `uber-trace-id`, whose flag for debugging is kept as in [`Self::B3`], and baggage, each member in a
    /// header `uberctx-KEY`. Keys are in lower case, as names of headers are; what came as W3C's baggage goes before what
    /// came as Jaeger's, both within the bounds of W3C's. Members are left out where all would be longer than 8 KiB, together
    /// with W3C's if that is written, too. Two more headers are read and not written: `jaeger-baggage`, a list of members,
    /// and `jaeger-debug-id`, which makes a trace that begins with the call one for debugging.
    Jaeger,
}

/// In the order of the enum.
const ALL: [(&str, Propagator); 5] = [
    ("tracecontext", Propagator::TraceContext),
    ("baggage", Propagator::Baggage),
    ("b3", Propagator::B3),
    ("b3multi", Propagator::B3Multi),
    ("jaeger", Propagator::Jaeger),
];

/// Bits of a format's number.
const BITS: u32 = 3;
const NUMBER: u32 = 0b111;
/// The variable of the environment that names them.
pub const VARIABLE: &str = "OTEL_PROPAGATORS";
/// The names that it may hold.
pub const KNOWN: &str = "a list of tracecontext, baggage, b3, b3multi and jaeger, or none";

impl Propagator {
    /// In either case, as the specification has it.
    #[doc(hidden)]
    pub fn named(name: &str) -> Option<Self> {
        ALL.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, format)| *format)
    }
}

/// The formats that calls are propagated in. All are written; they are read in their order, and the last one that is valid
/// counts, as with OpenTelemetry's composite propagator.
///
/// By default what `OTEL_PROPAGATORS` says, and without it `tracecontext` and `baggage`. What is not among them is neither
/// read nor written, but for headers that the application itself gives a request. What `hottap.toml` says under
/// `[trace]` goes before the builder's word, and that before the environment's.
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Propagators {
    /// Three bits for each in its place, the first lowest: its place among all formats, from 1; then 0. In one number, so
    /// that they are read and replaced as a whole.
    bits: u32,
}

impl Default for Propagators {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Debug for Propagators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.formats()).finish()
    }
}

impl Propagators {
    const DEFAULT: Self =
        Self { bits: (Propagator::Baggage as u32 + 1) << BITS | (Propagator::TraceContext as u32 + 1) };

    /// These, in this order. A format that comes twice counts once.
    pub fn new(formats: impl IntoIterator<Item = Propagator>) -> Self {
        let (mut propagators, mut place) = (Self { bits: 0 }, 0);
        for format in formats {
            if !propagators.has(format) {
                propagators.bits |= (format as u32 + 1) << place;
                place += BITS;
            }
        }
        propagators
    }

    /// Reads `OTEL_PROPAGATORS`: a list of `tracecontext`, `baggage`, `b3`, `b3multi` and `jaeger`, in either case, or
    /// `none`. A name that is not known is ignored, and the log says so once; if none is known, it is as if the
    /// variable were not set.
    pub fn from_env() -> Self {
        let Some(list) = std::env::var_os(VARIABLE) else { return Self::default() };
        let (propagators, unknown) = Self::parse(&list.to_string_lossy());
        if let Some(unknown) = unknown {
            static ONCE: Once = Once::new();
            ONCE.call_once(|| {
                tracing::warn!(
                    unknown,
                    "the environment variable {VARIABLE} names a format that is not known and is ignored: it is to be \
                     {KNOWN}; correct it, or remove it"
                );
            });
        }
        propagators
    }

    /// The list, and the first name of it that is not known. A list without a name that is known is the default.
    #[doc(hidden)]
    pub fn parse(list: &str) -> (Self, Option<String>) {
        let names = || list.split(',').map(str::trim).filter(|name| !name.is_empty());
        let is_none = |name: &str| name.eq_ignore_ascii_case("none");
        let unknown = names().find(|name| !is_none(name) && Propagator::named(name).is_none()).map(str::to_owned);
        let known = Self::new(names().filter_map(Propagator::named));
        let is_said = known != Self::new([]) || names().any(is_none);
        (if is_said { known } else { Self::default() }, unknown)
    }

    pub(super) fn to_bits(self) -> u32 {
        self.bits
    }

    pub(super) fn from_bits(bits: u32) -> Self {
        Self { bits }
    }

    /// The names, in their order.
    #[doc(hidden)]
    pub fn names(self) -> Vec<&'static str> {
        let name = |format| ALL.iter().find(|(_, known)| *known == format).map(|(name, _)| *name);
        self.formats().filter_map(name).collect()
    }

    /// No more than what is found in the one walk over a request's headers.
    #[inline]
    pub(crate) fn is_default(self) -> bool {
        self == Self::DEFAULT
    }

    fn formats(self) -> impl Iterator<Item = Propagator> {
        let numbers = (0..ALL.len()).map(move |place| self.bits >> (BITS * place as u32) & NUMBER);
        numbers.map_while(|number| ALL.get((number as usize).checked_sub(1)?).map(|(_, format)| *format))
    }

    fn has(self, format: Propagator) -> bool {
        self.formats().any(|known| known == format)
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

    /// Reads the caller's span from a request's headers.
    #[doc(hidden)]
    pub fn extract(self, headers: &HeaderMap) -> Given {
        let mut given = Given::Nothing;
        for format in self.formats() {
            given = given.or(match format {
                Propagator::TraceContext => Given::of(headers),
                Propagator::B3 | Propagator::B3Multi => b3::extract(headers),
                Propagator::Jaeger => jaeger::extract(headers),
                Propagator::Baggage => Given::Nothing,
            });
        }
        given
    }

    /// The application has given a request a trace, in one of these formats.
    pub(super) fn is_given(self, headers: &HeaderMap) -> bool {
        if self.is_default() {
            return headers.contains_key(&TRACEPARENT);
        }
        !matches!(self.extract(headers), Given::Nothing | Given::Decided(_))
    }

    /// Hands a decision on that came without a span, in the formats that can say it.
    pub(super) fn decide(self, decision: Decision, headers: &mut HeaderMap) {
        for format in self.formats() {
            match format {
                Propagator::B3 => b3::decide_one(decision, headers),
                Propagator::B3Multi => b3::decide_many(decision, headers),
                Propagator::TraceContext | Propagator::Baggage | Propagator::Jaeger => {}
            }
        }
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
                Propagator::B3Multi => {
                    // Readers prefer the one header: what the application has given in it is another trace.
                    if !self.has(Propagator::B3) {
                        b3::remove_one(headers);
                    }
                    b3::inject_many(trace, debug, headers);
                }
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
            ("TraceContext,B3Multi", &[TraceContext, B3Multi], None, "in either case"),
            ("none,b3", &[B3], None, "none beside another"),
            ("baggage,ottrace,tracecontext", &[Baggage, TraceContext], Some("ottrace"), "one that is not known"),
            ("XRAY,ottrace", &[TraceContext, Baggage], Some("XRAY"), "none that is known"),
            ("None,xray", &[], Some("xray"), "none, and one that is not known"),
        ] {
            let (propagators, told) = Propagators::parse(list);
            assert_eq!(propagators.formats().collect::<Vec<_>>(), expected, "{list:?}: {reason}");
            assert_eq!(told.as_deref(), unknown, "{list:?}: {reason}");
            assert_eq!(propagators.is_default(), expected == [TraceContext, Baggage], "{list:?}: {reason}");
            assert_eq!(Propagators::from_bits(propagators.to_bits()), propagators, "{list:?}: {reason}");
        }
    }

    #[test]
    fn what_goes_out_in_several_headers_is_not_outweighed_by_the_one() {
        let trace = TraceContext::root();
        for (propagators, expected) in [("b3multi", None), ("b3", Some(())), ("b3multi,b3", Some(()))] {
            let propagators = Propagators::parse(propagators).0;
            let mut headers = HeaderMap::new();
            headers.insert("b3", HeaderValue::from_static("0"));
            propagators.inject(&trace, false, None, &mut headers);
            assert_eq!(headers.get("b3").map(|_| ()), expected, "{propagators:?}");
            let read = propagators.extract(&headers).remote().map(|remote| remote.span_id);
            assert_eq!(read, Some(trace.span_id), "{propagators:?}");
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
                let random = name == "tracecontext" && fastrand::bool();
                let trace = TraceContext { sampled: fastrand::bool(), random, ..TraceContext::root() };
                let mut headers = HeaderMap::new();
                propagators.inject(&trace, false, None, &mut headers);
                let remote = propagators.extract(&headers).remote().expect(name);
                assert_eq!(remote.as_context(), trace, "{name}: {headers:?}");
            }
        }
    }

    #[test]
    fn nobody_makes_a_service_send_more_than_servers_take() {
        let both = Propagators::new([Propagator::Baggage, Propagator::Jaeger]);
        let (colons, long) = (format!("a={}", ":".repeat(6_000)), format!("a={}", "x".repeat(8_190)));
        let many = |bytes: usize| (0..64).map(|i| format!("k{i}={}", "x".repeat(bytes))).collect::<Vec<_>>().join(",");
        // W3C's one header, and as many of Jaeger's as there is room for.
        for (baggage, expected) in [("a=1,b=2", 3), (&colons, 1), (&long, 1), (&many(100), 11), (&many(20), 65)] {
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
            ("jaeger-baggage", "user=J%C3%BCrgen, tenant=acme"),
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
            let (extensions, _) = super::super::incoming(all, all.extract(&headers), 1, &headers);
            let baggage = extensions.get::<Baggage>().cloned();
            assert!(baggage.as_ref().is_none_or(|baggage| baggage.0.len() <= 8192));
            all.inject_baggage(baggage, &mut HeaderMap::new());
        }
    }
}
