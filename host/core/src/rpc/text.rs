//! Cutting foreign text to a bound without breaking it.

/// Bytes kept of what somebody says with the end of a call: an error's words, those that go with a status. They stay in
/// memory until the call is read; what follows is as foreign and helps nobody.
pub const MAX_MESSAGE_BYTES: usize = 1024;

/// The longest prefix of `text` that has at most `max` bytes and ends on a character.
pub fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_never_splits_a_character() {
        for (text, max, expected, reason) in [
            ("abc", 3, "abc", "fits"),
            ("abc", 2, "ab", "cut"),
            ("aé", 2, "a", "é has two bytes"),
            ("é", 1, "", "nothing fits"),
            ("", 5, "", "empty"),
        ] {
            assert_eq!(cut(text, max), expected, "{reason}");
        }
    }
}
