//! The handle of one Hottap that its layers and runtimes hold.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::HeaderMap;

use super::{Begun, Call, Core};
use crate::propagate::{Given, Parent};
use crate::rpc::Side;

/// The core of one Hottap, kept alive together with everything that serves it. Cheap to clone.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

struct Shared {
    core: Arc<Core>,
    /// Dropped with the last handle, which ends the threads and flushes the plugins.
    _running: Arc<dyn Any + Send + Sync>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if !self.core.live.is_forked() {
            // Threads give up what they keep for this core.
            self.core.gone.store(true, Ordering::Relaxed);
        }
    }
}

impl Handle {
    /// A handle that keeps `running` alive.
    pub fn new(core: Arc<Core>, running: Arc<dyn Any + Send + Sync>) -> Self {
        Self(Arc::new(Shared { core, _running: running }))
    }

    /// The core.
    #[inline]
    pub fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    /// Starts observing a call that is no request of a layer. None if no tracer wants it.
    #[inline]
    pub fn start_call(&self, side: Side, method: &str) -> Option<Call> {
        let core = self.core();
        let begun = Begun::new(core, side, &[method], None)?;
        let mut parent = Parent::of(Given::Nothing, core.trace.sampler());
        let begun = begun.inherit(std::mem::take(&mut parent.extensions), parent.tracestate.take());
        let mut call = begun.call(core.clone(), side, parent.trace);
        call.info_mut().from.method = parent.caller;
        call.start();
        // There is no request, so there are no headers to see or to set.
        call.start_plugins(&mut HeaderMap::new());
        Some(call)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("service", &self.0.core.service).finish_non_exhaustive()
    }
}
