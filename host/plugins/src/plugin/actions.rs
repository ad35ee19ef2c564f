//! Actions that operators take through the admin API, carried out by the supervisor.

use std::time::Instant;

use super::books::State;
use super::name::Name;
use super::requests::Request;
use super::supervisor::{Event, Live, Supervisor};
use super::worker::Order;
use crate::admin::{Acted, Outcome, Verb};

/// The word of operators on one tracer. It stands over changes and removals of its files, until they take it back or
/// the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    Paused,
    Disabled,
}

impl Hold {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Paused => State::Paused.as_str(),
            Self::Disabled => State::Disabled.as_str(),
        }
    }
}

/// Tracers that are held at most. Each name was in the plugin dir once; with more, a deploy that makes up a name each
/// time would grow the memory.
const MAX_HOLDS: usize = 1_000;

/// Work under way for a tracer, beside loads and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Busy {
    /// It works off what it has, to be paused.
    Pausing,
    /// The generation before is to go live again.
    RollingBack,
}

type Result<T = ()> = std::result::Result<T, Outcome>;

fn conflict<T>(message: impl Into<String>, what_to_do: impl Into<String>) -> Result<T> {
    Err(Outcome::Conflict { message: message.into(), what_to_do: what_to_do.into().into() })
}

impl Supervisor {
    /// Does what operators ask for. A request for what takes its time is answered later.
    pub(super) fn carry_out(&mut self, request: Request) {
        let done = match (&request.name, request.verb) {
            (Some(name), _) if !self.knows(name) => Err(Outcome::Unknown),
            (Some(name), Verb::Pause) => self.pause(name),
            (Some(name), Verb::Resume) => self.resume(name),
            (Some(name), Verb::Disable) => self.disable(name),
            (Some(name), Verb::Enable) => self.enable(name),
            (Some(name), Verb::Reload) => self.reload(name),
            (Some(name), Verb::Rollback) => self.roll_back(name),
            (_, Verb::PauseAll | Verb::ResumeAll) => {
                self.follow_switch();
                Ok(())
            }
            (None, _) => Err(Outcome::Unknown),
        };
        match done {
            Ok(()) if self.is_under_way(&request) => self.requests.wait(request, Instant::now()),
            Ok(()) => self.answer(request, Outcome::Done),
            Err(outcome) => self.answer(request, outcome),
        }
    }

    /// Answers the requests for which nothing is under way any more, and those that have waited long enough. Returns
    /// the time at which the next has.
    pub(super) fn answer_requests(&mut self, now: Instant) -> Option<Instant> {
        let mut requests = std::mem::take(&mut self.requests);
        for (request, outcome) in requests.take_due(now, |request| self.is_under_way(request)) {
            self.answer(request, outcome);
        }
        self.requests = requests;
        self.requests.due()
    }

    fn answer(&self, request: Request, outcome: Outcome) {
        let book = request.name.as_ref().and_then(|name| self.books.get(name));
        let (mut state, mut generation) = (None, None);
        if let Some(book) = book {
            let current = book.current();
            state = Some(current.state.shown(self.core.live.is_paused()).as_str());
            generation = current.generation.map(|id| id.to_string());
        }
        request.answer(Acted { outcome, state, generation });
    }

    /// Returns true if what a request has asked for has not come about yet.
    fn is_under_way(&self, request: &Request) -> bool {
        let Some(name) = &request.name else {
            return request.verb == Verb::PauseAll && self.busy.iter().any(|(_, busy)| *busy == Busy::Pausing);
        };
        let is_busy = |busy| self.busy.contains(&(name.clone(), busy));
        match request.verb {
            Verb::Pause => is_busy(Busy::Pausing),
            Verb::Rollback => is_busy(Busy::RollingBack),
            Verb::Disable => self.ending.contains_key(name),
            Verb::Enable | Verb::Reload => {
                self.loading.contains_key(name)
                    || self.ending.contains_key(name)
                    || self.unsettled.contains_key(name)
                    || self.known.get(name).is_some_and(Option::is_none)
            }
            Verb::Resume | Verb::PauseAll | Verb::ResumeAll => false,
        }
    }

    /// Its files are there, as far as is known, or something of it is.
    fn knows(&self, name: &Name) -> bool {
        self.known.contains_key(name)
            || self.live.contains_key(name)
            || self.ending.contains_key(name)
            || self.holds.contains_key(name)
    }

    fn hold(&mut self, name: &Name, hold: Hold) -> Result {
        if self.holds.len() >= MAX_HOLDS && !self.holds.contains_key(name) {
            return conflict(format!("{MAX_HOLDS} tracers are held already"), "resume or enable those that are gone");
        }
        self.holds.insert(name.clone(), hold);
        self.books.open(name).current().hold = Some(hold);
        Ok(())
    }

    fn release(&mut self, name: &Name) {
        self.holds.remove(name);
        self.books.open(name).current().hold = None;
    }

    /// The tracer gets no more calls. What it has is worked off, flushed and committed; then nothing calls it.
    fn pause(&mut self, name: &Name) -> Result {
        match self.holds.get(name) {
            Some(Hold::Paused) => return Ok(()),
            Some(Hold::Disabled) => {
                return conflict("it is disabled, and gets no calls anyway", "enable it first, or leave it");
            }
            None => self.hold(name, Hold::Paused)?,
        }
        let Some(slot) = self.live.get(name).map(|live| live.slot) else { return Ok(()) };
        let rule = self.withdraw(slot);
        self.collector.drain();
        if let Some(live) = self.live.get_mut(name) {
            live.withheld = rule;
            let state = live.state();
            self.rest(name);
            self.books.open(name).current().enter(state, self.millis());
        }
        Ok(())
    }

    /// Its worker works off what it has, and rests.
    pub(super) fn rest(&mut self, name: &Name) {
        let Some(live) = self.live.get(name) else { return };
        let (events, of) = (self.events.clone(), name.clone());
        self.busy.insert((name.clone(), Busy::Pausing));
        live.worker.order(Order::Pause(Box::new(move || _ = events.send(Event::Paused(of)))));
    }

    fn resume(&mut self, name: &Name) -> Result {
        match self.holds.get(name) {
            Some(Hold::Paused) => self.release(name),
            Some(Hold::Disabled) => return conflict("it is disabled, not paused", "enable it"),
            None if self.core.live.is_paused() => {
                return conflict("all tracers are paused", "resume all: POST /api/resume");
            }
            None => return Ok(()),
        }
        let is_paused = self.core.live.is_paused();
        if let Some(live) = self.live.get_mut(name)
            && let Some(rule) = live.withheld.take()
        {
            if !is_paused {
                live.worker.order(Order::Resume);
            }
            let state = live.state();
            self.publish(rule);
            self.books.open(name).current().enter(state, self.millis());
        }
        Ok(())
    }

    /// Every tracer rests, or works again: as the kill switch stands now.
    fn follow_switch(&mut self) {
        let is_paused = self.core.live.is_paused();
        if is_paused {
            self.collector.drain();
        }
        let names: Vec<Name> =
            self.live.iter().filter(|(_, live)| live.withheld.is_none()).map(|(name, _)| name.clone()).collect();
        for name in names {
            match self.live.get(&name) {
                Some(live) if !is_paused => live.worker.order(Order::Resume),
                _ => self.rest(&name),
            }
        }
    }

    /// The tracer is unloaded, as if its manifest said `enabled = false`.
    fn disable(&mut self, name: &Name) -> Result {
        if self.holds.get(name) != Some(&Hold::Disabled) {
            self.hold(name, Hold::Disabled)?;
            self.unsettled.remove(name);
            self.waiting.remove(name);
            self.cancel(name);
            self.unload(name, State::Disabled);
        }
        Ok(())
    }

    fn enable(&mut self, name: &Name) -> Result {
        match self.holds.get(name) {
            Some(Hold::Disabled) => self.release(name),
            Some(Hold::Paused) => return conflict("it is paused, not disabled", "resume it"),
            None if self.books.open(name).current().state == State::Disabled => {
                let manifest = self.module_of(name).with_extension("toml");
                let what_to_do = format!("write enabled = true in {}", manifest.display());
                return conflict("its manifest disables it", what_to_do);
            }
            None => return Ok(()),
        }
        // Forgetting what was seen of it makes the plan load it.
        if let Some(seen) = self.known.get_mut(name) {
            *seen = None;
        }
        Ok(())
    }

    /// Its files are loaded once more, also those of a generation that was rolled back from or quarantined.
    fn reload(&mut self, name: &Name) -> Result {
        if self.holds.get(name) == Some(&Hold::Disabled) {
            return conflict("it is disabled", "enable it: that loads its files");
        }
        let Some(seen) = self.known.get_mut(name) else { return Err(Outcome::Unknown) };
        *seen = None;
        self.forced.insert(name.clone());
        Ok(())
    }

    /// The generation before takes the place of the live one, with the state that it had saved itself.
    fn roll_back(&mut self, name: &Name) -> Result {
        if self.loading.contains_key(name) {
            return conflict("another generation of it is being loaded", "try again once that is over");
        }
        let Some(live) = self.live.get_mut(name) else {
            return conflict("no generation of it is live", "see its last error in /api/tracers");
        };
        let Some(previous) = live.previous.take() else {
            let what_to_do = "replace its files, or reload them";
            return conflict("there is no generation before this one to go back to", what_to_do);
        };
        live.roll_back(name, previous, None, self.events.clone());
        self.busy.insert((name.clone(), Busy::RollingBack));
        Ok(())
    }
}

impl Live {
    pub(super) fn state(&self) -> State {
        match () {
            () if self.withheld.is_some() => State::Paused,
            () if self.is_quarantined() => State::Quarantined,
            () => State::Live,
        }
    }
}
