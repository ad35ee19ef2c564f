//! Percent-encoded text, as W3C's baggage has it in its values and gRPC in its messages.

/// A text with its `%41` decoded; none if that is no UTF-8. What is no such escape stays as it is.
pub fn decode(text: &str) -> Option<String> {
    String::from_utf8(unescaped(text.as_bytes()).collect()).ok()
}

/// The same with U+FFFD for each part that is no UTF-8, escaped or not.
pub(crate) fn decode_lossy(text: &[u8]) -> String {
    let bytes: Vec<u8> = unescaped(text).collect();
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The bytes of a text with its `%41` decoded. What is no such escape stays as it is.
pub(crate) fn unescaped(text: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (&first, after) = rest.split_first()?;
        if let (b'%', [high, low, tail @ ..]) = (first, after)
            && let Some((high, low)) = digit(*high).zip(digit(*low))
        {
            rest = tail;
            return Some(high << 4 | low);
        }
        rest = after;
        Some(first)
    })
}

/// A text in which all but letters, digits and `-._~` is escaped: that goes through any header.
pub fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    escape(text.as_bytes(), plain)
}

/// A header's value with the bytes escaped that are no ASCII; what is escaped already stays as it is.
pub(super) fn encode_raw(value: &[u8]) -> String {
    escape(value, |byte| byte.is_ascii())
}

/// `plain` bytes are ASCII.
fn escape(bytes: &[u8], plain: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(bytes.len());
    for &byte in bytes {
        if plain(byte) {
            encoded.push(byte.into());
        } else {
            let digits = [byte >> 4, byte & 0xf].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0'));
            encoded.push('%');
            encoded.extend(digits.map(|digit| digit.to_ascii_uppercase()));
        }
    }
    encoded
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
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
