//! The breaker that suspends a plugin's `start` for some time. Pure: it is given the times.
//!
//! Each start is timed by the clock on the wall, which is cheap and never shows less than the CPU time that it took. As
//! long as the starts of a place take no longer than the average that is allowed, nothing more has to be known. Beyond
//! that they look long: then the thread's CPU time is read around every start, until as many quick ones have followed
//! that the average is met again. So a tracer that is slow when it is not measured finds itself measured, and has to be
//! quick for as long as it was slow; one that only lost the processor is not suspended for it.

use std::time::Duration;

use hottap_core::backoff::ExponentialBackoff;
use hottap_core::live::BUDGET;

/// Misses within [`WINDOW`] after which `start` is suspended. One may be chance; an RPC has waited for each.
const MISSES: usize = 3;
const WINDOW: Duration = Duration::from_secs(10);
/// The time that `start` may take on average, in nanoseconds. An RPC is often over in a millisecond; more than a
/// twentieth of that is too much.
const AVERAGE: u64 = 50_000;
/// Nanoseconds beyond the average after which the starts of one place look long. With less, one page fault would have
/// the CPU's clock read for a while; with more, a start over budget would be measured later.
const LOOKS_LONG: u64 = 4 * AVERAGE;
/// The most that one start counts while only its wall time is known. It bounds the starts whose CPU time is read after
/// the machine stood still: 400. No guest runs for longer than twice that before it is interrupted.
const MOST_WALL: u64 = 20_000_000;
/// CPU time beyond the average, in nanoseconds, that suspends. One start may use the whole budget of a call, and so may
/// a page fault or a stolen processor; two in a row may not. A start of 100 µs is suspended after 30.
const OVER: u64 = 30 * AVERAGE;
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

/// The starts of one place, by the clock on the wall.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    over: u64,
}

impl Pace {
    /// A start took so long. Gives what the starts took beyond the average, in nanoseconds, if that looks long.
    #[inline]
    pub(crate) fn took(&mut self, wall: u64) -> Option<u64> {
        self.over = (self.over + wall.min(MOST_WALL)).saturating_sub(AVERAGE);
        (self.over > LOOKS_LONG).then(|| std::mem::take(&mut self.over))
    }
}

/// What is known of one generation's starts. Times are nanoseconds of a monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    misses: Vec<u64>,
    /// Time beyond the average that quick starts have not made up for. As long as there is some, CPU time is read.
    debt: u64,
    /// CPU time beyond the average. Never more than the debt.
    over: u64,
    /// CPU time of so many starts, since it began to look long.
    measured: u64,
    seen: u64,
    resumes: u64,
    suspensions: u32,
}

/// The consequence of a start whose CPU time was read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Verdict {
    /// Until when no other may come, and why.
    pub(crate) suspended: Option<(u64, Cause)>,
    /// It used more than all starts of a call may use together.
    pub(crate) missed: bool,
    /// The average is met again: CPU time need not be read any more.
    pub(crate) is_well: bool,
}

impl Breaker {
    /// The starts of a place took so much beyond the average, by the clock on the wall.
    pub(crate) fn looks_long(&mut self, over: u64) {
        self.debt = self.debt.saturating_add(over);
    }

    /// A start took so much CPU time, in nanoseconds.
    pub(crate) fn took(&mut self, now: u64, cpu: u64) -> Verdict {
        self.debt = (self.debt + cpu.min(MOST_WALL)).saturating_sub(AVERAGE);
        self.over = (self.over + cpu.min(BUDGET)).saturating_sub(AVERAGE);
        (self.measured, self.seen) = (self.measured.saturating_add(cpu), self.seen + 1);
        let missed = cpu > BUDGET;
        let mut suspended = if missed { self.missed(now) } else { None };
        if suspended.is_none() && self.over > OVER {
            let average = self.measured as f64 / self.seen as f64;
            suspended = Some((self.suspend(now), Cause::Average(average)));
        }
        let is_well = self.debt == 0;
        if is_well {
            (self.measured, self.seen) = (0, 0);
        }
        Verdict { suspended, missed, is_well }
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
        let pause = ExponentialBackoff::new(FIRST_PAUSE, LONGEST_PAUSE).pause(self.suspensions);
        self.suspensions += 1;
        self.resumes = now + nanos(pause);
        self.misses.clear();
        // The debt stays: when it comes back, it is measured.
        (self.over, self.measured, self.seen) = (0, 0, 0);
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

    /// Starts of one place as [`super::super::starts`] handles them: each takes its time on the wall and on the CPU.
    /// Gives the number of the start after which it was suspended, if it was, and how many had their CPU time read.
    fn starts(times: impl Iterator<Item = (u64, u64)>) -> (Option<usize>, usize) {
        let (mut pace, mut breaker, mut measuring, mut read) = (Pace::default(), Breaker::default(), false, 0);
        for (i, (wall, cpu)) in times.enumerate() {
            let now = SECOND + i as u64 * 1_000_000;
            if measuring {
                read += 1;
                let Verdict { suspended, is_well, .. } = breaker.took(now, cpu);
                if suspended.is_some() {
                    return (Some(i), read);
                }
                measuring = !is_well;
            } else if let Some(over) = pace.took(wall) {
                breaker.looks_long(over);
                measuring = true;
            }
        }
        (None, read)
    }

    #[test]
    fn a_start_over_budget_is_suspended_soon_whatever_it_does() {
        #[track_caller]
        fn suspended(within: usize, reason: &str, cpu: impl Fn(usize) -> u64) {
            let (after, _) = starts((0..100_000).map(|i| (cpu(i), cpu(i))));
            assert!(after.is_some_and(|after| after < within), "{reason}: {after:?}");
        }
        suspended(30, "over the budget of a call each time", |_| 15_000_000);
        suspended(100, "twice the average", |_| 100_000);
        suspended(300, "a fifth over the average", |_| 60_000);
        suspended(200, "slow but on every 32nd, as one that knew when it was measured", |i| {
            if i % 32 == 0 { 1_000 } else { 500_000 }
        });
        suspended(300, "quick 256 times, then slow", |i| if i < 256 { 1_000 } else { 200_000 });
        suspended(1_000, "20 ms now and then", |i| if i % 100 == 0 { 20_000_000 } else { 1_000 });
    }

    #[test]
    fn a_tracer_that_is_quick_while_it_is_measured_meets_the_average_all_the_same() {
        // It knows when its CPU time is read, and is slow whenever it is not.
        for slow in [60_000, 250_000, 1_000_000, 5_000_000, 20_000_000] {
            let (mut pace, mut breaker, mut measuring, mut total) = (Pace::default(), Breaker::default(), false, 0);
            for i in 0..100_000u64 {
                let cpu = if measuring { 1_000 } else { slow };
                total += cpu;
                if measuring {
                    measuring = !breaker.took(SECOND + i, cpu).is_well;
                } else if let Some(over) = pace.took(cpu) {
                    breaker.looks_long(over);
                    measuring = true;
                }
            }
            assert!(total / 100_000 <= AVERAGE + 500, "{slow}: {} ns on average", total / 100_000);
        }
    }

    #[test]
    fn who_only_loses_the_processor_is_never_suspended() {
        for (every, lost) in [(1_000, 5_000_000), (100, 5_000_000), (3, 1_000_000), (1, 10_000_000)] {
            let wall = |i: usize| 2_000 + if i.is_multiple_of(every) { lost } else { 0 };
            let (suspended, _) = starts((0..100_000).map(|i| (wall(i), 2_000)));
            assert_eq!(suspended, None, "each {every}th loses {lost} ns");
        }
    }

    #[test]
    fn one_long_start_suspends_nobody_and_is_forgotten() {
        let (suspended, read) =
            starts((0..100_000).map(|i| if i == 5_000 { (950_000, 950_000) } else { (2_000, 2_000) }));
        assert_eq!(suspended, None);
        assert!(read < 30, "the CPU's clock was read around {read} starts");
        let (_, read) = starts((0..100_000).map(|_| (40_000, 40_000)));
        assert_eq!(read, 0, "nothing looks long");
    }
}
