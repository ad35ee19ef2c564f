//! Percent-encoded text, as W3C's baggage has it in its values and gRPC in its messages.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode, utf8_percent_encode};

/// The bytes of a value that any header takes as they are: RFC 3986's unreserved ones.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text with its `%41` decoded; none if that is no UTF-8. What is no such escape stays as it is.
pub fn decode(text: &str) -> Option<String> {
    percent_decode(text.as_bytes()).decode_utf8().ok().map(Into::into)
}

/// The same with U+FFFD for each part that is no UTF-8, escaped or not.
pub(crate) fn decode_lossy(text: &[u8]) -> String {
    percent_decode(text).decode_utf8_lossy().into_owned()
}

/// A text in which all but letters, digits and `-._~` is escaped: that goes through any header.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// A header's value with the bytes escaped that are no ASCII; what is escaped already stays as it is.
pub(super) fn encode_raw(value: &[u8]) -> String {
    percent_encode(value, &AsciiSet::EMPTY).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_to_itself() {
        for (text, encoded) in [
            ("", ""),
            ("aZ09-._~", "aZ09-._~"),
            ("a b,c;d=e%", "a%20b%2Cc%3Bd%3De%25"),
            ("ü€\u{0}", "%C3%BC%E2%82%AC%00"),
        ] {
            assert_eq!(encode(text), encoded);
            assert_eq!(decode_lossy(encoded.as_bytes()), text);
            assert_eq!(decode(encoded).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_is_no_utf8_becomes_a_replacement_character() {
        for (text, expected) in [
            (&b"a%FFb"[..], "a\u{fffd}b"),
            (b"%C3", "\u{fffd}"),
            (b"%C3%28", "\u{fffd}("),
            (b"%E2%82", "\u{fffd}"),
            (b"%F0%9F%98%80%ff%fe", "\u{1f600}\u{fffd}\u{fffd}"),
            (b"a\xffb", "a\u{fffd}b"),
            (b"J\xc3\xbcrgen", "J\u{fc}rgen"),
            (b"J\xc3%BCrgen", "J\u{fc}rgen"),
        ] {
            assert_eq!(decode_lossy(text), expected, "{text:?}");
            assert_eq!(decode_lossy(encode_raw(text).as_bytes()), expected, "{text:?}");
        }
    }
}
