//! Connect (<https://connectrpc.com/docs/protocol>): the method's name, deadlines, and errors in JSON, read from what
//! anybody may have sent.

use std::fmt;
use std::marker::PhantomData;

use http::HeaderValue;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{End, grpc};
use crate::rpc::{Codec, MAX_MESSAGE_BYTES, cut};

/// The header that makes a POST of JSON or protobuf a call.
pub(super) const VERSION: &str = "connect-protocol-version";
/// The header with a call's deadline.
pub(super) const TIMEOUT: &str = "connect-timeout-ms";
/// The flag of the envelope that ends a stream.
pub(super) const END_OF_STREAM: u8 = 2;
/// The header that says how a stream's envelopes are compressed.
pub(super) const ENCODING: &str = "connect-content-encoding";

/// Digits of a deadline, by the specification: 115 days.
const MAX_TIMEOUT_DIGITS: usize = 10;

/// Connect's codes, each at the number that it has in gRPC.
const CODES: [&str; 17] = [
    "",
    "canceled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
];

/// `package.Service/Method`: the last two segments of the path, since the protocol lets a prefix stand before them.
pub(super) fn method(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    let second_last = path.rmatch_indices('/').nth(1);
    second_last.and_then(|(slash, _)| path.get(slash + 1..)).unwrap_or(path)
}

/// A query that makes a GET a call.
pub(super) fn is_get(query: &str) -> bool {
    query.split('&').any(|pair| pair == "connect=v1") && codec(query) != Codec::Unknown
}

/// How a query says that the message in it is encoded.
pub(super) fn codec(query: &str) -> Codec {
    let mut codecs = query.split('&').filter_map(|pair| match pair {
        "encoding=json" => Some(Codec::Json),
        "encoding=proto" => Some(Codec::Protobuf),
        _ => None,
    });
    codecs.next().unwrap_or_default()
}

/// A deadline in nanoseconds; 0 if it can't be read. What has passed already is the least there is.
pub(super) fn deadline(value: &HeaderValue) -> u64 {
    const NANOS_PER_MILLI: u64 = 1_000_000;
    let digits = value.as_bytes();
    if digits.is_empty() || digits.len() > MAX_TIMEOUT_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    let millis = digits.iter().fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    millis.saturating_mul(NANOS_PER_MILLI).max(1)
}

#[derive(Deserialize)]
struct WireError {
    code: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct EndOfStream {
    error: Option<Object<WireError>>,
}

/// A struct that came as a JSON object. serde's own code would take the fields from an array as well, and so read a success
/// in `[null]`, which is garbage to Connect's clients.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMap<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OfMap<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(OfMap(PhantomData))
    }
}

/// What the envelope at the end of a stream says.
pub(super) fn end_of_stream(json: &[u8]) -> End {
    match serde_json::from_slice(json) {
        Ok(Object(EndOfStream { error: None })) => End::Status(0, String::new()),
        // An error whose code nobody knows is an error all the same.
        Ok(Object(EndOfStream { error: Some(Object(error)) })) => {
            End::Status(number(&error).unwrap_or(grpc::UNKNOWN), words(error))
        }
        Err(_) => End::Garbage,
    }
}

/// What the body of a response says whose HTTP status is an error; nothing if it is no error of Connect's.
pub(super) fn error(json: &[u8]) -> End {
    let error = serde_json::from_slice::<Object<WireError>>(json).ok();
    match error.and_then(|Object(error)| number(&error).map(|code| (code, error))) {
        Some((code, error)) => End::Status(code, words(error)),
        None => End::Untold,
    }
}

/// gRPC's number of an error's code; none for a code that no specification knows.
fn number(error: &WireError) -> Option<u16> {
    let code = error.code.as_deref().filter(|code| !code.is_empty())?;
    CODES.iter().position(|known| *known == code).and_then(|at| u16::try_from(at).ok())
}

fn words(error: WireError) -> String {
    let message = error.message.unwrap_or_default();
    if message.len() > MAX_MESSAGE_BYTES { cut(&message, MAX_MESSAGE_BYTES).to_owned() } else { message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_segments_are_the_method() {
        for (path, expected) in [
            ("/shop.v1.Checkout/Place", "shop.v1.Checkout/Place"),
            ("/api/v2/shop.v1.Checkout/Place", "shop.v1.Checkout/Place"),
            ("/Place", "Place"),
            ("//", "/"),
            ("/", ""),
            ("", ""),
            ("/é/ü/ö", "ü/ö"),
        ] {
            assert_eq!(method(path), expected, "{path}");
        }
    }

    #[test]
    fn a_deadline_is_read_as_connect_has_it() {
        for (value, expected, reason) in [
            ("0", 1, "it has passed"),
            ("1", 1_000_000, "a millisecond"),
            ("5000", 5_000_000_000, "seconds"),
            ("9999999999", 9_999_999_999_000_000, "ten digits"),
            ("10000000000", 0, "eleven digits"),
            ("", 0, "nothing"),
            ("-1", 0, "a sign"),
            ("1.5", 0, "a fraction"),
            ("1S", 0, "gRPC's unit"),
        ] {
            assert_eq!(deadline(&HeaderValue::from_static(value)), expected, "{reason}: {value}");
        }
    }

    #[track_caller]
    fn check(end: &End, expected: Option<(u16, &str)>) {
        let told = match end {
            End::Status(code, message) => Some((*code, message.as_str())),
            _ => None,
        };
        assert_eq!(told, expected, "{end:?}");
    }

    #[test]
    fn an_error_is_read_from_its_body_only_if_it_is_connects() {
        for (json, expected, reason) in [
            (r#"{"code":"not_found","message":"no such thing: é"}"#, Some((5, "no such thing: é")), "as it should be"),
            (r#"{"code":"canceled"}"#, Some((1, "")), "without words"),
            (r#"{"code":"unauthenticated","message":null,"details":[{"type":"x"}]}"#, Some((16, "")), "details"),
            (r#"{"code":"gone_fishing","message":"x"}"#, None, "a code that nobody knows"),
            (r#"{"code":"","message":"x"}"#, None, "an empty code"),
            (r#"{"code":5}"#, None, "a number"),
            (r#"{"message":"x"}"#, None, "no code"),
            (r#"{"error":"x"}"#, None, "another API's error"),
            (r#"["not_found","x"]"#, None, "an array"),
            ("<html>", None, "no JSON"),
            ("", None, "nothing"),
            (r#"{"code":"not_found""#, None, "cut"),
        ] {
            check(&error(json.as_bytes()), expected);
            assert!(!matches!(error(json.as_bytes()), End::Garbage), "{reason}");
        }
        let long = format!(r#"{{"code":"internal","message":"{}"}}"#, "é".repeat(2_000));
        check(&error(long.as_bytes()), Some((13, "é".repeat(512).as_str())));
        for (number, code) in CODES.iter().enumerate().skip(1) {
            check(&error(format!(r#"{{"code":"{code}"}}"#).as_bytes()), Some((number as u16, "")));
        }
    }

    #[test]
    fn the_end_of_a_stream_is_read_and_garbage_is_no_panic() {
        for (json, expected) in [
            (r"{}", Some((0, ""))),
            (r#"{"metadata":{"a":["b"]}}"#, Some((0, ""))),
            (r#"{"error":null}"#, Some((0, ""))),
            (r#"{"error":{"code":"data_loss","message":"gone"},"metadata":{}}"#, Some((15, "gone"))),
            (r#"{"error":{}}"#, Some((2, ""))),
            (r#"{"error":{"code":"gone_fishing","message":"x"}}"#, Some((2, "x"))),
        ] {
            check(&end_of_stream(json.as_bytes()), expected);
        }
        let deep = "[".repeat(60_000);
        let arrays = ["[]", "[null]", r#"[{"code":"aborted"}]"#, r#"{"error":["aborted","x"]}"#];
        let others = ["", "null", "17", "{", r#"{"error":"x"}"#, r#"{"error":{"code":7}}"#, "\0\0\0", &deep];
        for garbage in arrays.into_iter().chain(others) {
            assert!(matches!(end_of_stream(garbage.as_bytes()), End::Garbage), "{garbage:.20}");
        }
        assert!(matches!(end_of_stream(b"\xff\xfe{}"), End::Garbage));
    }
}
