//! What is known of every plugin by name, over all its generations: accounts, use, state, last error.

use hottap_core::lock::lock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::actions::Hold;
use super::dead::DeadLetters;
use super::generation::GenerationId;
use super::loader::Refusal;
use super::name::Name;
use super::starts::{StartCounts, Starts};
use hottap_core::collect::Account;
use hottap_core::live::Scope;
use hottap_core::plain;
use hottap_core::rpc::Level;

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
    /// It was given up, and is tried again after a while.
    Quarantined,
    /// Operators hold it: it is loaded, and gets no calls.
    Paused,
    /// Its manifest says `enabled = false`, or operators have it unloaded.
    Disabled,
    /// It gets no more calls, and works off those that wait; then it is removed or disabled.
    Ending,
    /// Its file is gone.
    Removed,
    /// The host was shut down.
    Stopped,
}

impl State {
    /// Its file is there, as far as is known.
    pub(crate) fn is_in_directory(self) -> bool {
        !matches!(self, Self::Ending | Self::Removed)
    }

    /// The state as operators see it, who may have paused all tracers.
    pub(crate) fn shown(self, paused_all: bool) -> Self {
        if paused_all && self == Self::Live { Self::Paused } else { self }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Live => "live",
            Self::Refused => "refused",
            Self::Quarantined => "quarantined",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
            Self::Ending => "ending",
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
    pub(crate) message: String,
    pub(crate) what_to_do: String,
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
    /// The granted level: the details of calls that the live generation may see.
    pub(crate) level: Level,
    /// The level that it asked for.
    pub(crate) wanted_level: Level,
    pub(crate) scope: Option<Arc<Scope>>,
    pub(crate) problem: Option<Problem>,
    /// The word of operators over the admin API that is in force.
    pub(crate) hold: Option<Hold>,
    /// The generation that was rolled back from: its files are there, and are not loaded again.
    pub(crate) rejected: Option<GenerationId>,
    /// The generation whose problems are noted; none before the first is live and once the tracer ends.
    reporting: Option<GenerationId>,
    /// The levels, wanted and granted, that the log has told of.
    told_level: Option<(Level, Level)>,
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

    /// The tracer gets no more calls: nothing that goes wrong from here on is noted.
    pub(crate) fn end(&mut self) {
        let Self { state, since, loads, hold, ref mut swaps, .. } = *self;
        *self = Self { state, since, loads, hold, swaps: std::mem::take(swaps), ..Self::default() };
    }

    /// True if the log has not told yet that these levels were wanted and granted.
    pub(crate) fn tells_level(&mut self) -> bool {
        let levels = Some((self.wanted_level, self.level));
        std::mem::replace(&mut self.told_level, levels) != levels
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
    /// Milliseconds since the Unix epoch from which on calls or moments wait without a commit; 0 if none wait.
    pub(crate) waiting_since: AtomicU64,
    /// Milliseconds between flushes.
    pub(crate) period_millis: AtomicU64,
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
    dead: Mutex<DeadLetters>,
}

impl Book {
    pub(crate) fn current(&self) -> MutexGuard<'_, Current> {
        lock(&self.current)
    }

    pub(crate) fn dead(&self) -> MutexGuard<'_, DeadLetters> {
        lock(&self.dead)
    }

    /// Notes and logs why the tracer is not loaded. `live` is the generation that stays, if there is one; `now` is in
    /// milliseconds since the Unix epoch.
    pub(crate) fn refuse(&self, name: &Name, refusal: &Refusal, live: Option<GenerationId>, now: u64) {
        let meanwhile = match live {
            Some(generation) => format!("generation {generation} stays live"),
            None => "the other tracers are not affected".to_owned(),
        };
        // Files, manifests and guests have their words in it.
        let (message, what_to_do) = (plain::message(&refusal.to_string()), plain::message(&refusal.what_to_do()));
        tracing::warn!(tracer = name.as_str(), "not loaded: {message}; {what_to_do}; {meanwhile}");
        let mut current = self.current();
        current.problem = Some(Problem { message, what_to_do, meanwhile, at: now });
        if live.is_none() {
            current.enter(State::Refused, now);
        }
    }

    /// From here on the problems of `to` are noted, in place of those of `from`, which are over. Nothing happens if the
    /// tracer has ended meanwhile.
    pub(crate) fn succeed(&self, from: Option<GenerationId>, to: GenerationId) {
        let mut current = self.current();
        if current.reporting == from {
            (current.reporting, current.problem) = (Some(to), None);
        }
    }

    /// Notes that something went wrong, and logs it if it is not what went wrong before: a tracer that traps at every
    /// batch is one line, not a thousand. A generation that was replaced or removed leaves no trace: there is nothing to
    /// be done about it any more.
    pub(crate) fn report(&self, name: &Name, id: GenerationId, problem: Problem) {
        let problem = Problem { message: plain::message(&problem.message), ..problem };
        let mut current = self.current();
        let Problem { message, what_to_do, meanwhile, .. } = &problem;
        if current.reporting != Some(id) {
            tracing::debug!(tracer = name.as_str(), generation = %id, "after its end: {message}");
            return;
        }
        if current.problem.as_ref().is_none_or(|problem| problem.message != *message) {
            tracing::warn!(tracer = name.as_str(), generation = %id, "{message}; {what_to_do}; {meanwhile}");
        }
        current.problem = Some(problem);
    }

    /// The latest problem of this generation turned out to be none.
    pub(crate) fn forgive(&self, id: GenerationId) {
        let mut current = self.current();
        if current.reporting == Some(id) {
            current.problem = None;
        }
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
                .filter(|(_, book)| {
                    use State::{Ending, Live, Loading, Paused, Quarantined};
                    !matches!(book.current().state, Live | Paused | Quarantined | Loading | Ending)
                })
                // Those whose files are gone go before those that were refused.
                .min_by_key(|(_, book)| {
                    let current = book.current();
                    (current.state.is_in_directory(), current.since)
                })
                .map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                books.remove(&oldest);
            }
        }
        books.entry(name.clone()).or_default().clone()
    }

    /// The book of a name, if there is one.
    pub(crate) fn get(&self, name: &Name) -> Option<Arc<Book>> {
        self.lock().get(name).cloned()
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> Vec<(Name, Arc<Book>)> {
        self.lock().iter().map(|(name, book)| (name.clone(), book.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, Arc<Book>>> {
        lock(&self.0)
    }
}
