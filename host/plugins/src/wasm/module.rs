//! From the bytes of a file to a component that can be instantiated, or to the reason why not.

#[cfg(feature = "compiler")]
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use tracing::{Dispatch, dispatcher};
use wasmtime::component::{Component, ComponentExportIndex, Linker};

#[cfg(feature = "compiler")]
use super::bounds::Kind;
use super::bounds::{self, BoundsError, Checked, Work};
use super::child::{self, Artifacts, Compile};
#[cfg(feature = "compiler")]
use super::componentize::componentize;
use super::cutoff::Cancel;
use super::engine::{Engine, EngineError, lack_of_memory};
use super::guest::{CallError, Guest, Surroundings};
use super::host::Host;
use super::limits::Limits;
use super::starter::Starter;
use super::v0_1_draft::Make;
use super::{v0_1_draft, wasi};
use crate::metrics::Stage;
use hottap_core::budget::{Budget, Kind as Resource, OverBudget, Reservation};
use hottap_core::plain::plain;

/// The package that the contract with guests stands in.
const PACKAGE: &str = "hottap:tracer";

/// Why bytes are no tracer that this host can run.
#[derive(Debug, thiserror::Error, serde::Serialize, serde::Deserialize)]
pub enum LoadError {
    /// Its structure is out of bounds.
    #[error("the file {0}")]
    Bounds(#[from] BoundsError),
    /// wit-component could not make a component of it.
    #[error("no component can be made of it: {0}")]
    Encode(String),
    /// wasmtime does not take it.
    #[error("it does not compile: {0}")]
    Compile(String),
    /// The code is more than is left of what all plugins share.
    #[error("its compiled code {0}")]
    #[serde(skip)]
    OverBudget(#[from] OverBudget),
    /// The process that compiles has failed.
    #[error("{command} did not compile it: {reason}", command = .command.display())]
    Compiler {
        /// The command.
        command: PathBuf,
        /// The way in which it ended.
        reason: String,
    },
    /// The machine has no memory for it.
    #[error("the machine, its container or `ulimit -v` has no memory left for its code: {reason}")]
    Machine {
        /// The words of the system.
        reason: String,
    },
    /// It has no tracer in it.
    #[error(
        "it exports no tracer ({PACKAGE}/tracer); build it against the world plugin of {PACKAGE}@{}",
        v0_1_draft::VERSION
    )]
    NoTracer,
    /// Another version of the contract.
    #[error(
        "it needs {PACKAGE} {needs}, this host has {}; build it with the SDK of this version",
        v0_1_draft::VERSION,
        needs = plain(needs, 64)
    )]
    Version {
        /// The version that it was built against.
        needs: String,
    },
    /// It imports something that tracers are not given.
    #[error("it imports {0}, which tracers are not given")]
    Import(String),
    /// WASI brings an interpreter or a runtime, whose start would cost every RPC its time.
    #[error(
        "it exports starter and imports {0}: what acts at the start of calls cannot use WASI; build it for wasm32-unknown-unknown"
    )]
    StarterWithWasi(String),
    /// WASI by name, but with a type of its own: there is no answer to it.
    #[error("it imports {0} with a type that this host does not know")]
    WasiType(String),
    /// An import or export has another type than the contract says.
    #[error("it does not fit the contract {PACKAGE}@{version}: {reason}", version = v0_1_draft::VERSION)]
    Contract {
        /// What wasmtime says.
        reason: String,
    },
}

/// The engines that tracers are compiled for.
#[derive(Clone)]
pub struct Engines {
    optimized: Pair,
    quick: Pair,
    /// The command that compiles, if this process does not.
    command: Option<PathBuf>,
}

/// The engine of instances that collect, and that of starters.
#[derive(Clone)]
struct Pair {
    collect: Arc<Engine>,
    start: Arc<Engine>,
}

impl Engines {
    /// The engines of a service. What is compiled and instantiated counts for the budget.
    pub(crate) fn new(budget: &Budget) -> Result<Self, EngineError> {
        Engine::all(budget).map(Self::of)
    }

    /// Engines that compile everything themselves, so that the time it takes is that of compiling.
    #[cfg(feature = "compiler")]
    pub fn without_cache() -> Result<Self, EngineError> {
        Engine::all_without_cache().map(Self::of)
    }

    /// The same engines, with code that is compiled elsewhere.
    ///
    /// # Errors
    /// There is no command to compile with.
    pub(crate) fn compiled_in(mut self, compile: &Compile) -> Result<Self, EngineError> {
        self.command = compile.command().map_err(EngineError::NoCompiler)?;
        Ok(self)
    }

    fn of(engines: [Engine; 4]) -> Self {
        let [collect, start, quick_collect, quick_start] = engines.map(Arc::new);
        let quick = Pair { collect: quick_collect, start: quick_start };
        Self { optimized: Pair { collect, start }, quick, command: None }
    }

    /// Those that a module of this size is compiled for.
    fn for_work(&self, work: Work) -> &Pair {
        if work.is_optimized() { &self.optimized } else { &self.quick }
    }
}

/// A compiled tracer. Clones share it.
#[derive(Clone)]
pub struct Module(Arc<Compiled>);

struct Compiled {
    engine: Arc<Engine>,
    ready: v0_1_draft::Ready,
    /// Where it exports what follows streams.
    progress: Option<ComponentExportIndex>,
    starter: Option<CompiledStarter>,
    /// The compiled code's part of the memory that all plugins share.
    _code: Reservation,
}

/// The same module, compiled for the RPC's threads.
struct CompiledStarter {
    engine: Arc<Engine>,
    ready: v0_1_draft::Ready,
    start: ComponentExportIndex,
}

/// Holds a module's structure against its bounds, and tells its kind and the work that compiling it makes.
///
/// # Errors
/// It is no module, or out of bounds.
pub fn check(bytes: &[u8]) -> Result<Checked, LoadError> {
    Ok(bounds::check(bytes)?)
}

impl Module {
    /// Compiles a module that was checked. Takes as long as compiling takes: call it on a thread that has the time.
    ///
    /// # Errors
    /// The module is no tracer of this contract, or the compiler refuses it.
    pub(crate) fn compile(
        engines: &Engines,
        bytes: &[u8],
        checked: Checked,
        cancel: &Cancel,
    ) -> Result<Self, LoadError> {
        // The libraries below log thousands of lines at the level debug, in terms of their own. A subscriber that takes
        // over lines of crate log, as tracing-subscriber's does, gets none of them either.
        dispatcher::with_default(&Dispatch::none(), || {
            let pair = engines.for_work(checked.work);
            let Some(command) = &engines.command else {
                #[cfg(feature = "compiler")]
                return Self::compile_unheard(pair, bytes, checked.kind);
                #[cfg(not(feature = "compiler"))]
                return Err(LoadError::Compile("this service is built without a compiler".to_owned()));
            };
            let Artifacts { collect, start } = child::compile(command, bytes, cancel)?;
            let start = start.map(|start| deserialize(&pair.start, &start)).transpose()?;
            Self::of_components(pair, deserialize(&pair.collect, &collect)?, || Ok(start))
        })
    }

    /// Compiles whatever the bounds say.
    #[cfg(feature = "drive")]
    pub(crate) fn compile_unbounded(engines: &Engines, bytes: &[u8]) -> Result<Self, LoadError> {
        let kind = if wasmparser::Parser::is_component(bytes) { Kind::Component } else { Kind::Core };
        let pair = check(bytes).map_or(&engines.quick, |checked| engines.for_work(checked.work));
        Self::compile_unheard(pair, bytes, kind)
    }

    #[cfg(feature = "compiler")]
    fn compile_unheard(engines: &Pair, bytes: &[u8], kind: Kind) -> Result<Self, LoadError> {
        let bytes = &*as_component(bytes, kind)?;
        let collect = component(&engines.collect, bytes)?;
        Self::of_components(engines, collect, || component(&engines.start, bytes).map(Some))
    }

    /// Finds everything that a component imports and exports. `start` makes the same component for the RPC's threads.
    fn of_components(
        engines: &Pair,
        component: Component,
        start: impl FnOnce() -> Result<Option<Component>, LoadError>,
    ) -> Result<Self, LoadError> {
        let world = World::of_component(&engines.collect, &component)?;
        let ready = ready(&engines.collect, &component)?;
        let progress = v0_1_draft::progress_export(&component);
        if progress.is_none() && world.streams {
            return Err(LoadError::Contract { reason: "its streams have no function progress".to_owned() });
        }
        let mut code = engines.collect.budget().reserve(Resource::Code, code_bytes(&component))?;
        let starter = match v0_1_draft::start_export(&component).map(|_| start()).transpose()?.flatten() {
            None => None,
            Some(component) => {
                let ready = self::ready(&engines.start, &component)?;
                code.grow(code_bytes(&component))?;
                let engine = engines.start.clone();
                v0_1_draft::start_export(&component).map(|start| CompiledStarter { engine, ready, start })
            }
        };
        Ok(Self(Arc::new(Compiled { engine: engines.collect.clone(), ready, progress, starter, _code: code })))
    }

    /// Makes an instance and calls its `init`.
    pub(crate) fn instance(
        &self,
        name: &Arc<str>,
        limits: Limits,
        metrics: Stage,
        surroundings: &Surroundings,
    ) -> Result<Box<dyn Guest>, CallError> {
        let Compiled { engine, ready, progress, .. } = &*self.0;
        ready.instance(progress.as_ref(), Make { engine, name, limits, metrics, surroundings })
    }

    /// The memory that its instances share with those of other plugins.
    pub(crate) fn budget(&self) -> &Budget {
        self.0.engine.budget()
    }

    /// It follows open streams.
    pub(crate) fn follows_streams(&self) -> bool {
        self.0.progress.is_some()
    }

    /// It acts at the start of calls.
    pub(crate) fn has_starter(&self) -> bool {
        self.0.starter.is_some()
    }

    /// Makes an instance of role 1 and calls its `init`; none if the tracer has no starter.
    pub(crate) fn starter(
        &self,
        name: &Arc<str>,
        limits: Limits,
        metrics: Stage,
        surroundings: &Surroundings,
    ) -> Option<Result<Box<dyn Starter>, CallError>> {
        let CompiledStarter { engine, ready, start } = self.0.starter.as_ref()?;
        Some(ready.starter(start, Make { engine, name, limits, metrics, surroundings }))
    }
}

/// Bytes of a component's compiled code and its data.
fn code_bytes(component: &Component) -> u64 {
    let image = component.image_range();
    (image.end as usize).saturating_sub(image.start as usize) as u64
}

/// Compiles a module in the process that does nothing else, and hands over the code.
#[cfg(feature = "compiler")]
pub(super) fn artifacts(engines: &Engines, bytes: &[u8]) -> Result<Artifacts, LoadError> {
    let checked = bounds::check(bytes)?;
    let pair = engines.for_work(checked.work);
    let bytes = &*as_component(bytes, checked.kind)?;
    let code = |component: &Component| component.serialize().map_err(|error| LoadError::Compile(message(&error)));
    let collect = component(&pair.collect, bytes)?;
    let starts = v0_1_draft::start_export(&collect).is_some();
    let start = starts.then(|| component(&pair.start, bytes)).transpose()?;
    Ok(Artifacts { collect: code(&collect)?, start: start.as_ref().map(code).transpose()? })
}

/// Takes over code that our own process has compiled.
fn deserialize(engine: &Engine, code: &[u8]) -> Result<Component, LoadError> {
    #[expect(clippy::disallowed_methods, reason = "not a file of the plugin dir")]
    #[expect(unsafe_code, reason = "the code comes by a pipe from the compiler that the operator has chosen")]
    // SAFETY: the bytes are what `Component::serialize` made in the command `hottap`, which this process has started
    // and whose pipe no other process holds. Code of another version or for other settings is refused by the engine.
    let component = unsafe { Component::deserialize(engine.wasmtime(), code) };
    component.map_err(failed)
}

/// Makes a component of a core module; a component is one already.
#[cfg(feature = "compiler")]
fn as_component(bytes: &[u8], kind: Kind) -> Result<Cow<'_, [u8]>, LoadError> {
    match kind {
        Kind::Component => Ok(Cow::Borrowed(bytes)),
        Kind::Core => componentize(bytes).map(Cow::Owned),
    }
}

/// Compiles a component for an engine.
#[cfg(feature = "compiler")]
fn component(engine: &Engine, bytes: &[u8]) -> Result<Component, LoadError> {
    Component::new(engine.wasmtime(), bytes).map_err(failed)
}

fn failed(error: wasmtime::Error) -> LoadError {
    match lack_of_memory(&error) {
        Some(reason) => LoadError::Machine { reason },
        None => LoadError::Compile(message(&error)),
    }
}

/// Finds everything that a component imports.
fn ready(engine: &Engine, component: &Component) -> Result<v0_1_draft::Ready, LoadError> {
    let mut linker = Linker::<Host>::new(engine.wasmtime());
    let contract = |error: wasmtime::Error| LoadError::Contract { reason: message(&error) };
    v0_1_draft::add_to_linker(&mut linker).map_err(contract)?;
    wasi::add_to_linker(&mut linker, engine.wasmtime(), component)?;
    let pre = linker.instantiate_pre(component).map_err(contract)?;
    v0_1_draft::Ready::new(pre).map_err(contract)
}

fn message(error: &wasmtime::Error) -> String {
    plain(&format!("{error:#}"), 2_000)
}

/// The optional exports of a tracer, which tell the worlds of the contract apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct World {
    pub(super) starter: bool,
    pub(super) streams: bool,
}

impl World {
    /// Chooses the world by the names of exports and imports, and names what does not fit before others say it by type.
    /// Core modules are not given WASI.
    pub(super) fn of<'n>(
        exports: impl Iterator<Item = Name<'n>>,
        imports: impl Iterator<Item = &'n str>,
        has_wasi: bool,
    ) -> Result<Self, LoadError> {
        let (mut world, mut has_tracer) = (Self::default(), false);
        for Name { interface, version } in exports {
            if version != v0_1_draft::VERSION {
                return Err(LoadError::Version { needs: version.to_owned() });
            }
            match interface {
                "tracer" => has_tracer = true,
                "starter" => world.starter = true,
                "streams" => world.streams = true,
                _ => {}
            }
        }
        let shown = |import: &str| plain(import, MAX_IMPORT_BYTES);
        for import in imports {
            match Name::parse(import) {
                Some(name) if name.version != v0_1_draft::VERSION => {
                    return Err(LoadError::Version { needs: name.version.to_owned() });
                }
                Some(name) if v0_1_draft::IMPORTS.contains(&name.interface) => {}
                None if world.starter && wasi::offers(import) => {
                    return Err(LoadError::StarterWithWasi(shown(import)));
                }
                None if has_wasi && wasi::offers(import) => {}
                _ => return Err(LoadError::Import(shown(import))),
            }
        }
        if has_tracer { Ok(world) } else { Err(LoadError::NoTracer) }
    }

    fn of_component(engine: &Engine, component: &Component) -> Result<Self, LoadError> {
        let types = component.component_type();
        let exports = types.exports(engine.wasmtime()).filter_map(|(name, _)| Name::parse(name));
        Self::of(exports, types.imports(engine.wasmtime()).map(|(name, _)| name), true)
    }
}

/// Bytes shown of the name of an import.
const MAX_IMPORT_BYTES: usize = 256;

/// The name of an interface of our package: `hottap:tracer/rpc@0.1.0`.
#[derive(Clone, Copy)]
pub(super) struct Name<'n> {
    pub(super) interface: &'n str,
    pub(super) version: &'n str,
}

impl<'n> Name<'n> {
    pub(super) fn parse(name: &'n str) -> Option<Self> {
        let rest = name.strip_prefix(PACKAGE)?.strip_prefix('/')?;
        let (interface, version) = rest.split_once('@').unwrap_or((rest, "no version"));
        Some(Self { interface, version })
    }
}
