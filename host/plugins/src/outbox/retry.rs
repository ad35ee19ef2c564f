//! When a payload is tried again: exponential pauses with jitter, the server's own wish, an end. Pure.

use std::time::Duration;

use hottap_core::backoff::ExponentialBackoff;

/// A server that asks for more than this is asked again all the same: it may mean a time that it never promised.
const MOST_AFTER: Duration = Duration::from_secs(60);

/// The pauses between the tries of one payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// About the first pause. Shorter, and a server that restarts is asked in vain; longer, and a single lost connection
    /// is felt.
    pub(super) first: Duration,
    /// About the longest pause: how late a server that came back may be noticed.
    pub(super) most: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), most: Duration::from_secs(30) }
    }
}

impl Policy {
    /// How long to wait after a payload's n-th failure, `failures` counting from 0; none if it was tried long enough.
    ///
    /// `tried` is the time since its first try, `after` what the server asked for, `random` from 0 to 1. A pause is
    /// between half and the whole of what doubling gives, so that many hosts do not come back in step.
    pub(super) fn pause(
        self,
        failures: u32,
        tried: Duration,
        retry_for: Duration,
        after: Option<Duration>,
        random: f64,
    ) -> Option<Duration> {
        let left = retry_for.checked_sub(tried).filter(|left| !left.is_zero())?;
        let jittered = ExponentialBackoff::new(self.first, self.most).jittered(failures, random);
        Some(jittered.max(after.unwrap_or_default().min(MOST_AFTER)).min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn pauses_double_vary_and_end() {
        let (long, none) = (MS(300_000), None);
        for (failures, tried, retry_for, after, random, expected, reason) in [
            (0, MS(0), long, none, 1.0, Some(MS(500)), "the first"),
            (0, MS(0), long, none, 0.0, Some(MS(250)), "half of it at least"),
            (1, MS(0), long, none, 1.0, Some(MS(1_000)), "doubled"),
            (5, MS(0), long, none, 1.0, Some(MS(16_000)), "and again"),
            (6, MS(0), long, none, 1.0, Some(MS(30_000)), "up to the longest"),
            (u32::MAX, MS(0), long, none, 1.0, Some(MS(30_000)), "for ever"),
            (6, MS(0), long, none, 0.5, Some(MS(22_500)), "with jitter"),
            (0, MS(0), long, Some(MS(5_000)), 1.0, Some(MS(5_000)), "the server's wish"),
            (0, MS(0), long, Some(MS(0)), 1.0, Some(MS(500)), "is never sooner than ours"),
            (0, MS(0), long, Some(MS(3_600_000)), 1.0, Some(MS(60_000)), "and is capped"),
            (6, MS(290_000), long, none, 1.0, Some(MS(10_000)), "one last try at the end"),
            (0, MS(290_000), long, Some(MS(60_000)), 1.0, Some(MS(10_000)), "even against the server's wish"),
            (0, MS(300_000), long, none, 1.0, None, "the end"),
            (0, MS(900_000), long, none, 1.0, None, "long past it"),
            (0, MS(0), MS(0), none, 1.0, None, "no retries"),
        ] {
            let pause = Policy::default().pause(failures, tried, retry_for, after, random);
            assert_eq!(pause, expected, "{reason}");
        }
    }

    #[test]
    fn a_random_number_out_of_range_changes_nothing() {
        let pause = |random| Policy::default().pause(0, MS(0), MS(1_000), None, random);
        assert_eq!((pause(7.0), pause(-7.0)), (Some(MS(500)), Some(MS(250))));
    }
}
