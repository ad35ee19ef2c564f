//! The one task that loads and unloads: it alone changes which plugins are live.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::actions::{Busy, Hold};
use super::books::{Books, Problem, State, Swap};
use super::directory::PluginDir;
use super::facts::{self, Facts, Swapped};
use super::generation::{Generation, GenerationId};
use super::lanes::Lanes;
use super::loader::{Job, Loaded, Refusal, SETTLE};
use super::name::Name;
use super::operator::Operator;
use super::plan::{Action, Known, plan};
use super::pool::Handle;
use super::quarantine::Quarantine;
use super::remedy;
use super::requests::{Request, Requests};
use super::rest::Rest;
use super::scan::Found;
use super::startup::Startup;
use super::watch::Watch;
use super::worker::{Change, Order, Takeover, Worker};
use crate::collect::Collector;
use crate::config::{ConfigFile, Stamp};
use crate::metrics::Registry;
use crate::panics::{Panic, Place, caught};
use crate::plain;
use crate::rpc::{Level, MAX_STARTERS};
use crate::tracer::{Core, MAX_PLUGINS, Rule};
use crate::wasm::{CallError, Cancel};

/// How often the directory is looked at without a hint: network file systems and replaced parents give none.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The shortest time to wait for more hints after one: one copy makes several.
const GATHER: Duration = Duration::from_millis(10);
/// How long a removed plugin may take to work off what waits.
const LAST_TURN: Duration = Duration::from_secs(5);

/// How long after a tracer found no memory left it is tried again.
const ROOM: Duration = Duration::from_secs(10);

/// What happens to the supervisor.
pub(crate) enum Event {
    /// The directory may have changed.
    Look,
    /// A job of the loader's is done.
    Loaded(Box<Job>, Result<Loaded, Refusal>),
    /// A worker has swapped, or not.
    Swapped(Name, Box<Swapped>),
    /// A worker has given its generation up, or is back.
    Changed(Name, Change),
    /// The worker of a tracer that was removed or disabled has ended.
    Ended(Name),
    /// Operators act.
    Act(Request),
    /// A worker that was to rest has nothing left.
    Paused(Name),
    /// Stop everything by then, and say so.
    Shutdown(Instant, Sender<bool>),
    /// A fault of the supervisor's own, while it does something for this tracer.
    #[cfg(test)]
    Panic(Name),
}

impl Event {
    /// The tracer that it is about, if it is about one.
    fn tracer(&self) -> Option<&Name> {
        match self {
            Self::Loaded(job, _) => Some(&job.name),
            Self::Swapped(name, _) | Self::Changed(name, _) | Self::Ended(name) | Self::Paused(name) => Some(name),
            Self::Act(request) => request.name.as_ref(),
            Self::Look | Self::Shutdown(..) => None,
            #[cfg(test)]
            Self::Panic(name) => Some(name),
        }
    }
}

/// A live plugin as the supervisor knows it.
pub(super) struct Live {
    pub(super) slot: usize,
    pub(super) generation: GenerationId,
    pub(super) worker: Arc<Worker>,
    /// The generation before, to go back to.
    pub(super) previous: Option<Box<Generation>>,
    /// The generation from which it was rolled back: its files are still there, and are not loaded again.
    pub(super) rejected: Option<GenerationId>,
    pub(super) quarantine: Option<Quarantine>,
    /// The calls that it gets once it is resumed; none unless it is paused.
    pub(super) withheld: Option<Rule>,
}

/// A load, from the look that found the files until the generation is live or refused.
pub(super) struct Load {
    since: Instant,
    cancel: Cancel,
}

/// A tracer that was removed or disabled, until its worker has had its last turn: then nothing of it can follow.
pub(super) struct Ending {
    generation: GenerationId,
    worker: Arc<Worker>,
    /// The state of the tracer after that.
    state: State,
}

/// Everything that the supervisor works with.
pub(crate) struct Supervisor {
    pub(crate) directory: Arc<PluginDir>,
    pub(crate) startup: Arc<Startup>,
    pub(crate) core: Arc<Core>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) books: Arc<Books>,
    pub(crate) operator: Arc<Operator>,
    pub(crate) collector: Arc<Collector>,
    pub(crate) pool: Handle,
    pub(crate) max_level: Level,
    pub(crate) events: Sender<Event>,
    pub(crate) lanes: Lanes,
    config: Option<ConfigFile>,
    pub(super) known: Known,
    pub(super) live: BTreeMap<Name, Live>,
    pub(super) ending: BTreeMap<Name, Ending>,
    pub(super) loading: BTreeMap<Name, Load>,
    /// Files that failed while they may still have been being written: when to try them once more.
    pub(super) unsettled: BTreeMap<Name, Instant>,
    rest: Rest,
    /// Plugins that wait for a slot, or for one that is still being loaded and may fail.
    pub(super) waiting: BTreeSet<Name>,
    /// Plugins that were refused because enough others act at the start of calls.
    no_start: BTreeSet<Name>,
    pub(super) holds: BTreeMap<Name, Hold>,
    /// Tracers whose files are to be loaded even if nothing in them is new.
    pub(super) forced: BTreeSet<Name>,
    pub(super) busy: BTreeSet<(Name, Busy)>,
    pub(super) requests: Requests,
}

impl Supervisor {
    #[expect(clippy::too_many_arguments, reason = "called once, by the house that it lives in")]
    pub(crate) fn new(
        directory: Arc<PluginDir>,
        startup: Arc<Startup>,
        core: Arc<Core>,
        registry: Arc<Registry>,
        books: Arc<Books>,
        operator: Arc<Operator>,
        collector: Arc<Collector>,
        pool: Handle,
        max_level: Level,
        events: Sender<Event>,
        lanes: Lanes,
    ) -> Self {
        let mut config = operator.file();
        if let Some(config) = &mut config {
            // What is said of traces is in effect before the first call. Of tracers nothing is known yet.
            operator.look(config);
        }
        Self {
            directory,
            startup,
            core,
            registry,
            books,
            config,
            operator,
            collector,
            pool,
            max_level,
            events,
            lanes,
            known: Known::new(),
            live: BTreeMap::new(),
            ending: BTreeMap::new(),
            loading: BTreeMap::new(),
            unsettled: BTreeMap::new(),
            rest: Rest::default(),
            waiting: BTreeSet::new(),
            no_start: BTreeSet::new(),
            holds: BTreeMap::new(),
            forced: BTreeSet::new(),
            busy: BTreeSet::new(),
            requests: Requests::default(),
        }
    }

    pub(crate) fn run(mut self, events: &Receiver<Event>) {
        let watch = || Watch::new(self.directory.path().to_owned(), self.events.clone());
        // Without it the looks that come by themselves are enough.
        let mut watch = caught(Place::Supervisor, watch).ok();
        loop {
            let began = Instant::now();
            let _ = caught(Place::Supervisor, || watch.iter_mut().for_each(Watch::follow));
            let _ = caught(Place::Supervisor, || self.look());
            let _ = caught(Place::Supervisor, || self.startup.changed());
            let now = Instant::now();
            let (gather, retry) = (gather(now - began), self.retry(now));
            let answer = caught(Place::Supervisor, || self.answer_requests(now)).unwrap_or_default();
            let due = self.unsettled.values().copied().chain(self.rest.due()).chain(retry).chain(answer).min();
            let due = due.map(|at| at.saturating_duration_since(now));
            match events.recv_timeout(due.map_or(LOOK_EVERY, |due| due.min(LOOK_EVERY))) {
                Ok(Event::Look) => {
                    let gathered = Instant::now() + gather;
                    while let Ok(event) = events.recv_timeout(gathered.saturating_duration_since(Instant::now())) {
                        if self.handle(event) {
                            return;
                        }
                    }
                }
                Ok(event) => {
                    if self.handle(event) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// True if that was the end. A panic refuses the tracer concerned, and the next event is handled.
    fn handle(&mut self, event: Event) -> bool {
        let concerned = event.tracer().cloned();
        let is_end = matches!(event, Event::Shutdown(..));
        caught(Place::Supervisor, || self.act(event)).unwrap_or_else(|panic| {
            if let Some(name) = concerned {
                self.panicked(&name, panic);
            }
            is_end
        })
    }

    /// What was done for a tracer was not done to its end: it is said so, and the next change of its file is looked at.
    fn panicked(&mut self, name: &Name, panic: Panic) {
        self.loading.remove(name);
        let path = self.module_of(name);
        let _ = caught(Place::Supervisor, || self.refuse(name, &Refusal::Panicked { path, panic }));
    }

    fn act(&mut self, event: Event) -> bool {
        match event {
            Event::Look => {}
            #[cfg(test)]
            Event::Panic(_) => panic!("an odd event"),
            Event::Loaded(job, result) => self.loaded(&job, result),
            Event::Swapped(name, swapped) => self.swapped(&name, *swapped),
            Event::Changed(name, change) => self.changed(&name, change),
            Event::Ended(name) => {
                if let Some(Ending { generation, state, .. }) = self.ending.remove(&name) {
                    self.ended(&name, Some(generation), state);
                }
            }
            Event::Act(request) => self.carry_out(request),
            Event::Paused(name) => _ = self.busy.remove(&(name, Busy::Pausing)),
            Event::Shutdown(until, done) => {
                let all = self.shutdown(until);
                self.startup.changed();
                let _ = done.send(all);
                return true;
            }
        }
        false
    }

    fn look(&mut self) {
        if let Some(config) = &mut self.config {
            let changed = self.operator.look(config);
            // Forgetting what was seen of a tracer makes the plan load it again, with what it is granted now.
            for (_, seen) in self.known.iter_mut().filter(|(name, _)| changed.concerns(name)) {
                *seen = None;
            }
        }
        let found = match self.directory.look() {
            Ok(found) => found,
            Err(error) => return self.startup.found(|| Err(error)),
        };
        let now = Instant::now();
        for (name, _) in self.unsettled.extract_if(.., |_, at| *at <= now) {
            // Forgetting what was seen of it makes the plan load it again.
            self.known.insert(name, None);
        }
        self.give_back_a_start();
        let unrested = self.rest.look(&self.known, &found, now, Stamp::age);
        for action in plan(&self.known, &found) {
            let (Action::Load(name, _) | Action::Remove(name)) = &action;
            let name = name.clone();
            if unrested.contains(&name) {
                continue;
            }
            let done = caught(Place::Supervisor, || match action {
                Action::Load(name, found) => self.load(name, found),
                Action::Remove(name) => {
                    self.known.remove(&name);
                    self.unsettled.remove(&name);
                    self.waiting.remove(&name);
                    self.no_start.remove(&name);
                    self.cancel(&name);
                    self.forced.remove(&name);
                    self.unload(&name, State::Removed);
                }
            });
            if let Err(panic) = done {
                self.panicked(&name, panic);
            }
        }
        // Once each of them has a book that says that it is loading.
        self.startup.found(|| Ok(found.into_keys().collect()));
    }

    fn load(&mut self, name: Name, found: Found) {
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
    fn has_room(&self, name: &Name) -> bool {
        let newcomers = self.loading.keys().filter(|other| *other != name && !self.live.contains_key(*other));
        self.live.len() + newcomers.count() < MAX_PLUGINS
    }

    /// The plugin waits for a slot. It is planned again at each look, and those that wait are planned by name; so the first
    /// of them gets the next slot that is free. Nothing of it is compiled before that.
    fn wait(&mut self, name: Name) {
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
    fn give_back_a_start(&mut self) {
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
    fn starters(&self, but: Option<&Name>) -> usize {
        let others = self.live.keys().filter(|other| Some(*other) != but);
        others.filter(|other| self.books.open(other).current().starts.is_some()).count()
    }

    /// The file of a load is gone, or operators have disabled the tracer: it ends as soon as it can, and holds up neither others nor the file that comes next.
    pub(super) fn cancel(&mut self, name: &Name) {
        if let Some(load) = self.loading.remove(name) {
            load.cancel.cancel();
            self.lanes.forget_cancelled();
        }
    }

    fn loaded(&mut self, job: &Job, result: Result<Loaded, Refusal>) {
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

    fn refused(&mut self, name: &Name, found: &Found, refusal: &Refusal) {
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
    fn refuse(&mut self, name: &Name, refusal: &Refusal) {
        self.requests.fail(name, &refusal.to_string(), &refusal.what_to_do());
        let live = self.live.get(name).map(|live| live.generation);
        self.books.open(name).refuse(name, refusal, live, self.millis());
    }

    fn module_of(&self, name: &Name) -> PathBuf {
        self.directory.path().join(format!("{name}.wasm"))
    }

    /// A generation is ready: it takes the place of the live one, or a free slot.
    fn go_live(&mut self, name: &Name, mut generation: Box<Generation>, since: Instant) {
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

    /// How many live plugins may act at the start of calls, if one more would be too many.
    fn too_many_starts(&self, name: &Name, generation: &Generation) -> Option<usize> {
        (generation.starts.is_some() && self.starters(Some(name)) >= MAX_STARTERS).then_some(MAX_STARTERS)
    }

    fn swapped(&mut self, name: &Name, swapped: Swapped) {
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
    pub(super) fn unload(&mut self, name: &Name, state: State) {
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
    fn ended(&self, name: &Name, generation: Option<GenerationId>, state: State) {
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
    pub(super) fn publish(&self, rule: Rule) {
        self.core.live.update(|rules| match rules.plugins.iter_mut().find(|old| old.slot == rule.slot) {
            Some(old) => *old = rule,
            None => rules.plugins.push(rule),
        });
    }

    /// The plugin in a slot gets no more calls. Returns the rule by which it got them. Those that have finished before may
    /// not be in its queue yet.
    pub(super) fn withdraw(&self, slot: usize) -> Option<Rule> {
        let mut withdrawn = None;
        self.core.live.update(|rules| {
            let place = rules.plugins.iter().position(|rule| rule.slot == slot);
            withdrawn = place.map(|place| rules.plugins.remove(place));
        });
        withdrawn
    }

    fn retire(&self, slot: usize) {
        self.withdraw(slot);
        self.collector.drain();
        self.collector.assign(slot, None);
    }

    /// Everything that was gathered is flushed and committed. True if that was done in time.
    fn shutdown(&mut self, until: Instant) -> bool {
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

    pub(super) fn millis(&self) -> u64 {
        self.core.clock.unix(self.core.clock.now()) / 1_000_000
    }
}

/// Returns how long to wait for more hints after one, if a look takes this long: looks at a large directory in which files
/// change without end take a tenth of the thread's time.
fn gather(look: Duration) -> Duration {
    (look * 10).clamp(GATHER, LOOK_EVERY)
}

/// Whole milliseconds, as people read them.
fn rounded_millis(duration: Duration) -> u64 {
    (duration.as_secs_f64() * 1e3).round() as u64
}

#[cfg(test)]
mod tests;
