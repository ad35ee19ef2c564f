//! One loaded version of a plugin.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderMap;
use sha2::{Digest, Sha256};

use super::manifest::Manifest;
use super::name::Name;
use super::starts::Starts;
use crate::config::Grants;
use crate::metrics::{Registry, SeriesLimits, Stage};
use crate::outbox::Outbox;
use crate::wasm::{
    CallError, Cause, FUEL_PER_NANO, Guest, HeaderGrants, Identity, Limits, Module, Settings, Starter, State,
    Surroundings, thread_cpu_time,
};
use hottap_core::collect::{sample, sample_moments, sample_starts};
use hottap_core::live::{BUDGET, Shown};
use hottap_core::rpc::Level;

/// The time for which the loader makes instances for the RPC's threads before the tracer goes live; those that are
/// missing then are made in its worker's turns. At least one is made.
const FIRST_FILL: Duration = Duration::from_millis(100);

/// Names a generation: the SHA-256 of module and manifest, of which the first six bytes are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct GenerationId([u8; 32]);

impl GenerationId {
    pub(crate) fn of(module: &[u8; 32], manifest: &[u8], grants: &Grants) -> Self {
        let hash = Sha256::new().chain_update(module).chain_update(manifest);
        // What the operator grants belongs to it as the manifest does; most tracers are granted nothing.
        let granted = if *grants == Grants::default() { String::new() } else { format!("{grants:?}") };
        Self(hash.chain_update(granted).finalize().into())
    }
}

impl fmt::Debug for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(6).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One loaded version of a plugin: compiled, and tried on a canary.
pub struct Generation {
    pub(crate) id: GenerationId,
    pub name: Name,
    pub manifest: Manifest,
    pub settings: Settings,
    /// The level that the tracer asked for; in the settings is the one that it may have.
    pub(crate) wanted_level: Level,
    /// What it does at the start of calls, if it does anything.
    pub(crate) starts: Option<Arc<Starts>>,
    /// What it last saved and committed.
    pub(crate) state: State,
    module: Module,
    limits: Limits,
    /// The operator lets the texts of its dead letters be seen.
    shows_dead_letters: bool,
    identity: Arc<Identity>,
    headers: Arc<HeaderGrants>,
    outbox: Outbox,
    /// The greatest level that the operator lets it have, if it said so.
    level_cap: Option<Level>,
}

/// CPU time of the first `init`, on a thread where only other newcomers wait: interpreters start slowly. The limit of
/// those that come later is [`Limits::init`].
const FIRST_INIT: Duration = Duration::from_secs(2);

/// What a generation gets from the host and its operator.
pub struct Given {
    pub identity: Arc<Identity>,
    pub grants: Grants,
    pub outbox: Outbox,
}

impl Generation {
    /// Tries a compiled module on throw-away instances: `init`, a made-up batch, `flush`, some starts if it has any,
    /// and some messages if it follows streams. Nothing of it is kept but what the tracer asked for; the instance that
    /// collected is handed over for those who want to see what it did.
    pub(crate) fn try_out(
        id: GenerationId,
        name: Name,
        manifest: Manifest,
        module: Module,
        given: Given,
        now: u64,
    ) -> Result<(Self, Box<dyn Guest>), CallError> {
        let Given { identity, grants, outbox } = given;
        let starts = module.has_starter().then(|| Arc::new(Starts::new(name.clone())));
        let mut generation = Self {
            id,
            name,
            manifest,
            settings: Settings::default(),
            wanted_level: Level::default(),
            starts,
            state: State::default(),
            module,
            limits: limits(&grants),
            shows_dead_letters: grants.dead_letters,
            identity,
            headers: Arc::new(HeaderGrants { see: grants.see_headers, set: grants.set_headers }),
            outbox,
            level_cap: grants.level,
        };
        let (cpu, later) = (thread_cpu_time(), generation.limits.init);
        generation.limits.init = later.max(FIRST_INIT);
        let mut first = generation.instance(&nowhere(), now)?;
        // Instances that are made later may take less time: a tracer that could not have one is not let in.
        if thread_cpu_time().saturating_sub(cpu) > later {
            return Err(CallError::OutOfTime { function: "init", limit: later });
        }
        generation.limits.init = later;
        generation.settings = first.settings();
        generation.wanted_level = generation.settings.level;
        generation.feed_nothing(&mut *first, now)?;
        // One after the other: together they would need twice the memory.
        drop(first);
        let mut canary = generation.instance(&nowhere(), now)?;
        if let Some(mut canary) = generation.starter(now).transpose()? {
            let fuel = BUDGET * FUEL_PER_NANO;
            for call in sample_starts(now) {
                canary.start(&call, &mut HeaderMap::new(), fuel)?;
            }
        }
        generation.feed(&mut *canary, now)?;
        // What the canary has saved is not the first thing that the tracer is to find.
        generation.state = State::default();
        generation.fill(Instant::now() + FIRST_FILL, now)?;
        Ok((generation, canary))
    }

    /// Hands an instance what a tracer must be able to digest: messages if it follows streams, calls of every kind, and
    /// a flush.
    fn feed(&self, canary: &mut dyn Guest, now: u64) -> Result<(), CallError> {
        if self.follows_streams()
            && let Some(moments) = sample_moments(now)
        {
            canary.progress(moments)?;
        }
        if let Some(calls) = sample(now, self.settings.level) {
            canary.finish(calls)?;
        }
        canary.flush(Cause::Period, now, 1)
    }

    /// Hands an instance a batch without calls, and a flush.
    fn feed_nothing(&self, canary: &mut dyn Guest, now: u64) -> Result<(), CallError> {
        if let Some(calls) = sample(now, self.settings.level) {
            canary.finish(calls.slice(0..0))?;
        }
        canary.flush(Cause::Period, now, 1)
    }

    /// Tries the generation once more on throw-away instances, as before it went live. Nothing of it is kept.
    pub(crate) fn probe(&self, now: u64) -> Result<(), CallError> {
        self.feed_nothing(&mut *self.instance(&nowhere(), now)?, now)?;
        self.feed(&mut *self.instance(&nowhere(), now)?, now)
    }

    /// Returns true if the operator lets the texts of its dead letters be seen.
    pub(crate) fn shows_dead_letters(&self) -> bool {
        self.shows_dead_letters
    }

    /// The greatest level that it may have is what the operator grants it, or else `max_level`.
    pub(crate) fn cap(&mut self, max_level: Level) {
        self.settings.level = self.settings.level.min(self.level_cap.unwrap_or(max_level));
    }

    /// Which events it sees.
    pub(crate) fn shown(&self) -> Shown {
        Shown::new(self.settings.level, &self.manifest.scope)
    }

    /// The memory that it shares with all other plugins.
    pub(crate) fn budget(&self) -> &hottap_core::budget::Budget {
        self.module.budget()
    }

    /// It wants the messages of open streams.
    pub(crate) fn follows_streams(&self) -> bool {
        self.module.follows_streams()
    }

    /// A new instance that collects, with the state that was last committed.
    pub(crate) fn instance(&self, registry: &Arc<Registry>, now: u64) -> Result<Box<dyn Guest>, CallError> {
        let stage = Stage::new(registry.clone(), self.name.shared().clone(), SeriesLimits::default());
        self.module.instance(self.name.shared(), self.limits, stage, &self.surroundings(now))
    }

    /// Makes the instances for the RPC's threads that are not there, as many as are made until the given time; nothing
    /// if the tracer has no starter. The first `init` was the canary's, so each of these has the time of a later one.
    pub(crate) fn fill(&self, until: Instant, now: u64) -> Result<(), CallError> {
        match &self.starts {
            Some(starts) => starts.fill(until, || self.starter(now).transpose()),
            None => Ok(()),
        }
    }

    /// The time at which instances for the RPC's threads are to be made; none if all are there.
    pub(crate) fn next_fill(&self) -> Option<Instant> {
        self.starts.as_ref().and_then(|starts| starts.next_fill())
    }

    /// A new instance that starts. What it records goes nowhere: only its token and its headers count.
    fn starter(&self, now: u64) -> Option<Result<Box<dyn Starter>, CallError>> {
        let stage = Stage::new(nowhere(), self.name.shared().clone(), SeriesLimits::default());
        self.module.starter(self.name.shared(), self.limits.of_starter(), stage, &self.surroundings(now))
    }

    fn surroundings(&self, now: u64) -> Surroundings {
        Surroundings {
            config: self.manifest.config.clone(),
            identity: self.identity.clone(),
            state: self.state.clone(),
            headers: self.headers.clone(),
            outbox: self.outbox.clone(),
            now,
        }
    }
}

/// The default limits, where the operator has said nothing else.
fn limits(grants: &Grants) -> Limits {
    let (default, granted) = (Limits::default(), grants.limits);
    Limits {
        memory: granted.memory.unwrap_or(default.memory),
        table_elements: granted.table_elements.unwrap_or(default.table_elements),
        finish: granted.finish.unwrap_or(default.finish),
        flush: granted.flush.unwrap_or(default.flush),
        init: granted.init.unwrap_or(default.init),
        ..default
    }
}

/// Series that nobody reads.
fn nowhere() -> Arc<Registry> {
    Arc::new(Registry::unread())
}
