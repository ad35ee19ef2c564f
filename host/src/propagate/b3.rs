//! B3, Zipkin's format, in one header or in several: <https://github.com/openzipkin/b3-propagation>.

use http::{HeaderMap, HeaderValue};

use super::formats::{hex, insert};
use super::traceparent::Remote;
use crate::rpc::TraceContext;

const ONE: &str = "b3";
const TRACE_ID: &str = "x-b3-traceid";
const SPAN_ID: &str = "x-b3-spanid";
const SAMPLED: &str = "x-b3-sampled";
const FLAGS: &str = "x-b3-flags";

/// The one header goes before the several.
pub(super) fn extract(headers: &HeaderMap) -> Option<Remote> {
    one(headers).or_else(|| many(headers))
}

/// `TRACE-SPAN`, `TRACE-SPAN-STATE` or `TRACE-SPAN-STATE-PARENT`.
fn one(headers: &HeaderMap) -> Option<Remote> {
    let mut parts = headers.get(ONE)?.as_bytes().split(|&byte| byte == b'-');
    let (trace_id, span_id, state, parent) = (parts.next()?, parts.next()?, parts.next(), parts.next());
    if parts.next().is_some() || parent.is_some_and(|parent| parent.len() != 16 || hex(parent, 16).is_none()) {
        return None;
    }
    remote(trace_id, span_id, is_sampled(state)?, state == Some(b"d"))
}

fn many(headers: &HeaderMap) -> Option<Remote> {
    let value = |name| headers.get(name).map(HeaderValue::as_bytes);
    let debug = value(FLAGS) == Some(b"1");
    let sampled = debug || is_sampled(value(SAMPLED))?;
    remote(value(TRACE_ID)?, value(SPAN_ID)?, sampled, debug)
}

/// A caller that leaves the decision to us is one that we sample: our own sampler can still say no.
fn is_sampled(state: Option<&[u8]>) -> Option<bool> {
    match state {
        None | Some(b"1" | b"d" | b"true") => Some(true),
        Some(b"0" | b"false") => Some(false),
        Some(_) => None,
    }
}

fn remote(trace_id: &[u8], span_id: &[u8], sampled: bool, debug: bool) -> Option<Remote> {
    // Older tracers have ids of 64 bits.
    if !matches!(trace_id.len(), 16 | 32) || span_id.len() != 16 {
        return None;
    }
    let (trace_id, span_id) = (hex(trace_id, 32)?, u64::try_from(hex(span_id, 16)?).ok()?);
    (trace_id != 0 && span_id != 0).then_some(Remote { trace_id, span_id, sampled, debug })
}

/// A trace for debugging goes out as one: that it is sampled is not said beside it.
pub(super) fn inject_one(trace: &TraceContext, debug: bool, headers: &mut HeaderMap) {
    let state = match (debug, trace.sampled) {
        (true, _) => 'd',
        (false, true) => '1',
        (false, false) => '0',
    };
    insert(headers, ONE, &format!("{:032x}-{:016x}-{state}", trace.trace_id, trace.span_id));
}

pub(super) fn inject_many(trace: &TraceContext, debug: bool, headers: &mut HeaderMap) {
    insert(headers, TRACE_ID, &format!("{:032x}", trace.trace_id));
    insert(headers, SPAN_ID, &format!("{:016x}", trace.span_id));
    // What the application may have given with its own.
    headers.remove("x-b3-parentspanid");
    if debug {
        insert(headers, FLAGS, "1");
        headers.remove(SAMPLED);
    } else {
        insert(headers, SAMPLED, if trace.sampled { "1" } else { "0" });
        headers.remove(FLAGS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "80f198ee56343ba864fe8b2a57d3eff7";
    const SPAN: &str = "e457b5a2e4d86bd1";

    fn read(pairs: &[(&'static str, String)]) -> Option<(u128, u64, bool)> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_str(value).expect("visible"));
        }
        extract(&headers).map(|remote| (remote.trace_id, remote.span_id, remote.sampled))
    }

    fn expected(sampled: bool) -> Option<(u128, u64, bool)> {
        Some((0x80f1_98ee_5634_3ba8_64fe_8b2a_57d3_eff7, 0xe457_b5a2_e4d8_6bd1, sampled))
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
            ("0".to_owned(), None, "a decision without a trace"),
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
            assert_eq!(one(&headers).map(|remote| remote.debug), Some(debug));
            assert_eq!(many(&headers).map(|remote| remote.debug), Some(debug));
        }
    }
}
