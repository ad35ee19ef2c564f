//! The clock of the process: how long (monotonic) and when (Unix time), by one cheap reading.

use crate::lock::lock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, TryLockError};

use super::machine::{Clocks, MachineClocks, Reading};

/// Nanoseconds between two looks at the system's clocks. Wall times are at most this much behind a clock that was set. A
/// look takes as long as some ten readings; with a longer time, times follow the system more than two seconds late.
const LOOK_EVERY: u64 = 500_000_000;
/// Nanoseconds without a look after which a thread waits for the one that looks. Under load that never happens, so RPC
/// threads do not wait for each other; after an idle hour the first calls must not take the time of an hour ago.
const STALE: u64 = 1_500_000_000;

/// A moment is a number of nanoseconds since the clock was made, time in suspend included. The Unix time of a moment is the
/// moment plus an offset. Each half second the thread that happens to ask for a moment looks at the system's clocks and
/// sets the offset anew, so wall times follow a system clock that is set or slewed, without a thread for it. Differences
/// between moments do not change when the offset does.
///
/// Moments are read from the time-stamp counter where the kernel trusts it (12 ns here, against 28 ns for a system clock).
/// A look also compares the counter with the system's monotonic clock. If it has not kept pace (it stopped or was reset
/// while the machine was suspended, or it is not reliable), moments come from the system's clock from then on.
///
/// There is one clock in a process.
#[derive(Debug)]
pub struct Clock<C = MachineClocks> {
    clocks: C,
    /// Unix time minus moment. Negative where the system's date is before 1970 plus the age of the clock.
    unix_offset: AtomicI64,
    /// The moment of the last look. Set after everything else that a look sets.
    looked: AtomicU64,
    /// Moments come from the system's clock, and no longer from the counter.
    by_system: AtomicBool,
    /// Moment minus system time, for `by_system`.
    system_offset: AtomicI64,
    /// The readings of the last look. Held during a look.
    last: Mutex<Reading>,
}

impl Clock {
    /// The clock.
    pub fn get() -> &'static Self {
        static CLOCK: LazyLock<Clock> = LazyLock::new(|| Clock::new(MachineClocks::new()));
        &CLOCK
    }
}

impl<C: Clocks> Clock<C> {
    fn new(clocks: C) -> Self {
        let reading = clocks.read();
        let has_counter = clocks.counter().is_some();
        let moment = if has_counter { reading.counter } else { reading.system };
        Self {
            clocks,
            unix_offset: AtomicI64::new(offset(reading.unix, moment)),
            looked: AtomicU64::new(moment),
            by_system: AtomicBool::new(!has_counter),
            system_offset: AtomicI64::new(0),
            last: Mutex::new(reading),
        }
    }

    /// The moment: nanoseconds since the clock was made.
    #[inline]
    pub fn now(&self) -> u64 {
        let moment = self.moment();
        if self.is_recent(moment) { moment } else { self.look(moment) }
    }

    /// The Unix time, in nanoseconds, of a moment that [`Clock::now`] gave; 0 for moments before 1970.
    #[inline]
    pub fn unix(&self, moment: u64) -> u64 {
        later(moment, self.unix_offset.load(Ordering::Relaxed))
    }

    #[inline]
    fn moment(&self) -> u64 {
        if !self.by_system.load(Ordering::Acquire)
            && let Some(counter) = self.clocks.counter()
        {
            return counter;
        }
        later(self.clocks.system(), self.system_offset.load(Ordering::Relaxed))
    }

    /// A moment before the last look is not recent: the counter may have been reset.
    #[inline]
    fn is_recent(&self, moment: u64) -> bool {
        moment.wrapping_sub(self.looked.load(Ordering::Acquire)) < LOOK_EVERY
    }

    /// Looks at the system's clocks, on one thread at a time. Returns the moment after the look.
    #[cold]
    fn look(&self, moment: u64) -> u64 {
        let is_stale = moment.wrapping_sub(self.looked.load(Ordering::Acquire)) >= STALE;
        let mut last = match self.last.try_lock() {
            Ok(last) => last,
            Err(TryLockError::Poisoned(last)) => last.into_inner(),
            Err(TryLockError::WouldBlock) if is_stale => lock(&self.last),
            Err(TryLockError::WouldBlock) => return moment,
        };
        let moment = self.moment();
        if self.is_recent(moment) {
            // Another thread has looked meanwhile.
            return moment;
        }
        let reading = self.clocks.read();
        let was_by_system = self.by_system.load(Ordering::Relaxed);
        let lost_pace = !was_by_system && !keeps_pace(&last, &reading);
        if lost_pace {
            self.system_offset.store(system_offset(&last, &reading), Ordering::Relaxed);
            self.by_system.store(true, Ordering::Release);
        }
        let moment = if was_by_system || lost_pace {
            later(reading.system, self.system_offset.load(Ordering::Relaxed))
        } else {
            reading.counter
        };
        *last = reading;
        self.unix_offset.store(offset(reading.unix, moment), Ordering::Relaxed);
        self.looked.store(moment, Ordering::Release);
        drop(last);
        if lost_pace {
            tracing::info!(
                "the time-stamp counter has not kept pace with the system's clock (the machine was suspended, or the counter is \
                 not reliable); times come from the system's clock from here on"
            );
        }
        self.moment()
    }
}

/// Nanoseconds that counter and system clock may differ by between two looks, beside an eighth of the time that passed: a
/// thread may lose the processor between two readings, and NTP daemons slew the system's clock by up to a tenth.
const SLACK: u64 = 20_000_000;

/// Returns true if the counter has kept pace with the system's monotonic clock between two readings.
fn keeps_pace(last: &Reading, reading: &Reading) -> bool {
    let system = reading.system.saturating_sub(last.system);
    let counter = reading.counter.checked_sub(last.counter);
    counter.is_some_and(|counter| counter.abs_diff(system) <= SLACK.saturating_add(system / 8))
}

/// Moment minus system time once the counter is given up: the system's clock goes on where the counter was at the last
/// look. A counter that was a little fast since has given moments that are later; then it goes on from there, so that
/// moments do not go back.
fn system_offset(last: &Reading, reading: &Reading) -> i64 {
    let at_last_look = offset(last.counter, last.system);
    let now = offset(reading.counter, reading.system);
    let was_fast = now > at_last_look && now.abs_diff(at_last_look) <= LOOK_EVERY;
    if was_fast { now } else { at_last_look }
}

/// `to - from`, at the bounds of its type if it does not fit.
fn offset(to: u64, from: u64) -> i64 {
    let distance = i64::try_from(to.abs_diff(from)).unwrap_or(i64::MAX);
    if to >= from { distance } else { -distance }
}

/// `from + offset`; 0 if that is negative.
#[inline]
fn later(from: u64, offset: i64) -> u64 {
    from.saturating_add_signed(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const HOUR: u64 = 3_600 * SECOND;
    /// The Unix time at which the made-up clocks start.
    const START: u64 = 1_700_000_000 * SECOND;

    /// Clocks that stand still until they are told how much time has passed.
    #[derive(Default)]
    struct MadeUp {
        counter: AtomicU64,
        system: AtomicU64,
        unix: AtomicU64,
        has_no_counter: bool,
    }

    impl Clocks for MadeUp {
        fn counter(&self) -> Option<u64> {
            (!self.has_no_counter).then(|| self.counter.load(Ordering::SeqCst))
        }

        fn system(&self) -> u64 {
            self.system.load(Ordering::SeqCst)
        }

        fn unix(&self) -> u64 {
            self.unix.load(Ordering::SeqCst)
        }
    }

    impl Clock<MadeUp> {
        fn made_up(has_counter: bool) -> Self {
            Self::new(MadeUp { unix: START.into(), has_no_counter: !has_counter, ..MadeUp::default() })
        }

        fn pass(&self, counter: u64, system: u64, unix: u64) {
            self.clocks.counter.fetch_add(counter, Ordering::SeqCst);
            self.clocks.system.fetch_add(system, Ordering::SeqCst);
            self.clocks.unix.fetch_add(unix, Ordering::SeqCst);
        }

        fn set(&self, unix: u64) {
            self.clocks.unix.store(unix, Ordering::SeqCst);
        }

        /// Returns the wall time of a call that starts now.
        fn started(&self) -> u64 {
            self.unix(self.now())
        }

        fn system_time(&self) -> u64 {
            self.clocks.unix.load(Ordering::SeqCst)
        }
    }

    #[test]
    fn wall_times_follow_a_clock_that_is_set_within_half_a_second_of_calls() {
        for has_counter in [true, false] {
            let clock = Clock::made_up(has_counter);
            for (to, reason) in [
                (START + HOUR, "forward"),
                (START - HOUR, "back"),
                (START - HOUR + 1, "by a nanosecond"),
                (0, "to 1970, before the clock was made"),
                (START, "and forward again"),
            ] {
                clock.set(to);
                let begun = clock.now();
                for _ in 0..50 {
                    clock.pass(10_000_000, 10_000_000, 10_000_000);
                    clock.now();
                }
                assert_eq!(clock.started(), clock.system_time(), "{reason}, with a counter: {has_counter}");
                assert_eq!(clock.now() - begun, LOOK_EVERY, "a duration knows nothing of it: {reason}");
            }
        }
    }

    #[test]
    fn the_first_call_after_an_idle_time_has_the_time_of_now() {
        let clock = Clock::made_up(true);
        clock.pass(24 * HOUR, 24 * HOUR, 25 * HOUR);
        assert_eq!(clock.started(), START + 25 * HOUR);
        assert!(!clock.by_system.load(Ordering::SeqCst), "the counter has kept pace");
    }

    #[test]
    fn a_counter_that_drifts_stays_and_wall_times_do_not_drift_with_it() {
        let clock = Clock::made_up(true);
        let begun = clock.now();
        for _ in 0..10_000 {
            // 100 parts in a million: what a bad calibration gives.
            clock.pass(SECOND + 100_000, SECOND, SECOND);
            assert_eq!(clock.started(), clock.system_time());
        }
        assert!(!clock.by_system.load(Ordering::SeqCst));
        assert_eq!(clock.now() - begun, 10_000 * (SECOND + 100_000), "moments are the counter's");
    }

    #[test]
    fn a_slewed_system_clock_is_followed_and_is_no_fault_of_the_counter() {
        let clock = Clock::made_up(true);
        for _ in 0..100 {
            clock.pass(SECOND, SECOND + SECOND / 10, SECOND + SECOND / 10);
            assert_eq!(clock.started(), clock.system_time());
        }
        assert!(!clock.by_system.load(Ordering::SeqCst));
    }

    #[test]
    fn a_call_that_spans_a_suspend_has_its_time_and_later_ones_start_right() {
        for (counter_after, reason) in [
            (None, "the counter stood still"),
            (Some(0), "the counter was reset"),
            (Some(3 * SECOND), "the counter was reset some seconds ago"),
        ] {
            let clock = Clock::made_up(true);
            clock.pass(100 * SECOND, 100 * SECOND, 100 * SECOND);
            let started = clock.now();
            let started_unix = clock.unix(started);
            clock.pass(SECOND / 10, SECOND / 10, SECOND / 10);
            clock.now();
            clock.pass(0, HOUR, HOUR);
            if let Some(counter) = counter_after {
                clock.clocks.counter.store(counter, Ordering::SeqCst);
            }
            for _ in 0..60 {
                clock.pass(10_000_000, 10_000_000, 10_000_000);
                clock.now();
            }
            assert_eq!(clock.started(), clock.system_time(), "{reason}");
            assert!(clock.by_system.load(Ordering::SeqCst), "{reason}");
            let duration = clock.now().saturating_sub(started);
            assert_eq!(duration, HOUR + SECOND / 10 + 60 * 10_000_000, "{reason}");
            assert_eq!(started_unix + duration, clock.system_time(), "its end is when it ended: {reason}");
        }
    }

    #[test]
    fn a_counter_that_runs_wrong_is_given_up_and_moments_do_not_go_back() {
        for (rate, reason) in [(50, "half as fast"), (130, "faster"), (100_000, "jumps ahead")] {
            let clock = Clock::made_up(true);
            clock.pass(SECOND, SECOND, SECOND);
            clock.now();
            let mut last = clock.now();
            for _ in 0..200 {
                clock.pass(10_000_000 * rate / 100, 10_000_000, 10_000_000);
                let now = clock.now();
                assert!(now >= last, "{reason}: {now} after {last}");
                last = now;
            }
            assert!(clock.by_system.load(Ordering::SeqCst), "{reason}");
            assert!(last < 4 * SECOND, "three seconds have passed, and not {last} ns: {reason}");
            assert_eq!(clock.started(), clock.system_time(), "{reason}");
        }
    }

    #[test]
    fn without_a_counter_moments_come_from_the_systems_clock() {
        let clock = Clock::made_up(false);
        let begun = clock.now();
        clock.pass(0, HOUR, 2 * HOUR);
        assert_eq!(clock.now() - begun, HOUR);
        assert_eq!(clock.started(), START + 2 * HOUR);
    }

    #[test]
    fn after_an_idle_time_no_thread_takes_the_old_time() {
        let clock = Clock::made_up(true);
        for round in 0..200 {
            clock.pass(HOUR, HOUR, 2 * HOUR + round);
            let expected = clock.system_time();
            let gate = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        gate.wait();
                        assert_eq!(clock.started(), expected);
                    });
                }
            });
        }
    }

    #[test]
    fn moments_and_unix_times_have_bounds_and_no_overflow() {
        for (from, by, expected) in
            [(5, -6, 0), (u64::MAX, i64::MAX, u64::MAX), (0, i64::MIN, 0), (7, 3, 10), (u64::MAX, 0, u64::MAX)]
        {
            assert_eq!(later(from, by), expected);
        }
        assert_eq!((offset(0, u64::MAX), offset(u64::MAX, 0), offset(2, 5)), (-i64::MAX, i64::MAX, -3));
    }

    #[test]
    fn unix_time_agrees_with_the_system() {
        let clock = Clock::get();
        let (ours, theirs) = (clock.unix(clock.now()), clock.clocks.unix());
        assert!(theirs.abs_diff(ours) < 50_000_000, "{ours} against {theirs}");
    }
}
