//! The trait of native tracers: Rust code compiled into the service.

use super::CallContext;

/// Called at the start and at the finish of every call, on the RPC's own thread.
///
/// Tracers are started in the order of their registration and finished in reverse. Each is isolated: one that panics is
/// counted and skipped, and neither the RPC nor another tracer notices. There is no deadline for native code, so a slow
/// tracer makes RPCs slow; a plugin can't.
pub trait Tracer: Send + Sync + 'static {
    /// Called once per call, before the request leaves (client) or the handler runs (server).
    ///
    /// What it puts into the context's extensions is seen by this tracer's `finish`, by the handler, and by client
    /// calls that the handler makes.
    fn start(&self, call: &mut CallContext);

    /// Called once per call for which `start` was called, when its response has ended or it was given up.
    fn finish(&self, call: &CallContext);
}
