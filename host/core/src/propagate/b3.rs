//! B3, Zipkin's format, in one header or in several: <https://github.com/openzipkin/b3-propagation>.

use http::HeaderMap;

use super::formats::{hex, insert};
use super::given::{Decision, Given, Remote};
use crate::rpc::TraceContext;

const ONE: &str = "b3";
const TRACE_ID: &str = "x-b3-traceid";
const SPAN_ID: &str = "x-b3-spanid";
const SAMPLED: &str = "x-b3-sampled";
const FLAGS: &str = "x-b3-flags";

/// The caller's span, or its decision without one. The one header goes before the several.
pub(super) fn extract(headers: &HeaderMap) -> Given {
    match one(headers) {
        Given::Nothing => many(headers),
        given => given,
    }
}

/// `TRACE-SPAN`, `TRACE-SPAN-STATE` or `TRACE-SPAN-STATE-PARENT`; or `STATE` alone.
fn one(headers: &HeaderMap) -> Given {
    let Some(value) = value(headers, ONE) else { return Given::Nothing };
    let mut parts = value.split(|&byte| byte == b'-');
    let (first, span_id, state, parent) = (parts.next(), parts.next(), parts.next(), parts.next());
    let Some(span_id) = span_id else { return first.and_then(decision).map_or(Given::Nothing, Given::Decided) };
    if parts.next().is_some() || parent.is_some_and(|parent| parent.len() != 16 || hex(parent, 16).is_none()) {
        return Given::Nothing;
    }
    let decided = match state {
        None => Some(LEFT_TO_US),
        Some(state) => decision(state),
    };
    decided.and_then(|decided| remote(first?, span_id, decided)).map_or(Given::Nothing, Given::Other)
}

/// A decision without a span, or beside one that is not valid, stands for itself.
fn many(headers: &HeaderMap) -> Given {
    let decided = match (value(headers, FLAGS), value(headers, SAMPLED)) {
        (Some(b"1"), _) => Some(Decision { sampled: true, debug: true }),
        (_, None) => None,
        (_, Some(state)) => match decision(state) {
            None => return Given::Nothing,
            decided => decided,
        },
    };
    let ids = value(headers, TRACE_ID).zip(value(headers, SPAN_ID));
    match ids.and_then(|(trace_id, span_id)| remote(trace_id, span_id, decided.unwrap_or(LEFT_TO_US))) {
        Some(remote) => Given::Other(remote),
        None => decided.map_or(Given::Nothing, Given::Decided),
    }
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    headers.get(name).map(|value| value.as_bytes().trim_ascii())
}

/// A caller with a span that leaves the decision to us is one that we sample: our own sampler can still say no.
const LEFT_TO_US: Decision = Decision { sampled: true, debug: false };

/// Older tracers write `true` and `false`, some of them with capitals.
fn decision(state: &[u8]) -> Option<Decision> {
    let is = |state: &[u8], words: [&str; 2]| words.iter().any(|word| state.eq_ignore_ascii_case(word.as_bytes()));
    match state {
        state if is(state, ["1", "true"]) => Some(Decision { sampled: true, debug: false }),
        state if is(state, ["0", "false"]) => Some(Decision { sampled: false, debug: false }),
        b"d" | b"D" => Some(Decision { sampled: true, debug: true }),
        _ => None,
    }
}

fn remote(trace_id: &[u8], span_id: &[u8], Decision { sampled, debug }: Decision) -> Option<Remote> {
    // Older tracers have ids of 64 bits.
    if !matches!(trace_id.len(), 16 | 32) || span_id.len() != 16 {
        return None;
    }
    let (trace_id, span_id) = (hex(trace_id, 32)?, u64::try_from(hex(span_id, 16)?).ok()?);
    (trace_id != 0 && span_id != 0).then_some(Remote { trace_id, span_id, sampled, debug, random: false })
}

/// A trace for debugging goes out as one: that it is sampled is not said beside it.
pub(super) fn inject_one(trace: &TraceContext, debug: bool, headers: &mut HeaderMap) {
    let state = state(Decision { sampled: trace.sampled, debug });
    insert(headers, ONE, &format!("{:032x}-{:016x}-{state}", trace.trace_id, trace.span_id));
}

pub(super) fn inject_many(trace: &TraceContext, debug: bool, headers: &mut HeaderMap) {
    insert(headers, TRACE_ID, &format!("{:032x}", trace.trace_id));
    insert(headers, SPAN_ID, &format!("{:016x}", trace.span_id));
    // What the application may have given with its own.
    headers.remove("x-b3-parentspanid");
    insert_many(Decision { sampled: trace.sampled, debug }, headers);
}

fn insert_many(decision: Decision, headers: &mut HeaderMap) {
    if decision.debug {
        insert(headers, FLAGS, "1");
        headers.remove(SAMPLED);
    } else {
        insert(headers, SAMPLED, if decision.sampled { "1" } else { "0" });
        headers.remove(FLAGS);
    }
}

/// Removes the one header.
pub(super) fn remove_one(headers: &mut HeaderMap) {
    headers.remove(ONE);
}

/// Hands a decision on that came without a span, unless the application has given the request its own.
pub(super) fn decide_one(decision: Decision, headers: &mut HeaderMap) {
    if !headers.contains_key(ONE) {
        insert(headers, ONE, state(decision));
    }
}

/// The same in several headers.
pub(super) fn decide_many(decision: Decision, headers: &mut HeaderMap) {
    if !headers.contains_key(SAMPLED) && !headers.contains_key(FLAGS) {
        insert_many(decision, headers);
    }
}

fn state(decision: Decision) -> &'static str {
    match (decision.debug, decision.sampled) {
        (true, _) => "d",
        (false, true) => "1",
        (false, false) => "0",
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TRACE: &str = "80f198ee56343ba864fe8b2a57d3eff7";
    const SPAN: &str = "e457b5a2e4d86bd1";

    fn given(pairs: &[(&'static str, String)]) -> Given {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_str(value).expect("visible"));
        }
        extract(&headers)
    }

    fn read(pairs: &[(&'static str, String)]) -> Option<(u128, u64, bool)> {
        given(pairs).remote().map(|remote| (remote.trace_id, remote.span_id, remote.sampled))
    }

    fn expected(sampled: bool) -> Option<(u128, u64, bool)> {
        Some((0x80f1_98ee_5634_3ba8_64fe_8b2a_57d3_eff7, 0xe457_b5a2_e4d8_6bd1, sampled))
    }

    #[test]
    fn a_decision_without_a_span_is_read() {
        let decided = |sampled, debug| Given::Decided(Decision { sampled, debug });
        for (value, expected) in [
            ("0", decided(false, false)),
            ("1", decided(true, false)),
            ("d", decided(true, true)),
            (" 0\t", decided(false, false)),
            ("D", decided(true, true)),
            ("false", decided(false, false)),
            ("True", decided(true, false)),
            ("", Given::Nothing),
            ("2", Given::Nothing),
            ("00", Given::Nothing),
            ("-0", Given::Nothing),
            ("0-", Given::Nothing),
            ("0-05e3ac9a4f6e3b90", Given::Nothing),
        ] {
            assert_eq!(given(&[(ONE, value.to_owned())]), expected, "b3: {value:?}");
        }
        for (pairs, expected, reason) in [
            (&[(SAMPLED, "0")][..], decided(false, false), "not sampled"),
            (&[(SAMPLED, "1")], decided(true, false), "sampled"),
            (&[(SAMPLED, "false")], decided(false, false), "as older tracers write it"),
            (&[(SAMPLED, "FALSE")], decided(false, false), "in capitals"),
            (&[(SAMPLED, "True")], decided(true, false), "with one capital"),
            (&[(SAMPLED, "d")], decided(true, true), "as the one header has it"),
            (&[(SAMPLED, "maybe")], Given::Nothing, "no such state"),
            (&[(SAMPLED, "")], Given::Nothing, "nothing"),
            (&[(FLAGS, "1")], decided(true, true), "debug"),
            (&[(FLAGS, "1"), (SAMPLED, "0")], decided(true, true), "debug goes before not sampled"),
            (&[(FLAGS, "0")], Given::Nothing, "a flag that says nothing"),
            (&[(FLAGS, "0"), (SAMPLED, "0")], decided(false, false), "beside one that does"),
            (&[(SAMPLED, "0"), (TRACE_ID, TRACE)], decided(false, false), "half a span"),
            (&[(SAMPLED, "0"), (SPAN_ID, SPAN)], decided(false, false), "the other half"),
            (&[(SAMPLED, "0"), (TRACE_ID, "nonsense"), (SPAN_ID, SPAN)], decided(false, false), "a trace that is none"),
            (&[(ONE, "0"), (SAMPLED, "1")], decided(false, false), "the one header goes before the several"),
            (&[(ONE, "nonsense"), (SAMPLED, "0")], decided(false, false), "if it is valid"),
        ] {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            assert_eq!(given(&pairs), expected, "{reason}");
        }
    }

    #[test]
    fn a_decision_without_a_span_is_handed_on_as_one() {
        for (sampled, debug) in [(false, false), (true, false), (true, true)] {
            let decision = Decision { sampled, debug };
            for decide in [decide_one, decide_many] {
                let mut headers = HeaderMap::new();
                decide(decision, &mut headers);
                assert_eq!((headers.len(), extract(&headers)), (1, Given::Decided(decision)), "{headers:?}");
            }
        }
        for name in [ONE, SAMPLED, FLAGS] {
            let own = HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_static("1"))]);
            let mut headers = own.clone();
            let decide = if name == ONE { decide_one } else { decide_many };
            decide(Decision { sampled: false, debug: false }, &mut headers);
            assert_eq!(headers, own, "the application's own stays");
        }
    }

    #[test]
    fn one_header_is_read() {
        for (value, expected, reason) in [
            (format!("{TRACE}-{SPAN}-1"), expected(true), "sampled"),
            (format!("{TRACE}-{SPAN}-0"), expected(false), "not sampled"),
            (format!("{TRACE}-{SPAN}-d"), expected(true), "debug"),
            (format!("{TRACE}-{SPAN}"), expected(true), "left to us"),
            (format!("{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90"), expected(true), "with its parent"),
            (
                format!("{}-{SPAN}-1", &TRACE[16..]),
                Some((0x64fe_8b2a_57d3_eff7, 0xe457_b5a2_e4d8_6bd1, true)),
                "64 bits",
            ),
            (format!("{TRACE}-{SPAN}-2"), None, "no such state"),
            (format!("{TRACE}-{SPAN}-1-05e3"), None, "a parent that is too short"),
            (format!("{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90-1"), None, "too much"),
            (format!("{}-{SPAN}-1", "0".repeat(32)), None, "no trace"),
            (format!("{TRACE}-{}-1", "0".repeat(16)), None, "no span"),
            (format!("{}-{SPAN}-1", &TRACE[1..]), None, "a trace that is too short"),
            (format!("x{}-{SPAN}-1", &TRACE[1..]), None, "no digit"),
            (String::new(), None, "nothing"),
            ("-".repeat(4096), None, "dashes"),
        ] {
            assert_eq!(read(&[(ONE, value)]), expected, "{reason}");
        }
    }

    #[test]
    fn several_headers_are_read_if_there_is_not_one() {
        let ids = || vec![(TRACE_ID, TRACE.to_owned()), (SPAN_ID, SPAN.to_owned())];
        let with = |name, value: &str| [ids(), vec![(name, value.to_owned())]].concat();
        for (pairs, expected, reason) in [
            (ids(), expected(true), "left to us"),
            (with(SAMPLED, "1"), expected(true), "sampled"),
            (with(SAMPLED, "0"), expected(false), "not sampled"),
            (with(SAMPLED, "false"), expected(false), "as older tracers write it"),
            (with(SAMPLED, "maybe"), None, "no such state"),
            ([with(SAMPLED, "0"), vec![(FLAGS, "1".to_owned())]].concat(), expected(true), "debug"),
            (vec![(TRACE_ID, TRACE.to_owned())], None, "no span"),
            (with(ONE, "nonsense"), expected(true), "one that is not valid"),
            (with(ONE, &format!("{TRACE}-{SPAN}-0")), expected(false), "one goes before several"),
        ] {
            assert_eq!(read(&pairs), expected, "{reason}");
        }
    }

    #[test]
    fn a_trace_for_debugging_is_one_on_the_way_out() {
        let trace = |sampled| TraceContext { sampled, ..TraceContext::root() };
        for (sampled, debug, state, several) in [
            (true, false, "1", [Some("1"), None]),
            (false, false, "0", [Some("0"), None]),
            (true, true, "d", [None, Some("1")]),
            (false, true, "d", [None, Some("1")]),
        ] {
            let mut headers = HeaderMap::new();
            // Left over from an attempt before.
            headers.insert(SAMPLED, HeaderValue::from_static("1"));
            headers.insert(FLAGS, HeaderValue::from_static("1"));
            inject_one(&trace(sampled), debug, &mut headers);
            inject_many(&trace(sampled), debug, &mut headers);
            let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
            assert!(value(ONE).is_some_and(|one| one.ends_with(&format!("-{state}"))), "{headers:?}");
            assert_eq!([value(SAMPLED), value(FLAGS)], several, "{headers:?}");
            assert_eq!(one(&headers).remote().map(|remote| remote.debug), Some(debug));
            assert_eq!(many(&headers).remote().map(|remote| remote.debug), Some(debug));
        }
    }
}
