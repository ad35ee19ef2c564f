//! What is shown of a generation that goes live, and who gets which calls then; the supervisor decides when.

use std::sync::Arc;

use super::books::{Book, State};
use super::generation::{Generation, GenerationId};
use super::starts::Starts;
use crate::rpc::Level;
use crate::tracer::{Rule, Start};
use crate::wasm::CallError;

/// What is shown of a generation that is live.
pub(crate) struct Facts {
    pub(super) id: GenerationId,
    level: Level,
    starts: Option<Arc<Starts>>,
    streams: bool,
    destinations: Vec<String>,
}

/// What came of a swap.
pub(crate) struct Swapped {
    pub(super) result: Result<Rule, CallError>,
    pub(super) facts: Facts,
}

impl Facts {
    pub(super) fn of(generation: &Generation) -> Self {
        Self {
            id: generation.id,
            level: generation.settings.level,
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

    /// The generation is live. `now` is in milliseconds since the Unix epoch.
    pub(super) fn enter(self, book: &Book, now: u64) {
        let mut current = book.current();
        current.generation = Some(self.id);
        (current.starts, current.destinations) = (self.starts, self.destinations);
        (current.level, current.streams) = (self.level, self.streams);
        current.problem = None;
        current.loads += 1;
        current.state = State::Live;
        current.since = now;
    }
}
