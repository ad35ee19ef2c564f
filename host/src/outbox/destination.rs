//! One destination: its queue, its books, and what is known of it. Its lock is held for moments only.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use tokio::time::timeout_at;

use super::account::{DropReason, Refusal, Terms};
use super::parcel::Payload;
use super::state::{DestinationState, Fault, Problem, Queued};
use crate::config::{Definition, Place};

/// The largest payload of a datagram: 65,535 less the headers of IPv4 and UDP.
const MAX_DATAGRAM: usize = 65_507;

/// One destination by name, over all its definitions.
pub(super) struct Destination {
    name: Arc<str>,
    inner: Mutex<Inner>,
    /// Something happened that its worker has to look at.
    wake: Notify,
    /// Something happened that somebody may wait for.
    changed: Condvar,
}

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
    standing: Standing,
    problem: Option<Problem>,
}

/// What is still done with what waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    /// What the rest is dropped as.
    pub(super) reason: DropReason,
    pub(super) until: Instant,
    /// Whether what failed is tried again until then.
    pub(super) retries: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Ok,
    Waiting,
    Failing,
}

/// What a worker does next.
pub(super) enum Next {
    /// Wait to be woken.
    Nothing,
    /// Leave: another worker starts if there is ever something to do again.
    Ended,
    Deliver(Job),
}

/// One payload to try.
pub(super) struct Job {
    pub(super) payload: Payload,
    pub(super) definition: Arc<Definition>,
    pub(super) epoch: u64,
    pub(super) ending: Option<Ending>,
}

impl Destination {
    pub(super) fn new(name: &str, definition: Definition) -> Self {
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
                standing: Standing::Ok,
                problem: None,
            }),
            wake: Notify::new(),
            changed: Condvar::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Reserves the space of a payload.
    pub(super) fn reserve(&self, tracer: &str, bytes: usize, cost: usize) -> Result<(), Refusal> {
        let mut inner = self.lock();
        let definition = &inner.definition;
        let most = match definition.place {
            Place::Udp { .. } => definition.max_payload.min(MAX_DATAGRAM),
            _ => definition.max_payload,
        };
        let occupied = inner.terms.queued_bytes.saturating_add(inner.terms.reserved_bytes);
        let refusal = if inner.removed.is_some() {
            return Err(Refusal::Unknown);
        } else if !definition.tracers.contains(tracer) {
            Refusal::Unknown
        } else if bytes > most {
            Refusal::TooLarge
        } else if inner.closed || (occupied > 0 && occupied.saturating_add(cost) > definition.queue) {
            // An empty queue takes any payload that is not too large: its overhead must not make it unsendable.
            Refusal::Full
        } else {
            inner.terms.reserved_bytes += cost;
            return Ok(());
        };
        inner.terms.refuse(refusal);
        Err(refusal)
    }

    /// Gives reserved space back.
    pub(super) fn give_back(&self, cost: usize) {
        let mut inner = self.lock();
        inner.terms.reserved_bytes = inner.terms.reserved_bytes.saturating_sub(cost);
    }

    /// Takes a payload whose space is reserved.
    pub(super) fn accept(&self, mut payload: Payload) {
        let mut inner = self.lock();
        inner.terms.reserved_bytes = inner.terms.reserved_bytes.saturating_sub(payload.cost);
        inner.terms.accepted += 1;
        if inner.closed {
            inner.terms.drop(DropReason::Shutdown);
        } else if inner.removed.is_some() && !inner.running {
            inner.terms.drop(DropReason::Removed);
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

    /// Gives it a definition; what waits goes to the new place. True if a worker has to be started.
    pub(super) fn define(&self, definition: Definition) -> bool {
        self.change(|inner| {
            let back = inner.removed.take().is_some();
            if back {
                inner.ending = None;
            }
            if *inner.definition != definition || back {
                inner.definition = Arc::new(definition);
                inner.standing = Standing::Ok;
                inner.epoch += 1;
            }
            !inner.running
        })
    }

    /// It is no longer configured: what waits is tried once more, within one timeout altogether.
    pub(super) fn remove(&self, now: Instant) {
        self.change(|inner| {
            if inner.removed.is_none() {
                let until = now + inner.definition.timeout;
                inner.removed = Some(now);
                inner.ending = Some(Ending { reason: DropReason::Removed, until, retries: false });
                inner.epoch += 1;
            }
            if !inner.running {
                inner.give_up(DropReason::Removed);
            }
        });
    }

    /// The host shuts down: what waits is tried until then.
    pub(super) fn stop(&self, until: Instant) {
        self.change(|inner| {
            inner.ending = Some(match inner.ending {
                Some(ending) => Ending { until: until.min(ending.until), ..ending },
                None => Ending { reason: DropReason::Shutdown, until, retries: true },
            });
            inner.epoch += 1;
        });
    }

    /// Waits until nothing waits any more, nobody works on it, or it is time.
    pub(super) fn drained(&self, until: Instant) {
        let left = until.saturating_duration_since(Instant::now());
        drop(self.changed.wait_timeout_while(self.lock(), left, |inner| inner.running && !inner.queue.is_empty()));
    }

    /// The end: what waits is dropped, and so is what is still committed. True if nothing was lost by the shutdown.
    pub(super) fn close(&self) -> bool {
        self.change(|inner| {
            inner.closed = true;
            inner.running = false;
            inner.give_up(DropReason::Shutdown);
            !inner.terms.dropped().contains_key(DropReason::Shutdown.as_str())
        })
    }

    /// When it was removed, if it was and nothing is done with it any more.
    pub(super) fn gone(&self) -> Option<Instant> {
        let inner = self.lock();
        inner.removed.filter(|_| !inner.running && inner.terms.reserved_bytes == 0)
    }

    /// A worker is about to be started.
    pub(super) fn start(&self) {
        self.lock().running = true;
    }

    /// What its worker does next.
    pub(super) fn next(&self) -> Next {
        let next = {
            let mut inner = self.lock();
            match inner.ending {
                Some(ending) if ending.until <= Instant::now() => inner.give_up(ending.reason),
                _ => {}
            }
            match inner.queue.front() {
                Some(payload) => Next::Deliver(Job {
                    payload: payload.clone(),
                    definition: inner.definition.clone(),
                    epoch: inner.epoch,
                    ending: inner.ending,
                }),
                None if inner.removed.is_some() || inner.closed => {
                    inner.running = false;
                    Next::Ended
                }
                None => Next::Nothing,
            }
        };
        self.changed.notify_all();
        next
    }

    /// Waits to be woken. Cancel safe.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Waits, but not past a change of the definition or the beginning of the end.
    pub(super) async fn pause(&self, epoch: u64, pause: Duration) {
        let until = tokio::time::Instant::now() + pause;
        while self.lock().epoch == epoch && timeout_at(until, self.wake.notified()).await.is_ok() {}
    }

    pub(super) fn count_retry(&self) {
        self.change(|inner| inner.terms.retries += 1);
    }

    pub(super) fn delivered(&self, id: u64) {
        let recovered = self.change(|inner| {
            if inner.settle(id) {
                inner.terms.delivered += 1;
            }
            std::mem::replace(&mut inner.standing, Standing::Ok) != Standing::Ok
        });
        if recovered {
            tracing::info!(destination = self.name(), "the destination takes payloads again");
        }
    }

    pub(super) fn dropped(&self, id: u64, reason: DropReason, fault: Fault) {
        self.change(|inner| {
            if inner.settle(id) {
                inner.terms.drop(reason);
            }
        });
        self.trouble(Standing::Failing, fault);
    }

    /// A try failed, and others follow.
    pub(super) fn failed(&self, fault: Fault) {
        self.trouble(Standing::Failing, fault);
    }

    /// Something of the operator's is missing; nothing is tried until it is there.
    pub(super) fn waiting(&self, fault: Fault) {
        self.trouble(Standing::Waiting, fault);
    }

    /// Drops everything that waits.
    pub(super) fn give_up(&self, reason: DropReason) {
        self.change(|inner| inner.give_up(reason));
    }

    fn trouble(&self, standing: Standing, fault: Fault) {
        let Fault { message, what_to_do } = fault;
        let new = self.change(|inner| {
            let at_unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
            inner.problem = Some(Problem { message: message.clone(), at_unix_ms, what_to_do: what_to_do.clone() });
            std::mem::replace(&mut inner.standing, standing) != standing
        });
        // Once per change: a server that is away for an hour is one line, and the numbers are in the metrics.
        if new {
            tracing::warn!(destination = self.name(), "{message}; {what_to_do}");
        }
    }

    pub(super) fn state(&self) -> DestinationState {
        let inner = self.lock();
        let Inner { definition, terms, .. } = &*inner;
        DestinationState {
            name: self.name.to_string(),
            kind: definition.place.kind(),
            place: definition.place.to_string(),
            state: match (inner.closed, inner.removed, inner.standing) {
                (true, ..) => "stopped",
                (_, Some(_), _) => "removed",
                (.., Standing::Ok) => "ok",
                (.., Standing::Waiting) => "waiting",
                (.., Standing::Failing) => "failing",
            },
            accepted: terms.accepted,
            delivered: terms.delivered,
            queued: Queued { payloads: terms.queued, bytes: terms.queued_bytes },
            dropped: terms.dropped(),
            refused: terms.refused(),
            retries: terms.retries,
            last_error: inner.problem.clone(),
            tracers: definition.tracers.clone(),
        }
    }

    /// Waits until the state is as wanted. None if it is not in time.
    #[cfg(test)]
    pub(super) fn wait(
        &self,
        patience: Duration,
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
            inner = self.changed.wait_timeout(inner, left.min(Duration::from_millis(5))).ok()?.0;
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let result = change(&mut self.lock());
        self.wake.notify_one();
        self.changed.notify_all();
        result
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Takes the payload out of the queue; false if somebody has dropped it meanwhile.
    fn settle(&mut self, id: u64) -> bool {
        if self.queue.front().is_none_or(|payload| payload.id != id) {
            return false;
        }
        if let Some(payload) = self.queue.pop_front() {
            self.terms.queued -= 1;
            self.terms.queued_bytes = self.terms.queued_bytes.saturating_sub(payload.cost);
        }
        true
    }

    fn give_up(&mut self, reason: DropReason) {
        while let Some(payload) = self.queue.pop_front() {
            self.terms.queued -= 1;
            self.terms.queued_bytes = self.terms.queued_bytes.saturating_sub(payload.cost);
            self.terms.drop(reason);
        }
    }
}
