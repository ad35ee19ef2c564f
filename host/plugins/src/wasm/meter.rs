//! The deadline of one call into a guest, in CPU time of the thread that runs it.

use std::time::Duration;

use wasmtime::UpdateDeadline;

use super::thread::thread_cpu_time;

/// The guest used more CPU time than the call may.
#[derive(Debug, thiserror::Error)]
#[error("used more than {0:?} of CPU time")]
pub(super) struct OutOfTime(pub(super) Duration);

/// Measures one call at a time. CPU time, not wall time, so that a throttled container kills no innocent plugin.
#[derive(Debug, Default)]
pub(super) struct Meter {
    limit: Duration,
    since: Option<Duration>,
}

impl Meter {
    /// A call begins. The clock is first read when an epoch has passed, so a short call costs nothing.
    pub(super) fn begin(&mut self, limit: Duration) {
        *self = Self { limit, since: None };
    }

    /// The call is over. If it began before an epoch passed, it may have used more than it may without being interrupted:
    /// an instruction or a call into the host may take long.
    pub(super) fn end(&self) -> wasmtime::Result<()> {
        match self.since {
            Some(since) if thread_cpu_time().saturating_sub(since) > self.limit => {
                Err(wasmtime::Error::new(OutOfTime(self.limit)))
            }
            _ => Ok(()),
        }
    }

    /// An epoch has passed inside the call.
    pub(super) fn tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        let now = thread_cpu_time();
        let since = *self.since.get_or_insert(now);
        if now.saturating_sub(since) > self.limit || super::cutoff::is_reached(now) {
            return Err(wasmtime::Error::new(OutOfTime(self.limit)));
        }
        Ok(UpdateDeadline::Continue(1))
    }
}
