//! RpcInfo: all that is known of one call, and the tokens that starters returned for it.

use super::{
    EndpointInfo, Invocation, Level, Method, Peer, Protocol, RpcConfig, RpcStats, Side, Symbol, Tags, TraceContext,
};

/// All that is known of one call, seen from one side (Kitex's RPCInfo).
///
/// It belongs to its call: it is never pooled or handed to another one, so a tracer that keeps a clone keeps the truth.
#[derive(Clone, Debug)]
pub struct RpcInfo {
    #[doc(hidden)]
    pub id: u64,
    /// The call that it is an attempt of; its own id for a call.
    pub(crate) logical_id: u64,
    #[doc(hidden)]
    pub side: Side,
    pub(crate) from: EndpointInfo,
    #[doc(hidden)]
    pub to: EndpointInfo,
    #[doc(hidden)]
    pub invocation: Invocation,
    #[doc(hidden)]
    pub config: RpcConfig,
    #[doc(hidden)]
    pub stats: RpcStats,
    #[doc(hidden)]
    pub trace: TraceContext,
    pub(crate) tags: Tags,
    pub(crate) attempts: u16,
    pub(crate) tokens: Tokens,
}

impl RpcInfo {
    /// A number that is unique to the call within the process.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The id of the call that this is one attempt of; none if it is a call. Only tracers that ask for them get attempts.
    #[must_use]
    pub fn attempt_of(&self) -> Option<u64> {
        (self.logical_id != self.id).then_some(self.logical_id)
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

    /// What the application says of the call; the tags of either end are [`EndpointInfo::tags`].
    #[must_use]
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// How many attempts it took, as far as whoever made them has said; at least 1. Of an attempt its number, from 1.
    #[must_use]
    pub fn attempts(&self) -> u16 {
        self.attempts
    }

    /// The address of this side; [`Peer::Unknown`] if not known.
    #[must_use]
    pub fn local(&self) -> &Peer {
        match self.side {
            Side::Server => &self.to.address,
            _ => &self.from.address,
        }
    }

    pub(crate) fn set_local(&mut self, local: Peer) {
        match self.side {
            Side::Server => self.to.address = local,
            _ => self.from.address = local,
        }
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

    #[doc(hidden)]
    pub fn new(id: u64, side: Side, method: Method, trace: TraceContext, stats: RpcStats) -> Self {
        let protocol = match side {
            Side::Endpoint => Protocol::None,
            _ => Protocol::Http,
        };
        Self {
            id,
            logical_id: id,
            side,
            from: EndpointInfo::default(),
            to: EndpointInfo::default(),
            invocation: Invocation::new(method, protocol),
            config: RpcConfig::default(),
            stats,
            trace,
            tags: Tags::default(),
            attempts: 1,
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

/// Plugins that may act at the start of calls. Each costs the RPC its time, and each call has room for so many tokens.
pub const MAX_STARTERS: usize = 4;

/// At most one token per starter. Plain data: who the slots belong to is no matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// A slot plus one; 0 is a free place.
    slots: [u8; MAX_STARTERS],
    values: [u64; MAX_STARTERS],
}

impl Tokens {
    /// Keeps a token; one that finds no place is left out.
    pub(crate) fn add(&mut self, slot: usize, token: u64) {
        let places = self.slots.iter_mut().zip(&mut self.values);
        if let (Some((place, value)), Ok(slot)) =
            (places.into_iter().find(|(place, _)| **place == 0), u8::try_from(slot + 1))
        {
            (*place, *value) = (slot, token);
        }
    }

    /// The token of the starter in `slot`; 0 if it returned none.
    #[inline]
    pub(crate) fn of(&self, slot: usize) -> u64 {
        let found = self.slots.iter().position(|&place| usize::from(place) == slot + 1);
        found.and_then(|place| self.values.get(place)).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_plugin_gets_its_own_token() {
        let mut tokens = Tokens::default();
        for slot in [3, 0, 127, 9, 5] {
            tokens.add(slot, 100 + slot as u64);
        }
        let of = [3, 0, 127, 9, 5, 1].map(|slot| tokens.of(slot));
        assert_eq!(of, [103, 100, 227, 109, 0, 0], "the fifth finds no place, and the last was never asked");
    }
}
