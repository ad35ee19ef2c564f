//! The way back after a failed call: the worker carries out the steps of a recovery.

use std::time::{Duration, Instant};

use super::recovery::{Fault, Recovery, Segment, Step};
use super::runner::Runner;
use super::{Change, Reason};
use crate::plugin::books::Usage;
use crate::plugin::dead::DeadLetter;
use crate::wasm::{CallError, Cause, Pace};
use hottap_core::backoff::ExponentialBackoff;
use hottap_core::collect::{DropReason, Work};
use hottap_core::panics::{Panic, Place, caught};

/// The time before the second try of making an instance; doubled before each later one.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest of these times. The generation is given up before they grow so long.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// The time before an instance is tried again that the memory of the machine or the host's budget was too small for.
const LACK_WAIT: Duration = Duration::from_secs(1);
/// CPU time that a failed call counts as if it did not run out of time.
const QUICK: Duration = Duration::from_millis(1);

impl Runner {
    /// A call failed, and with it the instance. Nothing that was not committed is lost: it is handed over again.
    pub(super) fn failed(&mut self, error: &CallError) {
        let is_brisk = self.pace() == Pace::Brisk;
        self.guest = None;
        self.slow_down();
        let spent = match error {
            CallError::OutOfTime { limit, .. } => *limit,
            _ => QUICK,
        };
        // At the brisk pace it only took longer than the other plugins are to wait.
        let is_late = is_brisk && matches!(error, CallError::OutOfTime { .. });
        let mut is_out = false;
        if is_late {
            self.is_late = true;
            self.report(
                error,
                "its calls are handed over again where it delays no other tracer, with all the time that it has",
            );
        } else {
            self.is_late = false;
            Usage::add(&self.book.usage.traps, 1);
            is_out = self.strikes.is_out(spent);
            self.report(
                error,
                "what was not committed is handed to a new instance; only a call that fails alone is lost",
            );
        }
        match &mut self.recovery {
            Some(recovery) => recovery.failed(),
            None => self.recovery = Some(Recovery::new(self.kept.segments())),
        }
        if is_out {
            self.give_up(Fault::Barren);
        }
        // The time of a stop is everybody's: a tracer that spins gets no more of it.
        if let Some(stopping) = &mut self.stopping
            && matches!(error, CallError::OutOfTime { .. })
            && !is_late
        {
            stopping.until = Instant::now();
        }
    }

    /// Carries out one step of the recovery.
    pub(super) fn recover(&mut self, step: Step) {
        match step {
            Step::Restart => self.restart(),
            Step::Finish(segment) => match self.kept.get(&segment).map_or(Ok(()), |work| self.call(work)) {
                Ok(()) => self.passed(),
                Err(error) => self.failed(&error),
            },
            Step::Flush => {
                let cause = if self.stopping.is_some() { Cause::Shutdown } else { Cause::Early };
                if self.flush(cause) {
                    self.passed();
                }
            }
            Step::Probe => match self.generation.probe(self.unix()) {
                Ok(()) => self.passed(),
                Err(error) => {
                    self.report(&error, "the generation is given up");
                    if let Some(recovery) = &mut self.recovery {
                        recovery.failed();
                    }
                }
            },
            Step::Bury(segment) => self.bury(&segment),
            Step::Done => self.recovered(),
            Step::GiveUp(fault) => self.give_up(fault),
        }
    }

    fn passed(&mut self) {
        if let Some(recovery) = &mut self.recovery {
            recovery.passed();
            self.kept.forget_before(recovery.left().next());
        }
    }

    fn restart(&mut self) {
        self.guest = None;
        match self.generation.instance(&self.registry, self.unix()) {
            Ok(guest) => {
                self.guest = Some(guest);
                self.not_before = None;
                self.passed();
            }
            Err(error) => self.restart_failed(&error),
        }
    }

    /// No instance could be made; the next try comes later.
    pub(super) fn restart_failed(&mut self, error: &CallError) {
        self.report(error, "its calls wait; a new instance is tried again");
        // Want of memory is not its fault: it is tried again until there is some.
        if error.is_lack_of_memory() {
            self.not_before = Some(Instant::now() + LACK_WAIT);
        } else if let Some(recovery) = &mut self.recovery {
            let wait = ExponentialBackoff::new(FIRST_WAIT, LONGEST_WAIT).pause(recovery.restarts());
            self.not_before = Some(Instant::now() + wait);
            recovery.failed();
        }
    }

    /// A row failed alone on a fresh instance: a call goes to the dead letters, a moment is dropped.
    fn bury(&mut self, segment: &Segment) {
        let mut is_too_many = false;
        match self.kept.get(segment) {
            Some(Work::Calls(view)) => {
                let now = self.unix();
                self.book.account.bury();
                let letter = DeadLetter {
                    at: now / 1_000_000,
                    generation: self.generation.id,
                    error: self.error.message.clone(),
                    call: view.info(0).unwrap_or_default(),
                };
                self.book.dead().put(letter, self.generation.shows_dead_letters());
                is_too_many = self.dead.is_too_high(Duration::from_nanos(self.core.clock.now()));
            }
            Some(Work::Moments(moments)) => {
                self.book.account.drop_pending_moments(DropReason::Trap, moments.len() as u64);
            }
            None => {}
        }
        self.passed();
        if is_too_many {
            self.give_up(Fault::Dead);
        }
    }

    fn recovered(&mut self) {
        self.recovery = None;
        self.kept.clear();
        // With all the time that it has, it did well.
        if std::mem::take(&mut self.is_late) {
            self.book.forgive(self.generation.id);
        }
        if std::mem::take(&mut self.is_retried) {
            (self.tell)(Change::Recovered(self.generation.id));
        }
    }

    /// The host panicked in its turn, which is no fault of the tracer's; but the same might come again at once. Returns the
    /// time of the next turn, if there has to be one.
    pub(super) fn panicked(&mut self, panic: Panic) -> Option<Instant> {
        let guest = self.guest.take();
        let _ = caught(Place::Worker, || drop(guest));
        self.report(&CallError::Panicked(panic), "its calls wait until it is tried again or replaced");
        self.give_up(Fault::Panicked);
        self.tell_paused();
        self.stopping.as_ref().map(|_| Instant::now())
    }

    /// Ends the recovery where it is: rows that are neither committed nor dead stay kept.
    pub(super) fn end_recovery(&mut self) {
        if let Some(recovery) = self.recovery.take() {
            self.kept.keep_only(recovery.left());
        }
    }

    /// The generation is at fault. What is not committed is kept for its next try or for another generation.
    pub(super) fn give_up(&mut self, fault: Fault) {
        self.guest = None;
        self.end_recovery();
        self.given_up = true;
        self.is_retried = false;
        let Reason { message, what_to_do } = &self.error;
        let reason = Reason { message: format!("{}; last: {message}", fault.as_str()), what_to_do: what_to_do.clone() };
        (self.tell)(Change::GivenUp(self.generation.id, reason));
    }
}
