//! One destination: its queue, its books, and what is known of it. Its lock is held for moments only.

mod lifecycle;
mod progress;

use hottap_core::lock::lock;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

use tokio::sync::Notify;

use super::account::{DropReason, Refusal, Terms};
use super::parcel::Payload;
use super::refusals::{LastRefusals, Sizes};
use super::state::{DestinationState, Problem, Queued};
use crate::config::Definition;
use hottap_core::budget::{Budget, Kind, Reservation};
use lifecycle::Ending;
pub(super) use progress::{Job, Next};

/// One destination by name, over all its definitions.
pub(super) struct Destination {
    name: Arc<str>,
    inner: Mutex<Inner>,
    /// Something happened that its worker has to look at.
    wake: Notify,
    /// Something happened that somebody may wait for.
    changed: Condvar,
}

/// Bytes that may wait for each destination whatever the others use of the memory that all plugins share: a payload of the
/// size that is taken by default, and as much again, so that neighbours' queues cost no tracer its way out.
const GUARANTEED_BYTES: usize = 2 << 20;

struct Inner {
    definition: Arc<Definition>,
    /// Counts what a pause must not outlast: changes of the definition, and the end.
    epoch: u64,
    ending: Option<Ending>,
    /// Since when it is no longer configured.
    removed: Option<Instant>,
    /// The outbox was shut down.
    closed: bool,
    /// A worker has it in its hands.
    running: bool,
    /// The first one stays here while it is under way.
    queue: VecDeque<Payload>,
    next_id: u64,
    terms: Terms,
    /// Its part of the memory that all plugins share.
    shared: Option<Reservation>,
    standing: Standing,
    problem: Option<Problem>,
    refusals: LastRefusals,
    /// What trouble was last logged, and when.
    told: Option<(Instant, Standing)>,
    /// It was logged, and its end was not.
    open: bool,
}

/// How well it does; trouble only grows until a payload is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Ok,
    /// Payloads are taken, but for some of their items.
    Partial,
    Waiting,
    Failing,
    /// Failing, and payloads were lost by it.
    Losing,
}

impl Destination {
    /// Payloads that wait in it count for the budget, if there is one.
    pub(super) fn new(name: &str, definition: Definition, budget: Option<&Budget>) -> Self {
        Self {
            name: name.into(),
            inner: Mutex::new(Inner {
                definition: Arc::new(definition),
                epoch: 0,
                ending: None,
                removed: None,
                closed: false,
                running: false,
                queue: VecDeque::new(),
                next_id: 1,
                terms: Terms::default(),
                shared: budget.map(|budget| budget.none(Kind::Outbox)),
                standing: Standing::Ok,
                problem: None,
                refusals: LastRefusals::default(),
                told: None,
                open: false,
            }),
            wake: Notify::new(),
            changed: Condvar::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of the largest payload that it takes. None if the tracer may not use it.
    pub(super) fn max_payload(&self, tracer: &str) -> Option<usize> {
        let inner = self.lock();
        let granted = inner.removed.is_none() && inner.definition.tracers.contains(tracer);
        granted.then_some(inner.definition.max_payload)
    }

    /// Reserves the space of a payload.
    pub(super) fn reserve(&self, tracer: &str, bytes: usize, cost: usize) -> Result<(), Refusal> {
        let mut inner = self.lock();
        let definition = &inner.definition;
        let occupied = inner.terms.queued_bytes.saturating_add(inner.terms.reserved_bytes);
        let refusal = if inner.removed.is_some() {
            return Err(Refusal::Unknown);
        } else if !definition.tracers.contains(tracer) {
            Refusal::Unknown
        } else if bytes > definition.max_payload {
            Refusal::TooLarge
        } else if inner.closed || (occupied > 0 && occupied.saturating_add(cost) > definition.queue) {
            // An empty queue takes any payload that is not too large: its overhead must not make it unsendable.
            Refusal::Full
        } else if inner.share(cost, occupied.saturating_add(cost) <= GUARANTEED_BYTES) {
            inner.terms.reserved_bytes += cost;
            return Ok(());
        } else {
            Refusal::Full
        };
        let definition = &inner.definition;
        let (queue, max_payload) = (definition.queue, definition.max_payload);
        inner.terms.refuse(refusal);
        inner.refusals.note(refusal, tracer, Sizes { payload: bytes, max_payload, queue });
        Err(refusal)
    }

    /// Gives reserved space back.
    pub(super) fn give_back(&self, cost: usize) {
        let mut inner = self.lock();
        inner.terms.reserved_bytes = inner.terms.reserved_bytes.saturating_sub(cost);
        inner.give_back(cost);
    }

    /// Takes a payload whose space is reserved.
    pub(super) fn accept(&self, mut payload: Payload) {
        let mut inner = self.lock();
        inner.terms.reserved_bytes = inner.terms.reserved_bytes.saturating_sub(payload.cost);
        inner.terms.accepted += 1;
        if inner.closed {
            inner.terms.drop(DropReason::Shutdown);
            inner.give_back(payload.cost);
        } else if inner.removed.is_some() && !inner.running {
            inner.terms.drop(DropReason::Removed);
            inner.give_back(payload.cost);
        } else {
            payload.id = inner.next_id;
            inner.next_id += 1;
            inner.terms.queued += 1;
            inner.terms.queued_bytes += payload.cost;
            inner.queue.push_back(payload);
        }
        drop(inner);
        self.wake.notify_one();
        self.changed.notify_all();
    }

    pub(super) fn state(&self) -> DestinationState {
        let inner = self.lock();
        let Inner { definition, terms, .. } = &*inner;
        DestinationState {
            name: self.name.to_string(),
            kind: definition.place.kind(),
            place: definition.place.to_string(),
            max_payload: definition.max_payload,
            state: match (inner.closed, inner.removed, inner.standing) {
                (true, ..) => "stopped",
                (_, Some(_), _) => "removed",
                (.., Standing::Ok) => "ok",
                (.., Standing::Partial) => "partial",
                (.., Standing::Waiting) => "waiting",
                (.., Standing::Failing | Standing::Losing) => "failing",
            },
            accepted: terms.accepted,
            delivered: terms.delivered,
            items_refused: terms.items_refused,
            queued: Queued { payloads: terms.queued, bytes: terms.queued_bytes },
            dropped: terms.dropped(),
            refused: terms.refused(),
            refusals: inner.refusals.by_reason(),
            retries: terms.retries,
            last_error: inner.problem.clone(),
            tracers: definition.tracers.clone(),
        }
    }

    /// Waits until the state is as wanted. None if it is not in time.
    #[cfg(test)]
    pub(super) fn wait(
        &self,
        patience: std::time::Duration,
        wanted: impl Fn(&DestinationState) -> bool,
    ) -> Option<DestinationState> {
        let until = Instant::now() + patience;
        let mut inner = self.lock();
        loop {
            drop(inner);
            let state = self.state();
            if wanted(&state) {
                return Some(state);
            }
            inner = self.lock();
            let left = until.checked_duration_since(Instant::now())?;
            // What changed between the two locks is seen a moment later.
            inner = self.changed.wait_timeout(inner, left.min(std::time::Duration::from_millis(5))).ok()?.0;
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let result = change(&mut self.lock());
        self.wake.notify_one();
        self.changed.notify_all();
        result
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

impl Inner {
    /// Takes a part of the memory that all plugins share. Returns false if there is none.
    fn share(&mut self, cost: usize, is_guaranteed: bool) -> bool {
        self.shared.as_mut().is_none_or(|shared| shared.take(cost as u64, is_guaranteed))
    }

    fn give_back(&mut self, cost: usize) {
        if let Some(shared) = &mut self.shared {
            shared.shrink(cost as u64);
        }
    }

    /// Takes the payload out of the queue; false if somebody has dropped it meanwhile.
    fn settle(&mut self, id: u64) -> bool {
        if self.queue.front().is_none_or(|payload| payload.id != id) {
            return false;
        }
        self.pop().is_some()
    }

    /// Takes the first payload out of the queue and of what it counts for.
    fn pop(&mut self) -> Option<Payload> {
        let payload = self.queue.pop_front()?;
        self.terms.queued -= 1;
        self.terms.queued_bytes = self.terms.queued_bytes.saturating_sub(payload.cost);
        self.give_back(payload.cost);
        Some(payload)
    }

    fn give_up(&mut self, reason: DropReason) {
        while self.pop().is_some() {
            self.terms.drop(reason);
        }
    }
}
