//! The supervisor's orders to a worker, and how they are carried out.

use std::sync::{Arc, Weak};
use std::time::Instant;

use super::recovery::{DeadRate, Recovery, Strikes};
use super::runner::{Runner, Stopping};
use super::{Worker, lock};
use crate::plugin::books::{Book, Problem};
use crate::plugin::breaker;
use crate::plugin::generation::Generation;
use crate::plugin::pool::Lane;
use crate::plugin::remedy;
use crate::plugin::share;
use crate::plugin::share::Share;
use crate::wasm::{CallError, Cause};
use hottap_core::collect::DropReason;
use hottap_core::panics::{Place, caught};
use hottap_core::plain;
use hottap_core::rpc::Clock;

/// The supervisor's word to a worker, besides the calls and moments.
pub(crate) enum Order {
    /// Flush, commit, and go on with another generation. The answer comes when it is live, with the generation before if
    /// that was in good health, or with the reason why the old one goes on.
    Swap(Box<Generation>, Takeover, Answer),
    /// Work off what waits, flush, commit, and then rest until [`Resume`](Self::Resume): the guest is not called. The answer
    /// comes once nothing is left, or if the generation is given up.
    Pause(Box<dyn FnOnce() + Send>),
    /// Flush again every period.
    Resume,
    /// Try a generation again that was given up.
    Retry,
    /// Work off what waits until the given time, flush, commit, end.
    Stop(Instant, Box<dyn FnOnce() + Send>),
}

/// The answer to a swap.
type Answer = Box<dyn FnOnce(Result<Option<Box<Generation>>, CallError>) + Send>;

/// The way in which a generation takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takeover {
    /// It succeeds the one before, and gets what that saved.
    Succession,
    /// It was live before, and gets back what it had saved itself.
    Rollback,
}

impl Runner {
    /// Carries out what was ordered. A swap makes an instance, which takes CPU time: it waits until the plugin has some, and
    /// for a thread on which it delays no other plugin.
    pub(super) fn follow_orders(&mut self, worker: &Arc<Worker>, may_run: bool, lane: Lane) {
        loop {
            let mut orders = lock(&worker.orders);
            let is_swap = matches!(orders.front(), Some(Order::Swap(..)));
            self.swap_waits = is_swap && !(may_run && lane == Lane::Slow) && !orders.iter().any(is_stop);
            if self.swap_waits {
                return;
            }
            let Some(order) = orders.pop_front() else { return };
            drop(orders);
            match order {
                // Without an answer the name could never be loaded again.
                Order::Swap(generation, takeover, answer) => {
                    match caught(Place::Worker, || self.swap(worker, generation, takeover)) {
                        Ok(result) => answer(result),
                        Err(panic) => {
                            answer(Err(CallError::Panicked(panic.clone())));
                            self.panicked(panic);
                        }
                    }
                }
                // One answer is enough: it says the same of both.
                Order::Pause(answer) => (self.is_paused, self.on_pause) = (true, Some(answer)),
                Order::Resume => {
                    self.tell_paused();
                    self.is_paused = false;
                }
                Order::Retry => self.retry(),
                Order::Stop(until, answer) => {
                    if self.ended {
                        answer();
                    } else {
                        self.stopping = Some(Stopping { until, answer, is_flushed: false });
                    }
                }
            }
        }
    }

    /// At a batch boundary: the old generation flushes and commits, the new one gets its state. What the old one could not
    /// commit is handed to the new one.
    fn swap(
        &mut self,
        worker: &Arc<Worker>,
        generation: Box<Generation>,
        takeover: Takeover,
    ) -> Result<Option<Box<Generation>>, CallError> {
        if self.guest.is_some() && self.recovery.is_none() {
            self.flush(Cause::Swap);
        }
        if takeover == Takeover::Succession
            && let Some(saved) = self.generation.state.get()
        {
            generation.state.set(saved);
        }
        let guest = generation.instance(&self.registry, self.unix())?;
        self.book.succeed(Some(self.generation.id), generation.id);
        go_live(&generation, &self.book, Arc::downgrade(worker));
        *lock(&worker.shown) = generation.shown();
        self.end_recovery();
        if !generation.follows_streams() {
            self.book.account.drop_pending_moments(DropReason::Swap, self.kept.take_moments());
        }
        let old = std::mem::replace(&mut self.generation, generation);
        let was_good = !std::mem::take(&mut self.given_up);
        self.guest = Some(guest);
        self.begin_anew();
        if !self.kept.is_empty() {
            let mut recovery = Recovery::new(self.kept.segments());
            // Its first step, a new instance, is done.
            recovery.passed();
            self.recovery = Some(recovery);
        }
        Ok(was_good.then_some(old))
    }

    /// Forgets the faults of the generation before.
    fn begin_anew(&mut self) {
        (self.strikes, self.dead) = (Strikes::default(), DeadRate::default());
        (self.not_before, self.slow_until) = (None, None);
        (self.is_retried, self.is_late) = (false, false);
        self.share = Share::new(Instant::now(), share::OF_PLUGIN);
    }

    /// Answers the order to pause, if that has not been done.
    pub(super) fn tell_paused(&mut self) {
        if let Some(answer) = self.on_pause.take() {
            answer();
        }
    }

    /// The given-up generation gets one more chance: until it has committed something, one failed call ends it.
    fn retry(&mut self) {
        if !std::mem::take(&mut self.given_up) {
            return;
        }
        (self.strikes, self.not_before) = (Strikes::last_chance(), None);
        self.recovery = Some(Recovery::new(self.kept.segments()));
        self.is_retried = true;
    }
}

fn is_stop(order: &Order) -> bool {
    matches!(order, Order::Stop(..))
}

/// Has the generation's starters count in the book, say there what went wrong, and ask for a turn of the worker, which
/// makes the instances that are missing.
pub(super) fn go_live(generation: &Generation, book: &Arc<Book>, worker: Weak<Worker>) {
    let Some(starts) = &generation.starts else { return };
    let (name, id, clock) = (generation.name.clone(), generation.id, Clock::get());
    let told = book.clone();
    starts.go_live(
        book.starts.clone(),
        Box::new(move |error, cause| {
            let (message, what_to_do) = match (error, cause) {
                (Some(error), _) => (plain::message(&error.to_string()), remedy::of_call(&error)),
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
