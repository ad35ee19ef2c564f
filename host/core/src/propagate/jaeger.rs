//! Jaeger's own format, `uber-trace-id` and `uberctx-*`:
//! <https://www.jaegertracing.io/docs/1.76/client-libraries/#propagation-format>.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::baggage::{self, Baggage};
use super::formats::{hex, insert};
use super::given::{Decision, Given, Remote};
use super::list;
use super::percent;
use crate::rpc::TraceContext;

const NAME: &str = "uber-trace-id";
/// Starts a trace for debugging where there is none. Its value is for the caller to find the trace by, and is not kept.
const DEBUG_ID: &str = "jaeger-debug-id";
/// A header with this before a key is a member of the baggage.
const PREFIX: &str = "uberctx-";
/// A list of members, from callers that have no trace.
const BAGGAGE: &str = "jaeger-baggage";
/// Bytes of the longest value there is, with its colons escaped; there is no need to look at longer ones.
const MAX_BYTES: usize = 32 + 16 + 16 + 2 + 3 * 3;
/// What HTTP/2 counts for a header beside its name and value (RFC 9113, 6.5.2).
const HEADER_OVERHEAD: usize = 32;
/// The flags that say that the trace is sampled, and that it is one for debugging.
const SAMPLED: u128 = 1;
const DEBUG: u128 = 2;

/// A request without a valid span is to be debugged if its caller says so.
pub(super) fn extract(headers: &HeaderMap) -> Given {
    match span(headers) {
        Some(remote) => Given::Other(remote),
        None if headers.get(DEBUG_ID).is_some_and(|id| !id.is_empty()) => {
            Given::Decided(Decision { sampled: true, debug: true })
        }
        None => Given::Nothing,
    }
}

/// A header of this name is one of Jaeger's.
pub(super) fn is_one(name: &str) -> bool {
    matches!(name, NAME | DEBUG_ID | BAGGAGE) || name.starts_with(PREFIX)
}

/// `TRACE:SPAN:PARENT:FLAGS`, in hex, whose leading zeros may be left out. Some write `%3A` for the colon.
fn span(headers: &HeaderMap) -> Option<Remote> {
    let value = headers.get(NAME)?.to_str().ok().filter(|value| value.len() <= MAX_BYTES)?;
    let value = value.replace("%3A", ":").replace("%3a", ":");
    let mut parts = value.split(':').map(str::as_bytes);
    let (trace_id, span_id, _parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (trace_id, span_id) = (hex(trace_id, 32)?, u64::try_from(hex(span_id, 16)?).ok()?);
    let flags = hex(flags, 2)?;
    // One for debugging is sampled, whatever else is said.
    let (sampled, debug) = (flags & (SAMPLED | DEBUG) != 0, flags & DEBUG != 0);
    (trace_id != 0 && span_id != 0).then_some(Remote { trace_id, span_id, sampled, debug, random: false })
}

/// The parent has been out of use for long, and is written as 0.
pub(super) fn inject(trace: &TraceContext, debug: bool, headers: &mut HeaderMap) {
    let flags = if debug { SAMPLED | DEBUG } else { trace.sampled.into() };
    insert(headers, NAME, &format!("{:032x}:{:016x}:0:{flags:02x}", trace.trace_id, trace.span_id));
}

/// W3C's baggage with Jaeger's after it; members beyond W3C's bounds are left out. A key that came in both has W3C's value,
/// and its properties, which Jaeger's has not.
pub(super) fn extract_baggage(headers: &HeaderMap, baggage: Option<Baggage>) -> Option<Baggage> {
    if !headers.keys().any(|name| name.as_str().starts_with(PREFIX) || name == BAGGAGE) {
        return baggage;
    }
    let known = |key: &str| {
        let mut keys = baggage.iter().flat_map(Baggage::members).map(baggage::key);
        keys.any(|known| known.eq_ignore_ascii_case(key.as_bytes()))
    };
    let own = headers.iter().filter_map(|(name, value)| {
        let key = name.as_str().strip_prefix(PREFIX).filter(|key| !key.is_empty())?;
        Some((key, value.as_bytes()))
    });
    let listed = headers.get_all(BAGGAGE).iter().flat_map(|list| list::members(list.as_bytes())).filter_map(|member| {
        let at = member.iter().position(|&byte| byte == b'=')?;
        // What could not be a header's name can't be sent on.
        let name = member.get(..at)?.trim_ascii();
        let key = std::str::from_utf8(name).ok().filter(|_| HeaderName::from_bytes(name).is_ok())?;
        Some((key, member.get(at + 1..)?.trim_ascii()))
    });
    let jaegers = own.chain(listed).filter(|(key, _)| !known(key));
    let jaegers = jaegers.filter_map(|(key, value)| Some(Cow::Owned(member(key, value)?.into_bytes())));
    Baggage::of(baggage.iter().flat_map(Baggage::members).map(Cow::Borrowed).chain(jaegers))
}

/// A member as W3C writes it. Jaeger's clients encode as forms do.
fn member(key: &str, value: &[u8]) -> Option<String> {
    // What is longer than a whole list, each byte of it escaped, is not read.
    if value.len() > 3 * baggage::BOUNDS.bytes {
        return None;
    }
    let value: Vec<u8> = value.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    Some(format!("{key}={}", percent::encode(&percent::decode_lossy(&value))))
}

/// Each member in a header of its own, without its properties, unless the application has given the request that header. A
/// header's name knows no capitals. One that is longer than what is left of `room` is left out.
pub(super) fn inject_baggage(baggage: &Baggage, mut room: usize, headers: &mut HeaderMap) {
    for (key, value) in baggage.iter() {
        let Ok(name) = HeaderName::try_from(format!("{PREFIX}{key}")) else { continue };
        let Ok(value) = HeaderValue::from_str(&percent::encode(&value)) else { continue };
        let length = name.as_str().len() + value.len() + HEADER_OVERHEAD;
        if !headers.contains_key(&name) && length <= room {
            room -= length;
            // A request has room for 32,768 headers; one that is full goes out without it.
            let _ = headers.try_insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read() {
        const TRACE: &str = "80f198ee56343ba864fe8b2a57d3eff7";
        let expected = |trace_id, sampled| Some((trace_id, 0xe457_b5a2_e4d8_6bd1, sampled));
        let whole = 0x80f1_98ee_5634_3ba8_64fe_8b2a_57d3_eff7;
        for (value, expected, reason) in [
            (format!("{TRACE}:e457b5a2e4d86bd1:0:1"), expected(whole, true), "sampled"),
            (format!("{TRACE}:e457b5a2e4d86bd1:05e3ac9a4f6e3b90:0"), expected(whole, false), "not sampled"),
            (format!("{TRACE}:e457b5a2e4d86bd1:0:03"), expected(whole, true), "sampled and debug"),
            (format!("{TRACE}:e457b5a2e4d86bd1:0:2"), expected(whole, true), "debug alone"),
            (format!("{TRACE}%3Ae457b5a2e4d86bd1%3a0%3A1"), expected(whole, true), "escaped"),
            ("1f:e457b5a2e4d86bd1:0:1".to_owned(), expected(0x1f, true), "without leading zeros"),
            (format!("{TRACE}:e457b5a2e4d86bd1:0"), None, "no flags"),
            (format!("{TRACE}:e457b5a2e4d86bd1:0:1:1"), None, "too much"),
            (format!("{TRACE}:e457b5a2e4d86bd1:0:100"), None, "flags that are too long"),
            (format!("{TRACE}0:e457b5a2e4d86bd1:0:1"), None, "a trace that is too long"),
            (format!("{TRACE}:0:0:1"), None, "no span"),
            ("0:e457b5a2e4d86bd1:0:1".to_owned(), None, "no trace"),
            (":::".to_owned(), None, "nothing"),
            (":".repeat(9_000), None, "colons"),
        ] {
            let headers = HeaderMap::from_iter([(
                NAME.parse().expect("a name"),
                HeaderValue::from_str(&value).expect("visible"),
            )]);
            let found = span(&headers).map(|remote| (remote.trace_id, remote.span_id, remote.sampled));
            assert_eq!(found, expected, "{reason}");
        }
    }

    #[test]
    fn a_trace_for_debugging_is_one_on_the_way_out() {
        for (sampled, debug, flags) in
            [(true, false, "01"), (false, false, "00"), (true, true, "03"), (false, true, "03")]
        {
            let mut headers = HeaderMap::new();
            inject(&TraceContext { sampled, ..TraceContext::root() }, debug, &mut headers);
            let value = headers.get(NAME).and_then(|value| value.to_str().ok());
            assert!(value.is_some_and(|value| value.ends_with(&format!(":{flags}"))), "{headers:?}");
            assert_eq!(span(&headers).map(|remote| remote.debug), Some(debug));
        }
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        headers
    }

    #[test]
    fn a_debug_id_starts_a_trace_for_debugging_where_there_is_none() {
        let (span, debug) =
            ("80f198ee56343ba864fe8b2a57d3eff7:e457b5a2e4d86bd1:0:0", Decision { sampled: true, debug: true });
        for (pairs, expected, reason) in [
            (&[("jaeger-debug-id", "order-7")][..], Given::Decided(debug), "alone"),
            (&[("jaeger-debug-id", "order-7"), ("uber-trace-id", "0:0:0:0")], Given::Decided(debug), "beside no span"),
            (&[("jaeger-debug-id", "")], Given::Nothing, "empty"),
            (&[("uber-trace-id", "0:0:0:3")], Given::Nothing, "flags without a span say nothing"),
        ] {
            assert_eq!(extract(&headers(pairs)), expected, "{reason}");
        }
        let given = extract(&headers(&[("jaeger-debug-id", "order-7"), ("uber-trace-id", span)]));
        assert!(given.remote().is_some_and(|remote| !remote.debug), "beside a span: {given:?}");
    }

    fn list(baggage: Option<&Baggage>) -> Option<&str> {
        baggage.and_then(|baggage| baggage.0.to_str().ok())
    }

    #[test]
    fn baggage_is_read_beside_w3cs() {
        let long = "x".repeat(8_193);
        for (pairs, w3c, expected, reason) in [
            (&[][..], None, None, "none"),
            (&[], Some("a=1;p"), Some("a=1;p"), "W3C's alone"),
            (&[("uberctx-user", "42")], None, Some("user=42"), "Jaeger's alone"),
            (&[("uberctx-user", "42")], Some("a=1;p"), Some("a=1;p,user=42"), "both"),
            (&[("uberctx-user", "42")], Some("User=1;p"), Some("User=1;p"), "a key in both"),
            (&[("uberctx-a", "J%C3%BCrgen+M%2b,")], None, Some("a=J%C3%BCrgen%20M%2B%2C"), "as forms are encoded"),
            (&[("uberctx-a", "%FF"), ("uberctx-b", "2")], None, Some("a=%EF%BF%BD,b=2"), "one that is no UTF-8"),
            (&[("uberctx-a", "\u{e4}"), ("uberctx-b", "2")], None, Some("a=%C3%A4,b=2"), "one that is no ASCII"),
            (
                &[("jaeger-baggage", "a=1, b = J%C3%BCrgen+M ,c,=1,d e=1")],
                None,
                Some("a=1,b=J%C3%BCrgen%20M"),
                "a list",
            ),
            (&[("jaeger-baggage", "a=1,c=3"), ("uberctx-b", "2")], Some("A=0"), Some("A=0,b=2,c=3"), "all of them"),
            (&[("uberctx-", "1")], None, None, "no key"),
            (&[("uberctx", "1")], None, None, "no member"),
            (&[("uberctx-a", &long)], Some("b=2"), Some("b=2"), "too long"),
        ] {
            let w3c = w3c.map(|list| Baggage(HeaderValue::from_static(list)));
            assert_eq!(list(extract_baggage(&headers(pairs), w3c).as_ref()), expected, "{reason}");
        }
        for (count, expected) in [(64, Some(64)), (65, Some(64)), (1_000, Some(64))] {
            let names: Vec<_> = (0..count).map(|number| format!("uberctx-k{number}")).collect();
            let pairs: Vec<_> = names.iter().map(|name| (name.as_str(), "v")).collect();
            let baggage = extract_baggage(&headers(&pairs), None);
            assert_eq!(baggage.map(|baggage| baggage.iter().count()), expected, "{count} members");
        }
    }

    #[test]
    fn baggage_is_written_and_read_back() {
        let baggage = Baggage(HeaderValue::from_static("user=J%C3%BCrgen%20M;p=1,tenant=a+b,bad key=1,own=1"));
        let mut sent = headers(&[("uberctx-own", "the%20application's")]);
        inject_baggage(&baggage, 8_192, &mut sent);
        assert_eq!(sent.len(), 3, "{sent:?}");
        assert_eq!(sent.get("uberctx-user").map(HeaderValue::as_bytes), Some(&b"J%C3%BCrgen%20M"[..]));
        let read = extract_baggage(&sent, None).expect("some");
        let said = ["user", "tenant", "own"].map(|key| read.get(key));
        assert_eq!(said, ["Jürgen M", "a+b", "the application's"].map(|value| Some(value.to_owned())));
    }

    #[test]
    fn baggage_that_has_no_room_is_not_written() {
        let baggage = Baggage(HeaderValue::from_static("a=1,b=%2C"));
        // uberctx-a 1, uberctx-b %2C, and what each costs beside.
        let length = 9 + 1 + 9 + 3 + 2 * 32;
        for (room, expected) in [(length, 2), (length - 1, 1), (0, 0)] {
            let mut sent = HeaderMap::new();
            inject_baggage(&baggage, room, &mut sent);
            assert_eq!(sent.len(), expected, "{room} bytes");
        }
    }
}
