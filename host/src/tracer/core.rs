//! What the layers, the guards and the plugins of one Hottap share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::LiveCell;
use super::live::SIDES;
use super::natives::Natives;
#[cfg(feature = "plugins")]
use crate::collect::Shards;
use crate::layer::RouteNotice;
use crate::propagate::TraceSettings;
use crate::rpc::{Clock, Level, Side, Symbol};

/// Shared by everything that belongs to one Hottap.
pub(crate) struct Core {
    /// Tells the instances of Hottap in one process apart.
    pub(crate) id: u64,
    /// The last handle has been dropped: what threads keep for themselves is kept for nobody.
    pub(super) gone: Arc<AtomicBool>,
    /// `service.name`.
    pub(crate) service: Symbol,
    pub(crate) clock: &'static Clock,
    /// The formats that traces travel in, and which traces are sampled.
    pub(crate) trace: Arc<TraceSettings>,
    pub(crate) live: LiveCell,
    pub(crate) natives: Natives,
    /// How much is recorded for native tracers.
    pub(crate) native_level: Level,
    /// Says once where routes are lost.
    pub(crate) routes: RouteNotice,
    #[cfg(feature = "plugins")]
    pub(crate) shards: Arc<Shards>,
    /// The servers whose connections are shown with the host's metrics.
    #[cfg(all(feature = "plugins", feature = "server"))]
    pub(crate) servers: crate::server::Servers,
}

impl Core {
    pub(crate) fn new(
        service: Symbol,
        trace: TraceSettings,
        live: LiveCell,
        natives: Natives,
        native_level: Level,
    ) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            gone: Arc::default(),
            service,
            clock: Clock::get(),
            trace: Arc::new(trace),
            live,
            natives,
            native_level,
            routes: RouteNotice::default(),
            #[cfg(feature = "plugins")]
            shards: Arc::new(Shards::default()),
            #[cfg(all(feature = "plugins", feature = "server"))]
            servers: crate::server::Servers::default(),
        })
    }

    /// Takes a method, of which a call has ended on this side, into the table that a router has shown to know;
    /// [`Symbol::OTHER`] if the table is full.
    pub(crate) fn learn(&self, side: Side, method: &str) -> Symbol {
        let native = || SIDES.map(|side| self.natives.level(side, method, self.native_level));
        self.live.learn(side, method, native)
    }
}
