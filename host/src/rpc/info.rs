//! RpcInfo: all that is known of one call.

use std::time::Duration;

use super::{EndpointInfo, Level, Method, Peer, Protocol, RpcStats, Side, Streaming, Symbol, Tokens, TraceContext};

/// All that is known of one call, seen from one side (Kitex's RPCInfo).
///
/// It belongs to its call: it is never pooled or handed to another one, so a tracer that keeps a clone keeps the truth.
#[derive(Clone, Debug)]
pub struct RpcInfo {
    pub(crate) id: u64,
    pub(crate) side: Side,
    pub(crate) from: EndpointInfo,
    pub(crate) to: EndpointInfo,
    pub(crate) invocation: Invocation,
    pub(crate) config: RpcConfig,
    pub(crate) stats: RpcStats,
    pub(crate) trace: TraceContext,
    pub(crate) tokens: Tokens,
}

impl RpcInfo {
    /// A number that is unique to the call within the process.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Where the call is observed.
    #[must_use]
    pub fn side(&self) -> Side {
        self.side
    }

    /// Who calls.
    #[must_use]
    pub fn from(&self) -> &EndpointInfo {
        &self.from
    }

    /// Who is called.
    #[must_use]
    pub fn to(&self) -> &EndpointInfo {
        &self.to
    }

    /// What is called, and how.
    #[must_use]
    pub fn invocation(&self) -> &Invocation {
        &self.invocation
    }

    /// The call's settings.
    #[must_use]
    pub fn config(&self) -> &RpcConfig {
        &self.config
    }

    /// What the call did.
    #[must_use]
    pub fn stats(&self) -> &RpcStats {
        &self.stats
    }

    /// Its trace identity.
    #[must_use]
    pub fn trace(&self) -> &TraceContext {
        &self.trace
    }

    /// The address of the other side.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        match self.side {
            Side::Server => &self.from.address,
            _ => &self.to.address,
        }
    }

    pub(crate) fn set_peer(&mut self, peer: Peer) {
        match self.side {
            Side::Server => self.from.address = peer,
            _ => self.to.address = peer,
        }
    }

    pub(crate) fn new(id: u64, side: Side, method: Method, trace: TraceContext, stats: RpcStats) -> Self {
        Self {
            id,
            side,
            from: EndpointInfo::default(),
            to: EndpointInfo::default(),
            invocation: Invocation {
                method,
                protocol: Protocol::Http,
                streaming: Streaming::Unknown,
                business_status: 0,
            },
            config: RpcConfig { deadline: 0 },
            stats,
            trace,
            tokens: Tokens::default(),
        }
    }

    /// How much is recorded of this call.
    #[must_use]
    pub fn level(&self) -> Level {
        self.stats.level
    }

    pub(crate) fn set_services(&mut self, caller: Symbol, callee: Symbol) {
        self.from.service = caller;
        self.to.service = callee;
    }
}

/// What is called, and how (Kitex's Invocation).
#[derive(Clone, Debug)]
pub struct Invocation {
    pub(crate) method: Method,
    pub(crate) protocol: Protocol,
    pub(crate) streaming: Streaming,
    pub(crate) business_status: i32,
}

impl Invocation {
    /// The method: `package.Service/Method` or `GET /route`.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Which sides stream; known once the call has finished.
    #[must_use]
    pub fn streaming(&self) -> Streaming {
        self.streaming
    }

    /// The status that the application gave itself; 0 is success or none.
    #[must_use]
    pub fn business_status(&self) -> i32 {
        self.business_status
    }
}

/// A call's settings (Kitex's RPCConfig).
#[derive(Clone, Debug)]
pub struct RpcConfig {
    pub(crate) deadline: u64,
}

impl RpcConfig {
    /// The deadline that the call has, from its start; none if it has none.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        (self.deadline != 0).then(|| Duration::from_nanos(self.deadline))
    }
}
