//! Whether somebody waits for the export of metrics: then what is under way is tried once more, and no longer.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
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
    closed: bool,
}

/// A flush, until it is dropped.
pub(super) struct Flushing<'a>(&'a Haste);

impl Haste {
    pub(super) fn new(closer: Closer) -> Self {
        Self { waiting: Mutex::default(), came: Condvar::new(), closer }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn flush(&self) -> Flushing<'_> {
        self.waiting().flushes += 1;
        self.came.notify_all();
        Flushing(self)
    }

    /// There is no more time than until then, for what is being sent either.
    pub(super) fn close(&self, until: Instant) {
        self.closer.send_replace(Some(until));
        self.waiting().closed = true;
        self.came.notify_all();
    }

    pub(super) fn is_on(&self) -> bool {
        let waiting = self.waiting();
        waiting.closed || waiting.flushes > 0
    }

    /// Waits so long, or until somebody else waits.
    pub(super) fn pause(&self, wait: Duration) {
        let calm = |waiting: &mut Waiting| !waiting.closed && waiting.flushes == 0;
        drop(self.came.wait_timeout_while(self.waiting(), wait, calm).unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Flushing<'_> {
    fn drop(&mut self) {
        self.0.waiting().flushes -= 1;
    }
}
