//! The parts that serve a Hottap, and their end.

use std::sync::Arc;
use std::time::Duration;

use hottap_core::tracer::Core;

#[cfg(feature = "plugins")]
pub(crate) use with_plugins::Parts;

/// How long dropping the last handle waits for tracers to flush.
const DROP_WAIT: Duration = Duration::from_secs(5);

/// Everything that a Hottap has started. Dropped with the last handle, layer and service of it.
pub(crate) struct Running {
    core: Arc<Core>,
    #[cfg(feature = "plugins")]
    parts: Parts,
}

impl Running {
    #[cfg(not(feature = "plugins"))]
    pub(crate) fn bare(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Flushes and commits what the tracers gathered, and traces nothing from then on. False if that took longer.
    pub(crate) fn shutdown(&self, wait: Duration) -> bool {
        if self.core.live.is_forked() {
            // What the tracers gathered is the parent's to hand over.
            return true;
        }
        #[cfg(feature = "plugins")]
        let done = self.parts.flush(wait);
        #[cfg(not(feature = "plugins"))]
        let (done, _) = (true, wait);
        self.core.live.update(|rules| rules.disabled = true);
        done
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.core.live.is_forked() {
            #[cfg(feature = "plugins")]
            self.parts.leak();
            return;
        }
        self.shutdown(DROP_WAIT);
        #[cfg(feature = "plugins")]
        self.parts.close();
    }
}

#[cfg(feature = "plugins")]
mod with_plugins {
    use std::any::Any;
    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex, MutexGuard};
    use std::time::Duration;

    use hottap_core::lock::lock;
    use hottap_core::tracer::Core;
    use hottap_plugins::Ready;
    use hottap_plugins::admin::AdminServer;
    use hottap_plugins::metrics::{Registry, RegistryLimits};
    use hottap_plugins::plugin::{Plugins, Reporter};

    use super::Running;

    /// How long closing the admin port waits for answers that are in flight.
    const ADMIN_WAIT: Duration = Duration::from_millis(500);

    /// The parts around the plugins.
    pub(crate) struct Parts {
        pub(crate) plugins: Option<Plugins>,
        pub(crate) report: Arc<Reporter>,
        pub(crate) admin: Mutex<Option<AdminServer>>,
        /// Sources of metrics, which are shown for as long as they are kept here.
        pub(crate) sources: Vec<Arc<dyn Any + Send + Sync>>,
    }

    impl Parts {
        pub(super) fn flush(&self, wait: Duration) -> bool {
            self.plugins.as_ref().is_none_or(|plugins| plugins.shutdown(wait))
        }

        fn admin(&self) -> MutexGuard<'_, Option<AdminServer>> {
            lock(&self.admin)
        }

        pub(super) fn close(&self) {
            let admin = self.admin().take();
            if let Some(admin) = admin {
                admin.shutdown(ADMIN_WAIT);
            }
        }

        /// In a forked child: threads that are not there can't be waited for, nor what they had locked. It stays until the
        /// child ends.
        pub(super) fn leak(&mut self) {
            std::mem::forget(self.plugins.take());
            std::mem::forget(self.admin.get_mut().map(Option::take));
            std::mem::forget(std::mem::take(&mut self.sources));
        }
    }

    impl Running {
        pub(crate) fn new(core: Arc<Core>, parts: Parts) -> Self {
            Self { core, parts }
        }

        pub(crate) fn bare(core: Arc<Core>) -> Self {
            let registry = Arc::new(Registry::new(RegistryLimits::default()));
            let report = Arc::new(Reporter::new(core.clone(), registry, None, None));
            Self::new(core, Parts { plugins: None, report, admin: Mutex::default(), sources: Vec::new() })
        }

        pub(crate) fn report(&self) -> &Arc<Reporter> {
            &self.parts.report
        }

        pub(crate) fn ready(&self, timeout: Duration) -> Ready {
            match &self.parts.plugins {
                Some(plugins) if !self.core.live.is_forked() => plugins.ready(timeout),
                _ => Ready::new(None, timeout),
            }
        }

        pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
            self.parts.admin().as_ref().and_then(AdminServer::local_addr)
        }
    }
}
