//! What the operator says beside the plugin dir: destinations and grants, which no file in the plugin dir can give.

use hottap_core::lock::lock;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use serde::Serialize;

use super::name::Name;
use crate::config::{AdminConfig, ConfigFile, Definition, Grants, OperatorConfig};
use crate::outbox::{DestinationState, Outbox};
use hottap_core::budget::Budget;
use hottap_core::plain;
use hottap_core::propagate::TraceSettings;
use hottap_core::rpc::{Clock, Timestamp};

/// The operator's configuration as it is now, and the outbox that it configures.
pub struct Operator {
    pub outbox: Outbox,
    /// The settings of traces: a new configuration changes their formats and their sampler.
    trace: Arc<TraceSettings>,
    /// Where the configuration stands; none if nobody said.
    path: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    config: OperatorConfig,
    /// What manifests define, by plugin. It counts only if the operator trusts the plugin dir.
    declared: BTreeMap<Name, BTreeMap<String, Definition>>,
    /// Why the file does not count as it is.
    problem: Option<String>,
    /// The time at which a configuration last took effect, in milliseconds since the Unix epoch; none if none ever did.
    loaded_at: Option<u64>,
}

/// What the admin API shows.
#[derive(Serialize)]
pub(crate) struct OperatorStatus {
    config: Option<String>,
    trust_plugin_dir: bool,
    /// Why the configuration file does not count as it is, and what to do.
    config_error: Option<String>,
    /// The time at which the configuration in effect was loaded; null if none was.
    config_loaded_at: Option<Timestamp>,
    /// Tracers that have grants, and are no plugins that are in the plugin dir.
    absent_tracers: Vec<String>,
    destinations: Vec<DestinationStatus>,
    /// The formats that traces travel in, as they are in effect.
    propagators: Vec<&'static str>,
    /// Which traces are sampled, as it is in effect.
    sampler: String,
}

#[derive(Serialize)]
struct DestinationStatus {
    #[serde(flatten)]
    state: DestinationState,
    /// Tracers that may use it, and are no plugins that are in the plugin dir.
    absent_tracers: Vec<String>,
}

/// The state of the operator's configuration, as the metrics show it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConfigHealth {
    pub(crate) has_error: bool,
    /// The time at which a configuration last took effect, in milliseconds since the Unix epoch; none if none ever did.
    pub(crate) loaded_at: Option<u64>,
}

/// Whether a tracer can use a destination that its manifest names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    Granted,
    /// There is such a destination, for others.
    NotGranted,
    /// Nobody has defined it.
    Undefined,
}

/// Tracers that have to be loaded anew after a look at the operator's configuration.
#[derive(Debug, Default)]
pub struct Changed {
    all: bool,
    names: Vec<String>,
}

impl Changed {
    pub(crate) fn concerns(&self, tracer: &Name) -> bool {
        self.all || self.names.iter().any(|name| name == tracer.as_str())
    }
}

impl Operator {
    pub fn new(path: Option<PathBuf>, trace: Arc<TraceSettings>) -> Self {
        Self { outbox: Outbox::new(), trace, path, state: Mutex::default() }
    }

    /// Payloads that wait for destinations count for the budget.
    pub(crate) fn within(self, budget: &Budget) -> Self {
        Self { outbox: Outbox::within(budget), ..self }
    }

    /// The file to be looked at, if there is one.
    pub fn file(&self) -> Option<ConfigFile> {
        self.path.as_ref().map(ConfigFile::new)
    }

    /// Looks at the file. Says for whom something has changed.
    pub fn look(&self, file: &mut ConfigFile) -> Changed {
        let mut state = self.lock();
        match file.poll() {
            None => Changed::default(),
            Some(Err(error)) => {
                let problem = plain::message(&error.to_string());
                tracing::warn!("{problem}");
                state.problem = Some(problem);
                Changed::default()
            }
            Some(Ok(config)) => {
                let destinations = config.destinations.len();
                tracing::info!(destinations, "the operator's configuration is in effect");
                let before = std::mem::replace(&mut state.config, config);
                let clock = Clock::get();
                (state.problem, state.loaded_at) = (None, Some(clock.unix(clock.now()) / 1_000_000));
                self.configure(&state);
                self.trace.change(state.config.trace.propagators, state.config.trace.sampler);
                let after = &state.config.tracers;
                let names = before.tracers.keys().chain(after.keys());
                Changed {
                    all: before.trust_plugin_dir != state.config.trust_plugin_dir,
                    names: names.filter(|name| before.tracers.get(*name) != after.get(*name)).cloned().collect(),
                }
            }
        }
    }

    /// What a tracer may do beyond the defaults.
    pub fn grants(&self, tracer: &Name) -> Grants {
        self.lock().config.tracers.get(tracer.as_str()).cloned().unwrap_or_default()
    }

    /// The state of actions over the admin API.
    pub(crate) fn admin(&self) -> AdminConfig {
        self.lock().config.admin.clone()
    }

    /// Whether manifests may define destinations.
    pub fn trusts_plugin_dir(&self) -> bool {
        self.lock().config.trust_plugin_dir
    }

    /// A plugin is live whose manifest defines these; or it is gone, and defines none.
    pub(crate) fn declare(&self, tracer: &Name, destinations: BTreeMap<String, Definition>) {
        let mut state = self.lock();
        let before = match destinations.is_empty() {
            true => state.declared.remove(tracer),
            false => state.declared.insert(tracer.clone(), destinations),
        };
        if before.unwrap_or_default() != state.declared.get(tracer).cloned().unwrap_or_default() {
            self.configure(&state);
        }
    }

    /// Whether a tracer can use the destinations that its manifest names.
    pub fn access(&self, tracer: &Name, names: &[String]) -> BTreeMap<String, Access> {
        let destinations = self.lock().destinations();
        let access = |name: &String| match destinations.get(name) {
            Some(definition) if definition.tracers.contains(tracer.as_str()) => Access::Granted,
            Some(_) => Access::NotGranted,
            None => Access::Undefined,
        };
        names.iter().map(|name| (name.clone(), access(name))).collect()
    }

    /// Why the configuration file does not count as it is.
    #[cfg(feature = "compiler")]
    pub fn problem(&self) -> Option<String> {
        self.lock().problem.clone()
    }

    /// Returns the path of the configuration file; none if there is no configuration.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// None if there is no configuration.
    pub(crate) fn health(&self) -> Option<ConfigHealth> {
        let state = self.lock();
        self.path.as_ref().map(|_| ConfigHealth { has_error: state.problem.is_some(), loaded_at: state.loaded_at })
    }

    /// `plugins` are the names of those that are in the plugin dir.
    pub(crate) fn status(&self, plugins: &BTreeSet<&str>) -> OperatorStatus {
        let state = self.lock();
        let absent = |names: &mut dyn Iterator<Item = &String>| -> Vec<String> {
            names.filter(|name| !plugins.contains(name.as_str())).cloned().collect()
        };
        let destination = |state: DestinationState| {
            let absent_tracers = absent(&mut state.tracers.iter());
            DestinationStatus { state, absent_tracers }
        };
        OperatorStatus {
            config: self.path.as_ref().map(|path| path.display().to_string()),
            trust_plugin_dir: state.config.trust_plugin_dir,
            config_error: state.problem.clone(),
            config_loaded_at: state.loaded_at.map(Timestamp),
            absent_tracers: absent(&mut state.config.tracers.keys()),
            destinations: self.outbox.states().into_iter().map(destination).collect(),
            propagators: self.trace.propagators().names(),
            sampler: self.trace.sampler().describe(),
        }
    }

    fn configure(&self, state: &State) {
        self.outbox.configure(state.destinations());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// The operator's own come first: a manifest can't put another place under a name of theirs. Of two manifests that
    /// define one name, the first plugin's counts.
    fn destinations(&self) -> BTreeMap<String, Definition> {
        let mut destinations = self.config.destinations.clone();
        if self.config.trust_plugin_dir {
            for (name, definition) in self.declared.values().flatten() {
                destinations.entry(name.clone()).or_insert_with(|| definition.clone());
            }
        }
        destinations
    }
}
