//! How a destination changes and ends: defined anew, removed, stopped, closed.

use std::sync::Arc;
use std::time::Instant;

use super::{Destination, Standing};
use crate::config::Definition;
use crate::outbox::account::DropReason;

/// What is still done with what waits.
#[derive(Clone, Copy, Debug)]
pub(in crate::outbox) struct Ending {
    /// What the rest is dropped as.
    pub(in crate::outbox) reason: DropReason,
    pub(in crate::outbox) until: Instant,
    /// Whether what failed is tried again until then.
    pub(in crate::outbox) retries: bool,
}

impl Destination {
    /// Gives it a definition; what waits goes to the new place. True if a worker has to be started.
    pub(in crate::outbox) fn define(&self, definition: Definition) -> bool {
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
    pub(in crate::outbox) fn remove(&self, now: Instant) {
        self.change(|inner| {
            if inner.removed.is_none() {
                let until = now + inner.definition.timeout;
                inner.removed = Some(now);
                // The operator has done away with it: there is nothing more to be done about its trouble.
                (inner.standing, inner.problem, inner.open) = (Standing::Ok, None, false);
                inner.ending = Some(Ending { reason: DropReason::Removed, until, retries: false });
                inner.epoch += 1;
            }
            if !inner.running {
                inner.give_up(DropReason::Removed);
            }
        });
    }

    /// The host shuts down: what waits is tried until then.
    pub(in crate::outbox) fn stop(&self, until: Instant) {
        self.change(|inner| {
            inner.ending = Some(match inner.ending {
                Some(ending) => Ending { until: until.min(ending.until), ..ending },
                None => Ending { reason: DropReason::Shutdown, until, retries: true },
            });
            inner.epoch += 1;
        });
    }

    /// Waits until nothing waits any more, nobody works on it, or it is time.
    pub(in crate::outbox) fn drained(&self, until: Instant) {
        let left = until.saturating_duration_since(Instant::now());
        drop(self.changed.wait_timeout_while(self.lock(), left, |inner| inner.running && !inner.queue.is_empty()));
    }

    /// The end: what waits is dropped, and so is what is still committed. True if nothing was lost by the shutdown.
    pub(in crate::outbox) fn close(&self) -> bool {
        self.change(|inner| {
            inner.closed = true;
            inner.running = false;
            inner.give_up(DropReason::Shutdown);
            !inner.terms.dropped().contains_key(DropReason::Shutdown.as_str())
        })
    }

    /// When it was removed, if it was and nothing is done with it any more.
    pub(in crate::outbox) fn gone(&self) -> Option<Instant> {
        let inner = self.lock();
        inner.removed.filter(|_| !inner.running && inner.terms.reserved_bytes == 0)
    }

    /// A worker is about to be started.
    pub(in crate::outbox) fn start(&self) {
        self.lock().running = true;
    }
}
