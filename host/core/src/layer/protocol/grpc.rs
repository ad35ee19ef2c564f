//! gRPC over HTTP/2: the method's name, deadlines and statuses, read from headers that anybody may have sent.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, StatusCode};

use super::head::find;
use crate::rpc::{MAX_MESSAGE_BYTES, Outcome, error_type};
use crate::tracer::Call;

/// The header with a call's deadline.
pub(super) const TIMEOUT: &str = "grpc-timeout";
/// The content type without what may follow: the codec, parameters.
pub(super) const CONTENT_TYPE: &[u8] = b"application/grpc";
pub(super) const STATUS: &str = "grpc-status";
pub(super) const MESSAGE: &str = "grpc-message";
/// The header that says how messages are compressed.
pub(super) const ENCODING: &str = "grpc-encoding";

/// The code of a status that can't be read, or of a call that ended without one.
pub(crate) const UNKNOWN: u16 = 2;

/// `package.Service/Method`, from the request's path.
#[inline]
pub fn method(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

/// The status that headers or trailers give; none if they give none. If they contradict themselves, it is the first that
/// is not OK: that a call failed is not to be hidden by saying so twice.
#[inline]
pub fn status(headers: &HeaderMap) -> Option<u16> {
    let given = headers.iter().filter(|(name, _)| name.as_str() == STATUS);
    given.fold(None, |status, (_, value)| worse(status, code(value.as_bytes())))
}

/// Which of two statuses counts.
#[inline]
pub(super) fn worse(first: Option<u16>, then: u16) -> Option<u16> {
    first.filter(|code| *code != 0).or(Some(then))
}

/// A status in digits.
#[inline]
pub(super) fn code(digits: &[u8]) -> u16 {
    match digits {
        [digit @ b'0'..=b'9'] => u16::from(digit - b'0'),
        [b'1', digit @ b'0'..=b'6'] => 10 + u16::from(digit - b'0'),
        _ => UNKNOWN,
    }
}

/// Gives a call the status that its headers or trailers hold, if they hold one. A status that is not OK fails the call.
pub fn apply_status(call: &mut Call, headers: &HeaderMap) {
    if let Some(status) = status(headers) {
        call.set_rpc_status(status);
        if status != 0 {
            call.fail(outcome(status), error_type::grpc(status), message(headers));
        }
    }
}

/// The words that go with a status that is not OK; "" if there are none.
pub fn message(headers: &HeaderMap) -> Cow<'static, str> {
    match find(headers, MESSAGE) {
        Some(value) => percent_decode(value.as_bytes()).into(),
        None => Cow::Borrowed(""),
    }
}

/// How a call with this status ended.
pub fn outcome(status: u16) -> Outcome {
    match status {
        0 => Outcome::Ok,
        1 => Outcome::Cancelled,
        4 => Outcome::TimedOut,
        _ => Outcome::Error,
    }
}

/// What a status of HTTP means where gRPC's own is missing
/// (<https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>).
pub(crate) fn status_of_http(status: StatusCode) -> u16 {
    match status.as_u16() {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => UNKNOWN,
    }
}

/// Statuses that gatekeepers and routers give before any method is reached: PERMISSION_DENIED, UNIMPLEMENTED,
/// UNAUTHENTICATED. A name that nobody has seen is not learned from them.
pub(crate) fn needs_no_method(status: u16) -> bool {
    matches!(status, 7 | 12 | 16)
}

/// A deadline in nanoseconds; 0 if it can't be read. What has passed already (grpc-go says `0n`) is the least there is.
pub fn deadline(value: &HeaderValue) -> u64 {
    parse_timeout(value).map_or(0, |nanos| nanos.max(1))
}

/// At most eight digits and a unit, by gRPC's specification.
fn parse_timeout(value: &HeaderValue) -> Option<u64> {
    let (unit, digits) = value.as_bytes().split_last()?;
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let mut amount = 0u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        amount = amount * 10 + u64::from(digit - b'0');
    }
    let nanos_each = match unit {
        b'n' => 1,
        b'u' => 1_000,
        b'm' => 1_000_000,
        b'S' => 1_000_000_000,
        b'M' => 60_000_000_000,
        b'H' => 3_600_000_000_000,
        _ => return None,
    };
    Some(amount.saturating_mul(nanos_each))
}

/// Decodes `%41`; what is no such escape stands for itself, and what is no UTF-8 is replaced.
pub(super) fn percent_decode(text: &[u8]) -> String {
    let decoded: Vec<u8> = percent_encoding::percent_decode(text).take(MAX_MESSAGE_BYTES).collect();
    String::from_utf8(decoded).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_bytes(value).expect("a header's value"));
        headers
    }

    #[test]
    fn a_deadline_is_read_as_grpc_has_it() {
        for (value, expected, reason) in [
            ("0n", 1, "it has passed"),
            ("0H", 1, "so it has in hours"),
            ("1n", 1, "nanoseconds"),
            ("1u", 1_000, "microseconds"),
            ("250m", 250_000_000, "milliseconds"),
            ("2S", 2_000_000_000, "seconds"),
            ("1M", 60_000_000_000, "minutes"),
            ("1H", 3_600_000_000_000, "hours"),
            ("99999999H", u64::MAX, "more than fits is as much as fits"),
            ("123456789m", 0, "nine digits"),
            ("m", 0, "no digits"),
            ("1", 0, "no unit"),
            ("1x", 0, "another unit"),
            ("-1S", 0, "a sign"),
            ("", 0, "nothing"),
        ] {
            assert_eq!(deadline(&HeaderValue::from_static(value)), expected, "{reason}: {value}");
        }
    }

    #[test]
    fn a_status_that_cannot_be_read_is_unknown() {
        for (value, expected) in
            [("0", 0), ("5", 5), ("16", 16), ("17", 2), ("00", 2), ("-1", 2), ("", 2), ("14 ", 2), ("999999999999", 2)]
        {
            assert_eq!(status(&headers("grpc-status", value.as_bytes())), Some(expected), "{value}");
        }
        assert_eq!(status(&HeaderMap::new()), None);
    }

    #[test]
    fn of_statuses_that_contradict_each_other_the_failure_counts() {
        for (values, expected) in [(["0", "5"], 5), (["5", "0"], 5), (["13", "5"], 13), (["0", "0"], 0)] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("grpc-status", HeaderValue::from_static(value));
            }
            assert_eq!(status(&headers), Some(expected), "{values:?}");
        }
    }

    #[test]
    fn a_message_is_percent_decoded_and_bounded() {
        for (value, expected, reason) in [
            (&b"plain"[..], "plain", "nothing to decode"),
            (b"a%20b%25", "a b%", "escapes"),
            (b"%C3%A9", "é", "UTF-8"),
            (b"%ff", "\u{fffd}", "no UTF-8"),
            (b"\xff", "\u{fffd}", "no UTF-8 and not escaped"),
            (b"100%", "100%", "an escape that is cut"),
            (b"%4", "%4", "an escape that is cut"),
            (b"%zz", "%zz", "no escape"),
            (b"%+1", "%+1", "a sign is no digit"),
        ] {
            assert_eq!(message(&headers("grpc-message", value)), expected, "{reason}");
        }
        assert_eq!(message(&headers("grpc-message", &b"%41".repeat(9_000))).len(), MAX_MESSAGE_BYTES);
        assert_eq!(message(&HeaderMap::new()), "");
    }

    #[test]
    fn the_path_without_its_slash_is_the_method() {
        assert_eq!(method("/shop.v1.Checkout/Place"), "shop.v1.Checkout/Place");
        assert_eq!(method(""), "");
        assert_eq!(method("*"), "*");
    }
}
