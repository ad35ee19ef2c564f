//! Foreign text made fit for one line of a log, a terminal or the admin API. Pure.
//!
//! Guests, peers, files and servers choose texts that operators read. A line end in one makes a second line of a log,
//! which then says what was never logged; an escape character drives a terminal; a mark of direction or a character
//! without a width makes a text look like another one. Here all of them become visible as `\n` or `\u{1b}`. A text is
//! escaped first and cut then, so that a bound holds for what is written and no escape is cut in its middle.
//!
//! A backslash stays as it is. So a text that is plain already stays the same, and may pass here more than once: at its
//! source, where its own bound is known, and where it leaves the process.

use std::path::Path;

/// Bytes of one message to the operator. The longest that is meant has a path in it, of 4 KiB at most, and a guest's
/// last words. With less room the advice at the end of a message would be cut off; more room has no use.
pub(crate) const MAX_MESSAGE_BYTES: usize = 8 << 10;

/// Stands where a text was cut.
const CUT: &str = "…";

/// Returns the text as one plain line of at most `max` bytes.
pub fn plain(text: &str, max: usize) -> String {
    let mut line = Line::new(max);
    // Stops at the bound: a guest's text of megabytes costs as much as one of `max` bytes.
    let _ = text.chars().try_for_each(|c| line.push(c));
    line.text
}

/// Returns a message to the operator as one plain line.
pub fn message(text: &str) -> String {
    plain(text, MAX_MESSAGE_BYTES)
}

/// Returns a path as one plain line. A file's name can be any bytes: those that are no UTF-8 are shown as `\xff`.
pub fn path(path: &Path) -> String {
    let mut line = Line::new(MAX_MESSAGE_BYTES);
    let _ = path.as_os_str().as_encoded_bytes().utf8_chunks().try_for_each(|chunk| {
        chunk.valid().chars().try_for_each(|c| line.push(c))?;
        chunk.invalid().iter().try_for_each(|byte| line.push_piece(&format!("\\x{byte:02x}")))
    });
    line.text
}

/// Makes every text of a JSON value a plain line, the keys too. JSON escapes control characters by itself, but neither
/// line separators nor marks of direction.
pub fn json(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::String(text) => {
            if !is_message(text) {
                *text = message(text);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(json),
        Value::Object(fields) => {
            if !fields.keys().all(|key| is_message(key)) {
                let renamed = std::mem::take(fields).into_iter().map(|(key, value)| (message(&key), value));
                *fields = renamed.collect();
            }
            fields.values_mut().for_each(json);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Returns true if a character stands for itself in a plain line.
///
/// Excluded are control characters (C0, DEL, C1), the separators of lines and paragraphs, the marks and overrides of
/// direction, characters without a width, which can hide in a word, and the tag characters, which can hide a whole
/// text. Joiners are among them: a family of emoji falls apart, which harms less than two names that look the same.
pub fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

fn is_message(text: &str) -> bool {
    text.len() <= MAX_MESSAGE_BYTES && text.chars().all(is_plain)
}

/// A line that is being written, and never has more than its bound.
struct Line {
    text: String,
    max: usize,
    /// The longest length at which [`CUT`] still fits behind the text.
    fits: usize,
}

/// The bound is reached.
struct Full;

impl Line {
    fn new(max: usize) -> Self {
        Self { text: String::new(), max, fits: 0 }
    }

    fn push(&mut self, c: char) -> Result<(), Full> {
        match c {
            c if is_plain(c) => self.push_piece(c.encode_utf8(&mut [0; 4])),
            '\n' => self.push_piece("\\n"),
            '\r' => self.push_piece("\\r"),
            '\t' => self.push_piece("\\t"),
            c => self.push_piece(&c.escape_unicode().to_string()),
        }
    }

    /// Adds a piece whole, or ends the line before it.
    fn push_piece(&mut self, piece: &str) -> Result<(), Full> {
        if self.text.len() + piece.len() > self.max {
            self.text.truncate(self.fits);
            if CUT.len() <= self.max {
                self.text.push_str(CUT);
            }
            return Err(Full);
        }
        self.text.push_str(piece);
        if self.text.len() + CUT.len() <= self.max {
            self.fits = self.text.len();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, max: usize, expected: &str, reason: &str) {
        let line = plain(text, max);
        assert_eq!(line, expected, "{reason}");
        assert!(line.len() <= max, "{reason}");
        assert_eq!(plain(&line, max), line, "{reason}: a plain text stays as it is");
    }

    #[test]
    fn whatever_ends_a_line_or_hides_or_turns_text_is_seen() {
        for (text, expected, reason) in [
            ("", "", "empty"),
            ("naïve 日本 🦀 a\\b \"c\"", "naïve 日本 🦀 a\\b \"c\"", "text of any script, quotes and backslashes"),
            ("a\nb\r\nc\td", "a\\nb\\r\\nc\\td", "ends of lines, a tab"),
            ("\u{1b}[31mred\u{1b}[0m", "\\u{1b}[31mred\\u{1b}[0m", "a terminal's colours"),
            ("a\0b\u{7}\u{8}\u{7f}", "a\\u{0}b\\u{7}\\u{8}\\u{7f}", "C0 and DEL"),
            ("\u{85}\u{9b}31m", "\\u{85}\\u{9b}31m", "C1: next line, and a terminal's escape in one character"),
            ("a\u{2028}b\u{2029}c", "a\\u{2028}b\\u{2029}c", "Unicode's ends of lines"),
            ("\u{202e}cba\u{202c}", "\\u{202e}cba\\u{202c}", "text turned round"),
            ("\u{61c}\u{200e}\u{200f}", "\\u{61c}\\u{200e}\\u{200f}", "marks of direction"),
            ("\u{202a}\u{202b}\u{202d}", "\\u{202a}\\u{202b}\\u{202d}", "embeddings and an override"),
            ("\u{2066}\u{2067}\u{2068}\u{2069}", "\\u{2066}\\u{2067}\\u{2068}\\u{2069}", "isolates"),
            ("ad\u{200b}min\u{feff}\u{ad}", "ad\\u{200b}min\\u{feff}\\u{ad}", "without a width"),
            ("x\u{e0041}\u{e007f}", "x\\u{e0041}\\u{e007f}", "tags"),
        ] {
            check(text, 1_000, expected, reason);
        }
    }

    #[test]
    fn a_text_is_cut_after_it_was_escaped_and_never_in_an_escape() {
        for (text, max, expected, reason) in [
            ("abcdef", 6, "abcdef", "it fits"),
            ("abcdefg", 6, "abc…", "the mark of the cut is within the bound"),
            ("\u{1b}\u{1b}", 12, "\\u{1b}\\u{1b}", "escapes fit"),
            ("\u{1b}\u{1b}", 11, "\\u{1b}…", "an escape is whole or not there"),
            ("\u{1b}\u{1b}\u{1b}", 12, "\\u{1b}…", "the one before it makes room for the mark"),
            ("ab\u{1b}", 7, "ab…", "nothing of it is left"),
            ("ééé", 5, "é…", "characters are not split"),
            ("abc", 2, "", "no room for the mark"),
            ("abc", 0, "", "no room at all"),
        ] {
            check(text, max, expected, reason);
        }
        let flood = plain(&"\0".repeat(1 << 20), 4 << 10);
        assert!(flood.len() <= 4 << 10 && flood.ends_with("\\u{0}…"), "{}", flood.len());
    }

    #[test]
    fn whatever_is_made_plain_is_plain_within_its_bound_and_stays_as_it_is() {
        let mut rng = fastrand::Rng::with_seed(20);
        for _ in 0..2_000 {
            let text: String = (0..rng.usize(..40))
                .map(|_| match rng.u8(..4) {
                    0 => rng.char('\0'..='\u{ff}'),
                    1 => rng.char('\u{2000}'..='\u{206f}'),
                    2 => rng.char('\u{e0000}'..='\u{e0fff}'),
                    _ => rng.char(..),
                })
                .collect();
            let max = rng.usize(..200);
            let line = plain(&text, max);
            assert!(line.len() <= max && line.chars().all(is_plain), "{text:?} in {max}: {line:?}");
            assert_eq!(plain(&line, max), line);
            if text.len() <= max && text.chars().all(is_plain) {
                assert_eq!(line, text);
            }
        }
    }

    #[test]
    fn a_path_of_any_bytes_is_a_line() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let shown = |bytes: &[u8]| path(Path::new(OsStr::from_bytes(bytes)));
        assert_eq!(shown(b"/plugins/a b.wasm"), "/plugins/a b.wasm");
        assert_eq!(shown(b"a\xff\xfeb\n\xc3"), "a\\xff\\xfeb\\n\\xc3");
    }

    #[test]
    fn json_has_plain_texts_and_keys() {
        let mut value = serde_json::json!({ "a": ["x\u{2028}y", 1, null], "k\u{202e}": { "b": "fine" } });
        json(&mut value);
        assert_eq!(value, serde_json::json!({ "a": ["x\\u{2028}y", 1, null], "k\\u{202e}": { "b": "fine" } }));
    }
}
