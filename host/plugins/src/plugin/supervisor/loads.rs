//! The loads: from what a look has found to a generation that is ready, or the reason why there is none.

use std::time::{Duration, Instant};

use super::{Load, Supervisor};
use crate::plugin::actions::Hold;
use crate::plugin::books::State;
use crate::plugin::loader::{Job, Loaded, Refusal, SETTLE};
use crate::plugin::name::Name;
use crate::plugin::scan::Found;
use crate::wasm::Cancel;
use hottap_core::live::MAX_PLUGINS;
use hottap_core::rpc::MAX_STARTERS;

/// The time after which a tracer is tried again that found no memory left.
const ROOM: Duration = Duration::from_secs(10);

impl Supervisor {
    pub(super) fn load(&mut self, name: Name, found: Found) {
        if self.holds.get(&name) == Some(&Hold::Disabled) {
            if !self.ending.contains_key(&name) {
                let book = self.books.open(&name);
                let mut current = book.current();
                current.hold = Some(Hold::Disabled);
                current.enter(State::Disabled, self.millis());
            }
            self.known.insert(name, Some(found));
            return;
        }
        let live = self.live.get(&name);
        let mut known: Vec<_> =
            live.map(|live| [Some(live.generation), live.rejected]).into_iter().flatten().flatten().collect();
        if known.is_empty() {
            if !self.has_room(&name) {
                return self.wait(name);
            }
            let book = self.books.open(&name);
            let mut current = book.current();
            if self.waiting.remove(&name) {
                current.problem = None;
            }
            current.enter(State::Loading, self.millis());
        }
        // One load of a name at a time, and one worker; what changes meanwhile is seen at the next look.
        if self.loading.contains_key(&name) || self.ending.contains_key(&name) {
            return;
        }
        self.unsettled.remove(&name);
        self.no_start.remove(&name);
        if self.forced.remove(&name) {
            known.clear();
        }
        self.known.insert(name.clone(), Some(found));
        let cancel = Cancel::default();
        self.loading.insert(name.clone(), Load { since: Instant::now(), cancel: cancel.clone() });
        self.lanes.add(Job { name, found, known, cancel });
    }

    /// Returns true if there is a slot for a plugin that is not live, even if all that are being loaded go live.
    pub(super) fn has_room(&self, name: &Name) -> bool {
        let newcomers = self.loading.keys().filter(|other| *other != name && !self.live.contains_key(*other));
        self.live.len() + newcomers.count() < MAX_PLUGINS
    }

    /// The plugin waits for a slot. It is planned again at each look, and those that wait are planned by name; so the first
    /// of them gets the next slot that is free. Nothing of it is compiled before that.
    pub(super) fn wait(&mut self, name: Name) {
        // Forgetting what was seen of it makes the plan load it again.
        self.known.insert(name.clone(), None);
        let is_new = self.waiting.insert(name.clone());
        let state = self.books.open(&name).current().state;
        if self.live.len() >= MAX_PLUGINS && (is_new || state != State::Refused) {
            self.refuse(&name, &Refusal::NoSlot { path: self.module_of(&name), limit: MAX_PLUGINS });
        } else if is_new {
            self.books.open(&name).current().enter(State::Loading, self.millis());
        }
    }

    /// Loads the first plugin that was refused because others act at the start of calls, if one of those is gone.
    pub(super) fn give_back_a_start(&mut self) {
        // One after the other: how many act at the start is known when they are live.
        if !self.loading.is_empty() || self.no_start.is_empty() || self.starters(None) >= MAX_STARTERS {
            return;
        }
        if let Some(name) = self.no_start.pop_first()
            && let Some(seen) = self.known.get_mut(&name)
        {
            *seen = None;
        }
    }

    /// Counts the live plugins that act at the start of calls, but for this one.
    pub(super) fn starters(&self, but: Option<&Name>) -> usize {
        let others = self.live.keys().filter(|other| Some(*other) != but);
        others.filter(|other| self.books.open(other).current().starts.is_some()).count()
    }

    /// The file of a load is gone, or operators have disabled the tracer: it ends as soon as it can, and holds up neither
    /// others nor the file that comes next.
    pub(in super::super) fn cancel(&mut self, name: &Name) {
        if let Some(load) = self.loading.remove(name) {
            load.cancel.cancel();
            self.lanes.forget_cancelled();
        }
    }

    pub(super) fn loaded(&mut self, job: &Job, result: Result<Loaded, Refusal>) {
        let Job { name, found, cancel, .. } = job;
        // The file was removed meanwhile, and perhaps put back: this result is of bytes that are gone.
        if cancel.is_cancelled() {
            return;
        }
        let Some(since) = self.loading.get(name).map(|load| load.since) else { return };
        match result {
            Ok(Loaded::Ready(generation)) => return self.go_live(name, generation, since),
            // Those that were rolled back from are still to be mended.
            Ok(Loaded::Same)
                if self.live.get(name).is_some_and(|live| live.rejected.is_some() || live.is_quarantined()) => {}
            Ok(Loaded::Same) => self.books.open(name).current().problem = None,
            Ok(Loaded::Disabled) => self.unload(name, State::Disabled),
            Err(refusal) => self.refused(name, found, &refusal),
        }
        self.loading.remove(name);
    }

    pub(super) fn refused(&mut self, name: &Name, found: &Found, refusal: &Refusal) {
        let age = found.module.age().min(found.manifest.map_or(Duration::MAX, |manifest| manifest.age()));
        if refusal.is_passing() {
            // It is being removed or replaced: the next look acts on what is there then.
            self.known.insert(name.clone(), None);
            return;
        }
        if refusal.is_lack_of_memory() {
            self.unsettled.insert(name.clone(), Instant::now() + ROOM);
            return self.refuse(name, refusal);
        }
        if age < SETTLE {
            // It may still be being written. A change leads to another load by itself; without one this failure is
            // looked at once more when the time is over.
            self.unsettled.insert(name.clone(), Instant::now() + (SETTLE - age));
            return;
        }
        self.refuse(name, refusal);
    }

    /// Says why a tracer is not loaded; the generation that is live stays.
    pub(super) fn refuse(&mut self, name: &Name, refusal: &Refusal) {
        self.requests.fail(name, &refusal.to_string(), &refusal.what_to_do());
        let live = self.live.get(name).map(|live| live.generation);
        self.books.open(name).refuse(name, refusal, live, self.millis());
    }
}
