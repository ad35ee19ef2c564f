//! A plugin's share of the CPU, as a bucket that fills with time. Pure.

use std::time::{Duration, Instant};

/// The share: a quarter of a core.
const SHARE: f64 = 0.25;
/// What a plugin that was quiet may use at once.
const BURST: Duration = Duration::from_millis(100);

/// CPU time that a plugin may use now; negative after it used more.
#[derive(Debug)]
pub(crate) struct Share {
    nanos: f64,
    filled: Instant,
}

impl Share {
    pub(crate) fn new(now: Instant) -> Self {
        Self { nanos: BURST.as_nanos() as f64, filled: now }
    }

    /// True if it may run now.
    pub(crate) fn may_run(&mut self, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.filled).as_nanos() as f64 * SHARE;
        self.nanos = (self.nanos + earned).min(BURST.as_nanos() as f64);
        self.filled = now;
        self.nanos > 0.0
    }

    /// It has used this much.
    pub(crate) fn charge(&mut self, now: Instant, used: Duration) {
        self.may_run(now);
        self.nanos -= used.as_nanos() as f64;
    }

    /// When it may run again; none if now.
    pub(crate) fn next_run(&self, now: Instant) -> Option<Instant> {
        (self.nanos <= 0.0).then(|| now + Duration::from_nanos((-self.nanos / SHARE) as u64 + 1_000_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_gets_a_quarter_of_a_core_in_the_long_run() {
        let start = Instant::now();
        let (mut share, mut now, mut used) = (Share::new(start), start, Duration::ZERO);
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
