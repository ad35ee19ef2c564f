//! The part of a worker that runs: what it does in a turn.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::kept::Kept;
use super::orders::go_live;
use super::recovery::{DeadRate, Recovery, Strikes};
use super::{Reason, Tell, Worker};
use crate::metrics::Registry;
use crate::plugin::books::{Book, Problem, Usage};
use crate::plugin::generation::Generation;
use crate::plugin::pool::Lane;
use crate::plugin::remedy;
use crate::plugin::share;
use crate::plugin::share::Share;
use crate::wasm::{CallError, Cause, Guest, Pace, thread_cpu_time};
use hottap_core::collect::{DropReason, Overflow, Work};
use hottap_core::panics::{Place, caught};
use hottap_core::plain;
use hottap_core::tracer::Core;

/// The time that a plugin may work before the others get their turn.
const TURN: Duration = Duration::from_millis(5);
/// The time after a failed call for which a plugin stays in the slow lane.
const SLOW_FOR: Duration = Duration::from_secs(60);

pub(super) struct Runner {
    pub(super) core: Arc<Core>,
    pub(super) book: Arc<Book>,
    pub(super) registry: Arc<Registry>,
    pub(super) generation: Box<Generation>,
    pub(super) guest: Option<Box<dyn Guest>>,
    /// The work that the instance was handed since the last commit.
    pub(super) kept: Kept,
    /// The way back to a working instance, after a call failed.
    pub(super) recovery: Option<Recovery>,
    /// The generation gets nothing any more.
    pub(super) given_up: bool,
    /// The generation was given up, and is being tried again.
    pub(super) is_retried: bool,
    /// A call took longer than others are to wait, and has not failed yet with all the time that it has.
    pub(super) is_late: bool,
    pub(super) strikes: Strikes,
    pub(super) dead: DeadRate,
    /// The latest error, for dead letters and for the reason of giving up.
    pub(super) error: Reason,
    /// The time of the last commit, or of the beginning.
    pub(super) flushed: Instant,
    pub(super) share: Share,
    /// A swap was ordered, and has to wait.
    pub(super) swap_waits: bool,
    /// No instance is made before this.
    pub(super) not_before: Option<Instant>,
    pub(super) slow_until: Option<Instant>,
    /// The guest is called for what is left, and for nothing else.
    pub(super) is_paused: bool,
    /// The answer to the order to pause, until nothing is left.
    pub(super) on_pause: Option<Box<dyn FnOnce() + Send>>,
    pub(super) stopping: Option<Stopping>,
    pub(super) ended: bool,
    /// The plugin has committed calls or moments.
    pub(super) has_committed: bool,
    pub(super) tell: Tell,
}

/// The end of a worker: it works off what waits, over as many turns as that takes.
pub(super) struct Stopping {
    pub(super) until: Instant,
    pub(super) answer: Box<dyn FnOnce() + Send>,
    pub(super) is_flushed: bool,
}

impl Runner {
    pub(super) fn new(
        core: Arc<Core>,
        book: Arc<Book>,
        registry: Arc<Registry>,
        generation: Box<Generation>,
        worker: Weak<Worker>,
        tell: Tell,
    ) -> Self {
        go_live(&generation, &book, worker);
        let now = Instant::now();
        Self {
            core,
            book,
            registry,
            kept: Kept::new(generation.budget()),
            generation,
            guest: None,
            recovery: None,
            given_up: false,
            is_retried: false,
            is_late: false,
            strikes: Strikes::default(),
            dead: DeadRate::default(),
            error: Reason { message: String::new(), what_to_do: String::new() },
            flushed: now,
            share: Share::new(now, share::OF_PLUGIN),
            swap_waits: false,
            not_before: None,
            slow_until: None,
            is_paused: false,
            on_pause: None,
            stopping: None,
            ended: false,
            has_committed: false,
            tell,
        }
    }

    /// Works for a while. Returns the time at which the next turn is due without anything new; none if never.
    pub(super) fn turn(&mut self, worker: &Arc<Worker>, lane: Lane) -> Option<Instant> {
        let (began, cpu) = (Instant::now(), thread_cpu_time());
        let may_run = self.share.may_run(began);
        self.follow_orders(worker, may_run, lane);
        if self.ended {
            return None;
        }
        worker.queue.set_overflow(match () {
            () if self.given_up => Overflow::Quarantined,
            () if !may_run => Overflow::Throttled,
            () => Overflow::Full,
        });
        let mut is_done = false;
        // When the host ends, each has all the time that is left; a plugin that is removed has its share.
        if may_run || (self.stopping.is_some() && worker.pool.is_hurried()) {
            while began.elapsed() < TURN && (lane == Lane::Slow || self.lane() == Lane::Fast) && !is_done {
                is_done = !self.step(worker);
            }
            // After the calls that have finished, and where an `init` that takes long delays no other plugin.
            if lane == Lane::Slow && !self.is_paused {
                self.fill();
            }
        }
        if let Some(stopping) = self.stopping.take_if(|stopping| is_done || Instant::now() >= stopping.until) {
            let _ = caught(Place::Worker, || self.end(worker));
            self.ended = true;
            (stopping.answer)();
        }
        if self.given_up || self.has_nothing(worker) {
            self.tell_paused();
        }
        self.settle(worker, thread_cpu_time().saturating_sub(cpu))
    }

    /// Books what the turn has used. Returns the time of the next turn.
    fn settle(&mut self, worker: &Worker, used: Duration) -> Option<Instant> {
        let now = Instant::now();
        self.share.charge(now, used);
        let usage = &self.book.usage;
        Usage::add(&usage.cpu_nanos, used.as_nanos() as u64);
        usage.queued.store(worker.queue.calls(), Ordering::Relaxed);
        usage.memory.store(self.guest.as_ref().map_or(0, |guest| guest.memory()) as u64, Ordering::Relaxed);
        usage.period_millis.store(self.period().as_millis() as u64, Ordering::Relaxed);
        if self.has_nothing(worker) {
            usage.waiting_since.store(0, Ordering::Relaxed);
        } else if usage.waiting_since.load(Ordering::Relaxed) == 0 {
            usage.waiting_since.store(self.unix() / 1_000_000, Ordering::Relaxed);
        }
        worker.rank.is_slow.store(self.lane() == Lane::Slow, Ordering::Relaxed);
        worker.rank.has_committed.store(self.has_committed, Ordering::Relaxed);
        worker.rank.debt.store(self.share.debt(), Ordering::Relaxed);
        if self.swap_waits && !self.ended {
            return Some(self.share.next_run(now).unwrap_or(now));
        }
        if self.ended || (self.given_up && self.stopping.is_none()) {
            return None;
        }
        if self.is_paused && self.stopping.is_none() && self.recovery.is_none() && self.has_nothing(worker) {
            return None;
        }
        if let Some(stopping) = &self.stopping {
            let next = self.not_before.unwrap_or(now).min(now + TURN);
            let share = self.share.next_run(now).filter(|_| !worker.pool.is_hurried());
            return Some(share.unwrap_or(next).min(stopping.until));
        }
        let has_work = self.recovery.is_some()
            || self.guest.is_none()
            || !worker.queue.is_empty()
            || (self.is_paused && !self.kept.is_empty());
        let next = if has_work { self.not_before.unwrap_or(now) } else { self.flushed + self.period() };
        let next = self.generation.next_fill().map_or(next, |fill| fill.min(next));
        Some(self.share.next_run(now).map_or(next, |later| later.max(next)))
    }

    /// The threads on which it delays no plugin that is in good health.
    fn lane(&self) -> Lane {
        let is_slow = self.recovery.is_some()
            || self.guest.is_none()
            || self.swap_waits
            || self.slow_until.is_some_and(|until| Instant::now() < until)
            || self.generation.next_fill().is_some_and(|at| at <= Instant::now());
        if is_slow { Lane::Slow } else { Lane::Fast }
    }

    fn period(&self) -> Duration {
        self.generation.settings.period
    }

    /// Makes the starters' instances that are missing.
    fn fill(&mut self) {
        if !self.given_up
            && self.stopping.is_none()
            && let Err(error) = self.generation.fill(Instant::now() + TURN, self.unix())
        {
            self.report(&error, "calls are started with the instances that are left, and others are tried later");
        }
    }

    /// Does one thing that is due. Returns false if nothing is.
    fn step(&mut self, worker: &Worker) -> bool {
        if self.given_up || self.not_before.is_some_and(|at| Instant::now() < at) {
            return false;
        }
        if let Some(recovery) = &self.recovery {
            let step = recovery.step();
            self.recover(step);
            return true;
        }
        if self.guest.is_none() {
            if (self.stopping.is_some() || self.is_paused) && self.has_nothing(worker) {
                return false;
            }
            self.begin();
            return true;
        }
        if self.kept.is_half_full() {
            self.flush(Cause::Early);
        } else if self.stopping.is_none() && !self.is_paused && self.flushed.elapsed() >= self.period() {
            self.flush(Cause::Period);
        } else if let Some(work) = worker.queue.pop() {
            self.hand_over(work);
        } else if self.stopping.as_ref().is_some_and(|stopping| !stopping.is_flushed) {
            let is_flushed = self.flush(Cause::Shutdown);
            if let Some(stopping) = &mut self.stopping {
                stopping.is_flushed = is_flushed;
            }
        } else if self.stopping.is_none() && self.is_paused && !self.kept.is_empty() {
            self.flush(Cause::Early);
        } else {
            return false;
        }
        true
    }

    /// Nothing waits, and nothing that was handed over is uncommitted.
    fn has_nothing(&self, worker: &Worker) -> bool {
        self.kept.is_empty() && worker.queue.is_empty()
    }

    /// Makes the first instance.
    fn begin(&mut self) {
        match self.generation.instance(&self.registry, self.unix()) {
            Ok(guest) => self.guest = Some(guest),
            Err(error) => {
                self.recovery = Some(Recovery::new(self.kept.segments()));
                self.restart_failed(&error);
            }
        }
    }

    /// Hands calls or moments to the instance, and keeps them until they are committed.
    fn hand_over(&mut self, work: Work) {
        if matches!(work, Work::Moments(_)) && !self.generation.follows_streams() {
            return self.book.account.drop_pending_moments(DropReason::Swap, work.len() as u64);
        }
        self.kept.push(work.slice(0..work.len()));
        match self.call(work) {
            Ok(()) => {}
            Err(error) => self.failed(&error),
        }
    }

    /// One call into the instance.
    pub(super) fn call(&mut self, work: Work) -> Result<(), CallError> {
        let pace = self.pace();
        let Some(guest) = &mut self.guest else { return Ok(()) };
        guest.set_pace(pace);
        match work {
            Work::Calls(calls) => {
                guest.finish(calls)?;
                Usage::add(&self.book.usage.batches, 1);
                Ok(())
            }
            Work::Moments(moments) => guest.progress(moments),
        }
    }

    pub(super) fn pace(&self) -> Pace {
        match &self.recovery {
            Some(recovery) if recovery.is_part() => Pace::Granted,
            Some(_) => Pace::Patient,
            None if self.slow_until.is_some() => Pace::Granted,
            None => Pace::Brisk,
        }
    }

    /// Lets the instance hand over what it gathered, and makes it final. Returns true if that was done.
    pub(super) fn flush(&mut self, cause: Cause) -> bool {
        let (now, pace) = (self.unix(), self.pace());
        let Some(guest) = &mut self.guest else { return false };
        guest.set_pace(pace);
        if let Err(error) = guest.flush(cause, now, self.flushed.elapsed().as_nanos() as u64) {
            self.failed(&error);
            return false;
        }
        self.commit();
        if self.recovery.is_none() {
            self.kept.clear();
        }
        if self.slow_until.is_some_and(|until| Instant::now() >= until) {
            self.slow_until = None;
        }
        true
    }

    /// Makes final what was flushed: all that was kept, or the window of a recovery.
    fn commit(&mut self) {
        self.flushed = Instant::now();
        let tally = match &self.recovery {
            Some(recovery) => self.kept.tally(recovery.window()),
            None => self.kept.total(),
        };
        if let Some(guest) = &mut self.guest {
            guest.commit(self.core.clock.now() / 1_000_000);
        }
        self.book.account.commit(tally.calls, tally.moments);
        let usage = &self.book.usage;
        Usage::add(&usage.calls, tally.calls);
        if tally.calls + tally.moments > 0 {
            self.strikes.clear();
            usage.waiting_since.store(0, Ordering::Relaxed);
            self.has_committed = true;
        }
    }

    /// The end: what was not committed until now is lost, and counted.
    fn end(&mut self, worker: &Worker) {
        self.guest = None;
        self.tell_paused();
        self.end_recovery();
        let mut lost = self.kept.total();
        self.kept.clear();
        while let Some(work) = worker.queue.pop() {
            lost.add(&work, work.len());
        }
        self.book.account.drop_pending(DropReason::Shutdown, lost.calls);
        self.book.account.drop_pending_moments(DropReason::Shutdown, lost.moments);
    }

    /// Puts what went wrong into the plugin's book and the log.
    pub(super) fn report(&mut self, error: &CallError, meanwhile: &str) {
        let Generation { name, id, .. } = &*self.generation;
        let (message, what_to_do) = (plain::message(&error.to_string()), remedy::of_call(error));
        self.error = Reason { message: message.clone(), what_to_do: what_to_do.clone() };
        let (meanwhile, at) = (meanwhile.to_owned(), self.unix() / 1_000_000);
        self.book.report(name, *id, Problem { message, what_to_do, meanwhile, at });
    }

    pub(super) fn unix(&self) -> u64 {
        self.core.clock.unix(self.core.clock.now())
    }

    /// A failed call keeps the plugin off the threads of those in good health for a while.
    pub(super) fn slow_down(&mut self) {
        self.slow_until = Some(Instant::now() + SLOW_FOR);
    }
}
