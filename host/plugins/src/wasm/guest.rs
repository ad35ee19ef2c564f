//! An instance of a plugin, whatever WIT version it was written against.

use hottap_core::lock::lock;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::headers::HeaderGrants;
use crate::outbox::Outbox;
use hottap_core::budget::OverBudget;
use hottap_core::collect::{Moments, View};
use hottap_core::rpc::Level;

/// One instance. A call that fails ends it: drop it and make another one.
pub trait Guest: Send {
    /// Sets the CPU time that the calls from here on may take.
    fn set_pace(&mut self, pace: Pace);

    /// Hands it finished calls.
    fn finish(&mut self, calls: View) -> Result<(), CallError>;

    /// Hands it messages of open streams, if the module follows them; else it does nothing.
    fn progress(&mut self, moments: Moments) -> Result<(), CallError>;

    /// Lets it hand over what it gathered. What it does until this returns is staged.
    fn flush(&mut self, cause: Cause, now: u64, elapsed: u64) -> Result<(), CallError>;

    /// Makes everything staged final. Can't fail. `millis` is a monotonic time, for the expiry of series.
    fn commit(&mut self, millis: u64);

    /// What it asked for in `init`.
    fn settings(&self) -> Settings;

    /// Bytes of linear memory that it holds.
    fn memory(&self) -> usize;

    /// What it did since the last commit, for those who try tracers out. Takes its lines away from the log.
    #[cfg(feature = "compiler")]
    fn trial(&mut self) -> Trial;
}

/// What an instance did since the last commit.
#[cfg(feature = "compiler")]
pub struct Trial {
    /// The metrics that it defined.
    pub metrics: Vec<crate::metrics::Defined>,
    /// What it did wrong with them: the reason and how often.
    pub metric_errors: Vec<(&'static str, u64)>,
    /// Metrics that it does not get.
    pub refused_metrics: Vec<crate::metrics::RefusedMetric>,
    /// The destinations that it tried to send to; at most 16.
    pub destinations: Vec<String>,
    /// What it logged.
    pub lines: Vec<super::log::Line>,
}

/// Why a flush comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    Period = 0,
    Early = 1,
    Swap = 2,
    Shutdown = 3,
}

/// CPU time that one call of `finish`, `progress` or `flush` may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// At most `BRISK`, so that no other plugin on the thread waits longer. A call that needs more loses nothing: its
    /// rows are handed over again where it delays no other.
    Brisk,
    /// The time that the plugin is granted.
    #[default]
    Granted,
    /// Four times that: what is handed over again after a failure shall not fail for want of time.
    Patient,
}

impl Pace {
    /// The limit of a call for which a plugin is granted `granted`.
    pub(super) fn limit(self, granted: Duration) -> Duration {
        match self {
            Self::Brisk => granted.min(BRISK),
            Self::Granted => granted,
            Self::Patient => granted.saturating_mul(4),
        }
    }
}

/// CPU time of a call at [`Pace::Brisk`]. Most calls take microseconds. A shorter time would move plugins in an
/// interpreter to the slow lane; with a longer one, many plugins that spin at once delay the others' commits.
const BRISK: Duration = Duration::from_millis(10);

/// What a plugin asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub level: Level,
    pub period: Duration,
    /// It wants attempts beside calls.
    pub(crate) attempts: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { level: Level::Base, period: Duration::from_secs(1), attempts: false }
    }
}

/// Who the host is, as guests are told in `init`.
pub type Identity = Vec<(String, String)>;

/// What a plugin last saved and committed. All instances of a generation look at one; only a commit changes it.
#[derive(Clone, Debug, Default)]
pub struct State(Arc<Mutex<Option<Vec<u8>>>>);

impl State {
    pub(crate) fn get(&self) -> Option<Vec<u8>> {
        lock(&self.0).clone()
    }

    /// Bytes of it.
    pub(crate) fn len(&self) -> usize {
        lock(&self.0).as_ref().map_or(0, Vec::len)
    }

    pub(crate) fn set(&self, saved: Vec<u8>) {
        *lock(&self.0) = Some(saved);
    }
}

/// What a new instance gets from outside.
#[derive(Clone)]
pub(crate) struct Surroundings {
    /// The manifest's `[config]`, as JSON.
    pub(crate) config: String,
    pub(crate) identity: Arc<Identity>,
    /// What was last saved and committed.
    pub(crate) state: State,
    /// Which headers its starter may see and set.
    pub(crate) headers: Arc<HeaderGrants>,
    /// Where its payloads go.
    pub(crate) outbox: Outbox,
    /// Nanoseconds since the Unix epoch.
    pub(crate) now: u64,
}

/// A call into a guest that ended the instance.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It trapped.
    #[error("trapped in {function}: {reason}")]
    Trap {
        /// Which export.
        function: &'static str,
        /// What wasmtime or the guest said.
        reason: String,
    },
    /// It used more CPU time than it may.
    #[error("ran out of time in {function}: it used more than {limit:?} of CPU time")]
    OutOfTime {
        /// Which export.
        function: &'static str,
        /// What it may use.
        limit: Duration,
    },
    /// It trapped after it was refused memory.
    #[error("ran out of {what} in {function}: {reason}")]
    OutOfMemory {
        /// What was refused.
        what: &'static str,
        /// Which export.
        function: &'static str,
        /// What it did then.
        reason: String,
    },
    /// It was refused memory that all plugins share, and trapped or could not be made.
    #[error("in {function} it {over}")]
    OverBudget {
        /// Which export.
        function: &'static str,
        /// The budget's answer.
        over: OverBudget,
    },
    /// The machine or the process's own limits have no memory for it: no fault of the tracer's.
    #[error("the machine, its container or `ulimit -v` has no memory left for {function}: {reason}")]
    Machine {
        /// Which export.
        function: &'static str,
        /// The words of the system.
        reason: String,
    },
    /// `init` said no.
    #[error("init refused: {0}")]
    Init(String),
    /// The host itself panicked.
    #[error(transparent)]
    Panicked(#[from] hottap_core::panics::Panic),
}

impl CallError {
    /// Returns true if the tracer is not at fault: there is no memory now, and later there may be.
    pub(crate) fn is_lack_of_memory(&self) -> bool {
        matches!(self, Self::OverBudget { .. } | Self::Machine { .. })
    }
}
