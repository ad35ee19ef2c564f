//! The one task that loads and unloads: it alone changes which plugins are live.

mod lives;
mod loads;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::actions::{Busy, Hold};
use super::books::{Books, State};
use super::directory::PluginDir;
use super::facts::Swapped;
use super::generation::{Generation, GenerationId};
use super::lanes::Lanes;
use super::loader::{Job, Loaded, Refusal};
use super::name::Name;
use super::operator::Operator;
use super::plan::{Action, Known, plan};
use super::pool::Handle;
use super::quarantine::Quarantine;
use super::requests::{Request, Requests};
use super::rest::Rest;
use super::startup::Startup;
use super::watch::Watch;
use super::worker::{Change, Worker};
use crate::config::{ConfigFile, Stamp};
use crate::metrics::Registry;
use crate::wasm::Cancel;
use hottap_core::collect::Collector;
use hottap_core::live::Rule;
use hottap_core::panics::{Panic, Place, caught};
use hottap_core::rpc::Level;
use hottap_core::tracer::Core;

/// The time between looks without a hint: network file systems and replaced parents give none.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The shortest time to wait for more hints after one: one copy makes several.
const GATHER: Duration = Duration::from_millis(10);
/// An event that the supervisor handles.
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
            let gather = gather(now - began);
            let retry = caught(Place::Supervisor, || self.retry(now)).unwrap_or_default();
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

    /// Names a tracer for which something was not done to its end. The next change of its file is looked at.
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

    pub(super) fn module_of(&self, name: &Name) -> PathBuf {
        self.directory.path().join(format!("{name}.wasm"))
    }

    pub(super) fn millis(&self) -> u64 {
        self.core.clock.unix(self.core.clock.now()) / 1_000_000
    }
}

/// Returns how long to wait for more hints after one, if a look takes this long: looks at a large directory in which
/// files change without end take a tenth of the thread's time.
fn gather(look: Duration) -> Duration {
    (look * 10).clamp(GATHER, LOOK_EVERY)
}

#[cfg(test)]
mod tests;
