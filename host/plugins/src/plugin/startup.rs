//! The state of the plugins that the plugin dir holds at the start, for the threads that wait until they are ready.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::books::{Books, State};
use super::name::Name;
use hottap_core::lock::lock;

/// The state of the plugins that the first look at the plugin dir found. The supervisor writes it.
pub struct Startup {
    books: Arc<Books>,
    /// None before the first look; an error if the plugin dir could not be read then.
    found: Mutex<Option<Result<Vec<Name>, String>>>,
    changed: Condvar,
}

impl Startup {
    pub(super) fn new(books: Arc<Books>) -> Self {
        Self { books, found: Mutex::default(), changed: Condvar::new() }
    }

    /// Tells what the first look found; later looks change nothing.
    pub(super) fn found(&self, found: impl FnOnce() -> Result<Vec<Name>, String>) {
        let mut first = lock(&self.found);
        if first.is_none() {
            *first = Some(found());
            self.changed.notify_all();
        }
    }

    /// Tells that the books have changed.
    pub(super) fn changed(&self) {
        // A waiting thread that has just read the books holds the lock until it sleeps, so it does not miss this.
        drop(lock(&self.found));
        self.changed.notify_all();
    }

    /// Waits for the answer, at most until `deadline`, or until the future that needs it is gone.
    pub(super) fn wait(&self, deadline: Option<Instant>, is_dropped: &AtomicBool) -> Result<(), NotReady> {
        let mut found = lock(&self.found);
        loop {
            let answer = self.answer(found.as_ref());
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let is_over = left == Some(Duration::ZERO) || is_dropped.load(Ordering::Acquire);
            match answer {
                Answer::Final(result) => return result,
                Answer::SoFar(not_ready) if is_over => return Err(not_ready),
                Answer::SoFar(_) => {}
            }
            found = match left {
                Some(left) => self.changed.wait_timeout(found, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(found).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// The answer, if it need not be waited for.
    pub(super) fn at_once(&self) -> Option<Result<(), NotReady>> {
        match self.answer(lock(&self.found).as_ref()) {
            Answer::Final(result) => Some(result),
            Answer::SoFar(_) => None,
        }
    }

    fn answer(&self, found: Option<&Result<Vec<Name>, String>>) -> Answer {
        match found {
            None => Answer::SoFar(NotReady::unknown("the plugin dir has not been read yet", true)),
            Some(Err(error)) => Answer::Final(Err(NotReady::unknown(error, false))),
            Some(Ok(names)) => answer(names.iter().map(|name| (name.as_str(), self.standing(name)))),
        }
    }

    fn standing(&self, name: &Name) -> Standing {
        // What is not in the books was removed long ago.
        let Some(book) = self.books.get(name) else { return Standing::Settled };
        let current = book.current();
        match current.state {
            State::Live | State::Paused | State::Disabled | State::Ending | State::Removed => Standing::Settled,
            State::Loading => Standing::Loading,
            State::Stopped => Standing::Failed("Hottap was shut down".to_owned()),
            State::Refused | State::Quarantined => {
                let problem = current.problem.as_ref();
                Standing::Failed(problem.map_or_else(|| "refused".to_owned(), |problem| problem.message.clone()))
            }
        }
    }
}

/// The state of one plugin, as far as readiness depends on it.
enum Standing {
    /// It is live, or the operator does not want it: paused, disabled, or removed meanwhile.
    Settled,
    Loading,
    Failed(String),
}

enum Answer {
    Final(Result<(), NotReady>),
    /// Some plugins are still loading: the answer if there were no more time.
    SoFar(NotReady),
}

fn answer<'n>(plugins: impl Iterator<Item = (&'n str, Standing)>) -> Answer {
    let mut is_final = true;
    let mut not_live = Vec::new();
    for (name, standing) in plugins {
        let reason = match standing {
            Standing::Settled => continue,
            Standing::Failed(reason) => reason,
            Standing::Loading => {
                is_final = false;
                "still loading".to_owned()
            }
        };
        not_live.push((name.to_owned(), reason));
    }
    let not_ready = NotReady { timed_out: !is_final, reason: None, plugins: not_live };
    match is_final {
        true if not_ready.plugins.is_empty() => Answer::Final(Ok(())),
        true => Answer::Final(Err(not_ready)),
        false => Answer::SoFar(not_ready),
    }
}

/// Some plugins that the plugin dir held at the start are not live: the error of `Hottap::ready`.
///
/// The service can go on. The plugin dir stays watched, so a plugin that is still loading goes live later, and so does one
/// that is mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotReady {
    timed_out: bool,
    /// The reason if no plugin is known.
    reason: Option<String>,
    plugins: Vec<(String, String)>,
}

impl NotReady {
    pub(super) fn unknown(reason: &str, timed_out: bool) -> Self {
        Self { timed_out, reason: Some(reason.to_owned()), plugins: Vec::new() }
    }

    /// Each plugin that is not live, by name, and the reason: the error that it was refused with, or `still loading`. Empty
    /// if the plugin dir could not be read.
    pub fn plugins(&self) -> impl Iterator<Item = (&str, &str)> {
        self.plugins.iter().map(|(name, reason)| (name.as_str(), reason.as_str()))
    }

    /// The time was over before each plugin was live or refused.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.timed_out
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not every plugin is live")?;
        if let Some(reason) = &self.reason {
            write!(f, ": {reason}")?;
        }
        for (i, (name, reason)) in self.plugins.iter().enumerate() {
            write!(f, "{} {name}: {reason}", if i == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

impl std::error::Error for NotReady {}
