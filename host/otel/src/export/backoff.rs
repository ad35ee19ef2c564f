//! How long to wait before the next attempt; it knows no clock.

use std::time::Duration;

use super::variables::DAY;
use hottap_core::backoff::ExponentialBackoff;

/// The first pause after a failure; each further one is twice as long. A collector that starts anew is there in seconds.
const FIRST: Duration = Duration::from_millis(500);

/// The failures in a row to deliver one message; they give the next pause.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next pause, no shorter than what the collector asks for; one that asks for none is not asked without end.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let pause = ExponentialBackoff::new(FIRST, DAY).jittered(self.failures, fastrand::f64());
        self.failures = self.failures.saturating_add(1);
        pause.max(asked.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_up_to_twice_as_long_as_the_one_before_and_no_shorter_than_what_is_asked_for() {
        let mut backoff = Backoff::default();
        let asked = Duration::from_secs(7);
        for (answer, least, most) in
            [(None, 250, 500), (Some(asked), 7_000, 7_000), (Some(Duration::ZERO), 1_000, 2_000), (None, 2_000, 4_000)]
        {
            let pause = backoff.next(answer);
            assert!((Duration::from_millis(least)..=Duration::from_millis(most)).contains(&pause), "{pause:?}");
        }
    }

    #[test]
    fn pauses_do_not_overflow() {
        let mut backoff = Backoff::default();
        (0..10_000).for_each(|_| assert!(backoff.next(None) <= DAY));
    }
}
