//! The one task that loads and unloads: it alone changes which plugins are live.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::books::{Books, Problem, State, Swap};
use super::facts::{Facts, Swapped};
use super::generation::{Generation, GenerationId};
use super::loader::{Job, Loaded, Refusal, SETTLE};
use super::name::Name;
use super::operator::Operator;
use super::plan::{Action, Known, plan};
use super::pool::Handle;
use super::scan::{Found, scan};
use super::watch::Watch;
use super::worker::{Order, Worker};
use crate::collect::Collector;
use crate::config::ConfigFile;
use crate::metrics::Registry;
use crate::rpc::{Level, MAX_STARTERS};
use crate::tracer::{Core, MAX_PLUGINS};
use crate::wasm::CallError;

/// How often the directory is looked at without a hint: network file systems and replaced parents give none.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After a hint, how long to wait for more of them: one copy makes several.
const GATHER: Duration = Duration::from_millis(10);
/// How long a removed plugin may take to work off what waits.
const LAST_TURN: Duration = Duration::from_secs(5);

/// What happens to the supervisor.
pub(crate) enum Event {
    /// The directory may have changed.
    Look,
    /// The loader is done with a job.
    Loaded(Name, Found, Result<Loaded, Refusal>),
    /// A worker has swapped, or not.
    Swapped(Name, Box<Swapped>),
    /// Stop everything by then, and say so.
    Shutdown(Instant, Sender<bool>),
}

/// A live plugin as the supervisor knows it.
struct Live {
    slot: usize,
    generation: GenerationId,
    worker: Arc<Worker>,
}

/// Everything that the supervisor works with.
pub(crate) struct Supervisor {
    pub(crate) directory: PathBuf,
    pub(crate) core: Arc<Core>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) books: Arc<Books>,
    pub(crate) operator: Arc<Operator>,
    pub(crate) collector: Arc<Collector>,
    pub(crate) pool: Handle,
    pub(crate) max_level: Level,
    pub(crate) events: Sender<Event>,
    pub(crate) jobs: Sender<Job>,
    config: Option<ConfigFile>,
    known: Known,
    live: BTreeMap<Name, Live>,
    loading: BTreeMap<Name, Instant>,
    /// Files that failed while they may still have been being written: when to try them once more.
    unsettled: BTreeMap<Name, Instant>,
    unreadable: bool,
}

impl Supervisor {
    #[expect(clippy::too_many_arguments, reason = "called once, by the house that it lives in")]
    pub(crate) fn new(
        directory: PathBuf,
        core: Arc<Core>,
        registry: Arc<Registry>,
        books: Arc<Books>,
        operator: Arc<Operator>,
        collector: Arc<Collector>,
        pool: Handle,
        max_level: Level,
        events: Sender<Event>,
        jobs: Sender<Job>,
    ) -> Self {
        Self {
            directory,
            core,
            registry,
            books,
            config: operator.file(),
            operator,
            collector,
            pool,
            max_level,
            events,
            jobs,
            known: Known::new(),
            live: BTreeMap::new(),
            loading: BTreeMap::new(),
            unsettled: BTreeMap::new(),
            unreadable: false,
        }
    }

    pub(crate) fn run(mut self, events: &Receiver<Event>) {
        let mut watch = Watch::new(self.directory.clone(), self.events.clone());
        loop {
            watch.follow();
            self.look();
            let now = Instant::now();
            let due = self.unsettled.values().map(|at| at.saturating_duration_since(now)).min();
            match events.recv_timeout(due.map_or(LOOK_EVERY, |due| due.min(LOOK_EVERY))) {
                Ok(Event::Look) => {
                    let gathered = Instant::now() + GATHER;
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

    /// True if that was the end.
    fn handle(&mut self, event: Event) -> bool {
        match event {
            Event::Look => {}
            Event::Loaded(name, found, result) => self.loaded(&name, &found, result),
            Event::Swapped(name, swapped) => self.swapped(&name, *swapped),
            Event::Shutdown(until, done) => {
                let _ = done.send(self.shutdown(until));
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
        let found = match scan(&self.directory) {
            Ok(found) => found,
            Err(error) => {
                if !std::mem::replace(&mut self.unreadable, true) {
                    let directory = self.directory.display();
                    tracing::warn!(%directory, %error, "the plugin dir cannot be read; the live plugins stay live");
                }
                return;
            }
        };
        self.unreadable = false;
        let now = Instant::now();
        for (name, _) in self.unsettled.extract_if(.., |_, at| *at <= now) {
            // Forgetting what was seen of it makes the plan load it again.
            self.known.insert(name, None);
        }
        for action in plan(&self.known, &found) {
            match action {
                // One load of a name at a time; what changes meanwhile is seen at the next look.
                Action::Load(name, _) if self.loading.contains_key(&name) => {}
                Action::Load(name, found) => self.load(name, found),
                Action::Remove(name) => {
                    self.known.remove(&name);
                    self.unsettled.remove(&name);
                    self.unload(&name, State::Removed);
                }
            }
        }
    }

    fn load(&mut self, name: Name, found: Found) {
        self.unsettled.remove(&name);
        self.known.insert(name.clone(), Some(found));
        let live = self.live.get(&name).map(|live| live.generation);
        if live.is_none() {
            self.books.open(&name).current().enter(State::Loading, self.millis());
        }
        self.loading.insert(name.clone(), Instant::now());
        let _ = self.jobs.send(Job { name, found, live });
    }

    fn loaded(&mut self, name: &Name, found: &Found, result: Result<Loaded, Refusal>) {
        let Some(since) = self.loading.get(name).copied() else { return };
        match result {
            Ok(Loaded::Ready(generation)) if self.known.contains_key(name) => {
                return self.go_live(name, generation, since);
            }
            Ok(Loaded::Ready(_)) => {}
            Ok(Loaded::Same) => self.books.open(name).current().problem = None,
            Ok(Loaded::Disabled) => self.unload(name, State::Disabled),
            Err(refusal) => self.refused(name, found, &refusal),
        }
        self.loading.remove(name);
    }

    fn refused(&mut self, name: &Name, found: &Found, refusal: &Refusal) {
        let age = found.module.age().min(found.manifest.map_or(Duration::MAX, |manifest| manifest.age()));
        if age < SETTLE && self.known.contains_key(name) {
            // It may still be being written. A change leads to another load by itself; without one this failure is
            // looked at once more when the time is over.
            self.unsettled.insert(name.clone(), Instant::now() + (SETTLE - age));
            return;
        }
        let live = self.live.get(name).map(|live| live.generation);
        let meanwhile = match live {
            Some(generation) => format!("generation {generation} stays live"),
            None => "the other tracers are not affected".to_owned(),
        };
        tracing::warn!(tracer = name.as_str(), "not loaded: {refusal}; {meanwhile}");
        let now = self.millis();
        let book = self.books.open(name);
        let mut current = book.current();
        current.problem = Some(Problem { message: refusal.to_string(), meanwhile, at: now });
        if live.is_none() {
            current.enter(State::Refused, now);
        }
    }

    /// A generation is ready: it takes the place of the live one, or a free slot.
    fn go_live(&mut self, name: &Name, mut generation: Box<Generation>, since: Instant) {
        let id = generation.id;
        generation.cap(self.max_level);
        let facts = Facts::of(&generation);
        self.operator.declare(name, generation.manifest.defines.clone());
        if let Some(limit) = self.too_many_starts(name, &generation) {
            self.loading.remove(name);
            return self.no_room(name, |path| Refusal::NoStart { path, limit });
        }
        if let Some(live) = self.live.get(name) {
            let rule = facts.rule(live.slot, &generation);
            let (events, name) = (self.events.clone(), name.clone());
            let answer = move |result: Result<(), CallError>| {
                let swapped = Swapped { result: result.map(|()| rule), facts };
                let _ = events.send(Event::Swapped(name, Box::new(swapped)));
            };
            live.worker.order(Order::Swap(generation, Box::new(answer)));
            return;
        }
        self.loading.remove(name);
        let taken: Vec<usize> = self.live.values().map(|live| live.slot).collect();
        let Some(slot) = (0..MAX_PLUGINS).find(|slot| !taken.contains(slot)) else {
            return self.no_room(name, |path| Refusal::NoSlot { path, limit: MAX_PLUGINS });
        };
        let rule = facts.rule(slot, &generation);
        let book = self.books.open(name);
        let worker = Worker::new(self.core.clone(), book.clone(), self.registry.clone(), generation, self.pool.clone());
        // The inbox is there before the first row can come.
        self.collector.assign(slot, Some(worker.clone()));
        self.core.live.update(|rules| rules.plugins.push(rule));
        worker.schedule();
        self.live.insert(name.clone(), Live { slot, generation: id, worker });
        facts.enter(&book, self.millis());
        let millis = since.elapsed().as_millis();
        tracing::info!(tracer = name.as_str(), generation = %id, millis, "live");
    }

    /// How many live plugins may act at the start of calls, if one more would be too many.
    fn too_many_starts(&self, name: &Name, generation: &Generation) -> Option<usize> {
        let others = self.live.keys().filter(|other| *other != name);
        let starters = others.filter(|other| self.books.open(other).current().starts.is_some()).count();
        (generation.starts.is_some() && starters >= MAX_STARTERS).then_some(MAX_STARTERS)
    }

    /// There is no place for it among the live ones.
    fn no_room(&self, name: &Name, refusal: impl FnOnce(PathBuf) -> Refusal) {
        let refusal = refusal(self.directory.join(format!("{name}.wasm")));
        tracing::warn!(tracer = name.as_str(), "not loaded: {refusal}");
        let book = self.books.open(name);
        let mut current = book.current();
        let meanwhile = "the live plugins stay live".to_owned();
        current.problem = Some(Problem { message: refusal.to_string(), meanwhile, at: self.millis() });
        if !self.live.contains_key(name) {
            current.enter(State::Refused, self.millis());
        }
    }

    fn swapped(&mut self, name: &Name, swapped: Swapped) {
        let since = self.loading.remove(name);
        let Some(live) = self.live.get_mut(name) else { return };
        let book = self.books.open(name);
        match swapped.result {
            Ok(rule) => {
                let to = swapped.facts.id;
                let from = std::mem::replace(&mut live.generation, to);
                self.core.live.update(|rules| match rules.plugins.iter_mut().find(|old| old.slot == rule.slot) {
                    Some(old) => *old = rule,
                    None => rules.plugins.push(rule),
                });
                swapped.facts.enter(&book, self.millis());
                let millis = since.map_or(0.0, |since| since.elapsed().as_secs_f64() * 1e3);
                book.current().swapped(Swap { from, to, millis });
                tracing::info!(tracer = name.as_str(), %from, %to, millis, "swapped");
            }
            Err(error) => {
                let meanwhile = format!("generation {} stays live", live.generation);
                let message = format!("generation {} could not take over: {error}; mend the tracer", swapped.facts.id);
                tracing::warn!(tracer = name.as_str(), "{message}; {meanwhile}");
                book.current().problem = Some(Problem { message, meanwhile, at: self.millis() });
            }
        }
    }

    /// Takes a plugin out: no new calls, then it works off what waits. Its slot is free at once, because after the drain
    /// no row of it can appear.
    fn unload(&mut self, name: &Name, state: State) {
        let now = self.millis();
        let book = self.books.open(name);
        self.operator.declare(name, BTreeMap::new());
        if let Some(live) = self.live.remove(name) {
            self.retire(&live);
            live.worker.order(Order::Stop(Instant::now() + LAST_TURN, Box::new(|| {})));
            tracing::info!(tracer = name.as_str(), generation = %live.generation, "{}", state.as_str());
        }
        let mut current = book.current();
        current.problem = None;
        current.generation = None;
        current.starts = None;
        current.enter(state, now);
    }

    fn retire(&self, live: &Live) {
        self.core.live.update(|rules| rules.plugins.retain(|rule| rule.slot != live.slot));
        self.collector.drain();
        self.collector.assign(live.slot, None);
    }

    /// Everything that was gathered is flushed and committed. True if that was done in time.
    fn shutdown(&mut self, until: Instant) -> bool {
        self.core.live.update(|rules| {
            rules.plugins.clear();
            rules.disabled = true;
        });
        self.collector.stop();
        let (done, is_done) = std::sync::mpsc::channel();
        let live = std::mem::take(&mut self.live);
        for (name, live) in &live {
            let done = done.clone();
            self.books.open(name).current().enter(State::Stopped, self.millis());
            live.worker.order(Order::Stop(
                until,
                Box::new(move || {
                    let _ = done.send(());
                }),
            ));
        }
        live.iter().all(|_| is_done.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok())
    }

    fn millis(&self) -> u64 {
        self.core.clock.unix(self.core.clock.now()) / 1_000_000
    }
}
