//! The part of a row that has no fixed size: addresses, error message, events, tags, written to and read from a byte arena.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::details::Details;
use super::row::{PeerKind, Row};
use crate::rpc::{Event, Peer, RpcInfo, Symbol, Tags};

/// Bytes of an event before its words: kind, time, status, length of the words.
const EVENT_HEAD: usize = 4 + 8 + 1 + 2;

/// Appends what belongs to `row`. Text was cut to its bounds when it was recorded.
#[inline]
pub(crate) fn write(arena: &mut Vec<u8>, row: &mut Row, info: &RpcInfo) {
    let start = arena.len();
    row.arena_start = start as u32;
    (row.peer_kind, row.peer_len) = write_peer(arena, info.peer());
    (row.local_kind, row.local_len) = write_peer(arena, info.local());
    let message = info.stats.error_message.as_bytes();
    arena.extend_from_slice(message);
    row.message_len = message.len() as u16;
    for event in info.stats.events.iter() {
        write_event(arena, event);
        row.events += 1;
    }
    if !(info.tags.is_empty() && info.from.tags.is_empty() && info.to.tags.is_empty()) {
        row.tags = write_tags(arena, "", &info.tags)
            + write_tags(arena, "from.", &info.from.tags)
            + write_tags(arena, "to.", &info.to.tags);
    }
    if let Some(details) = Details::of(info) {
        let start = arena.len();
        details.write(arena);
        row.details_len = (arena.len() - start) as u32;
    }
}

#[inline]
fn write_peer(arena: &mut Vec<u8>, peer: &Peer) -> (PeerKind, u16) {
    let start = arena.len();
    let kind = match peer {
        Peer::Unknown => PeerKind::None,
        Peer::Socket(SocketAddr::V4(address)) => {
            arena.extend_from_slice(&address.ip().octets());
            arena.extend_from_slice(&address.port().to_be_bytes());
            PeerKind::V4
        }
        Peer::Socket(SocketAddr::V6(address)) => {
            arena.extend_from_slice(&address.ip().octets());
            arena.extend_from_slice(&address.port().to_be_bytes());
            PeerKind::V6
        }
        Peer::Text(text) => {
            arena.extend_from_slice(text.as_bytes());
            PeerKind::Text
        }
    };
    (kind, (arena.len() - start) as u16)
}

/// Tags of either end get its name before their key, so that all of a call are one list. How many there were.
fn write_tags(arena: &mut Vec<u8>, end: &str, tags: &Tags) -> u16 {
    for (key, value) in tags.iter() {
        let key = if end.is_empty() { key } else { Symbol::intern(&format!("{end}{key}")) };
        arena.extend_from_slice(&key.id().to_le_bytes());
        arena.extend_from_slice(&(value.len() as u16).to_le_bytes());
        arena.extend_from_slice(value.as_bytes());
    }
    tags.len() as u16
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
        (self.row.peer_kind, self.part(0, self.row.peer_len.into()))
    }

    /// The peer in words; `buffer` is for those that have to be put into words.
    pub(crate) fn peer<'b>(&self, buffer: &'b mut String) -> &'b str
    where
        'a: 'b,
    {
        let (kind, bytes) = self.raw_peer();
        address(kind, bytes, buffer)
    }

    /// This side's address in words, like [`peer`](Self::peer).
    pub(crate) fn local<'b>(&self, buffer: &'b mut String) -> &'b str
    where
        'a: 'b,
    {
        address(self.row.local_kind, self.part(self.row.peer_len.into(), self.row.local_len.into()), buffer)
    }

    fn part(&self, start: usize, len: usize) -> &'a [u8] {
        self.bytes.get(start..start + len).unwrap_or_default()
    }

    fn addresses_len(&self) -> usize {
        usize::from(self.row.peer_len) + usize::from(self.row.local_len)
    }

    pub(crate) fn message(&self) -> &'a str {
        text(self.part(self.addresses_len(), self.row.message_len.into()))
    }

    /// The events between start and finish.
    pub(crate) fn events(&self) -> Events<'a> {
        let start = self.addresses_len() + usize::from(self.row.message_len);
        Events { left: self.row.events, bytes: self.bytes.get(start..).unwrap_or_default() }
    }

    /// The tags: key and value.
    pub(crate) fn tags(&self) -> TagRefs<'a> {
        if self.row.tags == 0 && self.row.details_len == 0 {
            return TagRefs { left: 0, bytes: &[] };
        }
        let mut events = self.events();
        events.by_ref().for_each(drop);
        TagRefs { left: self.row.tags, bytes: events.bytes }
    }

    /// What few calls have, as a JSON object; empty if there is nothing.
    pub(crate) fn details(&self) -> &'a [u8] {
        let mut tags = self.tags();
        tags.by_ref().for_each(drop);
        tags.bytes.get(..self.row.details_len as usize).unwrap_or_default()
    }
}

/// Reads events one after the other; what follows the last is left in `bytes`.
pub(crate) struct Events<'a> {
    left: u16,
    bytes: &'a [u8],
}

impl<'a> Iterator for Events<'a> {
    type Item = EventRef<'a>;

    fn next(&mut self) -> Option<EventRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (head, after) = self.bytes.split_first_chunk::<EVENT_HEAD>()?;
        let (kind, head) = head.split_first_chunk::<4>()?;
        let (at, head) = head.split_first_chunk::<8>()?;
        let &[status, low, high] = head else { return None };
        let (words, after) = after.split_at_checked(u16::from_le_bytes([low, high]).into())?;
        self.bytes = after;
        Some(EventRef { kind: u32::from_le_bytes(*kind), at: u64::from_le_bytes(*at), status, info: text(words) })
    }
}

/// Reads tags one after the other; what follows the last is left in `bytes`.
pub(crate) struct TagRefs<'a> {
    left: u16,
    bytes: &'a [u8],
}

impl<'a> Iterator for TagRefs<'a> {
    type Item = (u32, &'a str);

    fn next(&mut self) -> Option<(u32, &'a str)> {
        self.left = self.left.checked_sub(1)?;
        let (head, after) = self.bytes.split_first_chunk::<6>()?;
        let (key, len) = head.split_first_chunk::<4>()?;
        let &[low, high] = len else { return None };
        let (value, after) = after.split_at_checked(u16::from_le_bytes([low, high]).into())?;
        self.bytes = after;
        Some((u32::from_le_bytes(*key), text(value)))
    }
}

/// An address in words.
fn address<'b>(kind: PeerKind, bytes: &'b [u8], buffer: &'b mut String) -> &'b str {
    buffer.clear();
    match (kind, bytes) {
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

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
}
