//! An instance of role 1: what a plugin runs on the RPC's own thread.

use http::HeaderMap;

use super::guest::CallError;
use hottap_core::rpc::RpcInfo;

/// CPU time of one start in units of fuel: about one per WebAssembly instruction, and about as many in a nanosecond.
/// Counting instructions stops a loop after as many on every machine; a clock would need a thread that looks at it
/// every millisecond.
pub(crate) const FUEL_PER_NANO: u64 = 1;

/// One instance. A call that fails ends it: drop it and make another one.
pub trait Starter: Send {
    /// Calls `start` with at most this much fuel. The headers are the request's; the starter may see some and add some.
    fn start(&mut self, call: &RpcInfo, headers: &mut HeaderMap, fuel: u64) -> Result<u64, CallError>;
}
