//! The key that a place in a JSON text belongs to: serde's errors tell the place alone.

/// An object with the key that was read last, or an array with the index of the element that is being read.
enum Frame {
    Object { key: Option<String>, is_key_next: bool },
    Array(usize),
}

/// The path of the value that stands before the byte `end` of a JSON text, such as `tags.zone` or `bounds[2]`; "" for the
/// text as a whole. The text is sound: the host made it.
pub(crate) fn path_before(json: &str, end: usize) -> String {
    let text = json.get(..json.floor_char_boundary(end)).unwrap_or(json);
    let mut frames: Vec<Frame> = Vec::new();
    let mut rest = text.char_indices();
    while let Some((start, c)) = rest.next() {
        match (c, frames.last_mut()) {
            ('{', _) => frames.push(Frame::Object { key: None, is_key_next: true }),
            ('[', _) => frames.push(Frame::Array(0)),
            ('}' | ']', _) => _ = frames.pop(),
            (',', Some(Frame::Array(index))) => *index += 1,
            (',', Some(Frame::Object { is_key_next, .. })) => *is_key_next = true,
            ('"', frame) => {
                let mut is_escaped = false;
                let string_end = rest.find(|(_, c)| {
                    let ends = *c == '"' && !is_escaped;
                    is_escaped = *c == '\\' && !is_escaped;
                    ends
                });
                let string = string_end.and_then(|(last, _)| text.get(start..=last));
                if let Some(Frame::Object { key, is_key_next }) = frame
                    && std::mem::take(is_key_next)
                {
                    *key = string.and_then(|string| serde_json::from_str(string).ok());
                }
            }
            _ => {}
        }
    }
    let mut path = String::new();
    for frame in frames {
        match frame {
            Frame::Array(index) => path += &format!("[{index}]"),
            Frame::Object { key: Some(key), .. } => {
                path += if path.is_empty() { "" } else { "." };
                path += &key;
            }
            Frame::Object { key: None, .. } => {}
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_belongs_to_the_value_before_it() {
        let json = r#"{"a":1,"b{":{"c\"":[true,[2,"x,]"]],"d":null},"e":"é"}"#;
        for (before, expected) in [
            ("", ""),
            (r#"{"#, ""),
            (r#"{"a":1"#, "a"),
            (r#"{"a":1,"b{":{"c\"":[true"#, "b{.c\"[0]"),
            (r#"{"a":1,"b{":{"c\"":[true,[2"#, "b{.c\"[1][0]"),
            (r#"{"a":1,"b{":{"c\"":[true,[2,"x,]""#, "b{.c\"[1][1]"),
            (r#"{"a":1,"b{":{"c\"":[true,[2,"x,]"]],"d":null"#, "b{.d"),
            (r#"{"a":1,"b{":{"c\"":[true,[2,"x,]"]],"d":null}"#, "b{"),
            (r#"{"a":1,"b{":{"c\"":[true,[2,"x,]"]],"d":null},"e":"é""#, "e"),
            (json, ""),
        ] {
            assert!(json.starts_with(before));
            assert_eq!(path_before(json, before.len()), expected, "{before}");
        }
        assert_eq!(path_before("7", 1_000), "");
    }
}
