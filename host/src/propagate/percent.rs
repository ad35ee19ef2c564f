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

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
