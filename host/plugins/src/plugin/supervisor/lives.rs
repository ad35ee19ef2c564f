//! The live set: plugins go live, are swapped, and end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Ending, Event, Live, Supervisor};
use crate::plugin::actions::Busy;
use crate::plugin::books::{Problem, State, Swap};
use crate::plugin::facts;
use crate::plugin::facts::{Facts, Swapped};
use crate::plugin::generation::{Generation, GenerationId};
use crate::plugin::loader::Refusal;
use crate::plugin::name::Name;
use crate::plugin::remedy;
use crate::plugin::worker::{Order, Takeover, Worker};
use crate::wasm::CallError;
use hottap_core::live::{MAX_PLUGINS, Rule};
use hottap_core::plain;
use hottap_core::rpc::MAX_STARTERS;

/// The time in which a removed plugin works off what waits.
const LAST_TURN: Duration = Duration::from_secs(5);

impl Supervisor {
    /// A generation is ready: it takes the place of the live one, or a free slot.
    pub(super) fn go_live(&mut self, name: &Name, mut generation: Box<Generation>, since: Instant) {
        let id = generation.id;
        generation.cap(self.max_level);
        let facts = Facts::of(&generation);
        self.operator.declare(name, generation.manifest.defines.clone());
        if let Some(limit) = self.too_many_starts(name, &generation) {
            self.loading.remove(name);
            self.no_start.insert(name.clone());
            return self.refuse(name, &Refusal::NoStart { path: self.module_of(name), limit });
        }
        if let Some(live) = self.live.get(name) {
            let rule = facts.rule(live.slot, &generation);
            let (events, name) = (self.events.clone(), name.clone());
            let answer = move |result: Result<_, CallError>| {
                let result = result.map(|old| (rule, old));
                let swapped = Swapped { takeover: Takeover::Succession, reason: None, result, facts };
                let _ = events.send(Event::Swapped(name, Box::new(swapped)));
            };
            live.worker.order(Order::Swap(generation, Takeover::Succession, Box::new(answer)));
            return;
        }
        self.loading.remove(name);
        let taken: Vec<usize> = self.live.values().map(|live| live.slot).collect();
        let Some(slot) = (0..MAX_PLUGINS).find(|slot| !taken.contains(slot)) else {
            return self.refuse(name, &Refusal::NoSlot { path: self.module_of(name), limit: MAX_PLUGINS });
        };
        let rule = facts.rule(slot, &generation);
        let book = self.books.open(name);
        book.succeed(None, id);
        let (events, of) = (self.events.clone(), name.clone());
        let tell = Box::new(move |change| _ = events.send(Event::Changed(of.clone(), change)));
        let (core, registry, pool) = (self.core.clone(), self.registry.clone(), self.pool.clone());
        let worker = Worker::new(core, book.clone(), registry, generation, pool, tell);
        // The inbox is there before the first row can come.
        self.collector.assign(slot, Some(worker.clone()));
        let hold = self.holds.get(name).copied();
        let withheld = match hold {
            Some(_) => Some(rule),
            None => {
                self.publish(rule);
                None
            }
        };
        let live = Live { slot, generation: id, worker, previous: None, rejected: None, quarantine: None, withheld };
        let state = live.state();
        live.worker.schedule();
        self.live.insert(name.clone(), live);
        if state == State::Paused || self.core.live.is_paused() {
            self.rest(name);
        }
        book.current().hold = hold;
        facts.enter(&book, state, self.millis());
        let millis = rounded_millis(since.elapsed());
        tracing::info!(tracer = name.as_str(), generation = %id, millis, "{}", state.as_str());
        facts::tell_level(name, &book, &self.operator);
    }

    /// The number of live plugins that may act at the start of calls, if one more would be too many.
    pub(super) fn too_many_starts(&self, name: &Name, generation: &Generation) -> Option<usize> {
        (generation.starts.is_some() && self.starters(Some(name)) >= MAX_STARTERS).then_some(MAX_STARTERS)
    }

    pub(super) fn swapped(&mut self, name: &Name, swapped: Swapped) {
        let Swapped { takeover, reason, result, facts } = swapped;
        let is_rollback = takeover == Takeover::Rollback;
        let since = if is_rollback { None } else { self.loading.remove(name).map(|load| load.since) };
        if is_rollback {
            self.busy.remove(&(name.clone(), Busy::RollingBack));
        }
        let Some(live) = self.live.get_mut(name) else { return };
        let book = self.books.open(name);
        match result {
            Ok((rule, old)) => {
                let to = facts.id;
                let from = std::mem::replace(&mut live.generation, to);
                (live.rejected, live.quarantine) = (is_rollback.then_some(from), None);
                // Files that were loaded again as they were are no other generation to go back to.
                if !is_rollback && old.is_some() && from != to {
                    live.previous = old;
                }
                let rejected = live.rejected;
                let (withheld, rule) = match live.withheld {
                    Some(_) => (Some(rule), None),
                    None => (None, Some(rule)),
                };
                live.withheld = withheld;
                let state = live.state();
                if let Some(rule) = rule {
                    self.publish(rule);
                }
                facts.enter(&book, state, self.millis());
                book.current().rejected = rejected;
                let took = since.map_or(Duration::ZERO, |since| since.elapsed());
                book.current().swapped(Swap { from, to, millis: took.as_secs_f64() * 1e3 });
                tracing::info!(tracer = name.as_str(), %from, %to, millis = rounded_millis(took), "swapped");
                facts::tell_level(name, &book, &self.operator);
                if is_rollback {
                    self.rolled_back(name, from, reason);
                }
            }
            Err(error) => {
                let meanwhile = format!("generation {} stays live", live.generation);
                let message = plain::message(&format!("generation {} could not take over: {error}", facts.id));
                let what_to_do = remedy::of_call(&error);
                tracing::warn!(tracer = name.as_str(), "{message}; {what_to_do}; {meanwhile}");
                self.requests.fail(name, &message, &what_to_do);
                book.current().problem = Some(Problem { message, what_to_do, meanwhile, at: self.millis() });
                if let Some(reason) = reason {
                    self.quarantine(name, &reason);
                }
            }
        }
    }

    /// Takes a plugin out: no new calls, then it works off what waits. Its slot is free at once, because after the drain
    /// no row of it can appear.
    pub(in super::super) fn unload(&mut self, name: &Name, state: State) {
        let live = self.live.remove(name);
        self.busy.retain(|(of, _)| of != name);
        {
            let book = self.books.open(name);
            let mut current = book.current();
            current.end();
            if live.is_some() || self.ending.contains_key(name) {
                current.enter(State::Ending, self.millis());
            }
        }
        if let Some(Live { slot, generation, worker, .. }) = live {
            self.retire(slot);
            let (events, ended) = (self.events.clone(), name.clone());
            let tell = move || _ = events.send(Event::Ended(ended));
            worker.order(Order::Stop(Instant::now() + LAST_TURN, Box::new(tell)));
            self.ending.insert(name.clone(), Ending { generation, worker, state });
        } else if let Some(ending) = self.ending.get_mut(name) {
            ending.state = state;
        } else {
            self.ended(name, None, state);
        }
    }

    /// Nothing of a tracer can follow any more: what it defined goes, and the log says so.
    pub(super) fn ended(&self, name: &Name, generation: Option<GenerationId>, state: State) {
        self.operator.declare(name, BTreeMap::new());
        let book = self.books.open(name);
        let mut current = book.current();
        // It may have been put back, and waits to be loaded.
        if current.state != State::Loading || generation.is_none() {
            current.enter(state, self.millis());
        }
        let generation = generation.map(tracing::field::display);
        tracing::info!(tracer = name.as_str(), generation, "{}", state.as_str());
    }

    /// The plugin in a slot gets the calls that this rule says, in place of those that it got before.
    pub(in super::super) fn publish(&self, rule: Rule) {
        self.core.live.update(|rules| match rules.plugins.iter_mut().find(|old| old.slot == rule.slot) {
            Some(old) => *old = rule,
            None => rules.plugins.push(rule),
        });
    }

    /// The plugin in a slot gets no more calls. Returns the rule by which it got them. Those that have finished before may
    /// not be in its queue yet.
    pub(in super::super) fn withdraw(&self, slot: usize) -> Option<Rule> {
        let mut withdrawn = None;
        self.core.live.update(|rules| {
            let place = rules.plugins.iter().position(|rule| rule.slot == slot);
            withdrawn = place.map(|place| rules.plugins.remove(place));
        });
        withdrawn
    }

    pub(super) fn retire(&self, slot: usize) {
        self.withdraw(slot);
        self.collector.drain();
        self.collector.assign(slot, None);
    }

    /// Everything that was gathered is flushed and committed. True if that was done in time.
    pub(super) fn shutdown(&mut self, until: Instant) -> bool {
        self.core.live.update(|rules| {
            rules.plugins.clear();
            rules.disabled = true;
        });
        self.collector.stop();
        self.loading.values().for_each(|load| load.cancel.cancel());
        self.lanes.forget_cancelled();
        for name in self.loading.keys().chain(&self.waiting).filter(|name| !self.live.contains_key(*name)) {
            self.books.open(name).current().enter(State::Stopped, self.millis());
        }
        self.pool.hurry();
        let (done, is_done) = std::sync::mpsc::channel();
        let (live, ending) = (std::mem::take(&mut self.live), std::mem::take(&mut self.ending));
        for name in live.keys() {
            self.books.open(name).current().enter(State::Stopped, self.millis());
        }
        // Those that are ending already have been told so, and are only waited for.
        let workers = live.values().map(|live| &live.worker).chain(ending.values().map(|ending| &ending.worker));
        for worker in workers {
            let done = done.clone();
            worker.order(Order::Stop(until, Box::new(move || _ = done.send(()))));
        }
        drop(done);
        let all = (0..live.len() + ending.len())
            .all(|_| is_done.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok());
        for (name, Ending { generation, state, .. }) in &ending {
            self.ended(name, Some(*generation), *state);
        }
        // What a worker does later than that counts no more.
        live.keys().chain(ending.keys()).for_each(|name| self.books.open(name).account.close());
        all
    }
}

/// Whole milliseconds, as people read them.
fn rounded_millis(duration: Duration) -> u64 {
    (duration.as_secs_f64() * 1e3).round() as u64
}
