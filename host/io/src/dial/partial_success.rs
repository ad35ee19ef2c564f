//! OTLP's partial success: what a receiver says of a message that it took, in its response over HTTP or gRPC. Pure.

use std::borrow::Cow;

use serde_json::Value;

/// The encoding of a response, by its media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Protobuf,
    Json,
}

/// The part of a message that the receiver refused. Zero and no words if it took the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartialSuccess<'a> {
    /// Items (spans, data points, log records), as the receiver counts them.
    pub rejected: u64,
    /// The receiver's own words: the reason, or a warning where nothing was refused.
    pub words: Cow<'a, str>,
}

impl Encoding {
    /// Reads the value of a `content-type`. None if it is neither.
    pub fn of(content_type: &str) -> Option<Self> {
        let media_type = media_type(content_type);
        let is = |known: &str| media_type.eq_ignore_ascii_case(known);
        match () {
            () if is("application/x-protobuf") || is("application/protobuf") => Some(Self::Protobuf),
            () if is("application/json") => Some(Self::Json),
            () => None,
        }
    }
}

/// The value of a `content-type` without its parameters.
pub fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

impl<'a> PartialSuccess<'a> {
    /// Reads a response. None if it is no message.
    ///
    /// `counter` is the name of the count in JSON (such as `rejectedSpans`), or its beginning if the signal is not known.
    pub fn read(encoding: Encoding, counter: &str, body: &'a [u8]) -> Option<Self> {
        match encoding {
            Encoding::Protobuf => Self::in_protobuf(body),
            Encoding::Json => Self::in_json(counter, body),
        }
    }

    /// `partial_success` is field 1 of every signal's response; in it the number of items is field 1, the words are field 2.
    fn in_protobuf(body: &'a [u8]) -> Option<Self> {
        let Some(partial) = Fields(body).last(1)? else { return Some(Self::default()) };
        let partial = Fields(partial.bytes()?);
        let rejected = partial.last(1)?.map_or(Some(0), Field::varint)?;
        let words = partial.last(2)?.map_or(Some(&[][..]), Field::bytes)?;
        // A negative number is none.
        let rejected = u64::try_from(rejected.cast_signed()).unwrap_or(0);
        Some(Self { rejected, words: String::from_utf8_lossy(words) })
    }

    /// The same in JSON, which writes 64 bits as text; some receivers write a number:
    /// `{"partialSuccess":{"rejectedSpans":"3","errorMessage":"…"}}`.
    fn in_json(counter: &str, body: &[u8]) -> Option<Self> {
        let Value::Object(mut message) = serde_json::from_slice(body).ok()? else { return None };
        let Some(Value::Object(mut partial)) = message.remove("partialSuccess") else { return Some(Self::default()) };
        let words = match partial.remove("errorMessage") {
            Some(Value::String(words)) => words.into(),
            _ => Cow::default(),
        };
        let count = partial.iter().find(|(key, _)| key.starts_with(counter));
        let count = count.and_then(|(_, value)| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
        Some(Self { rejected: count.unwrap_or(0), words })
    }
}

/// The fields of a protobuf message.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

/// The value of a field. Of the other wire types only the length matters.
#[derive(Clone, Copy)]
enum Field<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed,
}

impl<'a> Fields<'a> {
    /// The last value of a field, which counts. None if the message is none, `Some(None)` if it has no such field.
    fn last(self, wanted: u64) -> Option<Option<Field<'a>>> {
        let Self(mut message) = self;
        let mut found = None;
        while !message.is_empty() {
            let tag = varint(&mut message)?;
            let value = match tag & 7 {
                0 => Field::Varint(varint(&mut message)?),
                1 => message.split_off(..8).map(|_| Field::Fixed)?,
                2 => {
                    let length = usize::try_from(varint(&mut message)?).ok()?;
                    Field::Bytes(message.split_off(..length)?)
                }
                5 => message.split_off(..4).map(|_| Field::Fixed)?,
                _ => return None,
            };
            if tag >> 3 == wanted {
                found = Some(value);
            }
        }
        Some(found)
    }
}

impl<'a> Field<'a> {
    fn varint(self) -> Option<u64> {
        match self {
            Self::Varint(value) => Some(value),
            Self::Bytes(_) | Self::Fixed => None,
        }
    }

    fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(value) => Some(value),
            Self::Varint(_) | Self::Fixed => None,
        }
    }
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *message.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(encoding: Encoding, body: &[u8], expected: Option<(u64, &str)>, reason: &str) {
        let read = PartialSuccess::read(encoding, "rejectedSpans", body);
        let expected = expected.map(|(rejected, words)| PartialSuccess { rejected, words: words.into() });
        assert_eq!(read, expected, "{reason}: {}", String::from_utf8_lossy(body));
    }

    #[test]
    fn a_response_in_protobuf_is_read() {
        let response = |partial: &[u8]| [&[0x0a, partial.len() as u8], partial].concat();
        for (body, expected, reason) in [
            (b"".to_vec(), Some((0, "")), "the whole was taken"),
            (response(b""), Some((0, "")), "the same, said"),
            (response(b"\x08\x03\x12\x07too old"), Some((3, "too old")), "three items"),
            (response(b"\x12\x04warn"), Some((0, "warn")), "a warning"),
            (response(b"\x08\x03\x08\x04"), Some((4, "")), "the last value counts"),
            (response(b"\x12\x02\xffx"), Some((0, "\u{fffd}x")), "words that are no UTF-8"),
            ([&b"\x10\x01\x19xxxxxxxx\x25xxxx"[..], &response(b"\x08\x03")].concat(), Some((3, "")), "other fields"),
            (response(&[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]), Some((0, "")), "less than none"),
            (b"\x08\x03".to_vec(), None, "a number for the message"),
            (response(b"\x0a\x00"), None, "a message for the number"),
            (response(b"\x10\x03"), None, "a number for the words"),
            (b"<html>".to_vec(), None, "a page"),
            (vec![0xff; 40], None, "a number without end"),
            (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".to_vec(), None, "longer than it is"),
        ] {
            check(Encoding::Protobuf, &body, expected, reason);
        }
        let whole = response(b"\x08\x03\x12\x07too old");
        for cut in 1..whole.len() {
            check(Encoding::Protobuf, &whole[..cut], None, "cut off");
        }
    }

    #[test]
    fn a_response_in_json_is_read() {
        for (body, expected, reason) in [
            ("{}", Some((0, "")), "the whole was taken"),
            (r#"{"partialSuccess":{}}"#, Some((0, "")), "the same, said"),
            (r#"{"partialSuccess":null}"#, Some((0, "")), "not set"),
            (r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}"#, Some((3, "too old")), "as text"),
            (r#"{"partialSuccess":{"rejectedSpans":3}}"#, Some((3, "")), "as a number"),
            (r#"{"partialSuccess":{"rejectedSpans":-3}}"#, Some((0, "")), "less than none"),
            (r#"{"partialSuccess":{"rejectedDataPoints":3}}"#, Some((0, "")), "of another signal"),
            (r#"{"partialSuccess":{"errorMessage":"warn"}}"#, Some((0, "warn")), "a warning"),
            ("[1]", None, "no message"),
            ("{", None, "cut off"),
        ] {
            check(Encoding::Json, body.as_bytes(), expected, reason);
        }
        let points = br#"{"partialSuccess":{"errorMessage":"x","rejectedDataPoints":3}}"#;
        let read = PartialSuccess::read(Encoding::Json, "rejected", points);
        assert_eq!(read.map(|partial| partial.rejected), Some(3), "whatever the signal is");
    }

    #[test]
    fn an_encoding_is_found_by_its_media_type() {
        for (content_type, expected) in [
            ("application/x-protobuf", Some(Encoding::Protobuf)),
            ("application/protobuf", Some(Encoding::Protobuf)),
            ("Application/JSON ; charset=utf-8", Some(Encoding::Json)),
            ("text/plain", None),
            ("", None),
        ] {
            assert_eq!(Encoding::of(content_type), expected, "{content_type}");
        }
    }
}
