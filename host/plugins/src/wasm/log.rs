//! What a guest logs: staged until the commit, bounded in rate and size.

use std::time::{Duration, Instant};

use hottap_core::plain::plain;

/// Bytes of one line as it is logged: of what it is after it was escaped.
const MAX_LINE_BYTES: usize = 4 << 10;
/// Lines at once; then one more per `LINE_EVERY`. A tracer that logs every call must not fill the host's disk.
const BURST: f64 = 100.0;
const LINE_EVERY: Duration = Duration::from_millis(100);

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub severity: u8,
    pub message: String,
}

/// Staged lines of one instance, and the rate that it may log at.
#[derive(Debug)]
pub(super) struct Log {
    lines: Vec<Line>,
    dropped: u64,
    tokens: f64,
    filled: Instant,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { lines: Vec::new(), dropped: 0, tokens: BURST, filled: Instant::now() }
    }

    /// Stages a line, escaped and cut, or counts it as dropped.
    pub(super) fn write(&mut self, severity: u8, message: &str) {
        let now = Instant::now();
        let earned = now.duration_since(self.filled).as_secs_f64() / LINE_EVERY.as_secs_f64();
        self.tokens = (self.tokens + earned).min(BURST);
        self.filled = now;
        if self.tokens < 1.0 {
            self.dropped += 1;
            return;
        }
        self.tokens -= 1.0;
        self.lines.push(Line { severity, message: plain(message, MAX_LINE_BYTES) });
    }

    /// The last staged line that reports an error: what a guest says before it traps.
    pub(super) fn last_words(&self) -> Option<&str> {
        self.lines.iter().rev().find(|line| line.severity >= 4).map(|line| line.message.as_str())
    }

    /// Nothing is staged, and nothing was dropped since the last time.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.dropped == 0
    }

    /// Takes the staged lines, and how many were dropped since the last time.
    pub(super) fn take(&mut self) -> (Vec<Line>, u64) {
        (std::mem::take(&mut self.lines), std::mem::take(&mut self.dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_lines_is_dropped_and_counted() {
        let mut log = Log::new();
        for _ in 0..10_000 {
            log.write(3, "again");
        }
        let (lines, dropped) = log.take();
        assert_eq!(lines.len() as u64 + dropped, 10_000);
        assert!((100..200).contains(&lines.len()), "{}", lines.len());
    }

    #[test]
    fn a_line_is_escaped_and_cut() {
        let mut log = Log::new();
        log.write(5, "a\u{1b}[31m\nb\u{2028}c");
        assert_eq!(log.last_words(), Some("a\\u{1b}[31m\\nb\\u{2028}c"));
        for text in ["x".repeat(10_000), "\0".repeat(60_000), "\u{202e}".repeat(4_000)] {
            log.write(3, &text);
        }
        let (lines, _) = log.take();
        for line in &lines[1..] {
            assert!((4_000..=4_096).contains(&line.message.len()), "{}", line.message.len());
        }
    }
}
