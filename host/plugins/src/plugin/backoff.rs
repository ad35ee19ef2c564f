//! The pauses between tries of what failed. Pure: they are given the time.

use std::time::{Duration, Instant};

use hottap_core::backoff::ExponentialBackoff;

/// The first pause. A shorter one would let a tracer that can't be started use its whole share for trying.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause: a tracer whose trouble is over is started within a minute.
const LONGEST: Duration = Duration::from_secs(60);

/// Failures in a row, and the time before which there is no other try.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    not_before: Option<Instant>,
}

impl Backoff {
    /// The next try is due then; none if it is due now.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        self.not_before.filter(|&due| now < due)
    }

    /// It failed: each pause is twice as long as the one before.
    pub(super) fn failed(&mut self, now: Instant) {
        let pause = ExponentialBackoff::new(FIRST, LONGEST).pause(self.failures);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + pause);
    }

    /// It succeeded: the next failure is again a first one.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_a_second_to_a_minute_and_start_anew_after_a_success() {
        let (mut backoff, start) = (Backoff::default(), Instant::now());
        assert_eq!(backoff.due(start), None);
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            backoff.failed(start);
            let due = start + Duration::from_secs(seconds);
            assert_eq!(backoff.due(start), Some(due), "{seconds} s");
            assert_eq!(backoff.due(due), None, "{seconds} s");
        }
        (0..100).for_each(|_| backoff.failed(start));
        assert_eq!(backoff.due(start), Some(start + LONGEST));
        backoff.succeeded();
        assert_eq!(backoff.due(start), None);
        backoff.failed(start);
        assert_eq!(backoff.due(start), Some(start + FIRST));
    }
}
