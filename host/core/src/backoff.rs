//! Exponential backoff: pauses that double. Pure: failures are counted, clocks read and random numbers made by the callers.

use std::time::Duration;

/// The pauses between attempts: each is twice as long as the one before, up to the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExponentialBackoff {
    first: Duration,
    longest: Duration,
}

impl ExponentialBackoff {
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The pause after a failure that `failures` others came before in a row.
    pub fn pause(self, failures: u32) -> Duration {
        self.first.saturating_mul(1 << failures.min(31)).min(self.longest)
    }

    /// The same pause less up to half of it, so that many clients of one server do not come back at once. `random` is from
    /// 0, for the half, to 1, for the whole.
    pub fn jittered(self, failures: u32, random: f64) -> Duration {
        self.pause(failures).mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn pauses_double_from_the_first_to_the_longest() {
        let (short, day) = (MS(5_000), MS(86_400_000));
        for (first, longest, failures, expected, reason) in [
            (MS(500), short, 0, MS(500), "the first"),
            (MS(500), short, 1, MS(1_000), "doubled"),
            (MS(500), short, 3, MS(4_000), "and again"),
            (MS(500), short, 4, short, "the longest"),
            (MS(500), short, u32::MAX, short, "for ever"),
            (MS(500), day, 17, MS(65_536_000), "a long one"),
            (MS(500), day, 18, day, "a day"),
            (Duration::ZERO, short, u32::MAX, Duration::ZERO, "no pause doubled is none"),
            (Duration::MAX, Duration::MAX, u32::MAX, Duration::MAX, "no overflow"),
            (short, MS(500), 0, MS(500), "the longest is shorter than the first"),
        ] {
            assert_eq!(ExponentialBackoff::new(first, longest).pause(failures), expected, "{reason}");
        }
    }

    #[test]
    fn jitter_takes_off_up_to_half() {
        let backoff = ExponentialBackoff::new(MS(500), MS(5_000));
        for (random, expected) in [(0.0, 500), (0.5, 750), (1.0, 1_000), (7.0, 1_000), (-7.0, 500)] {
            assert_eq!(backoff.jittered(1, random), MS(expected), "{random}");
        }
    }
}
