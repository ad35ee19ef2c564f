//! When a plugin's `start` is suspended, and for how long. Pure: it is given the time.

use std::time::Duration;

/// Misses within [`WINDOW`] after which `start` is suspended. One may be chance; an RPC has waited for each.
const MISSES: usize = 3;
const WINDOW: Duration = Duration::from_secs(10);
/// What `start` may take on average. An RPC is often over in a millisecond; more than a twentieth of that is too much.
const AVERAGE_NANOS: f64 = 50_000.0;
/// How many measured starts the average is made of, about. Fewer would take longer to notice, more longer to forget.
const SAMPLES: f64 = 16.0;
/// What one measured start counts at most: a page fault that took long suspends nobody.
const MOST_NANOS: f64 = 4.0 * AVERAGE_NANOS;
/// The first suspension; each further one without a good minute between takes twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// After so long without a suspension the next one is again a first one.
const GOOD_BEHAVIOUR: Duration = Duration::from_secs(60);

/// Why it was suspended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cause {
    /// It trapped or ran out of time too often.
    Misses,
    /// It is too slow on average, in nanoseconds.
    Average(f64),
}

/// What is known of one generation's starts. Times are nanoseconds of a monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    misses: Vec<u64>,
    average: f64,
    seen: f64,
    resumes: u64,
    suspensions: u32,
}

impl Breaker {
    /// A start took so much CPU time, in nanoseconds. Says until when no other may come, and why, if that is so.
    pub(crate) fn took(&mut self, now: u64, nanos: u64) -> Option<(u64, Cause)> {
        self.seen = (self.seen + 1.0).min(SAMPLES);
        self.average += ((nanos as f64).min(MOST_NANOS) - self.average) / self.seen;
        let average = self.average;
        (self.seen >= SAMPLES && average > AVERAGE_NANOS).then(|| (self.suspend(now), Cause::Average(average)))
    }

    /// A start trapped or ran out of time. Says until when no other may come, and why, if that is so.
    pub(crate) fn missed(&mut self, now: u64) -> Option<(u64, Cause)> {
        self.misses.retain(|&at| now.saturating_sub(at) < nanos(WINDOW));
        self.misses.push(now);
        // Who comes back from a suspension and fails at once has not been mended.
        let relapse = self.suspensions > 0 && now.saturating_sub(self.resumes) < nanos(WINDOW);
        (relapse || self.misses.len() >= MISSES).then(|| (self.suspend(now), Cause::Misses))
    }

    fn suspend(&mut self, now: u64) -> u64 {
        if now.saturating_sub(self.resumes) > nanos(GOOD_BEHAVIOUR) {
            self.suspensions = 0;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.suspensions.min(16)).min(LONGEST_PAUSE);
        self.suspensions += 1;
        self.resumes = now + nanos(pause);
        self.misses.clear();
        (self.average, self.seen) = (0.0, 0.0);
        self.resumes
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn three_misses_in_ten_seconds_suspend() {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.missed(100 * SECOND), None);
        assert_eq!(breaker.missed(101 * SECOND), None);
        assert_eq!(breaker.missed(111 * SECOND), None, "the first two are too long ago");
        assert_eq!(breaker.missed(112 * SECOND), None);
        assert_eq!(breaker.missed(113 * SECOND), Some((123 * SECOND, Cause::Misses)));
    }

    #[test]
    fn a_relapse_is_suspended_at_once_and_for_twice_as_long() {
        let mut breaker = Breaker::default();
        for now in [100, 100] {
            assert_eq!(breaker.missed(now * SECOND), None);
        }
        assert_eq!(breaker.missed(100 * SECOND), Some((110 * SECOND, Cause::Misses)));
        assert_eq!(breaker.missed(110 * SECOND), Some((130 * SECOND, Cause::Misses)));
        assert_eq!(breaker.missed(131 * SECOND), Some((171 * SECOND, Cause::Misses)));
        assert_eq!(breaker.missed(300 * SECOND), None, "it has behaved well for two minutes");
    }

    #[test]
    fn no_pause_is_longer_than_the_longest() {
        let mut breaker = Breaker::default();
        let mut now = 100 * SECOND;
        for _ in 0..60 {
            now = breaker.missed(now).map_or(now, |(until, _)| until);
        }
        let (until, _) = breaker.missed(now).expect("a relapse");
        assert_eq!(until - now, nanos(LONGEST_PAUSE));
    }

    #[test]
    fn a_slow_average_suspends_and_one_slow_start_does_not() {
        let mut breaker = Breaker::default();
        for i in 0..1_000 {
            let nanos = if i % 50 == 0 { 40_000_000 } else { 2_000 };
            assert_eq!(breaker.took(i, nanos), None, "one of few");
        }
        let mut breaker = Breaker::default();
        let suspended = (0..100).find_map(|_| breaker.took(SECOND, 60_000));
        assert_eq!(suspended, Some((11 * SECOND, Cause::Average(60_000.0))));
    }
}
