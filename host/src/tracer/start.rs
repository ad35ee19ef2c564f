//! A plugin's part in the start of a call, as the RPC's thread sees it.

use std::fmt;

use http::HeaderMap;

use crate::rpc::RpcInfo;

/// What a plugin does before the request leaves (client) or the handler runs (server). Called on the RPC's own thread,
/// after the native tracers: it must not block, and it bounds its own time.
pub(crate) trait Start: Send + Sync + fmt::Debug {
    /// The plugin's name, by which those who act at the start of one call are ordered.
    fn name(&self) -> &str;

    /// The token that is handed to the plugin with the finished call; none if it was not asked or failed.
    ///
    /// `headers` are the request's. `budget` is the time in nanoseconds that all plugins together have left for this
    /// call.
    fn start(&self, call: &RpcInfo, headers: &mut HeaderMap, budget: u64) -> Option<u64>;
}

/// Nanoseconds that all plugins together may use at the start of one call. What a client waits for its request to leave
/// is latency; a plugin that needs more belongs into finish.
pub(crate) const BUDGET: u64 = 1_000_000;
