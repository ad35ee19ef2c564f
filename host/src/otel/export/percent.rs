//! Lists of `key=value` whose values are percent-encoded, as variables and W3C's baggage have them.

/// The pairs of a list; none if one of them has no key, no `=`, or is no UTF-8 when it is decoded.
pub(super) fn pairs(list: &str) -> Option<Vec<(String, String)>> {
    let members = list.split(',').map(str::trim).filter(|member| !member.is_empty());
    members
        .map(|member| {
            let (key, value) = member.split_once('=')?;
            let (key, value) = (decode(key.trim())?, decode(value.trim())?);
            (!key.is_empty()).then_some((key, value))
        })
        .collect()
}

/// A text with its `%41` decoded. What is no such escape stays as it is.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = match after {
            [high, low, ..] if first == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match (escaped, after) {
            (Some((high, low)), [_, _, after @ ..]) => {
                bytes.push(high << 4 | low);
                rest = after;
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded() {
        for (list, expected, reason) in [
            ("a=1, b = two words ,,", Some(vec![("a", "1"), ("b", "two words")]), "spaces and empty members"),
            ("a=%41%2c%3D=x", Some(vec![("a", "A,==x")]), "escapes, and an equals sign"),
            ("a=100%,b=%4", Some(vec![("a", "100%"), ("b", "%4")]), "no escapes"),
            ("a=%C3%A9", Some(vec![("a", "é")]), "two bytes"),
            ("a=%C3", None, "no UTF-8"),
            ("a", None, "no value"),
            ("=1", None, "no key"),
            ("", Some(vec![]), "nothing"),
        ] {
            let expected = expected
                .map(|pairs| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect());
            assert_eq!(pairs(list), expected, "{list:?}: {reason}");
        }
    }
}
