//! One live plugin: its queue, its instance, and the turns in which it works them off.

mod kept;
mod orders;
mod recovery;
mod replay;
mod runner;

use hottap_core::lock::lock;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::books::Book;
use super::generation::{Generation, GenerationId};
use super::pool::{Handle, Lane};
use crate::metrics::Registry;
use hottap_core::collect::{Inbox, Queue};
use hottap_core::live::Shown;
use hottap_core::panics::{Panic, Place, caught};
use hottap_core::tracer::Core;
pub(crate) use orders::{Order, Takeover};
pub use recovery::{Fault, Recovery, Segment, Step};
use runner::Runner;

/// The phases of a worker: it waits for a thread, has one, or got something new while it had one.
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
    rank: Rank,
    pool: Handle,
}

/// The order in which workers that are ready get their turns, and on which threads.
#[derive(Default)]
struct Rank {
    is_slow: AtomicBool,
    has_committed: AtomicBool,
    /// Nanoseconds of CPU that it has used beyond what it has earned.
    debt: AtomicU64,
}

/// A turn for the better or worse, of which the supervisor is told.
#[derive(Debug)]
pub(crate) enum Change {
    /// The generation gets nothing any more until it is tried again or replaced. What was not committed is kept.
    GivenUp(GenerationId, Reason),
    /// A generation that was tried again has committed what was kept.
    Recovered(GenerationId),
}

/// The reason for giving a generation up.
#[derive(Clone, Debug)]
pub(crate) struct Reason {
    pub(crate) message: String,
    pub(crate) what_to_do: String,
}

/// The way to tell the supervisor. Called on a thread of the pool, within a turn; it must not block.
pub(crate) type Tell = Box<dyn Fn(Change) + Send>;

impl Worker {
    pub(crate) fn new(
        core: Arc<Core>,
        book: Arc<Book>,
        registry: Arc<Registry>,
        generation: Box<Generation>,
        pool: Handle,
        tell: Tell,
    ) -> Arc<Self> {
        Arc::new_cyclic(|worker| Self {
            queue: Queue::new(book.account.clone(), generation.budget()),
            shown: Mutex::new(generation.shown()),
            orders: Mutex::default(),
            runner: Mutex::new(Runner::new(core, book, registry, generation, worker.clone(), tell)),
            phase: AtomicU8::new(phase::IDLE),
            // The first instance is made where it delays no other plugin.
            rank: Rank { is_slow: AtomicBool::new(true), ..Rank::default() },
            pool,
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

    /// Marks the worker as ready. Returns true if the caller has to schedule it.
    pub(crate) fn is_wanted(&self) -> bool {
        let before = self.phase.fetch_update(Ordering::AcqRel, Ordering::Acquire, |phase| match phase {
            phase::IDLE => Some(phase::QUEUED),
            phase::RUNNING => Some(phase::AGAIN),
            _ => None,
        });
        before == Ok(phase::IDLE)
    }

    /// The threads that are to give it its next turn.
    pub(crate) fn lane(&self) -> Lane {
        if self.rank.is_slow.load(Ordering::Relaxed) { Lane::Slow } else { Lane::Fast }
    }

    /// Among workers that are ready, the one with the least gets the next turn: the one that has used less CPU time; on the
    /// fast lane those that have committed come before those that never have.
    pub(crate) fn precedence(&self, lane: Lane) -> (bool, u64) {
        let is_new = lane == Lane::Fast && !self.rank.has_committed.load(Ordering::Relaxed);
        (is_new, self.rank.debt.load(Ordering::Relaxed))
    }

    /// One turn on a thread of the pool.
    pub(crate) fn turn(self: &Arc<Self>, lane: Lane) {
        self.phase.store(phase::RUNNING, Ordering::Release);
        let next = lock(&self.runner).turn(self, lane);
        self.rest(next);
    }

    /// The end of a turn in which the host panicked: the tracer is named, and its generation given up.
    pub(crate) fn panicked(self: &Arc<Self>, panic: Panic) {
        let next = caught(Place::Worker, || lock(&self.runner).panicked(panic));
        // Orders that it had not come to are carried out all the same.
        let waits = || (!lock(&self.orders).is_empty()).then(Instant::now);
        self.rest(next.ok().flatten().or_else(waits));
    }

    /// Ends a turn; the next one is asked for at `next`, if not before.
    fn rest(self: &Arc<Self>, next: Option<Instant>) {
        // Schedule before releasing the phase: a later turn must not have its wake-up overwritten.
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

#[cfg(test)]
mod tests;
