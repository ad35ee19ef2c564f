//! The trait of native tracers: Rust code compiled into the service.

use super::CallContext;
use crate::rpc::{Level, Side};

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

    /// How much it wants recorded of a method's calls; default everything. What is recorded is the most that any tracer
    /// wants, so `finish` may see more.
    ///
    /// Of a tracer of the whole service it is asked when a method's first call has finished, and holds from then on; that
    /// first call is recorded at the greatest level. Of a layer's own tracer it is asked at the start of each call, on the
    /// RPC's thread. If it panics, everything is recorded.
    fn level(&self, side: Side, method: &str) -> Level {
        let _ = (side, method);
        Level::Detailed
    }

    /// Whether it is called for each attempt of a call as well, where a client tries again: a call of its own between the
    /// start and the finish of the call that it belongs to ([`RpcInfo::attempt_of`](crate::rpc::RpcInfo::attempt_of)).
    /// Default no. Asked once, when the tracer is added to a builder or a layer.
    fn attempts(&self) -> bool {
        false
    }

    /// Whether it looks at the heads of requests ([`CallContext::request`]), which are kept for as long as their calls only if
    /// some native tracer does. Default no. Asked once, when the tracer is added to a builder or a layer.
    fn request_head(&self) -> bool {
        false
    }
}
