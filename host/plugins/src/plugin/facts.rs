//! What is shown of a generation that goes live, and who gets which calls then; the supervisor decides when.

use std::sync::Arc;

use super::books::{Book, State};
use super::generation::{Generation, GenerationId};
use super::name::Name;
use super::notice::{Notice, Notices};
use super::operator::Operator;
use super::starts::Starts;
use super::worker::{Reason, Takeover};
use crate::wasm::CallError;
use hottap_core::live::{Rule, Scope, Start};
use hottap_core::rpc::Level;

/// What is shown of a generation that is live.
pub(crate) struct Facts {
    pub(super) id: GenerationId,
    level: Level,
    wanted_level: Level,
    scope: Arc<Scope>,
    starts: Option<Arc<Starts>>,
    streams: bool,
    destinations: Vec<String>,
}

/// What came of a swap.
pub(crate) struct Swapped {
    pub(super) takeover: Takeover,
    /// The reason for a rollback; none if the operator ordered it.
    pub(super) reason: Option<Reason>,
    /// The calls that the new generation gets, and the one before if it can be rolled back to.
    pub(super) result: Result<(Rule, Option<Box<Generation>>), CallError>,
    pub(super) facts: Facts,
}

impl Facts {
    pub(super) fn of(generation: &Generation) -> Self {
        Self {
            id: generation.id,
            level: generation.settings.level,
            wanted_level: generation.wanted_level,
            scope: generation.manifest.scope.clone(),
            starts: generation.starts.clone(),
            streams: generation.follows_streams(),
            destinations: generation.manifest.destinations.clone(),
        }
    }

    /// Who gets which calls, and who acts at their start.
    pub(super) fn rule(&self, slot: usize, generation: &Generation) -> Rule {
        let start = self.starts.clone().map(|starts| starts as Arc<dyn Start>);
        let (scope, attempts) = (generation.manifest.scope.clone(), generation.settings.attempts);
        Rule { slot, shown: generation.shown(), scope, streams: self.streams, attempts, start }
    }

    /// The generation is live, or paused. `now` is in milliseconds since the Unix epoch.
    pub(super) fn enter(self, book: &Book, state: State, now: u64) {
        let mut current = book.current();
        current.generation = Some(self.id);
        (current.starts, current.destinations) = (self.starts, self.destinations);
        (current.level, current.wanted_level, current.streams) = (self.level, self.wanted_level, self.streams);
        current.scope = Some(self.scope);
        current.loads += 1;
        current.state = state;
        current.since = now;
    }
}

/// Says once in the log that a tracer asked for more than it may see.
pub(super) fn tell_level(name: &Name, book: &Book, operator: &Operator) {
    let mut current = book.current();
    let notices = Notices { tracer: name, config: operator.path() };
    if let Some(Notice { message, what_to_do }) = notices.level(current.wanted_level, current.level)
        && current.tells_level()
    {
        tracing::warn!(tracer = name.as_str(), "{message}; {what_to_do}");
    }
}
