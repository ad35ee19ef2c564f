//! Running native tracers so that none can hurt the RPC or another tracer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{CallContext, Tracer};
use crate::rpc::{Level, Side, TraceContext};

/// The native tracers of a Hottap, or those of one layer, in order.
#[derive(Clone, Default)]
pub struct Natives {
    tracers: Vec<Arc<dyn Tracer>>,
    panics: Arc<AtomicU64>,
    /// One of them looks at the heads of requests.
    heads: bool,
    /// Those that are called for attempts, too.
    attempts: Started,
}

/// Some of them: bit i for tracer i; the 64th and later share the last bit.
pub(crate) type Started = u64;

impl Natives {
    pub fn new(tracers: Vec<Arc<dyn Tracer>>) -> Self {
        Self::asked(tracers, Arc::default())
    }

    /// Those of a layer, to which one more is added. Their panics are counted with the others.
    pub(crate) fn with(own: Option<&Self>, all: &Self, tracer: impl Tracer) -> Self {
        let mut tracers = own.map(|own| own.tracers.clone()).unwrap_or_default();
        tracers.push(Arc::new(tracer));
        Self::asked(tracers, all.panics.clone())
    }

    fn asked(tracers: Vec<Arc<dyn Tracer>>, panics: Arc<AtomicU64>) -> Self {
        let natives = Self { tracers, panics, heads: false, attempts: 0 };
        let (mut heads, mut attempts) = (false, 0);
        for (i, tracer) in natives.tracers.iter().enumerate() {
            natives.guard("request_head", None, || heads |= tracer.request_head());
            natives.guard("attempts", None, || attempts |= if tracer.attempts() { bit(i) } else { 0 });
        }
        Self { heads, attempts, ..natives }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tracers.is_empty()
    }

    /// How often a native tracer panicked.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// The greatest level that one of them wants for a method's calls, which is at most `cap`.
    pub(crate) fn level(&self, side: Side, method: &str, cap: Level) -> Level {
        let level = |tracer: &Arc<dyn Tracer>| {
            // One that panics says nothing that could be relied on.
            let mut level = Level::Detailed;
            self.guard("level", None, || level = tracer.level(side, method));
            level
        };
        if cap == Level::Base { cap } else { self.tracers.iter().map(level).max().unwrap_or_default() }
    }

    /// One of them looks at the heads of requests.
    #[inline]
    pub(crate) fn want_heads(&self) -> bool {
        self.heads
    }

    /// One of them is called for attempts, too.
    #[inline]
    pub(crate) fn want_attempts(&self) -> bool {
        self.attempts != 0
    }

    /// Starts them in order; for an attempt those that want attempts. One that panics is not finished.
    pub(crate) fn start(&self, call: &mut CallContext) -> Started {
        let mut started = 0;
        let is_attempt = call.info.attempt_of().is_some();
        for (i, tracer) in self.tracers.iter().enumerate() {
            if is_attempt && self.attempts & bit(i) == 0 {
                continue;
            }
            let trace = call.info.trace;
            if self.guard("start", Some(trace), || tracer.start(call)) {
                started |= bit(i);
            }
        }
        started
    }

    /// Finishes those that were started, in reverse.
    pub(crate) fn finish(&self, started: Started, call: &CallContext) {
        for (i, tracer) in self.tracers.iter().enumerate().rev() {
            if started & bit(i) != 0 {
                self.guard("finish", Some(call.info.trace), || tracer.finish(call));
            }
        }
    }

    fn guard(&self, what: &'static str, call: Option<TraceContext>, run: impl FnOnce()) -> bool {
        let ok = catch_unwind(AssertUnwindSafe(run)).is_ok();
        if !ok && self.panics.fetch_add(1, Ordering::Relaxed) == 0 {
            let (trace_id, span_id) = call.map(|call| call.ids()).unzip();
            tracing::error!(
                what,
                trace_id = trace_id.map(display),
                span_id = span_id.map(display),
                "a native tracer panicked; the RPC goes on, further panics are only counted"
            );
        }
        ok
    }
}

fn bit(index: usize) -> Started {
    1 << index.min(63)
}
