//! Percent-encoded text, as W3C's baggage has it in its values and gRPC in its messages.

/// A text with its `%41` decoded; none if that is no UTF-8. What is no such escape stays as it is.
pub(crate) fn decode(text: &str) -> Option<String> {
    String::from_utf8(unescaped(text.as_bytes()).collect()).ok()
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
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => {
                let digits = [byte >> 4, byte & 0xf].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0'));
                encoded.push('%');
                encoded.extend(digits.map(|digit| digit.to_ascii_uppercase()));
            }
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
            assert_eq!(decode(encoded).as_deref(), Some(text));
        }
    }
}
