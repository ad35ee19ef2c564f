//! WIT version 0.1.0-draft: the only folder that knows the generated code, and in this file the instances that collect.

mod imports;
mod metered;
mod start;
mod streams;

use std::sync::Arc;

use wasmtime::component::{ComponentExportIndex, HasSelf, Instance, InstancePre, Linker, Resource};
use wasmtime::{Result, Store};

use super::engine::Engine;
use super::guest::{CallError, Cause, Guest, Pace, Settings, Surroundings};
use super::host::{Host, Phase};
use super::limits::Limits;
use super::starter::Starter;
use crate::metrics::Stage;
use hottap_core::collect::{Moments, View};
use hottap_core::plain::plain;
use start::Starting;
pub(super) use start::start_export;
use streams::Progress;
pub(super) use streams::progress_export;

mod bindings {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "plugin",
        imports: { default: trappable },
        with: { "hottap:tracer/rpc.batch": super::Batch },
    });
}

use bindings::hottap::tracer::rpc;
use bindings::{Plugin, PluginIndices};

/// The version of the package, as it stands in the names of imports and exports.
pub(super) const VERSION: &str = "0.1.0-draft";
/// The contract's text.
#[cfg(feature = "compiler")]
pub(super) const WIT: &str = include_str!("../../../wit/tracer.wit");
/// The world that has every import and export of the contract.
#[cfg(feature = "compiler")]
pub(super) const LARGEST_WORLD: &str = "plugin-with-all";
/// The interfaces that a guest of this version may import.
pub(super) const IMPORTS: &[&str] = &["rpc", "setup", "metrics", "outbox", "log", "state", "starting", "progress"];
/// A batch is named by this handle; there is only one at a time, so the handle says no more.
#[expect(unreachable_pub, reason = "the generated code re-exports it")]
pub enum Batch {}
const BATCH: u32 = 0;

pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> Result<()> {
    rpc::add_to_linker::<_, HasSelf<_>>(linker, |host| host)?;
    streams::add_to_linker(linker)?;
    metered::add_to_linker(linker)
}

/// A component of this version, ready to be instantiated.
pub(super) struct Ready {
    pre: InstancePre<Host>,
    exports: PluginIndices,
}

/// What an instance is made of, beside the component.
pub(super) struct Make<'m> {
    pub(super) engine: &'m Arc<Engine>,
    /// The tracer's.
    pub(super) name: &'m Arc<str>,
    pub(super) limits: Limits,
    pub(super) metrics: Stage,
    pub(super) surroundings: &'m Surroundings,
}

impl Ready {
    pub(super) fn new(pre: InstancePre<Host>) -> Result<Self> {
        Ok(Self { exports: PluginIndices::new(&pre)?, pre })
    }

    /// Makes an instance that collects, and that follows streams by the function that it exports for that, if any.
    pub(super) fn instance(
        &self,
        progress: Option<&ComponentExportIndex>,
        of: Make<'_>,
    ) -> std::result::Result<Box<dyn Guest>, CallError> {
        let engine = of.engine.clone();
        let running = engine.enter();
        let (store, plugin, progress) = self.init(COLLECTS, of, |store, instance| {
            progress.map(|progress| instance.get_typed_func(store, progress)).transpose()
        })?;
        drop(running);
        Ok(Box::new(Collecting { store, plugin, progress, engine }))
    }

    /// Makes an instance that starts, by the function that it exports for that.
    pub(super) fn starter(
        &self,
        start: &ComponentExportIndex,
        of: Make<'_>,
    ) -> std::result::Result<Box<dyn Starter>, CallError> {
        let engine = of.engine.clone();
        let running = engine.enter();
        let (store, _, start) = self.init(STARTS, of, |store, instance| instance.get_typed_func(store, start))?;
        drop(running);
        Ok(Box::new(Starting::new(store, start, engine)))
    }

    /// Makes an instance, finds what else it exports, and calls `init`.
    fn init<E>(
        &self,
        role: u8,
        of: Make<'_>,
        find: impl FnOnce(&mut Store<Host>, &Instance) -> Result<E>,
    ) -> std::result::Result<(Store<Host>, Plugin, E), CallError> {
        let Make { engine, name, limits, metrics, surroundings } = of;
        let mut store = Store::new(engine.wasmtime(), Host::new(name, limits, metrics, surroundings, engine.budget()));
        store.limiter(|host| &mut host.limiter);
        store.set_hostcall_fuel(if role == STARTS { metered::MAX_LIFT_BYTES } else { MAX_LIFT_BYTES });
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| store.data_mut().meter.tick());
        if role == STARTS {
            // `init` is bounded by time; only `start` counts instructions.
            store.set_fuel(u64::MAX).map_err(|error| store.data_mut().explain(&error))?;
        }
        store.data_mut().is_starter = role == STARTS;
        store.data_mut().begin(Phase::Instantiate);
        let made = self.pre.instantiate(&mut store).and_then(|instance| {
            let plugin = self.exports.load(&mut store, &instance)?;
            let found = find(&mut store, &instance)?;
            Ok((plugin, found))
        });
        let (plugin, found) = match made {
            Ok(made) => made,
            Err(error) => return Err(store.data_mut().explain(&error)),
        };
        store.data_mut().begin(Phase::Init);
        store.set_epoch_deadline(1);
        let identity = &surroundings.identity;
        let answer =
            plugin.hottap_tracer_tracer().call_init(&mut store, role, &surroundings.config, identity, surroundings.now);
        match answer {
            Ok(Ok(())) => Ok((store, plugin, found)),
            Ok(Err(refusal)) => Err(CallError::Init(plain(&refusal, MAX_REFUSAL_BYTES))),
            Err(error) => Err(store.data_mut().explain(&error)),
        }
    }
}

/// `init`'s role of an instance that collects.
const COLLECTS: u8 = 0;
/// `init`'s role of an instance that starts.
const STARTS: u8 = 1;
/// Bytes that one call from a guest may hand to the host.
const MAX_LIFT_BYTES: usize = 16 << 20;
/// Bytes kept of what `init` says when it refuses.
const MAX_REFUSAL_BYTES: usize = 1024;

struct Collecting {
    store: Store<Host>,
    plugin: Plugin,
    progress: Option<Progress>,
    engine: Arc<Engine>,
}

impl Guest for Collecting {
    fn set_pace(&mut self, pace: Pace) {
        self.store.data_mut().pace = pace;
    }

    fn finish(&mut self, calls: View) -> std::result::Result<(), CallError> {
        let _running = self.engine.enter();
        let host = self.store.data_mut();
        host.begin(Phase::Finish);
        host.show(calls);
        self.store.set_epoch_deadline(1);
        let batch = Resource::new_borrow(BATCH);
        let answer = self.plugin.hottap_tracer_tracer().call_finish(&mut self.store, batch);
        self.store.data_mut().hide();
        answer.map_err(|error| self.store.data_mut().explain(&error))
    }

    fn progress(&mut self, moments: Moments) -> std::result::Result<(), CallError> {
        let Some(progress) = &self.progress else { return Ok(()) };
        let _running = self.engine.enter();
        let host = self.store.data_mut();
        host.begin(Phase::Progress);
        host.show_moments(moments);
        self.store.set_epoch_deadline(1);
        let answer = progress.call(&mut self.store, (Resource::new_borrow(streams::MOMENTS),));
        self.store.data_mut().hide_moments();
        answer.map_err(|error| self.store.data_mut().explain(&error))
    }

    fn flush(&mut self, cause: Cause, now: u64, elapsed: u64) -> std::result::Result<(), CallError> {
        let _running = self.engine.enter();
        let host = self.store.data_mut();
        host.begin(Phase::Flush);
        host.now = now;
        self.store.set_epoch_deadline(1);
        let answer = self.plugin.hottap_tracer_tracer().call_flush(&mut self.store, cause as u8, now, elapsed);
        answer.map_err(|error| self.store.data_mut().explain(&error))
    }

    fn commit(&mut self, millis: u64) {
        self.store.data_mut().commit(millis);
    }

    fn settings(&self) -> Settings {
        self.store.data().settings
    }

    fn memory(&self) -> usize {
        self.store.data().limiter.memory()
    }

    #[cfg(feature = "compiler")]
    fn trial(&mut self) -> super::guest::Trial {
        self.store.data_mut().trial()
    }
}
