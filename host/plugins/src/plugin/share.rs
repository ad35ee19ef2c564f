//! A share of the CPU, of a plugin or of several together, as a bucket that fills with time. Pure.

use std::time::{Duration, Instant};

/// A plugin's share: a quarter of a core.
pub(crate) const OF_PLUGIN: f64 = 0.25;
/// CPU time that may be used at once after a quiet time.
const BURST: Duration = Duration::from_millis(100);

/// CPU time that may be used now; negative after more was used.
#[derive(Debug)]
pub(crate) struct Share {
    nanos: f64,
    filled: Instant,
    /// Of a core.
    share: f64,
}

impl Share {
    pub(crate) fn new(now: Instant, share: f64) -> Self {
        Self { nanos: BURST.as_nanos() as f64, filled: now, share }
    }

    /// Returns true if there is time left.
    pub(crate) fn may_run(&mut self, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.filled).as_nanos() as f64 * self.share;
        self.nanos = (self.nanos + earned).min(BURST.as_nanos() as f64);
        self.filled = now;
        self.nanos > 0.0
    }

    /// Takes off what was used.
    pub(crate) fn charge(&mut self, now: Instant, used: Duration) {
        self.may_run(now);
        self.nanos -= used.as_nanos() as f64;
    }

    /// Nanoseconds that were used of what a quiet time has gathered.
    pub(crate) fn debt(&self) -> u64 {
        (BURST.as_nanos() as f64 - self.nanos) as u64
    }

    /// The time from which there is time again; none if there is now.
    pub(crate) fn next_run(&self, now: Instant) -> Option<Instant> {
        (self.nanos <= 0.0).then(|| now + Duration::from_nanos((-self.nanos / self.share) as u64 + 1_000_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_gets_a_quarter_of_a_core_in_the_long_run() {
        let start = Instant::now();
        let (mut share, mut now, mut used) = (Share::new(start, OF_PLUGIN), start, Duration::ZERO);
        while now < start + Duration::from_secs(100) {
            if share.may_run(now) {
                // It spins: each turn takes ten milliseconds of wall and CPU time.
                now += Duration::from_millis(10);
                used += Duration::from_millis(10);
                share.charge(now, Duration::from_millis(10));
            }
            now = share.next_run(now).unwrap_or(now);
        }
        let share = used.as_secs_f64() / 100.0;
        assert!((0.24..0.26).contains(&share), "{share}");
    }
}
