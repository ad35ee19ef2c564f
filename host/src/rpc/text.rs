//! Cutting foreign text to a bound without breaking it.

/// The longest prefix of `text` that has at most `max` bytes and ends on a character.
pub(crate) fn cut(text: &str, max: usize) -> &str {
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
