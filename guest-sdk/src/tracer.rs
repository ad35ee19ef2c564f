//! The trait that a tracer implements, and what a flush is.

use std::time::Duration;

use crate::batch::{Batch, Call};
use crate::config::Config;
use crate::error::Error;

/// A tracer: it is called when calls have finished, and hands over what it gathered when it is asked to.
///
/// Write [`finish_call`](Self::finish_call) to look at one call at a time, or [`finish`](Self::finish) to look at whole
/// columns where speed counts. The host never calls two of a tracer's functions at once, and never on the RPC's own
/// thread. A tracer that panics, or uses more CPU time or memory than it may, is ended: what it recorded since the last
/// flush is thrown away, and a new one is made.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tracer",
    label = "`hottap_guest::Tracer` is not implemented for `{Self}`",
    note = "write `impl Tracer for {Self}` with `fn new(config: Config) -> Result<Self, Error>` and `fn finish_call(&mut self, call: &Call)`"
)]
pub trait Tracer: Sized + 'static {
    /// Makes the tracer. Called once on each new instance: when the module was loaded or replaced, and after a trap.
    ///
    /// Read the manifest's `[config]` here, and define metrics here.
    ///
    /// # Errors
    /// Return one to refuse to work; the operator is shown the text, and the module that was live before stays live.
    fn new(config: Config) -> Result<Self, Error>;

    /// Calls have finished: at most a few hundred in one batch, each call once, in the order in which they finished.
    ///
    /// Unless you write it, it calls [`finish_call`](Self::finish_call) for each.
    fn finish(&mut self, batch: &Batch) {
        for call in batch.calls() {
            self.finish_call(&call);
        }
    }

    /// One call has finished.
    fn finish_call(&mut self, call: &Call) {
        let _ = call;
    }

    /// Hands over what was gathered. Called every period (one second unless the tracer asked for another), also when
    /// nothing happened, and before the tracer is replaced or the service ends.
    ///
    /// Metrics are handed over by themselves, after this returned. What was recorded, sent, logged and saved since the
    /// last flush takes effect when the flush is over: all of it or nothing.
    fn flush(&mut self, at: Flush) {
        let _ = at;
    }
}

/// Why and when a flush takes place. A tracer has no clock but this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flush {
    /// Why.
    pub cause: Cause,
    /// The time, in nanoseconds since the Unix epoch.
    pub now: u64,
    /// The time since the last flush.
    pub elapsed: Duration,
}

impl Flush {
    pub(crate) fn new(cause: u8, now: u64, elapsed: u64) -> Self {
        let cause = match cause {
            1 => Cause::Early,
            2 => Cause::Swap,
            3 => Cause::Shutdown,
            _ => Cause::Period,
        };
        Self { cause, now, elapsed: Duration::from_nanos(elapsed) }
    }
}

/// Why a flush takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The period is over.
    Period,
    /// Much is waiting.
    Early,
    /// This tracer is about to be replaced: its last flush.
    Swap,
    /// The service ends: its last flush.
    Shutdown,
}

#[cfg(not(target_arch = "wasm32"))]
impl Cause {
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Period => 0,
            Self::Early => 1,
            Self::Swap => 2,
            Self::Shutdown => 3,
        }
    }
}
