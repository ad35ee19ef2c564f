//! The outbox: all destinations by name, and the one thread that serves them.

use hottap_core::lock::lock;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::account::{Refusal, Refused};
use super::destination::Destination;
use super::parcel::{Parcel, Payload, cost};
use super::state::{DestinationState, Fault};
use super::worker::{self, Ways};
use crate::config::Definition;
use hottap_core::budget::Budget;

/// Removed destinations whose counts are kept. Of more, those that were removed longest ago are forgotten.
const MAX_REMOVED: usize = 64;

/// Tracers whose refused payloads are counted, as many as have an account of their calls; those of more are not.
const MAX_TRACERS: usize = 1_000;

/// The host's queues towards destinations. Cloning it is cheap, and all clones are one.
///
/// Payloads are kept in memory, within each destination's bound; what finds no space is refused, which is counted. With
/// the last clone the thread ends, and what still waits is lost: call `shutdown` before.
#[derive(Clone, Default)]
pub struct Outbox(Arc<Shared>);

#[derive(Default)]
struct Shared {
    house: Mutex<House>,
    ways: Arc<Ways>,
    /// None if what waits counts for nothing but each destination's own bound.
    budget: Option<Budget>,
}

#[derive(Default)]
struct House {
    destinations: BTreeMap<String, Arc<Destination>>,
    /// What was not taken, by tracer: a destination that is not there has no books of its own.
    refused: BTreeMap<String, Refused>,
    thread: Option<Thread>,
    closed: bool,
}

/// The thread that all destinations share.
struct Thread {
    tasks: Handle,
    stop: oneshot::Sender<()>,
    join: JoinHandle<()>,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Payloads that wait count for the budget.
    pub(crate) fn within(budget: &Budget) -> Self {
        Self(Arc::new(Shared { budget: Some(budget.clone()), ..Shared::default() }))
    }

    #[cfg(test)]
    pub(super) fn with(ways: Ways) -> Self {
        Self(Arc::new(Shared { ways: Arc::new(ways), ..Shared::default() }))
    }

    /// Makes these the destinations. One that stays as it was keeps its queue and counts; one that changed keeps its
    /// counts, and its queue goes to the new place; one that is no longer there has its queue tried once more, within
    /// one timeout, and its counts are kept in case it comes back. Does not block.
    pub(crate) fn configure(&self, mut destinations: BTreeMap<String, Definition>) {
        let now = Instant::now();
        let mut house = self.0.lock();
        if house.closed {
            return;
        }
        let mut idle = Vec::new();
        for (name, destination) in &house.destinations {
            match destinations.remove(name) {
                Some(definition) => {
                    if destination.define(definition) {
                        idle.push(destination.clone());
                    }
                }
                None => destination.remove(now),
            }
        }
        for (name, definition) in destinations {
            let destination = Arc::new(Destination::new(&name, definition, self.0.budget.as_ref()));
            idle.push(destination.clone());
            house.destinations.insert(name, destination);
        }
        house.forget();
        if idle.is_empty() {
            return;
        }
        match house.tasks() {
            Ok(tasks) => {
                for destination in idle {
                    destination.start();
                    tasks.spawn(worker::run(destination, self.0.ways.clone()));
                }
            }
            Err(error) => {
                for destination in idle {
                    destination.waiting(Fault::new(
                        format!("the outbox's thread cannot be started: {error}"),
                        "free files, memory or threads of this process, then change the configuration",
                    ));
                }
            }
        }
    }

    /// Bytes of the largest payload that a destination takes, as it is defined now. None if the tracer may not use a
    /// destination of this name.
    pub(crate) fn max_payload(&self, tracer: &str, destination: &str) -> Option<usize> {
        let destination = self.0.lock().destinations.get(destination).cloned()?;
        destination.max_payload(tracer)
    }

    /// Reserves space for a payload; it leaves when the parcel is committed. Nothing is copied, and nothing blocks.
    ///
    /// # Errors
    /// When the tracer may not use a destination of this name, when its queue is full or the outbox was shut down, or
    /// when it takes no payload of this size.
    pub(crate) fn send(
        &self,
        tracer: &str,
        destination: &str,
        content_type: &str,
        payload: Vec<u8>,
    ) -> Result<Parcel, Refusal> {
        let destination = self.0.lock().destinations.get(destination).cloned().ok_or(Refusal::Unknown)?;
        destination.reserve(tracer, payload.len(), cost(&payload))?;
        Ok(Parcel::new(destination, Payload::new(content_type, payload)))
    }

    /// Counts what a tracer could not hand over in one transaction; what is tried and not committed does not count.
    pub(crate) fn refuse(&self, tracer: &str, refused: Refused) {
        if refused != Refused::default() {
            self.0.lock().refuse(tracer, refused);
        }
    }

    /// Payloads of a tracer that no destination took, by reason.
    pub(crate) fn refused(&self, tracer: &str) -> BTreeMap<&'static str, u64> {
        self.0.lock().refused.get(tracer).map(Refused::by_reason).unwrap_or_default()
    }

    /// Delivers what is queued, but not longer than `until`; what is left is dropped and counted, and so is what is
    /// committed later. Blocks until then at most. True if nothing was dropped for it.
    pub(crate) fn shutdown(&self, until: Instant) -> bool {
        let (destinations, thread) = {
            let mut house = self.0.lock();
            house.closed = true;
            (house.destinations.values().cloned().collect::<Vec<_>>(), house.thread.take())
        };
        destinations.iter().for_each(|destination| destination.stop(until));
        destinations.iter().for_each(|destination| destination.drained(until));
        let lost = destinations.iter().filter(|destination| !destination.close()).count();
        if let Some(thread) = thread {
            let _ = thread.stop.send(());
            // It only leaves its loop: what blocks is on other threads, which it does not wait for.
            let _ = thread.join.join();
        }
        lost == 0
    }

    /// What is known of each destination, by name.
    pub(crate) fn states(&self) -> Vec<DestinationState> {
        let destinations: Vec<_> = self.0.lock().destinations.values().cloned().collect();
        destinations.iter().map(|destination| destination.state()).collect()
    }

    #[cfg(test)]
    pub(super) fn destination(&self, name: &str) -> Option<Arc<Destination>> {
        self.0.lock().destinations.get(name).cloned()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, House> {
        lock(&self.house)
    }
}

impl House {
    /// Where tasks are started; starts the thread if there is none.
    fn tasks(&mut self) -> io::Result<Handle> {
        if let Some(thread) = &self.thread {
            return Ok(thread.tasks.clone());
        }
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let tasks = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let join = std::thread::Builder::new().name("hottap-outbox".into()).spawn(move || {
            // An error means that the outbox is gone: that is the end as well.
            let _ = runtime.block_on(stopped);
            // A file or a pipe that hangs must not hang the service's end.
            runtime.shutdown_background();
        })?;
        self.thread = Some(Thread { tasks: tasks.clone(), stop, join });
        Ok(tasks)
    }

    fn refuse(&mut self, tracer: &str, more: Refused) {
        if let Some(refused) = self.refused.get_mut(tracer) {
            refused.add(more);
        } else if self.refused.len() < MAX_TRACERS {
            self.refused.insert(tracer.to_owned(), more);
        }
    }

    fn forget(&mut self) {
        let gone: BTreeMap<Instant, String> = self
            .destinations
            .iter()
            .filter_map(|(name, destination)| Some((destination.gone()?, name.clone())))
            .collect();
        for name in gone.values().take(gone.len().saturating_sub(MAX_REMOVED)) {
            self.destinations.remove(name);
        }
    }
}
