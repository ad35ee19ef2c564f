//! What the layers, the guards and the plugins of one Hottap share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Natives, Tracer};
use crate::collect::Shards;
use crate::host_metrics::MetricSources;
use crate::live::{LiveCell, Rules, SIDES};
use crate::propagate::TraceSettings;
use crate::rpc::{Clock, Level, Side, Symbol};

/// Shared by everything that belongs to one Hottap.
pub struct Core {
    /// Tells the instances of Hottap in one process apart.
    pub(crate) id: u64,
    /// The last handle has been dropped: what threads keep for themselves is kept for nobody.
    pub gone: Arc<AtomicBool>,
    /// `service.name`.
    pub service: Symbol,
    pub clock: &'static Clock,
    /// The formats that traces travel in, and which traces are sampled.
    pub trace: Arc<TraceSettings>,
    pub live: LiveCell,
    pub natives: Natives,
    /// How much is recorded for native tracers.
    pub(crate) native_level: Level,
    /// The log line about lost routes was written, or a route has been seen and it need not be.
    pub(crate) routes_settled: AtomicBool,
    pub shards: Arc<Shards>,
    /// The other parts of Hottap whose metrics are shown with those of the host.
    pub metric_sources: MetricSources,
}

impl Core {
    pub fn new(
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
            routes_settled: AtomicBool::new(false),
            shards: Arc::new(Shards::default()),
            metric_sources: MetricSources::default(),
        })
    }

    /// A core with these native tracers and the default settings.
    pub fn bare(service: &str, tracers: Vec<Arc<dyn Tracer>>) -> Arc<Self> {
        let native = (!tracers.is_empty()).then_some(Level::Detailed);
        let live = LiveCell::new(Rules { native, ..Rules::default() });
        let natives = Natives::new(tracers);
        Self::new(Symbol::intern(service), TraceSettings::default(), live, natives, Level::Detailed)
    }

    /// Takes a method, of which a call has ended on this side, into the table that a router has shown to know;
    /// [`Symbol::OTHER`] if the table is full.
    pub(crate) fn learn(&self, side: Side, method: &str) -> Symbol {
        let native = || SIDES.map(|side| self.natives.level(side, method, self.native_level));
        self.live.learn(side, method, native)
    }
}
