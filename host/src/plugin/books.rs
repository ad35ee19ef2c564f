//! What is known of every plugin by name, over all its generations: accounts, use, state, last error.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::generation::GenerationId;
use super::name::Name;
use super::starts::{StartCounts, Starts};
use crate::collect::Account;
use crate::rpc::Level;

/// Names that are remembered. Of more, those that were removed longest ago are forgotten.
const MAX_NAMES: usize = 1_000;
/// Swaps that are remembered per name.
const MAX_SWAPS: usize = 32;

/// What a plugin is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum State {
    /// Being read, compiled, tried out.
    #[default]
    Loading,
    /// It gets calls.
    Live,
    /// It can't be loaded, and none was live before.
    Refused,
    /// Its manifest says `enabled = false`.
    Disabled,
    /// Its file is gone.
    Removed,
    /// The host was shut down.
    Stopped,
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Live => "live",
            Self::Refused => "refused",
            Self::Disabled => "disabled",
            Self::Removed => "removed",
            Self::Stopped => "stopped",
        }
    }
}

/// One swap: from which generation to which, and how long it took from the look to the first call.
#[derive(Clone, Debug)]
pub(crate) struct Swap {
    pub(crate) from: GenerationId,
    pub(crate) to: GenerationId,
    pub(crate) millis: f64,
}

/// Something that went wrong.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    /// What, and what to do.
    pub(crate) message: String,
    /// What happens meanwhile.
    pub(crate) meanwhile: String,
    /// Milliseconds since the Unix epoch.
    pub(crate) at: u64,
}

/// What changes with loads and swaps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Current {
    pub(crate) state: State,
    pub(crate) generation: Option<GenerationId>,
    /// Milliseconds since the Unix epoch at which the state was entered.
    pub(crate) since: u64,
    pub(crate) level: Level,
    pub(crate) problem: Option<Problem>,
    pub(crate) loads: u64,
    pub(crate) swaps: Vec<Swap>,
    /// Destinations that its manifest names.
    pub(crate) destinations: Vec<String>,
    /// The live generation follows open streams.
    pub(crate) streams: bool,
    /// The live generation's starters.
    pub(crate) starts: Option<Arc<Starts>>,
}

impl Current {
    pub(crate) fn enter(&mut self, state: State, now: u64) {
        if self.state != state || self.since == 0 {
            (self.state, self.since) = (state, now);
        }
    }

    pub(crate) fn swapped(&mut self, swap: Swap) {
        if self.swaps.len() == MAX_SWAPS {
            self.swaps.remove(0);
        }
        self.swaps.push(swap);
    }
}

/// What a plugin has used.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    pub(crate) calls: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) cpu_nanos: AtomicU64,
    pub(crate) traps: AtomicU64,
    pub(crate) memory: AtomicU64,
    pub(crate) queued: AtomicU64,
}

impl Usage {
    pub(crate) fn add(counter: &AtomicU64, value: u64) {
        counter.fetch_add(value, Ordering::Relaxed);
    }
}

/// One plugin by name.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) account: Arc<Account>,
    pub(crate) usage: Usage,
    /// What came of its starts.
    pub(crate) starts: Arc<StartCounts>,
    current: Mutex<Current>,
}

impl Book {
    pub(crate) fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that something went wrong, and logs it if it is not what went wrong before: a tracer that traps at every
    /// batch is one line, not a thousand. `at` is in milliseconds since the Unix epoch.
    pub(crate) fn report(&self, name: &Name, id: GenerationId, message: String, meanwhile: &str, at: u64) {
        let mut current = self.current();
        if current.problem.as_ref().is_none_or(|problem| problem.message != message) {
            tracing::warn!(tracer = name.as_str(), generation = %id, "{message}; {meanwhile}");
        }
        current.problem = Some(Problem { message, meanwhile: meanwhile.to_owned(), at });
    }
}

/// All plugins by name.
#[derive(Debug, Default)]
pub(crate) struct Books(Mutex<BTreeMap<Name, Arc<Book>>>);

impl Books {
    /// The book of a name; opened if there is none.
    pub(crate) fn open(&self, name: &Name) -> Arc<Book> {
        let mut books = self.lock();
        if !books.contains_key(name) && books.len() >= MAX_NAMES {
            let oldest = books
                .iter()
                .filter(|(_, book)| !matches!(book.current().state, State::Live | State::Loading))
                .min_by_key(|(_, book)| book.current().since)
                .map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                books.remove(&oldest);
            }
        }
        books.entry(name.clone()).or_default().clone()
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> Vec<(Name, Arc<Book>)> {
        self.lock().iter().map(|(name, book)| (name.clone(), book.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, Arc<Book>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
