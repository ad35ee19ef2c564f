//! One live plugin: its queue, its instance, and the turns in which it works them off.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::books::{Book, Problem, Usage};
use super::breaker;
use super::generation::Generation;
use super::pool::Handle;
use super::remedy;
use super::share::Share;
use crate::collect::{DropReason, Inbox, Moments, Queue, View, Work};
use crate::metrics::Registry;
use crate::rpc::Clock;
use crate::tracer::{Core, Shown};
use crate::wasm::{CallError, Cause, Guest, thread_cpu_time};

/// How long a plugin may work before the others get their turn.
const TURN: Duration = Duration::from_millis(5);
/// How long after an instance could not be made the next try comes.
const RETRY: Duration = Duration::from_secs(1);
/// Calls and moments without a commit after which an early flush comes: they are what a trap would lose.
const EARLY: u64 = 32_768;

/// What a worker is told besides the calls and moments.
pub(crate) enum Order {
    /// Flush, commit, and go on with another generation. Answered when it is live, or with the reason why it is not;
    /// then the old one goes on.
    Swap(Box<Generation>, Box<dyn FnOnce(Result<(), CallError>) + Send>),
    /// Work off what waits until the given time, flush, commit, end.
    Stop(Instant, Box<dyn FnOnce() + Send>),
}

/// Whether a worker is waiting for a thread, and whether something came while it had one.
mod phase {
    pub(super) const IDLE: u8 = 0;
    pub(super) const QUEUED: u8 = 1;
    pub(super) const RUNNING: u8 = 2;
    pub(super) const AGAIN: u8 = 3;
}

/// A live plugin. Shared by the collector, which fills its queue, and the pool, which gives it turns.
pub(crate) struct Worker {
    queue: Queue,
    shown: Mutex<Shown>,
    orders: Mutex<VecDeque<Order>>,
    runner: Mutex<Runner>,
    phase: AtomicU8,
    pool: Handle,
}

struct Runner {
    core: Arc<Core>,
    book: Arc<Book>,
    registry: Arc<Registry>,
    generation: Box<Generation>,
    guest: Option<Box<dyn Guest>>,
    /// Calls that the instance has seen since the last commit.
    uncommitted: u64,
    /// Moments that it has seen since then.
    uncommitted_moments: u64,
    flushed: Instant,
    share: Share,
    /// No instance before this.
    not_before: Option<Instant>,
    ended: bool,
}

impl Worker {
    pub(crate) fn new(
        core: Arc<Core>,
        book: Arc<Book>,
        registry: Arc<Registry>,
        generation: Box<Generation>,
        pool: Handle,
    ) -> Arc<Self> {
        let now = Instant::now();
        Arc::new_cyclic(|worker| {
            go_live(&generation, &book, worker.clone());
            Self {
                queue: Queue::new(book.account.clone()),
                shown: Mutex::new(generation.shown()),
                orders: Mutex::default(),
                runner: Mutex::new(Runner {
                    core,
                    book,
                    registry,
                    generation,
                    guest: None,
                    uncommitted: 0,
                    uncommitted_moments: 0,
                    flushed: now,
                    share: Share::new(now),
                    not_before: None,
                    ended: false,
                }),
                phase: AtomicU8::new(phase::IDLE),
                pool,
            }
        })
    }

    pub(crate) fn order(self: &Arc<Self>, order: Order) {
        lock(&self.orders).push_back(order);
        self.schedule();
    }

    /// Asks for a turn, unless one is coming anyway.
    pub(crate) fn schedule(self: &Arc<Self>) {
        if self.is_wanted() {
            self.pool.run(self.clone());
        }
    }

    /// There is cause for a turn. True if none is coming anyway: then whoever asks sees to it.
    pub(crate) fn is_wanted(&self) -> bool {
        let before = self.phase.fetch_update(Ordering::AcqRel, Ordering::Acquire, |phase| match phase {
            phase::IDLE => Some(phase::QUEUED),
            phase::RUNNING => Some(phase::AGAIN),
            _ => None,
        });
        before == Ok(phase::IDLE)
    }

    /// One turn on a thread of the pool.
    pub(crate) fn turn(self: &Arc<Self>) {
        self.phase.store(phase::RUNNING, Ordering::Release);
        let next = lock(&self.runner).turn(self);
        // Before anybody else may give it a turn, whose word counts then.
        self.pool.wake(self, next);
        if self.phase.compare_exchange(phase::RUNNING, phase::IDLE, Ordering::AcqRel, Ordering::Acquire).is_err() {
            self.phase.store(phase::QUEUED, Ordering::Release);
            self.pool.run(self.clone());
        }
    }
}

impl Inbox for Worker {
    fn queue(&self) -> &Queue {
        &self.queue
    }

    fn shown(&self) -> Shown {
        lock(&self.shown).clone()
    }

    fn ready(self: Arc<Self>) {
        self.schedule();
    }
}

impl Runner {
    fn turn(&mut self, worker: &Arc<Worker>) -> Option<Instant> {
        let (began, cpu) = (Instant::now(), thread_cpu_time());
        while let Some(order) = { lock(&worker.orders).pop_front() } {
            match order {
                Order::Swap(generation, answer) => answer(self.swap(worker, generation)),
                Order::Stop(until, answer) => {
                    self.stop(worker, until);
                    answer();
                }
            }
        }
        if self.ended {
            return None;
        }
        if let Err(error) = self.generation.fill(self.unix()) {
            self.report(&error, "calls are started with the instances that are left");
        }
        let throttled = !self.share.may_run(began);
        worker.queue.set_throttled(throttled);
        if !throttled {
            while began.elapsed() < TURN
                && let Some(work) = worker.queue.pop()
            {
                self.work(work);
            }
            if self.flushed.elapsed() >= self.period() {
                self.flush(Cause::Period);
            } else if self.uncommitted + self.uncommitted_moments >= EARLY {
                self.flush(Cause::Early);
            }
        }
        let used = thread_cpu_time().saturating_sub(cpu);
        let now = Instant::now();
        self.share.charge(now, used);
        let usage = &self.book.usage;
        Usage::add(&usage.cpu_nanos, used.as_nanos() as u64);
        usage.queued.store(worker.queue.calls(), Ordering::Relaxed);
        usage.memory.store(self.guest.as_ref().map_or(0, |guest| guest.memory()) as u64, Ordering::Relaxed);
        let due = self.flushed + self.period();
        Some(match self.share.next_run(now) {
            Some(later) => later,
            None if worker.queue.is_empty() => due,
            None => now,
        })
    }

    fn period(&self) -> Duration {
        self.generation.settings.period
    }

    /// Hands calls or moments to the instance; makes one if there is none.
    fn work(&mut self, work: Work) {
        if let Err(error) = self.ready() {
            self.drop_work(&work, DropReason::Instance);
            if let Some(error) = error {
                self.report(&error, "its calls are dropped and counted; a new instance is tried every second");
            }
            return;
        }
        match work {
            Work::Calls(calls) => self.finish(calls),
            Work::Moments(_) if !self.generation.follows_streams() => self.drop_work(&work, DropReason::Swap),
            Work::Moments(moments) => self.progress(moments),
        }
    }

    fn finish(&mut self, calls: View) {
        let count = calls.len() as u64;
        let Some(guest) = &mut self.guest else { return };
        match guest.finish(calls) {
            Ok(()) => {
                self.uncommitted += count;
                Usage::add(&self.book.usage.calls, count);
                Usage::add(&self.book.usage.batches, 1);
            }
            Err(error) => self.failed(&error, count, 0),
        }
    }

    fn progress(&mut self, moments: Moments) {
        let count = moments.len() as u64;
        let Some(guest) = &mut self.guest else { return };
        match guest.progress(moments) {
            Ok(()) => self.uncommitted_moments += count,
            Err(error) => self.failed(&error, 0, count),
        }
    }

    /// Books what the instance will not get.
    fn drop_work(&self, work: &Work, reason: DropReason) {
        match work {
            Work::Calls(calls) => self.book.account.drop_pending(reason, calls.len() as u64),
            Work::Moments(moments) => self.book.account.drop_pending_moments(reason, moments.len() as u64),
        }
    }

    /// Sees to it that there is an instance. An error without a reason: it is too early to try again.
    fn ready(&mut self) -> Result<(), Option<CallError>> {
        if self.guest.is_some() {
            return Ok(());
        }
        let now = Instant::now();
        if self.not_before.is_some_and(|not_before| now < not_before) {
            return Err(None);
        }
        match self.generation.instance(&self.registry, self.unix()) {
            Ok(guest) => {
                self.guest = Some(guest);
                self.not_before = None;
                Ok(())
            }
            Err(error) => {
                self.not_before = Some(now + RETRY);
                Err(Some(error))
            }
        }
    }

    /// Lets the instance hand over what it gathered, and makes it final. True if that was done.
    fn flush(&mut self, cause: Cause) -> bool {
        let elapsed = std::mem::replace(&mut self.flushed, Instant::now()).elapsed();
        if let Err(Some(error)) = self.ready() {
            self.report(&error, "a new instance is tried every second");
        }
        let now = self.unix();
        let Some(guest) = &mut self.guest else { return false };
        if let Err(error) = guest.flush(cause, now, elapsed.as_nanos() as u64) {
            self.failed(&error, 0, 0);
            return false;
        }
        guest.commit(self.core.clock.now() / 1_000_000);
        let calls = std::mem::take(&mut self.uncommitted);
        self.book.account.commit(calls, std::mem::take(&mut self.uncommitted_moments));
        true
    }

    /// The instance is gone, and with it what was not committed, these calls and moments included.
    fn failed(&mut self, error: &CallError, calls: u64, moments: u64) {
        self.guest = None;
        let lost = std::mem::take(&mut self.uncommitted) + calls;
        self.book.account.drop_pending(DropReason::Trap, lost);
        let lost = std::mem::take(&mut self.uncommitted_moments) + moments;
        self.book.account.drop_pending_moments(DropReason::Trap, lost);
        Usage::add(&self.book.usage.traps, 1);
        self.report(error, "the calls since its last flush are dropped and counted; a new instance goes on");
    }

    fn report(&self, error: &CallError, meanwhile: &str) {
        let Generation { name, id, .. } = &*self.generation;
        let (message, what_to_do) = (error.to_string(), remedy::of_call(error));
        let (meanwhile, at) = (meanwhile.to_owned(), self.unix() / 1_000_000);
        self.book.report(name, *id, Problem { message, what_to_do, meanwhile, at });
    }

    fn unix(&self) -> u64 {
        self.core.clock.unix(self.core.clock.now())
    }

    /// At a batch boundary: the old generation flushes and commits, the new one gets its state.
    fn swap(&mut self, worker: &Arc<Worker>, generation: Box<Generation>) -> Result<(), CallError> {
        if self.guest.is_some() {
            self.flush(Cause::Swap);
        }
        if let Some(saved) = self.generation.state.get() {
            generation.state.set(saved);
        }
        let guest = generation.instance(&self.registry, self.unix())?;
        self.book.succeed(Some(self.generation.id), generation.id);
        go_live(&generation, &self.book, Arc::downgrade(worker));
        *lock(&worker.shown) = generation.shown();
        self.guest = Some(guest);
        self.generation = generation;
        self.not_before = None;
        Ok(())
    }

    /// The last turn. A tracer that fails in it gets no more calls: one that spins must not use up the time of those
    /// that come after it.
    fn stop(&mut self, worker: &Worker, until: Instant) {
        let traps = self.book.usage.traps.load(Ordering::Relaxed);
        while Instant::now() < until
            && self.book.usage.traps.load(Ordering::Relaxed) == traps
            && let Some(work) = worker.queue.pop()
        {
            self.work(work);
        }
        if self.guest.is_some() {
            self.flush(Cause::Shutdown);
        }
        while let Some(work) = worker.queue.pop() {
            self.drop_work(&work, DropReason::Shutdown);
        }
        self.guest = None;
        self.ended = true;
        self.book.usage.memory.store(0, Ordering::Relaxed);
        self.book.usage.queued.store(0, Ordering::Relaxed);
    }
}

/// Has the generation's starters count in the book, say there what went wrong, and ask for a turn of the worker, which
/// makes the instances that are missing.
fn go_live(generation: &Generation, book: &Arc<Book>, worker: Weak<Worker>) {
    let Some(starts) = &generation.starts else { return };
    let (name, id, clock) = (generation.name.clone(), generation.id, Clock::get());
    let told = book.clone();
    starts.go_live(
        book.starts.clone(),
        Box::new(move |error, cause| {
            let (message, what_to_do) = match (error, cause) {
                (Some(error), _) => (error.to_string(), remedy::of_call(&error)),
                (None, Some(breaker::Cause::Average(nanos))) => {
                    let message = format!("start takes {:.0} µs on average, and may take 50", nanos / 1e3);
                    (message, "move work into finish".to_owned())
                }
                (None, _) => ("start failed too often".to_owned(), "mend the tracer".to_owned()),
            };
            let meanwhile = match cause {
                Some(_) => "start is suspended for some time, its finish goes on, and no RPC fails",
                None => "the RPC went on without it",
            };
            let (meanwhile, at) = (meanwhile.to_owned(), clock.unix(clock.now()) / 1_000_000);
            told.report(&name, id, Problem { message, what_to_do, meanwhile, at });
            if let Some(worker) = worker.upgrade() {
                worker.schedule();
            }
        }),
    );
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
