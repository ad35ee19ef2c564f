//! How many at once: connections, connections of one peer, requests. Who comes too late is told, nobody waits in line.

use hottap_core::lock::lock;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places for so many, each given back when its permit is dropped.
pub(super) fn places(limit: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS)))
}

/// Why a connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Limit,
    PeerLimit,
}

/// Takes connections up to the limits.
#[derive(Debug)]
pub(super) struct Admission {
    all: Arc<Semaphore>,
    peers: Option<Arc<Peers>>,
}

/// Connections by peer; no more entries than connections.
#[derive(Debug)]
struct Peers {
    limit: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection that was taken.
#[derive(Debug)]
pub(super) struct Admitted {
    _one: OwnedSemaphorePermit,
    _peer: Option<OfPeer>,
}

#[derive(Debug)]
struct OfPeer {
    peers: Arc<Peers>,
    peer: IpAddr,
}

impl Admission {
    pub(super) fn new(limit: usize, peer_limit: Option<usize>) -> Self {
        let peers = peer_limit.map(|limit| Arc::new(Peers { limit, taken: Mutex::default() }));
        Self { all: places(limit), peers }
    }

    /// `peer` is none where peers have no address, as over Unix sockets: then only the limit over all holds.
    pub(super) fn admit(&self, peer: Option<IpAddr>) -> Result<Admitted, Refusal> {
        let one = self.all.clone().try_acquire_owned().map_err(|_full| Refusal::Limit)?;
        let peer = match (&self.peers, peer) {
            (Some(peers), Some(peer)) => Some(peers.enter(whom(peer)).ok_or(Refusal::PeerLimit)?),
            _ => None,
        };
        Ok(Admitted { _one: one, _peer: peer })
    }
}

/// Whom an address stands for: one client of IPv6 commonly has a network of 64 bits to itself.
fn whom(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

impl Peers {
    fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<OfPeer> {
        let mut taken = self.taken();
        let count = taken.entry(peer).or_default();
        if *count >= self.limit {
            if *count == 0 {
                taken.remove(&peer);
            }
            return None;
        }
        *count += 1;
        drop(taken);
        Some(OfPeer { peers: self.clone(), peer })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        lock(&self.taken)
    }
}

impl Drop for OfPeer {
    fn drop(&mut self) {
        let mut taken = self.peers.taken();
        if let Some(count) = taken.get_mut(&self.peer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn a_place_is_free_again_when_its_connection_is_gone() {
        let admission = Admission::new(2, None);
        let first = admission.admit(ip("10.0.0.1")).expect("the first");
        let _second = admission.admit(None).expect("the second");
        assert_eq!(admission.admit(None).err(), Some(Refusal::Limit));
        assert_eq!(admission.admit(None).err(), Some(Refusal::Limit), "a refusal takes no place");
        drop(first);
        assert!(admission.admit(None).is_ok());
        assert!(Admission::new(usize::MAX, None).admit(None).is_ok(), "no limit is too high");
        assert_eq!(Admission::new(0, None).admit(None).err(), Some(Refusal::Limit), "and 0 is one");
    }

    #[test]
    fn one_peer_has_its_share_whatever_addresses_it_uses() {
        let admission = Admission::new(100, Some(1));
        for (first, second, expected, reason) in [
            ("10.0.0.1", "10.0.0.1", Some(Refusal::PeerLimit), "the same"),
            ("10.0.0.1", "10.0.0.2", None, "two"),
            ("10.0.0.1", "::ffff:10.0.0.1", Some(Refusal::PeerLimit), "the same, written in IPv6"),
            ("2001:db8::1", "2001:db8::ffff:2", Some(Refusal::PeerLimit), "one network"),
            ("2001:db8::1", "2001:db8:0:1::1", None, "two networks"),
        ] {
            let held = admission.admit(ip(first)).expect("the first");
            assert_eq!(admission.admit(ip(second)).err(), expected, "{reason}");
            drop(held);
        }
        let peers = admission.peers.expect("a limit per peer");
        assert!(peers.taken().is_empty(), "who is gone is forgotten");
    }
}
