//! The other sides of calls as attributes, encoded once for all calls of a batch that have the same.

use crate::decision::Kind;
use crate::otlp::{self, field};

/// The peers of one batch.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    encoded: Vec<u8>,
    /// Where a peer's attributes stand in `encoded`, by its number in the batch's dictionary: as the server and as
    /// somebody who calls. Both ends are 0 if it was not encoded yet.
    places: Vec<[(usize, usize); 2]>,
}

impl Peers {
    /// A new batch begins, whose numbers stand for other peers.
    pub(crate) fn clear(&mut self) {
        self.encoded.clear();
        self.places.clear();
    }

    /// The attributes of a span that tell of its peer, which has this number and this text.
    #[inline]
    pub(crate) fn attributes<'p>(&mut self, kind: Kind, number: u32, peer: impl FnOnce() -> &'p str) -> &[u8] {
        let (number, calls) = (number as usize, usize::from(kind != Kind::Client));
        let (begin, end) = match self.places.get(number) {
            Some(places) if places[calls].1 > 0 => places[calls],
            _ => self.encode(kind, number, peer()),
        };
        self.encoded.get(begin..end).unwrap_or_default()
    }

    #[cold]
    #[inline(never)]
    fn encode(&mut self, kind: Kind, number: usize, peer: &str) -> (usize, usize) {
        let begin = self.encoded.len();
        encode(&mut self.encoded, kind, peer);
        let place = (begin, self.encoded.len());
        if self.places.len() <= number {
            self.places.resize(number + 1, [(0, 0); 2]);
        }
        if let Some(places) = self.places.get_mut(number) {
            places[usize::from(kind != Kind::Client)] = place;
        }
        place
    }
}

fn encode(into: &mut Vec<u8>, kind: Kind, peer: &str) {
    let (address, port) = split(peer);
    let keys = if kind == Kind::Client {
        ["server.address", "server.port"]
    } else {
        ["network.peer.address", "network.peer.port"]
    };
    if !address.is_empty() {
        otlp::text(into, field::ATTRIBUTES, keys[0], address);
    }
    if let Some(port) = port {
        otlp::integer(into, field::ATTRIBUTES, keys[1], port.into());
    }
}

/// Address and port of `10.0.0.7:41234` or `[::1]:80`; what has no port is all address.
fn split(peer: &str) -> (&str, Option<u16>) {
    let split = peer.rsplit_once(':').and_then(|(address, port)| Some((address, port.parse().ok()?)));
    let (address, port) = match split {
        Some((address, port)) if !address.contains(':') || address.ends_with(']') => (address, Some(port)),
        _ => (peer, None),
    };
    (address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_an_address_and_perhaps_a_port() {
        for (peer, expected) in [
            ("10.0.0.7:41234", ("10.0.0.7", Some(41234))),
            ("[::1]:80", ("::1", Some(80))),
            ("::1", ("::1", None)),
            ("[::1]", ("::1", None)),
            ("pricing:99999", ("pricing:99999", None)),
            ("/run/shop.sock", ("/run/shop.sock", None)),
            ("pricing", ("pricing", None)),
            ("", ("", None)),
        ] {
            assert_eq!(split(peer), expected, "{peer}");
        }
    }

    #[test]
    fn a_number_stands_for_one_peer_in_each_batch_and_side() {
        let expected = |kind, peer| {
            let mut into = Vec::new();
            encode(&mut into, kind, peer);
            into
        };
        let mut peers = Peers::default();
        for batch in [["", "10.0.0.7:1", "pricing:80"], ["", "[::1]:2", "10.0.0.7:1"]] {
            peers.clear();
            for number in [2, 1, 0, 1, 2] {
                for kind in [Kind::Server, Kind::Client, Kind::Internal] {
                    let peer = batch[number as usize];
                    assert_eq!(peers.attributes(kind, number, || peer), expected(kind, peer), "{kind:?} {peer}");
                }
            }
        }
    }
}
