//! The handle that a service owner holds.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hottap_core::rpc::Side;
use hottap_core::tracer::{Core, Handle};
use hottap_core::{Call, ClientLayer, EndpointLayer, ServerLayer};
#[cfg(feature = "plugins")]
use hottap_plugins::Ready;

use crate::running::Running;

/// Hottap in a service: the live tracers, and the layers that call them.
///
/// Cheap to clone; all clones are one, and the layers and the services that they made each keep one. When the last is
/// dropped, or on [`Hottap::shutdown`], what the tracers gathered is flushed and committed.
#[derive(Clone)]
pub struct Hottap {
    /// What layers and runtimes hold. It keeps `running` alive, too.
    handle: Handle,
    running: Arc<Running>,
}

impl Hottap {
    /// A Hottap that traces nothing, for a service that goes on where [`Builder::start`](crate::Builder::start) fails. Its layers hand calls on
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
        let core = Core::bare("", Vec::new());
        core.live.update(|rules| rules.disabled = true);
        Self::new(core.clone(), Running::bare(core))
    }

    /// The layer for servers: tonic, axum, or any tower service that takes HTTP requests.
    #[must_use]
    pub fn server_layer(&self) -> ServerLayer {
        ServerLayer::new(self.handle.clone())
    }

    /// A server of its own, with the layer in it: see [`hottap::server`](hottap_runtime::server).
    #[cfg(feature = "server")]
    #[must_use]
    pub fn server(&self) -> crate::server::Server {
        crate::server::Server::new(self.handle.clone())
    }

    /// The layer for clients.
    #[must_use]
    pub fn client_layer(&self) -> ClientLayer {
        ClientLayer::new(self.handle.clone())
    }

    /// Starts building a client that makes its calls to `endpoint`, such as `http://inventory:50051`,
    /// `https://inventory` or `unix:/run/inventory.sock`. See [`client`](hottap_runtime::client).
    #[cfg(feature = "client")]
    pub fn client(&self, endpoint: impl Into<String>) -> crate::client::ClientBuilder {
        crate::client::ClientBuilder::new(self.handle.clone(), endpoint.into())
    }

    /// The layer for an endpoint: any tower service inside the process, whatever its requests are.
    pub fn endpoint_layer<Req, Res, Err>(
        &self,
        name: impl Into<std::borrow::Cow<'static, str>>,
    ) -> EndpointLayer<Req, Res, Err> {
        EndpointLayer::new(self.handle.clone(), name.into())
    }

    /// Starts observing a call, for RPC runtimes that are not tower services. None if no tracer wants it.
    ///
    /// The call is a child of the one that the current task handles, if there is one.
    #[must_use]
    pub fn start_call(&self, side: Side, method: &str) -> Option<Call> {
        self.handle.start_call(side, method)
    }

    /// Stops tracing and hands over all that the tracers gathered: every plugin gets its last batches, flushes and
    /// commits. Blocks until that is done, at most for `wait`; false if it was not. Later calls return at once.
    ///
    /// From an async task, call it through `tokio::task::spawn_blocking`. In a child that was forked from the process that
    /// started Hottap there is nothing to hand over: it returns true at once.
    pub fn shutdown(&self, wait: Duration) -> bool {
        self.running.shutdown(wait)
    }

    pub(crate) fn new(core: Arc<Core>, running: Running) -> Self {
        let running = Arc::new(running);
        Self { handle: Handle::new(core, running.clone()), running }
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
    /// [`NotReady`](hottap_plugins::plugin::NotReady) if plugins were refused, once all others are live, or if the time is over before: it
    /// names those that are not live, and the reasons. If the plugin dir cannot be read, it says so.
    #[cfg(feature = "plugins")]
    pub fn ready(&self, timeout: Duration) -> Ready {
        self.running.ready(timeout)
    }

    /// The admin API as a tower service, to be mounted where operators come: metrics for Prometheus, the state of
    /// every tracer, health.
    #[cfg(feature = "plugins")]
    #[must_use]
    pub fn admin(&self) -> hottap_plugins::admin::AdminService {
        hottap_plugins::admin::AdminService::new(self.running.report().clone())
    }

    /// The address that the admin API listens on, if [`Builder::admin`](crate::Builder::admin) or `HOTTAP_ADMIN` asked for it. None as long as the
    /// port is not open ([`Builder::admin_required`](crate::Builder::admin_required)).
    #[cfg(feature = "plugins")]
    #[must_use]
    pub fn admin_address(&self) -> Option<std::net::SocketAddr> {
        self.running.admin_address()
    }

    /// The metrics of the host and of all tracers, as `/metrics` of the admin API shows them.
    #[cfg(feature = "plugins")]
    #[must_use]
    pub fn metrics(&self) -> String {
        hottap_plugins::admin::Report::metrics(&**self.running.report())
    }

    /// The state of every tracer, as `/api/tracers` of the admin API shows it.
    #[cfg(feature = "plugins")]
    #[must_use]
    pub fn tracers(&self) -> serde_json::Value {
        hottap_plugins::admin::Report::tracers(&**self.running.report())
    }

    /// Where payloads go and what became of them, as `/api/destinations` of the admin API shows it.
    #[cfg(feature = "plugins")]
    #[must_use]
    pub fn destinations(&self) -> serde_json::Value {
        hottap_plugins::admin::Report::destinations(&**self.running.report())
    }
}

impl fmt::Debug for Hottap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hottap").field("service", &self.handle.core().service).finish_non_exhaustive()
    }
}
