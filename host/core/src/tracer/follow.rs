//! Who writes down the messages of one body of an open call, for the plugins that follow streams. Without such a plugin
//! there is none, and a body has nothing more to do than to see that.

use std::sync::Arc;

use super::Core;
use super::local::Local;
use crate::live::Mask;
use crate::live::{Live, MethodId};
use crate::rpc::{EventKind, Method, RpcInfo, Side};

/// One body's messages of a call that a plugin followed when it started. Writes without a lock that another RPC thread
/// contends for.
pub(crate) struct Follower {
    core: Arc<Core>,
    call: Followed,
}

/// What is known of the call.
struct Followed {
    id: u64,
    side: Side,
    method: Option<MethodId>,
    name: Method,
    trace_id: u128,
    started: u64,
    started_unix: u64,
    /// The snapshot that `mask` was found in.
    epoch: u64,
    mask: Mask,
}

impl Follower {
    /// None if no live plugin follows calls of this method on this side, or this trace.
    #[inline(never)]
    pub(super) fn new(core: &Arc<Core>, method: Option<MethodId>, info: &RpcInfo) -> Option<Box<Self>> {
        let (side, trace_id) = (info.side, info.trace.trace_id);
        let (epoch, mask) = Local::with(core, |local| {
            let live = local.live(core);
            (live.epoch, live.followers(method, side, info.invocation.method.as_str(), trace_id))
        });
        if mask.is_empty() {
            return None;
        }
        let call = Followed {
            id: info.id,
            side,
            method,
            name: info.invocation.method.clone(),
            trace_id,
            started: info.stats.started,
            started_unix: info.stats.started_unix,
            epoch,
            mask,
        };
        Some(Box::new(Self { core: core.clone(), call }))
    }

    /// A message has passed: `kind` is the event `stream_send` or `stream_recv`, `size` its bytes with its prefix.
    pub(crate) fn message(&mut self, kind: EventKind, size: u64) {
        let Self { core, call } = self;
        let passed = core.clock.now().saturating_sub(call.started);
        Local::with(core, |local| {
            local.write_moment(core, |live| {
                if call.epoch != live.epoch {
                    call.look(live);
                }
                (!call.mask.is_empty()).then(|| crate::collect::Moment {
                    mask: call.mask,
                    call: call.id,
                    time: call.started_unix.saturating_add(passed),
                    size,
                    method: call.name.symbol().map_or(0, |symbol| symbol.id()),
                    kind: kind.0.id(),
                })
            });
        });
    }
}

impl Followed {
    /// Finds out who follows the call now: the plugin in a slot may have been replaced since the call started.
    #[cold]
    fn look(&mut self, live: &Live) {
        self.epoch = live.epoch;
        if self.method.is_none()
            && let (Some((method, symbol)), _) = live.interest(self.side, self.name.as_str())
        {
            (self.method, self.name) = (Some(method), Method::known(symbol));
        }
        self.mask = live.followers(self.method, self.side, self.name.as_str(), self.trace_id);
    }
}
