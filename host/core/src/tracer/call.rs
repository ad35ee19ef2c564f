//! The guard around one call: it starts the tracers when it is made and finishes them once, at the latest when dropped.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::attempts::Attempts;
use super::follow::Follower;
use super::local::Local;
use super::natives::{Natives, Started};
use super::{CallContext, Core};
use crate::live::MethodId;
use crate::rpc::{
    Codec, EventKind, EventStatus, Interaction, Level, Method, Outcome, Peer, Protocol, RpcInfo, RpcNotes, Streaming,
    Symbol, Traffic, Transport, error_type, nanos,
};

/// One call under observation.
///
/// Made by `Hottap::start_call` or by the layers. Starting it starts the native tracers.
/// [`Call::finish`], or dropping it, finishes them and hands the call to the plugins: exactly once, on the thread that
/// does it, without waiting for a plugin. A call that is dropped unfinished has the outcome
/// [`Cancelled`](Outcome::Cancelled), or [`Panicked`](Outcome::Panicked) if the thread is panicking.
pub struct Call {
    core: Arc<Core>,
    pub(super) method: Option<MethodId>,
    routed: bool,
    started: Started,
    /// The tracers of the call's own layer, and which of them were started.
    pub(super) own: Option<Arc<Natives>>,
    started_own: Started,
    finished: bool,
    context: CallContext,
}

impl Call {
    /// Makes the guard; no tracer has started.
    #[inline]
    pub(super) fn new(
        core: Arc<Core>,
        method: Option<MethodId>,
        own: Option<Arc<Natives>>,
        context: CallContext,
    ) -> Self {
        Self { core, method, routed: true, started: 0, own, started_own: 0, finished: false, context }
    }

    /// Starts the native tracers: the info says what is known of the call.
    #[inline]
    pub(crate) fn start(&mut self) {
        if !self.core.natives.is_empty() {
            self.started = self.core.natives.start(&mut self.context);
        }
        if let Some(own) = &self.own {
            self.started_own = own.start(&mut self.context);
        }
    }

    /// What the native tracers see.
    #[must_use]
    pub fn context(&self) -> &CallContext {
        &self.context
    }

    /// What is known so far.
    #[must_use]
    pub fn info(&self) -> &RpcInfo {
        &self.context.info
    }

    #[doc(hidden)]
    pub fn info_mut(&mut self) -> &mut RpcInfo {
        &mut self.context.info
    }

    /// Gives the method the name that the router told only afterwards: the concatenation of `name`.
    pub(crate) fn set_method(&mut self, name: &[&str]) {
        let name = name.concat();
        let side = self.context.info.side;
        let known = Local::with(&self.core, |local| local.live(&self.core).interest(side, &name).0);
        self.method = known.map(|(id, _)| id);
        self.context.info.invocation.method =
            known.map_or_else(|| Method::new(&name), |(_, symbol)| Method::known(symbol));
    }

    /// Says which protocol it is. Default plain HTTP, and none for a call inside the process.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.info_mut().invocation.protocol = protocol;
    }

    /// Says which sides stream. Default unknown.
    pub fn set_streaming(&mut self, streaming: Streaming) {
        let info = self.info_mut();
        info.invocation.streaming = streaming;
        if matches!(streaming, Streaming::Client | Streaming::Server | Streaming::Both) {
            info.config.interaction = Interaction::Streaming;
        }
    }

    /// Says who is on the other side.
    pub fn set_peer(&mut self, peer: Peer) {
        self.info_mut().set_peer(peer);
    }

    /// Says which services call and are called.
    pub fn set_services(&mut self, caller: Symbol, callee: Symbol) {
        self.info_mut().set_services(caller, callee);
    }

    /// Says in which method's handler the call is made. Default the one that the current task handles, if it does.
    pub fn set_caller_method(&mut self, method: Symbol) {
        self.info_mut().from.method = method;
    }

    /// Says what was sent and received; replaces what was said before.
    pub fn set_traffic(&mut self, sent: Traffic, received: Traffic) {
        let stats = &mut self.info_mut().stats;
        (stats.sent, stats.received) = (sent, received);
    }

    /// Gives the HTTP status.
    pub fn set_http_status(&mut self, status: u16) {
        self.info_mut().stats.http_status = Some(status);
    }

    /// Gives the status of the RPC protocol (gRPC: 0 to 16).
    pub fn set_rpc_status(&mut self, status: u16) {
        self.info_mut().stats.rpc_status = Some(status);
    }

    /// Gives the application's own status, and what it says with it; one that is not 0 makes the outcome a business
    /// error.
    pub fn set_business_status(&mut self, status: i32, message: &str) {
        self.info_mut().invocation.set_business(status, message);
    }

    /// Says at which of this side's addresses.
    pub fn set_local(&mut self, local: Peer) {
        self.info_mut().set_local(local);
    }

    /// Says what carries the call and how its messages are encoded. Default unknown.
    pub fn set_transport(&mut self, transport: Transport, codec: Codec) {
        let config = &mut self.info_mut().config;
        (config.transport, config.codec) = (transport, codec);
    }

    /// Says how the sides take turns. Default one request and one response, or streaming if [`Call::set_streaming`] says
    /// so.
    pub fn set_interaction(&mut self, interaction: Interaction) {
        self.info_mut().config.interaction = interaction;
    }

    /// Says until when the call has to be done, from its start.
    pub fn set_deadline(&mut self, deadline: Duration) {
        self.info_mut().config.deadline = nanos(deadline);
    }

    /// Says how long connecting may take.
    pub fn set_connect_timeout(&mut self, timeout: Duration) {
        self.info_mut().config.connect_timeout = nanos(timeout);
    }

    /// Says how long one read or write may take.
    pub fn set_read_write_timeout(&mut self, timeout: Duration) {
        self.info_mut().config.read_write_timeout = nanos(timeout);
    }

    /// Says how long a stream may wait for its next message.
    pub fn set_stream_recv_timeout(&mut self, timeout: Duration) {
        self.info_mut().config.stream_recv_timeout = nanos(timeout);
    }

    /// Gives the number that the protocol has for the call on its connection.
    pub fn set_sequence_id(&mut self, sequence_id: i32) {
        self.info_mut().invocation.sequence_id = sequence_id;
    }

    /// Adds tags and what else an application has to say.
    pub fn note(&mut self, notes: &RpcNotes) {
        notes.apply(self.info_mut());
    }

    /// Says that no router knows the method: it is reported as `_OTHER`, so that made-up names fill no table.
    pub fn set_unrouted(&mut self) {
        self.routed = false;
    }

    /// Says that the call failed. The first failure counts, or the panic if there was one.
    pub fn fail(&mut self, outcome: Outcome, error_type: Symbol, message: impl Into<Cow<'static, str>>) {
        self.info_mut().stats.fail(outcome, error_type, message);
    }

    /// Records an event now, if the call's level is [`Detailed`](Level::Detailed).
    pub fn record(&mut self, kind: EventKind) {
        self.record_with(kind, EventStatus::Info, "");
    }

    /// Records an event now, how serious it is, and in words, of which at most 256 bytes are kept.
    pub fn record_with(&mut self, kind: EventKind, status: EventStatus, info: &str) {
        if self.context.info.stats.level == Level::Detailed {
            let now = self.core.clock.now();
            self.context.info.stats.record_with(kind, now, status, info);
        }
    }

    /// Lets the plugins act that want to at the start of calls: after the native tracers, before the request leaves or the
    /// handler runs.
    #[inline]
    pub(crate) fn start_plugins(&mut self, headers: &mut HeaderMap) {
        if self.core.live.has_starters() {
            let (core, method, info) = (&self.core, self.method, &mut self.context.info);
            Local::with(core, |local| local.live(core).start(method, info, headers, core.clock));
        }
    }

    /// Who writes down the messages of one of its bodies; none if no live plugin follows such calls, which is one look at
    /// one number.
    #[inline]
    pub(crate) fn follow(&self) -> Option<Box<Follower>> {
        if self.core.live.has_followers() { Follower::new(&self.core, self.method, &self.context.info) } else { None }
    }

    /// One attempt of this call, for who tries it more than once: it starts now, is finished like a call, and has a span
    /// of its own under the call's. `number` counts from 1. None if no tracer asked for attempts; make the attempt all the
    /// same.
    #[must_use]
    pub fn attempt(&self, number: u16) -> Option<Self> {
        Attempts::of(self).map(|attempts| attempts.start(number))
    }

    #[doc(hidden)]
    pub fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Ends the call with what was said of it.
    #[inline]
    pub fn finish(mut self) {
        self.end();
    }

    /// Ends the call where it is; what is done to it afterwards counts no more.
    pub(crate) fn end(&mut self) {
        if self.finished {
            return;
        }
        self.finished = true;
        let core = &self.core;
        if core.live.is_forked() {
            // The process that it was forked from ends the call, too, and tells its tracers.
            return;
        }
        let info = &mut self.context.info;
        info.stats.duration = core.clock.now().saturating_sub(info.stats.started);
        info.stats.finished = true;
        if info.invocation.business_status != 0 {
            info.stats.fail(Outcome::BusinessError, Symbol::NONE, "");
        }
        let symbol = match (info.invocation.method.symbol(), self.routed) {
            (_, false) => Symbol::OTHER,
            (Some(symbol), true) => symbol,
            (None, true) => core.learn(info.side, info.invocation.method.as_str()),
        };
        if !self.routed {
            self.method = None;
        }
        if let Some(method) = self.method {
            core.live.saw(method, info.side);
        }
        info.invocation.method = Method::known(symbol);
        if let Some(own) = &self.own {
            own.finish(self.started_own, &self.context);
        }
        if self.started != 0 {
            core.natives.finish(self.started, &self.context);
        }
        Local::with(core, |local| local.write(core, self.method, symbol, &self.context.info));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        if std::thread::panicking() {
            self.fail(Outcome::Panicked, error_type::PANIC, "the handler panicked");
        } else {
            self.fail(Outcome::Cancelled, error_type::CANCELLED, "dropped before it ended");
        }
        self.end();
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("info", &self.context.info).finish_non_exhaustive()
    }
}
