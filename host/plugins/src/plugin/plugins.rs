//! The house of the plugins: it starts the collector, the pool, the loader and the supervisor, and ends them.

use hottap_core::lock::lock;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::books::Books;
use super::configuration;
use super::directory::PluginDir;
use super::lanes::Lanes;
use super::loader::Loader;
use super::operator::Operator;
use super::pool::Pool;
use super::ready::Ready;
use super::startup::Startup;
use super::supervisor::{Event, Supervisor};
use crate::metrics::Registry;
use crate::wasm::{Compile, EngineError, Engines, Identity};
use hottap_core::budget::{Budget, default_limit};
use hottap_core::collect::Collector;
use hottap_core::rpc::Level;
use hottap_core::tracer::Core;

/// What the service owner says of plugins.
pub struct PluginSettings {
    pub dir: Option<PathBuf>,
    /// The operator's configuration.
    pub config: Option<PathBuf>,
    pub max_level: Level,
    pub max_delay: Duration,
    /// Bytes that all plugins together may use, if it was said.
    pub memory_budget: Option<u64>,
    /// Where plugins are compiled.
    pub compile: Compile,
}

impl Default for PluginSettings {
    fn default() -> Self {
        Self {
            dir: None,
            config: None,
            max_level: Level::Base,
            max_delay: Duration::from_millis(20),
            memory_budget: None,
            compile: Compile::default(),
        }
    }
}

/// The plugins of one Hottap.
pub struct Plugins {
    pub(crate) books: Arc<Books>,
    pub(crate) operator: Arc<Operator>,
    pub(crate) directory: Arc<PluginDir>,
    pub(crate) budget: Budget,
    startup: Arc<Startup>,
    pool: Pool,
    pub(super) events: Sender<Event>,
    supervisor: Mutex<Option<JoinHandle<()>>>,
}

/// The reason for which plugins cannot run in this process.
#[derive(Debug, thiserror::Error)]
pub enum PluginsError {
    /// A thread could not be started.
    #[error("a thread could not be started")]
    Thread(#[from] std::io::Error),
    /// The machine cannot run the engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Plugins {
    pub fn start(
        core: Arc<Core>,
        registry: Arc<Registry>,
        directory: &Path,
        identity: Identity,
        settings: &PluginSettings,
    ) -> Result<Self, PluginsError> {
        let budget = Budget::new(settings.memory_budget.unwrap_or_else(default_limit));
        let engines = Engines::new(&budget).and_then(|engines| engines.compiled_in(&settings.compile))?;
        let collector = Arc::new(Collector::start(core.shards.clone(), settings.max_delay)?);
        let pool = Pool::start()?;
        let books = Arc::new(Books::default());
        let (events, inbox) = channel();
        let operator = Arc::new(Operator::new(settings.config.clone(), core.trace.clone()).within(&budget));
        let directory = Arc::new(PluginDir::new(directory));
        let startup = Arc::new(Startup::new(books.clone()));
        let loader = Loader {
            directory: directory.path().to_owned(),
            engines,
            identity: Arc::new(identity),
            operator: operator.clone(),
        };
        let lanes = Lanes::start(loader, events.clone())?;
        let supervisor = Supervisor::new(
            directory.clone(),
            startup.clone(),
            core,
            registry,
            books.clone(),
            operator.clone(),
            collector,
            pool.handle(),
            settings.max_level,
            events.clone(),
            lanes,
        );
        let supervisor = thread("hottap-super", move || supervisor.run(&inbox))?;
        Ok(Self { books, operator, directory, budget, startup, pool, events, supervisor: Mutex::new(Some(supervisor)) })
    }

    /// Waits for the plugins that the first look at the plugin dir found.
    pub fn ready(&self, timeout: Duration) -> Ready {
        Ready::new(Some(self.startup.clone()), timeout)
    }

    /// Flushes and commits everything, and ends the threads. True if that was done in time, or before.
    pub fn shutdown(&self, wait: Duration) -> bool {
        let Some(supervisor) = lock(&self.supervisor).take() else {
            return true;
        };
        let (done, is_done) = channel();
        let until = Instant::now() + wait;
        if self.events.send(Event::Shutdown(until, done)).is_err() {
            return false;
        }
        // The supervisor itself keeps to the time; a little more, so that its answer is heard.
        let all = is_done.recv_timeout(wait + Duration::from_millis(500)).unwrap_or(false);
        if all {
            let _ = supervisor.join();
            self.pool.stop();
        }
        // After the last commits: what they handed over is delivered, as far as the time reaches.
        self.operator.outbox.shutdown(until) && all
    }
}

/// For a service without a plugin dir: what the operator says of traces and of actions is in effect, and changes
/// live.
/// Returns the configuration; none if there is none.
pub fn follow_configuration(core: &Arc<Core>, settings: &PluginSettings) -> std::io::Result<Option<Arc<Operator>>> {
    let Some(path) = settings.config.clone() else { return Ok(None) };
    let operator = Arc::new(Operator::new(Some(path), core.trace.clone()));
    let followed = configuration::follow(&operator, core);
    followed?;
    Ok(Some(operator))
}

/// Who does not wait for the last flush gives it up. A Hottap waits; one that did not come to be has nothing to flush.
impl Drop for Plugins {
    fn drop(&mut self) {
        self.shutdown(Duration::ZERO);
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.into()).spawn(run)
}
