//! What is there once per guest instance, put in place while the harness runs guest code; no calls and no batches.

use super::host::Host;
use super::imports::swap_host;
use crate::config::Config;
use crate::error::Error;
use crate::metrics::{Registry, swap_registry};
use crate::symbol::{Cache, swap_cache};

/// What is there once per guest instance: in wasm by nature, here because the harness puts it in place while the tracer
/// runs.
#[derive(Default)]
pub(super) struct World {
    pub(super) host: Host,
    metrics: Registry,
    symbols: Cache,
}

impl World {
    /// Makes a tracer or a starter.
    pub(super) fn make<T>(
        &mut self,
        config: &str,
        identity: &[(String, String)],
        now: u64,
        new: impl FnOnce(Config) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.host.initializing = true;
        let config = Config::new(config.to_owned(), identity.to_vec(), now);
        let made = self.enter(|| new(config));
        self.host.initializing = false;
        if made.is_ok() {
            // What was logged while it was made appears when it goes live.
            self.host.commit();
        }
        made
    }

    /// A new instance takes over after a trap: only what the host has is still there.
    pub(super) fn new_instance(&mut self) {
        let host = std::mem::take(&mut self.host);
        *self = Self { host, ..Self::default() };
        self.host.new_instance();
    }

    /// Runs guest code with this world in place.
    pub(super) fn enter<R>(&mut self, run: impl FnOnce() -> R) -> R {
        let entered = Entered::new(self);
        let result = run();
        drop(entered);
        result
    }

    fn swap(&mut self) {
        swap_host(&mut self.host);
        swap_registry(&mut self.metrics);
        swap_cache(&mut self.symbols);
    }
}

/// The world is in place while this exists; a panic of the tracer puts it back too.
struct Entered<'a>(&'a mut World);

impl<'a> Entered<'a> {
    fn new(world: &'a mut World) -> Self {
        world.swap();
        Self(world)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.swap();
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.host.fmt(f)
    }
}
