//! When RPCs are due. Open loop: they come at their rate, however long the answers take. Pure; knows no clock.

use std::time::Duration;

/// How much of what is overdue is made up for, in parts of a second. A burst of more would be another load than the one
/// that was asked for; less would write RPCs off whenever the scheduler is late.
const MADE_UP_PER_SECOND: u64 = 10;

/// RPCs at a rate.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Per second.
    rate: u64,
    /// Started or written off since it began.
    settled: u64,
}

/// What is due at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    /// RPCs to start now.
    pub(crate) now: u64,
    /// RPCs that are written off, since too many are overdue.
    pub(crate) behind: u64,
}

impl Pace {
    /// So many a second.
    pub(crate) fn new(rate: u32) -> Self {
        Self { rate: rate.into(), settled: 0 }
    }

    /// What is due so long after the beginning.
    pub(crate) fn due(&mut self, elapsed: Duration) -> Due {
        let whole = elapsed.as_nanos() * u128::from(self.rate) / 1_000_000_000;
        let owed = u64::try_from(whole).unwrap_or(u64::MAX).saturating_sub(self.settled);
        let made_up = (self.rate / MADE_UP_PER_SECOND).max(1);
        let behind = owed.saturating_sub(made_up);
        self.settled += behind;
        Due { now: owed - behind, behind }
    }

    /// One of them was started.
    pub(crate) fn started(&mut self) {
        self.settled += 1;
    }

    /// The beginning is now.
    pub(crate) fn restart(&mut self) {
        self.settled = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Starts all that is due, and gives how many that were and how many were written off.
    fn run(rate: u32, moments: impl IntoIterator<Item = Duration>) -> (u64, u64) {
        let mut pace = Pace::new(rate);
        let (mut started, mut behind) = (0, 0);
        for moment in moments {
            let due = pace.due(moment);
            (0..due.now).for_each(|_| pace.started());
            (started, behind) = (started + due.now, behind + due.behind);
        }
        (started, behind)
    }

    #[test]
    fn the_rate_is_kept_whatever_the_ticks_are() {
        for (rate, tick, expected) in [
            (2_000, 2, 20_000),
            (2_000, 7, 19_992),
            (3, 2, 30),
            (1, 999, 9),
            (1_000_000, 50, 10_000_000),
            (999, 90, 9_980),
        ] {
            let moments = (0..).map(|at| millis(at * tick)).take_while(|moment| *moment <= millis(10_000));
            assert_eq!(run(rate, moments), (expected, 0), "{rate} a second, a tick each {tick} ms");
        }
    }

    #[test]
    fn a_short_delay_is_made_up_for_and_a_long_one_is_written_off() {
        assert_eq!(run(2_000, [millis(10), millis(100), millis(110)]), (220, 0));
        assert_eq!(run(2_000, [millis(10), millis(1_010), millis(1_020)]), (20 + 200 + 20, 1_800));
        assert_eq!(run(1, [Duration::from_secs(5)]), (1, 4));
    }

    #[test]
    fn what_could_not_be_started_stays_due() {
        let mut pace = Pace::new(1_000);
        assert_eq!(pace.due(millis(10)), Due { now: 10, behind: 0 });
        pace.started();
        assert_eq!(pace.due(millis(10)), Due { now: 9, behind: 0 });
        assert_eq!(pace.due(millis(120)), Due { now: 100, behind: 19 });
        assert_eq!(pace.due(millis(120)), Due { now: 100, behind: 0 });
    }

    #[test]
    fn a_restart_owes_nothing() {
        let mut pace = Pace::new(1_000);
        pace.due(Duration::from_secs(60));
        pace.restart();
        assert_eq!(pace.due(millis(3)), Due { now: 3, behind: 0 });
    }

    #[test]
    fn a_year_is_no_overflow() {
        let year = Duration::from_secs(365 * 86_400);
        assert_eq!(run(1_000_000, [year]).0, 100_000);
    }
}
