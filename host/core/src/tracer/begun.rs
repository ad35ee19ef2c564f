//! A call before its guard is made: who wants it is decided, and nothing more has been found out about it.

use std::sync::Arc;

use http::HeaderValue;

use super::local::{Decided, Local, Named};
use super::natives::Natives;
use super::{Call, CallContext, Core, RequestHead};
use crate::live::MethodId;
use crate::rpc::{CallExtensions, Level, MAX_METHOD_BYTES, Method, RpcInfo, RpcStats, Side, Symbol, TraceContext};

/// What is decided when a call starts, while only its side and its method are known.
pub struct Begun {
    id: u64,
    started: u64,
    level: Level,
    method: Option<MethodId>,
    name: Method,
    extensions: CallExtensions,
    tracestate: Option<HeaderValue>,
    request: Option<Arc<RequestHead>>,
    own: Option<Arc<Natives>>,
}

impl Begun {
    /// None if nobody wants the call: then nothing more has to be found out about it.
    ///
    /// The method's name is the concatenation of `name`, so that it need not be put together before. `own` are the
    /// tracers of the call's own layer.
    #[inline]
    pub(crate) fn new(core: &Core, side: Side, name: &[&str], own: Option<&Arc<Natives>>) -> Option<Self> {
        Self::decide(core, side, name, own, Named::Finally)
    }

    /// The same for a call whose name is not all of it yet: whoever could want it once its route is known may do so.
    pub(crate) fn before_its_route(core: &Core, side: Side, name: &str, own: Option<&Arc<Natives>>) -> Option<Self> {
        Self::decide(core, side, &[name], own, Named::SoFar)
    }

    #[inline]
    fn decide(core: &Core, side: Side, name: &[&str], own: Option<&Arc<Natives>>, named: Named) -> Option<Self> {
        if !Self::may_be_wanted(core, side, own) {
            return None;
        }
        let own_natives = own.map(|own| &**own);
        let decide = |local: &mut Local| local.decide(core, side, name, named, own_natives);
        let Decided { id, level, method, symbol } = Local::with(core, decide)?;
        Some(Self {
            id,
            started: core.clock.now(),
            level,
            method,
            name: if method.is_some() { Method::known(symbol) } else { unknown(name) },
            extensions: CallExtensions::default(),
            tracestate: None,
            request: None,
            own: own.cloned(),
        })
    }

    /// Asked before anything is found out about a call.
    #[inline]
    pub(crate) fn may_be_wanted(core: &Core, side: Side, own: Option<&Arc<Natives>>) -> bool {
        !core.live.is_idle(side) || (own.is_some() && !core.live.is_disabled())
    }

    /// Gives it what came with its parent: what native tracers attached to the call that it is made in, and the state of
    /// the trace.
    pub(crate) fn inherit(self, extensions: CallExtensions, tracestate: Option<HeaderValue>) -> Self {
        Self { extensions, tracestate, ..self }
    }

    /// Gives it its request's head, if some native tracer asks for that.
    #[inline]
    pub(crate) fn requested(mut self, core: &Core, head: impl FnOnce() -> RequestHead) -> Self {
        if core.natives.want_heads() || self.own.as_ref().is_some_and(|own| own.want_heads()) {
            self.request = Some(Arc::new(head()));
        }
        self
    }

    /// How much is to be recorded.
    pub(crate) fn level(&self) -> Level {
        self.level
    }

    /// When the call started, by the core's clock.
    pub(crate) fn started(&self) -> u64 {
        self.started
    }

    /// Makes the guard of the call. Its tracers start with [`Call::start`], once the caller has added what is known of the
    /// call to its info.
    #[inline]
    pub(crate) fn call(self, core: Arc<Core>, side: Side, trace: TraceContext) -> Call {
        let stats = RpcStats::new(self.level, self.started, core.clock.unix(self.started));
        let mut info = RpcInfo::new(self.id, side, self.name, trace, stats);
        match side {
            Side::Client => info.from.service = core.service,
            _ => info.to.service = core.service,
        }
        let context =
            CallContext { info, extensions: self.extensions, tracestate: self.tracestate, request: self.request };
        Call::new(core, self.method, self.own, context)
    }
}

/// The name of a method that is not in the snapshot.
#[cold]
fn unknown(name: &[&str]) -> Method {
    match name {
        [name] => Method::new(name),
        parts if parts.iter().map(|part| part.len()).sum::<usize>() > MAX_METHOD_BYTES => Method::known(Symbol::OTHER),
        parts => Method::new(&parts.concat()),
    }
}
