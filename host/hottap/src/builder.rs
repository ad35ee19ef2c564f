//! Building a Hottap: what the service owner says once.

#[cfg(feature = "plugins")]
use std::path::PathBuf;
use std::sync::Arc;
#[cfg(feature = "plugins")]
use std::sync::Mutex;
#[cfg(feature = "plugins")]
use std::time::Duration;

use hottap_core::live::{LiveCell, Rules};
use hottap_core::propagate::{LiveSampler, Propagators, TraceSettings};
use hottap_core::rpc::{Level, Symbol};
use hottap_core::tracer::{Core, Natives, Tracer};
#[cfg(feature = "plugins")]
use hottap_plugins::{
    admin::{AdminServer, AdminService, serve, serve_or_retry},
    metrics::{Registry, RegistryLimits},
    plugin::{PluginSettings, Plugins, Reporter, follow_configuration},
};

use crate::Hottap;
#[cfg(all(feature = "otel", feature = "plugins"))]
use crate::bridge::Exporter;
use crate::environment::Environment;
#[cfg(feature = "plugins")]
use crate::running::Parts;
use crate::running::Running;

/// Settings of a [`Hottap`].
///
/// The environment overrides them where the service is deployed. An empty variable counts as not set.
///
/// | variable | |
/// |---|---|
/// | `HOTTAP_PLUGINS` | the plugin dir |
/// | `HOTTAP_CONFIG` | the operator's configuration |
/// | `HOTTAP_ADMIN` | the admin API's address; the service starts without it if it cannot be listened on ([`admin_required`](Self::admin_required)) |
/// | `HOTTAP_COMPILER` | the command `hottap`, which then compiles the plugins in a process of its own |
/// | `HOTTAP_DISABLE` | the kill switch: with `1`, `true`, `yes` or `on`, in any case, nothing is traced and no plugin is loaded. With `0`, `false`, `no` or `off` tracing is on, and with any other value too, with a warning |
#[derive(Default)]
#[must_use]
pub struct Builder {
    service: String,
    tracers: Vec<Arc<dyn Tracer>>,
    native_level: Option<Level>,
    propagators: Option<Propagators>,
    /// Those of the providers that make spans of the calls.
    samplers: Vec<Arc<LiveSampler>>,
    #[cfg(feature = "plugins")]
    plugins: PluginSettings,
    #[cfg(feature = "plugins")]
    admin: Option<String>,
    #[cfg(feature = "plugins")]
    admin_required: Option<bool>,
    #[cfg(all(feature = "plugins", feature = "otel"))]
    otel: Option<Exporter>,
}

/// The reason for which a Hottap did not start. The service can go on without it: see [`Hottap::disabled`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The admin API can't be served.
    #[error(
        "the admin API is not served: choose a free address with Builder::admin or HOTTAP_ADMIN, or start without it by \
         Builder::admin_required(false)"
    )]
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

impl Hottap {
    /// Starts building.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// The service's name (`service.name`): the caller of its client calls and the callee of its server calls.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = name.into();
        self
    }

    /// Adds a native tracer. Tracers start in the order in which they were added and finish in reverse.
    pub fn tracer(mut self, tracer: impl Tracer) -> Self {
        #[cfg(feature = "otel")]
        self.sampled_by(hottap_otel::SpanTracer::sampler_of(&tracer));
        self.tracers.push(Arc::new(tracer));
        self
    }

    /// How much is recorded for native tracers. Default [`Level::Detailed`].
    pub fn native_level(mut self, level: Level) -> Self {
        self.native_level = Some(level);
        self
    }

    /// The formats that traces travel in. Default what the environment says ([`Propagators::from_env`]). Those in
    /// `hottap.toml` go before both.
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

    /// The operator's configuration (`hottap.toml`): destinations, what is granted to tracers beyond the defaults, and under
    /// `[trace]` the formats that traces travel in (`propagators`) and which are sampled (`sampler`, `sampler_arg`). Under
    /// `[admin]` it lets operators act over the admin API ([`AdminService`](hottap_plugins::admin::AdminService)). It
    /// stands outside the plugin dir, and takes effect while the service runs; one that can't be read is named in the log
    /// and in the admin API, and the one before stays in effect. Default none: tracers then have no destinations. Without
    /// a plugin dir, `[trace]` and `[admin]` alone count.
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

    /// Sets where plugins are compiled. Default [`Compile::Here`](hottap_plugins::wasm::Compile::Here). `HOTTAP_COMPILER`, the path of the
    /// command `hottap`, has them compiled by that command whatever is said here.
    ///
    /// ```no_run
    /// let tap = hottap::Hottap::builder().plugin_dir("plugins").compile_in(hottap::Compile::Process).start()?;
    /// # Ok::<_, hottap::StartError>(())
    /// ```
    #[cfg(feature = "plugins")]
    pub fn compile_in(mut self, compile: hottap_plugins::wasm::Compile) -> Self {
        self.plugins.compile = compile;
        self
    }

    /// Bytes that all plugins together may use for compiled code, instances, and what waits for them. Default a quarter of the
    /// memory limit of the cgroup or the machine, whichever is less, and at most 1 GiB; on other systems than Linux 1 GiB. At
    /// least 16 MiB.
    ///
    /// A plugin for which there is no room is refused, with the figures, and tried again every ten seconds; an instance that
    /// wants to grow beyond it is refused the memory. `/api/tracers` and the metrics `hottap_memory_*` show what is used.
    #[cfg(feature = "plugins")]
    pub fn memory_budget(mut self, bytes: u64) -> Self {
        self.plugins.memory_budget = Some(bytes.max(hottap_core::budget::LEAST));
        self
    }

    /// Serves the admin API (metrics, `/api/tracers`, `/healthz`) at this address, such as `127.0.0.1:9600`; port 0 takes
    /// a free one. Its pages are shown to every peer, so choose an address that only operators reach; actions need more
    /// ([`AdminService`](hottap_plugins::admin::AdminService)). Default none:
    /// [`Hottap::admin`] is a service to mount instead.
    ///
    /// An address that cannot be listened on is an error of [`start`](Self::start), unless
    /// [`admin_required`](Self::admin_required) says otherwise.
    #[cfg(feature = "plugins")]
    pub fn admin(mut self, address: impl Into<String>) -> Self {
        self.admin = Some(address.into());
        self
    }

    /// Sets whether [`start`](Self::start) fails if the admin address cannot be listened on. Default true for an address
    /// given by [`admin`](Self::admin), and false for one given by `HOTTAP_ADMIN`: an operator's setting must not keep a
    /// service from starting.
    ///
    /// With false, a port that is in use is one warning, and it is tried again every five seconds until it is free.
    /// [`Hottap::admin_address`] tells the address from then on.
    #[cfg(feature = "plugins")]
    pub fn admin_required(mut self, required: bool) -> Self {
        self.admin_required = Some(required);
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
    pub fn otel(mut self, otel: &hottap_otel::Otel) -> Self {
        self.otel = Some(Exporter::of(otel));
        self.sampled_by(Some(otel.sampler.clone()));
        self
    }

    /// The operator's sampler is this provider's, too.
    #[cfg(feature = "otel")]
    fn sampled_by(&mut self, sampler: Option<Arc<LiveSampler>>) {
        if let Some(sampler) = sampler.filter(|sampler| !self.samplers.iter().any(|known| Arc::ptr_eq(known, sampler)))
        {
            self.samplers.push(sampler);
        }
    }

    /// Starts Hottap: from here on it watches the plugin dir, and its layers call the tracers. Logs one line with the
    /// version and the settings that are in effect.
    ///
    /// Returns before plugins are loaded: [`Hottap::ready`] waits for them. To go on untraced where this fails, use
    /// [`Hottap::disabled`].
    ///
    /// # Errors
    /// Fails if a thread cannot be started, the machine cannot run the engine, or the admin address cannot be listened
    /// on and is [required](Self::admin_required). A plugin that cannot be loaded is no error here: the log and the
    /// admin API name it, and the others run. A plugin dir that does not exist is no error either: it is looked for
    /// every second.
    pub fn start(mut self) -> Result<Hottap, StartError> {
        #[cfg(feature = "otel")]
        hottap_otel::propagate_active_baggage();
        let environment = Environment::read();
        for ignored in &environment.ignored {
            tracing::warn!("{ignored}");
        }
        let disabled = environment.disabled;
        let native_level = self.native_level.unwrap_or(Level::Detailed);
        let native = (!self.tracers.is_empty()).then_some(native_level);
        let rules = Rules { native, disabled, ..Rules::default() };
        let started = Started { service: self.service.clone(), native_tracers: self.tracers.len(), disabled };
        let natives = Natives::new(std::mem::take(&mut self.tracers));
        let propagators = self.propagators.unwrap_or_else(Propagators::from_env);
        let trace = TraceSettings::new(propagators, std::mem::take(&mut self.samplers));
        let core = Core::new(Symbol::intern(&self.service), trace, LiveCell::new(rules), natives, native_level);
        #[cfg(feature = "plugins")]
        return self.start_plugins(core, environment, &started);
        #[cfg(not(feature = "plugins"))]
        {
            started.log("none", "none", "none");
            Ok(Hottap::new(core.clone(), Running::bare(core)))
        }
    }

    #[cfg(feature = "plugins")]
    fn start_plugins(
        mut self,
        core: Arc<Core>,
        environment: Environment,
        started: &Started,
    ) -> Result<Hottap, StartError> {
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let directory = environment.plugins.or(self.plugins.dir.take()).map(absolute);
        self.plugins.config = environment.config.or(self.plugins.config).map(absolute);
        let shown = |path: &Option<PathBuf>| path.as_ref().map_or("none".to_owned(), |path| path.display().to_string());
        let (shown_directory, shown_config) = (shown(&directory), shown(&self.plugins.config));
        let directory = directory.filter(|_| !started.disabled);
        let registry = Arc::new(Registry::new(RegistryLimits::default()));
        let identity = vec![
            ("service.name".to_owned(), self.service.clone()),
            ("service.instance.id".to_owned(), format!("{:032x}", crate::rpc::random_u128())),
        ];
        let (plugins, operator) = match directory {
            Some(directory) => {
                let plugins = Plugins::start(core.clone(), registry.clone(), &directory, identity, &self.plugins)
                    .map_err(|error| StartError::Plugins { source: Box::new(error) })?;
                (Some(plugins), None)
            }
            None if started.disabled => (None, None),
            None => {
                let operator = follow_configuration(&core, &self.plugins)
                    .map_err(|error| StartError::Plugins { source: Box::new(error) })?;
                (None, operator)
            }
        };
        let report = Arc::new(Reporter::new(core.clone(), registry, plugins.as_ref(), operator));
        #[cfg(feature = "otel")]
        let sources = self.otel.take().map(|otel| otel.show(&core, &report)).unwrap_or_default();
        #[cfg(not(feature = "otel"))]
        let sources = Vec::new();
        let required = self.admin_required.unwrap_or(environment.admin.is_none());
        let service = AdminService::new(report.clone());
        let address = environment.admin.or(self.admin);
        let server = match address.clone() {
            None => None,
            Some(address) if required => {
                Some(serve(address, service).map_err(|error| StartError::Admin { source: Box::new(error) })?)
            }
            Some(address) => serve_or_retry(address, service),
        };
        let shown_address = match (server.as_ref().and_then(AdminServer::local_addr), address) {
            (Some(address), _) => address.to_string(),
            (None, Some(address)) => format!("{address} (not open)"),
            (None, None) => "none".to_owned(),
        };
        started.log(&shown_directory, &shown_config, &shown_address);
        let parts = Parts { plugins, report, admin: Mutex::new(server), sources };
        Ok(Hottap::new(core.clone(), Running::new(core, parts)))
    }
}

/// The settings that the line in the log at the start names.
struct Started {
    service: String,
    native_tracers: usize,
    disabled: bool,
}

impl Started {
    fn log(&self, plugin_dir: &str, config: &str, admin: &str) {
        let Self { service, native_tracers, disabled } = self;
        let message = match disabled {
            false => "started",
            true => "started, and tracing is disabled by HOTTAP_DISABLE: no call is traced and no plugin is loaded",
        };
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(version, service, plugin_dir, config, admin, native_tracers, disabled, "{message}");
    }
}
