//! An answer that says that a payload was taken, but for some of its items. Pure.
//!
//! Read by what the answer is, not by a setting: InfluxDB's partial writes come with a status that means the opposite, and
//! OTLP's partial success with one that says nothing of it.

use std::borrow::Cow;

use http::StatusCode;

use hottap_io::dial::{Encoding, PartialSuccess};

/// The part of a payload that the server did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partial<'a> {
    /// Items (points, spans, lines), as the server counts them; 1 where it does not say how many.
    pub(super) refused: u64,
    /// The server's own words.
    pub(super) words: Cow<'a, str>,
}

impl Partial<'_> {
    pub(super) const WHAT_TO_DO: &'static str = "the answer says why: a field that has another type there, a time beyond \
                                                what the server keeps, a limit; all other items were taken";
}

/// Reads an answer. None if the payload was taken as a whole or not at all.
pub(super) fn partial<'a>(status: StatusCode, media_type: Option<&str>, body: &'a [u8]) -> Option<Partial<'a>> {
    match status.as_u16() {
        400 | 422 => partial_write(body),
        200..=299 => partial_success(media_type.and_then(Encoding::of)?, body),
        _ => None,
    }
    .filter(|partial| partial.refused > 0)
}

/// InfluxDB, all versions: the points that could be written are.
///
/// - 1: `{"error":"partial write: field type conflict: … dropped=1"}`, or `partial write: unable to parse '…': …` for each
///   line that was none, with `dropped=0` at the end.
/// - 2: the same as `message`, behind some words of its own.
/// - 3: `{"error":"partial write of line protocol occurred","data":[{"line_number":2,…}]}`.
fn partial_write(body: &[u8]) -> Option<Partial<'_>> {
    let text = String::from_utf8_lossy(body);
    let (_, said) = text.split_once("partial write")?;
    let dropped = said.rsplit_once("dropped=").map_or("", |(_, number)| number);
    let digits = dropped.find(|c: char| !c.is_ascii_digit()).unwrap_or(dropped.len());
    let dropped: u64 = dropped.get(..digits).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    let lines = ["unable to parse '", "\"line_number\""].map(|of_a_line| said.matches(of_a_line).count() as u64);
    let refused = lines.into_iter().fold(dropped, u64::max).max(1);
    Some(Partial { refused, words: text })
}

/// OTLP, all signals: which one a payload is for stands in the URL alone.
fn partial_success(encoding: Encoding, body: &[u8]) -> Option<Partial<'_>> {
    let PartialSuccess { rejected, words } = PartialSuccess::read(encoding, "rejected", body)?;
    Some(Partial { refused: rejected, words })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, media_type: &str, body: &[u8], expected: Option<u64>, reason: &str) {
        let status = StatusCode::from_u16(status).expect("a status");
        let refused = partial(status, Some(media_type), body).map(|partial| partial.refused);
        assert_eq!(refused, expected, "{reason}: {}", String::from_utf8_lossy(body));
    }

    #[test]
    fn influxdbs_partial_write_is_a_payload_that_was_taken() {
        let conflict = r#"partial write: field type conflict: input field \"n\" on measurement \"rpc\" is type integer, already exists as type float dropped=1"#;
        for (status, body, expected, reason) in [
            (400, format!(r#"{{"error":"{conflict}"}}"#), Some(1), "InfluxDB 1"),
            (400, r#"{"error":"partial write: points beyond retention policy dropped=7"}"#.into(), Some(7), "InfluxDB 1"),
            (
                400,
                r#"{"error":"partial write: unable to parse 'a b': bad timestamp\nunable to parse 'c': missing fields dropped=0"}"#
                    .into(),
                Some(2),
                "InfluxDB 1, lines that were none",
            ),
            (
                422,
                format!(r#"{{"code":"unprocessable entity","message":"failure writing points to database: {conflict}"}}"#),
                Some(1),
                "InfluxDB 2",
            ),
            (
                400,
                r#"{"error":"partial write of line protocol occurred","data":[{"original_line":"x","line_number":2,"error_message":"no"},{"original_line":"y","line_number":5,"error_message":"no"}]}"#.into(),
                Some(2),
                "InfluxDB 3",
            ),
            (400, r#"{"message":"partial write has occurred"}"#.into(), Some(1), "how many is not said"),
            (400, r#"{"error":"partial write: too many dropped=99999999999999999999"}"#.into(), Some(1), "no number"),
            (400, r#"{"error":"unable to parse 'a b': bad timestamp"}"#.into(), None, "nothing was written"),
            (404, r#"{"error":"database not found: \"rpc\""}"#.into(), None, "nothing was written"),
            (500, format!(r#"{{"error":"{conflict}"}}"#), None, "may be tried again"),
            (204, String::new(), None, "everything was written"),
        ] {
            check(status, "application/json", body.as_bytes(), expected, reason);
        }
        check(400, "", b"partial write: x dropped=3", Some(3), "without a media type");
        check(400, "text/plain", b"partial write \xff dropped=3", Some(3), "no UTF-8");
    }

    #[test]
    fn otlps_partial_success_is_a_payload_that_was_taken() {
        let protobuf = "application/x-protobuf";
        let partial_success = |partial: &[u8]| [&[0x0a, partial.len() as u8], partial].concat();
        let three = partial_success(b"\x08\x03\x12\x07too old");
        check(200, protobuf, &three, Some(3), "three spans");
        check(200, "Application/X-Protobuf; charset=x", &three, Some(3), "with a parameter");
        assert_eq!(
            partial(StatusCode::OK, Some(protobuf), &three).map(|partial| partial.words),
            Some("too old".into())
        );
        check(200, protobuf, b"", None, "all were taken");
        check(200, protobuf, &partial_success(b""), None, "all were taken");
        check(200, protobuf, &partial_success(b"\x12\x04warn"), None, "a warning");
        check(200, protobuf, &partial_success(b"\x08\x00\x12\x04warn"), None, "a warning");
        check(200, protobuf, &[&b"\x10\x01\x19xxxxxxxx\x25xxxx"[..], &three].concat(), Some(3), "behind other fields");
        check(200, protobuf, &partial_success(&[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]), None, "negative");
        check(200, "text/plain", &three, None, "no protobuf");
        check(400, protobuf, &three, None, "not taken at all");
        for cut in 0..three.len() {
            check(200, protobuf, &three[..cut], None, "cut");
        }
        check(200, protobuf, &[0xff; 40], None, "garbage");
        check(200, protobuf, b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", None, "an endless length");

        let json = "application/json; charset=utf-8";
        check(200, json, br#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"x"}}"#, Some(3), "as text");
        check(200, json, br#"{"partialSuccess":{"rejectedDataPoints":3}}"#, Some(3), "as a number");
        check(200, json, br#"{"partialSuccess":{}}"#, None, "all were taken");
        check(200, json, br#"{"partialSuccess":{"rejectedSpans":-3}}"#, None, "negative");
        check(200, json, b"{}", None, "all were taken");
        check(200, json, b"[", None, "garbage");
    }
}
