//! The attempts of one call, for whoever tries it more than once; who decides when to try again is not here.

use std::sync::Arc;

use http::uri::{Authority, Scheme};

use super::RequestHead;
use super::call::Call;
use super::local::Local;
use super::natives::Natives;
use super::{CallContext, Core};
use crate::live::MethodId;
use crate::rpc::Peer;
use crate::rpc::{RpcInfo, RpcStats};

/// Starts the attempts of one call, of which some tracer wants to know.
#[derive(Clone)]
pub struct Attempts(Arc<Shared>);

struct Shared {
    core: Arc<Core>,
    method: Option<MethodId>,
    own: Option<Arc<Natives>>,
    /// The call as it is before the first attempt, with what native tracers attached to it.
    context: CallContext,
}

impl Attempts {
    /// None if nobody wants attempts, which is one look at one number.
    #[inline]
    pub(crate) fn of(call: &Call) -> Option<Self> {
        let core = call.core();
        let native = core.natives.want_attempts() || call.own.as_ref().is_some_and(|own| own.want_attempts());
        (native || core.live.has_attempts()).then(|| {
            let (core, own) = (core.clone(), call.own.clone());
            Self(Arc::new(Shared { core, method: call.method, own, context: call.context().copy() }))
        })
    }

    /// Starts one; `number` counts from 1. It is a call to whom attempts are handed over, and a child of the call.
    pub(crate) fn start(&self, number: u16) -> Call {
        self.begin(number, |_| {})
    }

    /// The same for who knows where it goes.
    pub(crate) fn start_towards(&self, number: u16, peer: &Peer, origin: (&Scheme, &Authority)) -> Call {
        self.begin(number, |context| {
            context.info.set_peer(peer.clone());
            context.request = context.request.take().map(|head| Arc::new(RequestHead::clone(&head).at(origin)));
        })
    }

    fn begin(&self, number: u16, place: impl FnOnce(&mut CallContext)) -> Call {
        let Shared { core, method, own, context } = &*self.0;
        let info = &context.info;
        let started = core.clock.now();
        let id = Local::with(core, Local::next_id);
        let stats = RpcStats::new(info.stats.level, started, core.clock.unix(started));
        let info = RpcInfo { id, trace: info.trace.child(), stats, attempts: number.max(1), ..info.clone() };
        let (extensions, tracestate) = (context.extensions.clone(), context.tracestate.clone());
        let request = context.request.clone();
        let mut context = CallContext { info, extensions, tracestate, request };
        place(&mut context);
        let mut call = Call::new(core.clone(), *method, own.clone(), context);
        call.start();
        call
    }
}
