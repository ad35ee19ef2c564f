//! What a guest logs: staged until the commit, bounded in rate and size.

use std::time::{Duration, Instant};

use crate::rpc::cut;

/// Bytes of one line.
const MAX_LINE_BYTES: usize = 4 << 10;
/// Lines at once; then one more per `LINE_EVERY`. A tracer that logs every call must not fill the host's disk.
const BURST: f64 = 100.0;
const LINE_EVERY: Duration = Duration::from_millis(100);

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) severity: u8,
    pub(crate) message: String,
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

    /// Stages a line, cut and escaped, or counts it as dropped.
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
        let message = cut(message, MAX_LINE_BYTES)
            .chars()
            .flat_map(|c| {
                let escape = c.is_control() && c != '\t';
                escape.then(|| c.escape_default()).into_iter().flatten().chain((!escape).then_some(c))
            })
            .collect();
        self.lines.push(Line { severity, message });
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
    fn a_line_is_cut_and_escaped() {
        let mut log = Log::new();
        log.write(5, "a\u{1b}[31m\nb");
        log.write(3, &"x".repeat(10_000));
        assert_eq!(log.last_words(), Some("a\\u{1b}[31m\\nb"));
        assert_eq!(log.take().0[1].message.len(), 4096);
    }
}
