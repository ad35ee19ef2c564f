//! Whether somebody waits for the export of metrics: then what is under way is tried once more, and no longer; and its end.

use hottap_core::lock::lock;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::collector::Closer;

#[derive(Debug)]
pub(super) struct Haste {
    waiting: Mutex<Waiting>,
    came: Condvar,
    closer: Closer,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Flushes that are not done.
    flushes: usize,
    /// Until when there is time, once it is closed.
    closed: Option<Instant>,
    /// Whether the last export was taken; since it is closed, the last since then.
    well: bool,
    ended: bool,
}

/// A flush, until it is dropped.
pub(super) struct Flushing(Arc<Haste>);

impl Haste {
    pub(super) fn new(closer: Closer) -> Self {
        Self { waiting: Mutex::default(), came: Condvar::new(), closer }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        lock(&self.waiting)
    }

    pub(super) fn flush(self: Arc<Self>) -> Flushing {
        self.waiting().flushes += 1;
        self.came.notify_all();
        Flushing(self)
    }

    /// There is no more time than until then, for what is being sent either.
    pub(super) fn close(&self, until: Instant) {
        self.closer.send_replace(Some(until));
        let mut waiting = self.waiting();
        waiting.closed.get_or_insert(until);
        waiting.well = false;
        drop(waiting);
        self.came.notify_all();
    }

    /// It is closed, and there is no time left.
    pub(super) fn is_over(&self) -> bool {
        self.waiting().closed.is_some_and(|until| until <= Instant::now())
    }

    /// Until when there is time for what has time until then.
    pub(super) fn limit(&self, until: Instant) -> Instant {
        self.waiting().closed.map_or(until, |closed| closed.min(until))
    }

    /// An export has ended.
    pub(super) fn exported(&self, well: bool) {
        self.waiting().well = well;
    }

    /// Whether the last export was taken.
    pub(super) fn is_well(&self) -> bool {
        self.waiting().well
    }

    /// There will be no more of them.
    pub(super) fn end(&self) {
        self.waiting().ended = true;
        self.came.notify_all();
    }

    /// Waits for the end. True if the last export was taken.
    pub(super) fn wait(&self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        let waited = self.came.wait_timeout_while(self.waiting(), left, |waiting| !waiting.ended);
        let (waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        waiting.ended && waiting.well
    }

    pub(super) fn is_on(&self) -> bool {
        let waiting = self.waiting();
        waiting.closed.is_some() || waiting.flushes > 0
    }

    /// Waits so long, or until somebody else waits.
    pub(super) fn pause(&self, wait: Duration) {
        let calm = |waiting: &mut Waiting| waiting.closed.is_none() && waiting.flushes == 0;
        drop(self.came.wait_timeout_while(self.waiting(), wait, calm).unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Flushing {
    fn drop(&mut self) {
        self.0.waiting().flushes -= 1;
    }
}
