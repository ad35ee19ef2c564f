//! Lines for people, in colour where a terminal shows them; it decides nothing.

use std::io::{IsTerminal, Write};

use hottap_core::plain;

/// What a word means to the eye.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tone {
    Good,
    Bad,
    Note,
    Quiet,
}

/// Whether what is written is seen on a terminal that wants colour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    colour: bool,
}

impl Screen {
    /// Where results go.
    pub(super) fn stdout() -> Self {
        Self::of(&std::io::stdout())
    }

    /// Where everything else goes.
    pub(super) fn stderr() -> Self {
        Self::of(&std::io::stderr())
    }

    fn of(stream: &impl IsTerminal) -> Self {
        // https://no-color.org: whatever its value, unless it is empty.
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { colour: stream.is_terminal() && !unwanted && !dumb }
    }

    /// A word in its tone.
    pub(super) fn paint(self, tone: Tone, word: &str) -> String {
        let code = match tone {
            Tone::Good => "1;32",
            Tone::Bad => "1;31",
            Tone::Note => "1;33",
            Tone::Quiet => "2",
        };
        if self.colour { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() }
    }

    /// Writes progress to standard error. A reader that is gone is no reason to stop.
    ///
    /// Files, manifests and guests have their words in what is said: all but the ends of lines is made plain.
    pub(super) fn say(self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{}", plain_lines(text));
    }

    /// Writes a word in its tone, and what it is about, to standard error.
    pub(super) fn say_with(self, tone: Tone, word: &str, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{} {}", self.paint(tone, word), plain_lines(text));
    }

    /// Writes a remark to standard error.
    pub(super) fn note(self, text: &str) {
        self.say_with(Tone::Note, "note:", text);
    }

    /// Writes to standard error what went wrong.
    pub(super) fn complain(self, text: &str) {
        self.say_with(Tone::Bad, "error:", text);
    }
}

fn plain_lines(text: &str) -> String {
    text.lines().map(plain::message).collect::<Vec<_>>().join("\n")
}

/// A size for people.
pub(super) fn human_bytes(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{}.{} KiB", bytes >> 10, ((bytes & 1023) * 10) >> 10),
        _ => format!("{}.{} MiB", bytes >> 20, ((bytes & 1_048_575) * 10) >> 20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_shown_in_the_unit_that_fits() {
        for (bytes, expected) in
            [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (1_048_575, "1023.9 KiB"), (18 << 20, "18.0 MiB")]
        {
            assert_eq!(human_bytes(bytes), expected);
        }
    }

    #[test]
    fn what_is_said_moves_no_cursor() {
        assert_eq!(plain_lines("one\n\u{1b}[2Jtwo\u{202e}\r\nthree"), "one\n\\u{1b}[2Jtwo\\u{202e}\nthree");
    }

    #[test]
    fn colour_is_only_where_it_is_wanted() {
        assert_eq!(Screen { colour: false }.paint(Tone::Bad, "no"), "no");
        assert_eq!(Screen { colour: true }.paint(Tone::Bad, "no"), "\x1b[1;31mno\x1b[0m");
    }
}
