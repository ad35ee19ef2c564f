//! Who takes part in a call.

use std::fmt;
use std::net::SocketAddr;

use super::{Symbol, Tags, cut};

/// Bytes kept of a peer that is not a socket address.
const MAX_PEER_BYTES: usize = 256;

/// One end of a call (Kitex's EndpointInfo).
#[derive(Clone, Debug, Default)]
pub struct EndpointInfo {
    #[doc(hidden)]
    pub service: Symbol,
    pub(crate) method: Symbol,
    pub(crate) address: Peer,
    pub(crate) tags: Tags,
}

impl EndpointInfo {
    /// The service's name; [`Symbol::NONE`] if not known.
    #[must_use]
    pub fn service(&self) -> Symbol {
        self.service
    }

    /// The method that it is in (Kitex's EndpointInfo.Method): of who calls, the one whose handler makes the call, if a
    /// handler does; [`Symbol::NONE`] if that is not known. Of who is called it is
    /// [`Invocation::method`](super::Invocation::method), and not here.
    #[must_use]
    pub fn method(&self) -> Symbol {
        self.method
    }

    /// Its address; [`Peer::Unknown`] if not known.
    #[must_use]
    pub fn address(&self) -> &Peer {
        &self.address
    }

    /// What is known of it beside: cluster, zone and the like.
    #[must_use]
    pub fn tags(&self) -> &Tags {
        &self.tags
    }
}

/// The address of the other side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Peer {
    /// Not known.
    #[default]
    Unknown,
    /// A socket address.
    Socket(SocketAddr),
    /// Anything else, such as a path of a Unix socket; at most 256 bytes.
    Text(Box<str>),
}

impl Peer {
    /// A peer from text, cut at 256 bytes.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(cut(text, MAX_PEER_BYTES).into())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => Ok(()),
            Self::Socket(address) => address.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}
