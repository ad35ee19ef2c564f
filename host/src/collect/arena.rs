//! The part of a row that has no fixed size: peer, error message, events, written to and read from a byte arena.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::row::{PeerKind, Row};
use crate::rpc::{Event, Peer, RpcInfo};

/// Bytes of an event before its words: kind, time, status, length of the words.
const EVENT_HEAD: usize = 4 + 8 + 1 + 2;

/// Appends what belongs to `row`. Text was cut to its bounds when it was recorded.
#[inline]
pub(crate) fn write(arena: &mut Vec<u8>, row: &mut Row, info: &RpcInfo) {
    let start = arena.len();
    row.arena_start = start as u32;
    match info.peer() {
        Peer::Unknown => {}
        Peer::Socket(SocketAddr::V4(address)) => {
            row.peer_kind = PeerKind::V4;
            arena.extend_from_slice(&address.ip().octets());
            arena.extend_from_slice(&address.port().to_be_bytes());
        }
        Peer::Socket(SocketAddr::V6(address)) => {
            row.peer_kind = PeerKind::V6;
            arena.extend_from_slice(&address.ip().octets());
            arena.extend_from_slice(&address.port().to_be_bytes());
        }
        Peer::Text(text) => {
            row.peer_kind = PeerKind::Text;
            arena.extend_from_slice(text.as_bytes());
        }
    }
    row.peer_len = (arena.len() - start) as u16;
    let message = info.stats.error_message.as_bytes();
    arena.extend_from_slice(message);
    row.message_len = message.len() as u16;
    for event in info.stats.events.iter() {
        write_event(arena, event);
        row.events += 1;
    }
}

fn write_event(arena: &mut Vec<u8>, event: &Event) {
    let words = event.info.as_deref().unwrap_or("");
    arena.extend_from_slice(&event.kind.0.id().to_le_bytes());
    arena.extend_from_slice(&event.at.to_le_bytes());
    arena.push(event.status as u8);
    arena.extend_from_slice(&(words.len() as u16).to_le_bytes());
    arena.extend_from_slice(words.as_bytes());
}

/// What one row has in its arena.
#[derive(Clone, Copy)]
pub(crate) struct Rest<'a> {
    row: &'a Row,
    bytes: &'a [u8],
}

/// An event as it stands in the arena.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct EventRef<'a> {
    pub(crate) kind: u32,
    pub(crate) at: u64,
    pub(crate) status: u8,
    pub(crate) info: &'a str,
}

impl<'a> Rest<'a> {
    pub(crate) fn new(row: &'a Row, arena: &'a [u8]) -> Self {
        Self { row, bytes: arena.get(row.arena_start as usize..).unwrap_or(&[]) }
    }

    /// The peer as it was written: the same for the same peer.
    pub(crate) fn raw_peer(&self) -> (PeerKind, &'a [u8]) {
        (self.row.peer_kind, self.bytes.get(..self.row.peer_len.into()).unwrap_or(&[]))
    }

    /// The peer in words; `buffer` is for those that have to be put into words.
    pub(crate) fn peer<'b>(&self, buffer: &'b mut String) -> &'b str
    where
        'a: 'b,
    {
        buffer.clear();
        match self.raw_peer() {
            (PeerKind::Text, bytes) => return text(bytes),
            (PeerKind::V4, &[a, b, c, d, high, low]) => {
                let address = SocketAddr::from((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])));
                let _ = write!(buffer, "{address}");
            }
            (PeerKind::V6, bytes) => {
                if let Some((&ip, &[high, low])) = bytes.split_first_chunk::<16>() {
                    let address = SocketAddr::from((Ipv6Addr::from(ip), u16::from_be_bytes([high, low])));
                    let _ = write!(buffer, "{address}");
                }
            }
            _ => {}
        }
        buffer
    }

    pub(crate) fn message(&self) -> &'a str {
        let start = usize::from(self.row.peer_len);
        text(self.bytes.get(start..start + usize::from(self.row.message_len)).unwrap_or(&[]))
    }

    /// The events between start and finish.
    pub(crate) fn events(&self) -> impl Iterator<Item = EventRef<'a>> {
        let start = usize::from(self.row.peer_len) + usize::from(self.row.message_len);
        let mut rest = self.bytes.get(start..).unwrap_or(&[]);
        (0..self.row.events).map_while(move |_| {
            let (head, after) = rest.split_first_chunk::<EVENT_HEAD>()?;
            let (kind, head) = head.split_first_chunk::<4>()?;
            let (at, head) = head.split_first_chunk::<8>()?;
            let &[status, low, high] = head else { return None };
            let (words, after) = after.split_at_checked(u16::from_le_bytes([low, high]).into())?;
            rest = after;
            Some(EventRef { kind: u32::from_le_bytes(*kind), at: u64::from_le_bytes(*at), status, info: text(words) })
        })
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
}
