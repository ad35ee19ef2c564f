//! What a destination's worker is given to do, and what it tells of it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::time::timeout_at;

use super::lifecycle::Ending;
use super::{Destination, Inner, Standing};
use crate::config::Definition;
use crate::outbox::account::DropReason;
use crate::outbox::parcel::Payload;
use crate::outbox::state::{Fault, Problem};
use hottap_core::plain;

/// Trouble that comes and goes is logged once in this time: a server that answers now this, now that, must not fill the
/// log. What happens in between is in the counts.
const QUIET: Duration = Duration::from_secs(60);

/// What a worker does next.
pub(in crate::outbox) enum Next {
    Work(Job),
    /// Leave: another worker starts if there is ever something to do again.
    Ended,
}

/// What is to be done, as of one moment.
pub(in crate::outbox) struct Job {
    /// None if nothing waits.
    pub(in crate::outbox) payload: Option<Payload>,
    pub(in crate::outbox) definition: Arc<Definition>,
    pub(in crate::outbox) epoch: u64,
    pub(in crate::outbox) ending: Option<Ending>,
}

impl Destination {
    /// What its worker does next.
    pub(in crate::outbox) fn next(&self) -> Next {
        let next = {
            let mut inner = self.lock();
            match inner.ending {
                Some(ending) if ending.until <= Instant::now() => inner.give_up(ending.reason),
                _ => {}
            }
            let payload = inner.queue.front().cloned();
            if payload.is_none() && (inner.removed.is_some() || inner.closed) {
                inner.running = false;
                Next::Ended
            } else {
                let (definition, epoch, ending) = (inner.definition.clone(), inner.epoch, inner.ending);
                Next::Work(Job { payload, definition, epoch, ending })
            }
        };
        self.changed.notify_all();
        next
    }

    /// Waits to be woken. Cancel safe.
    pub(in crate::outbox) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Waits, but not past a change of the definition or the beginning of the end.
    pub(in crate::outbox) async fn pause(&self, epoch: u64, pause: Duration) {
        let until = tokio::time::Instant::now() + pause;
        while self.lock().epoch == epoch && timeout_at(until, self.wake.notified()).await.is_ok() {}
    }

    pub(in crate::outbox) fn count_retry(&self) {
        self.change(|inner| inner.terms.retries += 1);
    }

    pub(in crate::outbox) fn delivered(&self, id: u64) {
        let over = self.change(|inner| {
            if inner.settle(id) {
                inner.terms.delivered += 1;
            }
            inner.standing = Standing::Ok;
            std::mem::take(&mut inner.open).then_some(inner.told).flatten()
        });
        match over {
            None => {}
            Some((_, Standing::Partial)) => {
                tracing::info!(destination = self.name(), "the destination takes whole payloads again");
            }
            Some(_) => tracing::info!(destination = self.name(), "the destination takes payloads again"),
        }
    }

    /// The payload was taken, but for so many of its items.
    pub(in crate::outbox) fn delivered_in_part(&self, id: u64, refused: u64, fault: Fault) {
        self.trouble(Standing::Partial, fault, |inner| {
            if inner.settle(id) {
                inner.terms.delivered += 1;
                inner.terms.items_refused = inner.terms.items_refused.saturating_add(refused);
            }
            inner.standing = Standing::Ok;
        });
    }

    /// The payload is lost.
    pub(in crate::outbox) fn dropped(&self, id: u64, reason: DropReason, fault: Fault) {
        let message = format!("{}; the payload was dropped ({})", fault.message, reason.as_str());
        let fault = Fault { message, ..fault };
        self.trouble(Standing::Losing, fault, |inner| {
            if inner.settle(id) {
                inner.terms.drop(reason);
            }
        });
    }

    /// A try failed, and others follow.
    pub(in crate::outbox) fn failed(&self, fault: Fault) {
        self.trouble(Standing::Failing, fault, |_| {});
    }

    /// It has what it needs from the operator.
    pub(in crate::outbox) fn ready(&self) {
        self.change(|inner| {
            if inner.standing == Standing::Waiting {
                inner.standing = Standing::Ok;
            }
        });
    }

    /// Something of the operator's is missing; nothing is tried until it is there.
    pub(in crate::outbox) fn waiting(&self, fault: Fault) {
        self.trouble(Standing::Waiting, fault, |inner| inner.standing = Standing::Ok);
    }

    /// Drops everything that waits.
    pub(in crate::outbox) fn give_up(&self, reason: DropReason) {
        self.change(|inner| inner.give_up(reason));
    }

    /// What happened and what it means are seen as one.
    fn trouble(&self, standing: Standing, fault: Fault, change: impl FnOnce(&mut Inner)) {
        let Fault { message, what_to_do } = fault;
        // Servers and the operator's paths have their words in it.
        let message = plain::message(&message);
        let tell = self.change(|inner| {
            change(inner);
            if inner.removed.is_some() {
                return false;
            }
            inner.standing = inner.standing.max(standing);
            inner.problem = Some(Problem::at(SystemTime::now(), message.clone(), what_to_do.clone()));
            let tell = tells(inner.told.map(|(at, told)| (at.elapsed(), told)), inner.open, inner.standing);
            if tell {
                inner.told = Some((Instant::now(), inner.standing));
                inner.open = true;
            }
            tell
        });
        if tell {
            tracing::warn!(destination = self.name(), "{message}; {what_to_do}");
        }
    }
}

/// Whether trouble is logged: when it begins, and when it becomes other trouble; but what ends and begins again and again,
/// only once in a while. `told` is what was logged last, and how long ago; `open`, that its end was not.
fn tells(told: Option<(Duration, Standing)>, open: bool, now: Standing) -> bool {
    match told {
        Some((_, told)) if open => told != now,
        Some((ago, _)) => ago >= QUIET,
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_logged_when_it_begins_and_when_it_changes_and_not_each_time_it_comes_back() {
        use Standing::{Failing, Losing, Waiting};
        let ago = |seconds, told| Some((Duration::from_secs(seconds), told));
        for (told, open, now, expected, reason) in [
            (None, false, Failing, true, "the first"),
            (ago(1, Failing), true, Failing, false, "said already"),
            (ago(3_600, Failing), true, Failing, false, "an hour of the same is one line"),
            (ago(1, Failing), true, Losing, true, "now payloads are lost"),
            (ago(1, Losing), true, Waiting, true, "now something is missing"),
            (ago(1, Failing), false, Failing, false, "it ended and came back at once"),
            (ago(59, Failing), false, Losing, false, "and again"),
            (ago(60, Failing), false, Failing, true, "after a while it is worth a line"),
        ] {
            assert_eq!(tells(told, open, now), expected, "{reason}");
        }
    }
}
