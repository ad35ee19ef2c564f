//! The handle that a service owner holds.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::HeaderMap;

use super::{Begun, Builder, Call, Core, LiveCell, Natives, Rules};
use crate::layer::{ClientLayer, EndpointLayer, ServerLayer};
use crate::propagate::{Given, Parent, TraceSettings};
use crate::rpc::{Level, Side, Symbol};
#[cfg(feature = "plugins")]
use crate::{
    admin::AdminServer,
    metrics::{Registry, RegistryLimits},
    plugin::{Plugins, Ready, Reporter},
};

/// Hottap in a service: the live tracers, and the layers that call them.
///
/// Cheap to clone; all clones are one, and the layers and the services that they made each keep one. When the last is
/// dropped, or on [`Hottap::shutdown`], what the tracers gathered is flushed and committed.
#[derive(Clone)]
pub struct Hottap {
    inner: Arc<Inner>,
}

struct Inner {
    core: Arc<Core>,
    #[cfg(feature = "plugins")]
    plugins: Option<Plugins>,
    #[cfg(feature = "plugins")]
    report: Arc<Reporter>,
    #[cfg(feature = "plugins")]
    admin: std::sync::Mutex<Option<AdminServer>>,
}

/// How long dropping the last handle waits for tracers to flush.
const DROP_WAIT: Duration = Duration::from_secs(5);
/// How long it waits for answers of the admin API that are in flight.
#[cfg(feature = "plugins")]
const ADMIN_WAIT: Duration = Duration::from_millis(500);

impl Hottap {
    /// Starts building.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A Hottap that traces nothing, for a service that goes on where [`Builder::start`] fails. Its layers hand calls on
    /// untouched; servers and clients made from it work as ever. It has no threads, no plugins and no admin port, and reads
    /// no environment.
    ///
    /// ```
    /// use hottap::Hottap;
    ///
    /// let tap = Hottap::builder().service("checkout").start().unwrap_or_else(|error| {
    ///     eprintln!("nothing is traced: {error}");
    ///     Hottap::disabled()
    /// });
    /// # let _ = tap;
    /// ```
    #[must_use]
    pub fn disabled() -> Self {
        let rules = Rules { disabled: true, ..Rules::default() };
        let natives = Natives::new(Vec::new());
        let core =
            Core::new(Symbol::intern(""), TraceSettings::default(), LiveCell::new(rules), natives, Level::default());
        #[cfg(feature = "plugins")]
        {
            let registry = Arc::new(Registry::new(RegistryLimits::default()));
            let report = Arc::new(Reporter::new(core.clone(), registry, None, None));
            Self::new(core, None, report, None)
        }
        #[cfg(not(feature = "plugins"))]
        Self::new(core)
    }

    /// The layer for servers: tonic, axum, or any tower service that takes HTTP requests.
    #[must_use]
    pub fn server_layer(&self) -> ServerLayer {
        ServerLayer::new(self.clone())
    }

    /// A server of its own, with the layer in it: see [`hottap::server`](crate::server).
    #[cfg(feature = "server")]
    #[must_use]
    pub fn server(&self) -> crate::server::Server {
        crate::server::Server::new(self)
    }

    /// The layer for clients.
    #[must_use]
    pub fn client_layer(&self) -> ClientLayer {
        ClientLayer::new(self.clone())
    }

    /// Starts building a client that makes its calls to `endpoint`, such as `http://inventory:50051`,
    /// `https://inventory` or `unix:/run/inventory.sock`. See [`client`](crate::client).
    #[cfg(feature = "client")]
    pub fn client(&self, endpoint: impl Into<String>) -> crate::client::ClientBuilder {
        crate::client::ClientBuilder::new(self, endpoint.into())
    }

    /// The layer for an endpoint: any tower service inside the process, whatever its requests are.
    pub fn endpoint_layer<Req, Res, Err>(
        &self,
        name: impl Into<std::borrow::Cow<'static, str>>,
    ) -> EndpointLayer<Req, Res, Err> {
        EndpointLayer::new(self.clone(), name.into())
    }

    /// Starts observing a call, for RPC runtimes that are not tower services. None if no tracer wants it.
    ///
    /// The call is a child of the one that the current task handles, if there is one.
    #[must_use]
    pub fn start_call(&self, side: Side, method: &str) -> Option<Call> {
        let begun = Begun::new(&self.inner.core, side, &[method], None)?;
        let mut parent = Parent::of(Given::Nothing, self.inner.core.trace.sampler());
        let begun = begun.inherit(std::mem::take(&mut parent.extensions), parent.tracestate.take());
        let mut call =
            begun.start(self.inner.core.clone(), side, parent.trace, |info| info.from.method = parent.caller);
        // There is no request, so there are no headers to see or to set.
        call.start_plugins(&mut HeaderMap::new());
        Some(call)
    }

    #[inline]
    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.inner.core
    }

    /// Stops tracing and hands over all that the tracers gathered: every plugin gets its last batches, flushes and
    /// commits. Blocks until that is done, at most for `wait`; false if it was not. Later calls return at once.
    ///
    /// From an async task, call it through `tokio::task::spawn_blocking`. In a child that was forked from the process that
    /// started Hottap there is nothing to hand over: it returns true at once.
    pub fn shutdown(&self, wait: Duration) -> bool {
        self.inner.shutdown(wait)
    }

    #[cfg(not(feature = "plugins"))]
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { inner: Arc::new(Inner { core }) }
    }

    #[cfg(feature = "plugins")]
    pub(super) fn new(
        core: Arc<Core>,
        plugins: Option<Plugins>,
        report: Arc<Reporter>,
        admin: Option<AdminServer>,
    ) -> Self {
        let admin = std::sync::Mutex::new(admin);
        Self { inner: Arc::new(Inner { core, plugins, report, admin }) }
    }

    /// Waits until the plugins that the plugin dir holds at the start are live, so that they see every call made after
    /// it: a plugin takes from some milliseconds to some seconds to compile. Await it on any executor, or call
    /// [`Ready::wait`] on a plain thread.
    ///
    /// ```no_run
    /// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
    /// let tap = hottap::Hottap::builder().service("checkout").plugin_dir("plugins").start()?;
    /// if let Err(error) = tap.ready(std::time::Duration::from_secs(10)).await {
    ///     eprintln!("{error}");           // serve all the same: what is still loading goes live later
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The time counts from this call. Plugins that a manifest disables, and those removed meanwhile, are not waited for.
    /// Without a plugin dir, with an empty one, with one that does not exist, and if tracing is disabled, it is done at once.
    /// Cancel safe: dropping the future changes nothing.
    ///
    /// # Errors
    /// [`NotReady`](crate::NotReady) if plugins were refused, once all others are live, or if the time is over before: it
    /// names those that are not live, and the reasons. If the plugin dir cannot be read, it says so.
    #[cfg(feature = "plugins")]
    pub fn ready(&self, timeout: Duration) -> Ready {
        match &self.inner.plugins {
            Some(plugins) if !self.inner.core.live.is_forked() => plugins.ready(timeout),
            _ => Ready::new(None, timeout),
        }
    }

    /// The admin API as a tower service, to be mounted where operators come: metrics for Prometheus, the state of
    /// every tracer, health.
    #[cfg(feature = "plugins")]
    #[must_use]
    pub fn admin(&self) -> crate::AdminService {
        crate::AdminService::new(self.inner.report.clone())
    }

    /// The address that the admin API listens on, if [`Builder::admin`] or `HOTTAP_ADMIN` asked for it. None as long as the
    /// port is not open ([`Builder::admin_required`]).
    #[cfg(feature = "plugins")]
    #[must_use]
    pub fn admin_address(&self) -> Option<std::net::SocketAddr> {
        self.inner.admin().as_ref().and_then(AdminServer::local_addr)
    }

    /// The metrics of the host and of all tracers, as `/metrics` of the admin API shows them.
    #[cfg(feature = "plugins")]
    #[must_use]
    pub fn metrics(&self) -> String {
        crate::admin::Report::metrics(&*self.inner.report)
    }

    /// The state of every tracer, as `/api/tracers` of the admin API shows it.
    #[cfg(feature = "plugins")]
    #[must_use]
    pub fn tracers(&self) -> serde_json::Value {
        crate::admin::Report::tracers(&*self.inner.report)
    }

    /// Where payloads go and what became of them, as `/api/destinations` of the admin API shows it.
    #[cfg(feature = "plugins")]
    #[must_use]
    pub fn destinations(&self) -> serde_json::Value {
        crate::admin::Report::destinations(&*self.inner.report)
    }
}

impl Inner {
    fn shutdown(&self, wait: Duration) -> bool {
        if self.core.live.is_forked() {
            // What the tracers gathered is the parent's to hand over.
            return true;
        }
        #[cfg(feature = "plugins")]
        let done = self.plugins.as_ref().is_none_or(|plugins| plugins.shutdown(wait));
        #[cfg(not(feature = "plugins"))]
        let (done, _) = (true, wait);
        self.core.live.update(|rules| rules.disabled = true);
        done
    }

    #[cfg(feature = "plugins")]
    fn admin(&self) -> std::sync::MutexGuard<'_, Option<AdminServer>> {
        self.admin.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    #[cfg(feature = "plugins")]
    fn close_admin(&self) {
        let admin = self.admin().take();
        if let Some(admin) = admin {
            admin.shutdown(ADMIN_WAIT);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.core.live.is_forked() {
            // Threads that are not there can't be waited for, nor what they had locked: it stays until the child ends.
            #[cfg(feature = "plugins")]
            {
                std::mem::forget(self.plugins.take());
                std::mem::forget(self.admin.get_mut().map(Option::take));
            }
            return;
        }
        self.shutdown(DROP_WAIT);
        #[cfg(feature = "plugins")]
        self.close_admin();
        self.core.gone.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for Hottap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hottap").field("service", &self.inner.core.service).finish_non_exhaustive()
    }
}
