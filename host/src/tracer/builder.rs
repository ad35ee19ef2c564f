//! Building a Hottap: what the service owner says once.

#[cfg(feature = "plugins")]
use std::path::PathBuf;
use std::sync::Arc;
#[cfg(feature = "plugins")]
use std::time::Duration;

use super::natives::Natives;
use super::{Core, Hottap, LiveCell, Rules, Tracer};
use crate::propagate::Propagators;
use crate::rpc::{Level, Symbol};
#[cfg(feature = "plugins")]
use crate::{
    admin::{AdminService, serve},
    metrics::{Registry, RegistryLimits},
    plugin::{PluginSettings, Plugins, Reporter},
};

/// Settings of a [`Hottap`].
///
/// The environment overrides them where the service is deployed: `HOTTAP_PLUGINS` is the plugin dir, `HOTTAP_CONFIG`
/// the operator's configuration, `HOTTAP_ADMIN` the admin API's address, `HOTTAP_DISABLE=1` the kill switch: nothing is traced and no plugin is loaded.
#[derive(Default)]
#[must_use]
pub struct Builder {
    service: String,
    tracers: Vec<Arc<dyn Tracer>>,
    native_level: Option<Level>,
    propagators: Option<Propagators>,
    #[cfg(feature = "plugins")]
    plugins: PluginSettings,
    #[cfg(feature = "plugins")]
    admin: Option<String>,
    #[cfg(all(feature = "plugins", feature = "otel"))]
    otel: Option<(crate::otel::Accounts, Option<crate::otel::Sources>)>,
}

/// Why a Hottap did not start. The service can go on without it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The admin API can't be served.
    #[error("the admin API is not served: choose a free address with Builder::admin or HOTTAP_ADMIN")]
    Admin {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The thread or engine behind the plugins can't be started.
    #[error("plugins cannot run here")]
    Plugins {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Builder {
    /// The service's name (`service.name`): the caller of its client calls and the callee of its server calls.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = name.into();
        self
    }

    /// Adds a native tracer. Tracers start in the order in which they were added and finish in reverse.
    pub fn tracer(mut self, tracer: impl Tracer) -> Self {
        self.tracers.push(Arc::new(tracer));
        self
    }

    /// How much is recorded for native tracers. Default [`Level::Detailed`].
    pub fn native_level(mut self, level: Level) -> Self {
        self.native_level = Some(level);
        self
    }

    /// The formats that traces travel in. Default what the environment says ([`Propagators::from_env`]).
    pub fn propagators(mut self, propagators: Propagators) -> Self {
        self.propagators = Some(propagators);
        self
    }

    /// The folder whose `*.wasm` files are the live plugins. It need not exist yet.
    #[cfg(feature = "plugins")]
    pub fn plugin_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.plugins.dir = Some(dir.into());
        self
    }

    /// The operator's configuration (`hottap.toml`): destinations and what is granted to tracers beyond the defaults. It
    /// stands outside the plugin dir, and takes effect while the service runs; one that can't be read is named in the log
    /// and in the admin API, and the one before stays in effect. Default none: tracers then have no destinations.
    #[cfg(feature = "plugins")]
    pub fn config(mut self, path: impl Into<PathBuf>) -> Self {
        self.plugins.config = Some(path.into());
        self
    }

    /// The greatest level that a plugin may ask for. Default [`Level::Base`].
    #[cfg(feature = "plugins")]
    pub fn plugin_level(mut self, level: Level) -> Self {
        self.plugins.max_level = level;
        self
    }

    /// How long a finished call waits at most before plugins that keep up get it. Default 20 ms, at least 1 ms: a
    /// shorter time makes smaller batches, which cost more per call.
    #[cfg(feature = "plugins")]
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.plugins.max_delay = delay.clamp(Duration::from_millis(1), Duration::from_secs(1));
        self
    }

    /// Serves the admin API (metrics, `/api/tracers`, `/healthz`) at this address, such as `127.0.0.1:9600`; port 0 takes
    /// a free one. It asks nobody who they are, so choose an address that only operators reach. Default none:
    /// [`Hottap::admin`] is a service to mount instead.
    #[cfg(feature = "plugins")]
    pub fn admin(mut self, address: impl Into<String>) -> Self {
        self.admin = Some(address.into());
        self
    }

    /// Sends what tracers record, and what the host knows of them, with `otel`'s own metrics: to the same collector, of the
    /// same resource. On the admin API's page of metrics stands then what became of `otel`'s spans and exports.
    ///
    /// A tracer's metrics are in a scope with its name, in its own words; each point has the attribute `tracer`. What the
    /// host knows is in the scope `hottap`. All are totals since their start (cumulative). Two of them with one `otel` would
    /// tell of two things under one name: give each its own. This makes no spans: give
    /// [`tracer`](Self::tracer) `otel.spans()` and `otel.metrics()` for those.
    ///
    /// ```no_run
    /// let otel = hottap::otel::init()?;
    /// let tap = hottap::Hottap::builder().plugin_dir("plugins").otel(&otel).tracer(otel.spans()).start()?;
    /// // … serve …
    /// tap.shutdown(std::time::Duration::from_secs(5));
    /// otel.shutdown(std::time::Duration::from_secs(5));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(all(feature = "plugins", feature = "otel"))]
    pub fn otel(mut self, otel: &crate::otel::Otel) -> Self {
        self.otel = Some((otel.accounts(), otel.sources.clone()));
        self
    }

    /// Starts Hottap: from here on it watches the plugin dir, and its layers call the tracers.
    ///
    /// # Errors
    /// When a thread cannot be started, the machine cannot run the engine, or the admin address cannot be bound. A
    /// plugin that cannot be loaded is no error here: it is named in the log and in the admin API, and the others run.
    pub fn start(mut self) -> Result<Hottap, StartError> {
        let disabled = std::env::var("HOTTAP_DISABLE").is_ok_and(|value| value == "1");
        let native_level = self.native_level.unwrap_or(Level::Detailed);
        let native = (!self.tracers.is_empty()).then_some(native_level);
        let rules = Rules { native, disabled, ..Rules::default() };
        let natives = Natives::new(std::mem::take(&mut self.tracers));
        let propagators = self.propagators.unwrap_or_else(Propagators::from_env);
        let core = Core::new(Symbol::intern(&self.service), propagators, LiveCell::new(rules), natives, native_level);
        #[cfg(feature = "plugins")]
        return self.start_plugins(core, disabled);
        #[cfg(not(feature = "plugins"))]
        Ok(Hottap::new(core))
    }

    #[cfg(feature = "plugins")]
    fn start_plugins(mut self, core: Arc<Core>, disabled: bool) -> Result<Hottap, StartError> {
        if let Some(dir) = std::env::var_os("HOTTAP_PLUGINS") {
            self.plugins.dir = Some(dir.into());
        }
        if let Some(config) = std::env::var_os("HOTTAP_CONFIG") {
            self.plugins.config = Some(config.into());
        }
        let directory = self.plugins.dir.take().filter(|_| !disabled);
        let registry = Arc::new(Registry::new(RegistryLimits::default()));
        let identity = vec![
            ("service.name".to_owned(), self.service.clone()),
            ("service.instance.id".to_owned(), format!("{:032x}", fastrand::u128(..))),
        ];
        let plugins = match directory {
            Some(directory) => {
                Some(Plugins::start(core.clone(), registry.clone(), directory, identity, &self.plugins)?)
            }
            None => None,
        };
        let report = Reporter::new(core.clone(), registry, plugins.as_ref());
        #[cfg(feature = "otel")]
        let report = report.showing(self.otel.as_ref().map(|(accounts, _)| accounts.clone()));
        let report = Arc::new(report);
        #[cfg(feature = "otel")]
        if let Some((_, Some(sources))) = self.otel.take() {
            sources.add(report.clone());
        }
        let address = std::env::var("HOTTAP_ADMIN").ok().or(self.admin);
        let server = match address {
            Some(address) => Some(
                serve(address, AdminService::new(report.clone()))
                    .map_err(|error| StartError::Admin { source: Box::new(error) })?,
            ),
            None => None,
        };
        Ok(Hottap::new(core, plugins, report, server))
    }
}
