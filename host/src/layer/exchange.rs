//! What is shared by the two bodies of one call, which different tasks may move: how much went each way.

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use bytes::Buf;
use http::{HeaderMap, StatusCode};

use super::log::Log;
use super::protocol::{End, Reader, Wire};
use crate::rpc::{EventKind, Side, Streaming, Traffic};
use crate::tracer::{Call, Follower};

/// One call's traffic. Each meter has one writer, the body it belongs to; whoever ends the call reads both.
pub(crate) struct Exchange {
    side: Side,
    wire: Wire,
    request: Meter,
    response: Meter,
    log: Option<Box<Log>>,
    #[cfg(feature = "client")]
    attempts: super::journal::Attempts,
    /// The call has ended: what its bodies yield from here on is nobody's.
    over: AtomicBool,
}

/// Which of a call's bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Request,
    Response,
}

/// Numbers of their own, not a struct under a lock: a reader may see the bytes of one more piece than messages, while the
/// writer is still at it. Once the body has ended they agree.
#[derive(Default)]
struct Meter {
    bytes: AtomicU64,
    messages: AtomicU32,
    last_bytes: AtomicU64,
    /// Messages could not be counted.
    unread: AtomicBool,
    /// It was no sequence of the protocol's messages.
    malformed: AtomicBool,
}

impl Meter {
    /// There is one writer, so that reading and then writing loses nothing and is cheaper than an atomic addition.
    fn add_bytes(&self, bytes: u64) {
        self.bytes.store(self.bytes.load(Ordering::Relaxed).saturating_add(bytes), Ordering::Relaxed);
    }

    fn add_message(&self, bytes: u64) {
        self.messages.store(self.messages.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
        self.last_bytes.store(bytes, Ordering::Relaxed);
    }

    fn forget_messages(&self) {
        self.messages.store(0, Ordering::Relaxed);
        self.last_bytes.store(0, Ordering::Relaxed);
        self.unread.store(true, Ordering::Relaxed);
    }

    fn traffic(&self) -> Traffic {
        Traffic {
            bytes: self.bytes.load(Ordering::Relaxed),
            messages: self.messages.load(Ordering::Relaxed),
            last_bytes: self.last_bytes.load(Ordering::Relaxed),
        }
    }
}

impl Exchange {
    pub(crate) fn new(side: Side, wire: Wire, log: Option<Box<Log>>) -> Arc<Self> {
        Arc::new(Self {
            side,
            wire,
            request: Meter::default(),
            response: Meter::default(),
            log,
            #[cfg(feature = "client")]
            attempts: super::journal::Attempts::default(),
            over: AtomicBool::new(false),
        })
    }

    pub(crate) fn side(&self) -> Side {
        self.side
    }

    pub(crate) fn wire(&self) -> Wire {
        self.wire
    }

    /// What the runtime that sends the call has to say of its attempts.
    #[cfg(feature = "client")]
    pub(super) fn attempts(&self) -> &super::journal::Attempts {
        &self.attempts
    }

    pub(crate) fn log(&self) -> Option<&Log> {
        self.log.as_deref()
    }

    /// Records an event, if the call's level is detailed.
    #[inline]
    pub(crate) fn record(&self, kind: EventKind) {
        if let Some(log) = &self.log {
            log.record(kind);
        }
    }

    pub(crate) fn traffic(&self, direction: Direction) -> Traffic {
        self.meter(direction).traffic()
    }

    /// The body could not be what its protocol says: a flag that does not exist, an end inside of a message.
    pub(crate) fn is_malformed(&self, direction: Direction) -> bool {
        self.meter(direction).malformed.load(Ordering::Relaxed)
    }

    /// What the counted messages say: more than one is a stream.
    pub(crate) fn streaming(&self) -> Streaming {
        let (request, response) = (&self.request, &self.response);
        let unread = request.unread.load(Ordering::Relaxed) || response.unread.load(Ordering::Relaxed);
        if self.wire == Wire::Http || unread {
            return Streaming::Unknown;
        }
        match (request.traffic().messages > 1, response.traffic().messages > 1) {
            (false, false) => Streaming::Unary,
            (true, false) => Streaming::Client,
            (false, true) => Streaming::Server,
            (true, true) => Streaming::Both,
        }
    }

    /// The call ends; before its traffic is read.
    pub(crate) fn close(&self) {
        self.over.store(true, Ordering::Release);
    }

    fn meter(&self, direction: Direction) -> &Meter {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }

    fn is_incoming(&self, direction: Direction) -> bool {
        (self.side == Side::Server) == (direction == Direction::Request)
    }
}

/// Slices of one piece of a body that are looked at; a piece of more is counted in bytes only.
const MAX_SLICES: usize = 16;

/// Counts what one body yields.
pub(crate) struct Tap {
    exchange: Arc<Exchange>,
    direction: Direction,
    asked: bool,
    ended: bool,
    reader: Reader,
    /// Writes the messages down, if a plugin follows the call.
    follower: Option<Box<Follower>>,
}

impl Tap {
    pub(crate) fn new(exchange: Arc<Exchange>, direction: Direction) -> Self {
        let reader = Reader::of_request(exchange.wire);
        Self { exchange, direction, asked: false, ended: false, reader, follower: None }
    }

    /// Has its messages written down, where they are framed and a plugin follows the call.
    #[inline]
    pub(crate) fn follow(&mut self, call: &Call) {
        if self.exchange.wire.is_framed() {
            self.follower = call.follow();
        }
    }

    /// The response's head says what its body is.
    #[inline]
    pub(crate) fn respond(&mut self, status: StatusCode, headers: &HeaderMap) {
        if self.exchange.wire != Wire::Grpc || status != StatusCode::OK {
            self.reader = Reader::of_response(self.exchange.wire, status, headers);
            if self.reader.is_unread() {
                self.exchange.meter(self.direction).forget_messages();
            }
        }
    }

    /// The body is one message.
    #[inline]
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.reader, Reader::Whole { .. })
    }

    /// What the body has said of how the call ended.
    pub(crate) fn end(&self) -> End {
        self.reader.end()
    }

    /// The body has said how the call ended, and nothing that matters follows.
    pub(crate) fn has_ended(&self) -> bool {
        self.reader.has_ended()
    }

    /// There is no more of the body, whether it was asked for or not.
    #[inline]
    pub(crate) fn complete(&mut self) {
        let meter = self.exchange.meter(self.direction);
        if let Reader::Whole { counted } = &mut self.reader {
            if !std::mem::replace(counted, true) {
                meter.add_message(meter.bytes.load(Ordering::Relaxed));
            }
        } else if self.reader.is_inside() {
            meter.malformed.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }

    /// The body is being polled.
    #[inline]
    pub(crate) fn asked(&mut self) {
        if !self.asked {
            self.asked = true;
            let incoming = self.exchange.is_incoming(self.direction);
            self.exchange.record(if incoming { EventKind::READ_START } else { EventKind::WRITE_START });
        }
    }

    /// The body has yielded its last piece.
    #[inline]
    pub(crate) fn ended(&mut self) {
        self.complete();
        if self.asked && !self.ended {
            self.ended = true;
            let incoming = self.exchange.is_incoming(self.direction);
            self.exchange.record(if incoming { EventKind::READ_FINISH } else { EventKind::WRITE_FINISH });
        }
    }

    /// The body has yielded a piece.
    #[inline]
    pub(crate) fn data(&mut self, data: &impl Buf) {
        let bytes = data.remaining();
        let meter = self.exchange.meter(self.direction);
        meter.add_bytes(bytes as u64);
        if self.reader.is_blind() {
            return;
        }
        let incoming = self.exchange.is_incoming(self.direction);
        let kind = if incoming { EventKind::STREAM_RECV } else { EventKind::STREAM_SEND };
        let (exchange, follower) = (&self.exchange, &mut self.follower);
        let mut message = |size| {
            meter.add_message(size);
            exchange.record(kind);
            if let Some(follower) = follower
                && !exchange.over.load(Ordering::Acquire)
            {
                follower.message(kind, size);
            }
        };
        let chunk = data.chunk();
        if chunk.len() == bytes {
            self.reader.feed(chunk, &mut message);
        } else {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let filled = data.chunks_vectored(&mut slices);
            let slices = slices.get(..filled).unwrap_or_default();
            if slices.iter().map(|slice| slice.len()).sum::<usize>() != bytes {
                meter.forget_messages();
                self.reader.give_up();
                return;
            }
            for slice in slices {
                self.reader.feed(slice, &mut message);
            }
        }
        if self.reader.is_malformed() {
            meter.malformed.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn tap() -> Tap {
        Tap::new(Exchange::new(Side::Server, Wire::Grpc, None), Direction::Request)
    }

    #[test]
    fn messages_are_counted_in_pieces_of_many_slices() {
        let mut tap = tap();
        let piece = Bytes::from_static(b"\0\0\0\0\x03a").chain(Bytes::from_static(b"bc\0\0\0")).chain(&b"\0\0"[..]);
        tap.data(&piece);
        let expected = Traffic { bytes: 13, messages: 2, last_bytes: 5 };
        assert_eq!(tap.exchange.traffic(Direction::Request), expected);
        assert_eq!(tap.exchange.streaming(), Streaming::Client);
    }

    /// A buffer that does not show more than its first byte.
    struct Shy(Bytes);

    impl Buf for Shy {
        fn remaining(&self) -> usize {
            self.0.remaining()
        }
        fn chunk(&self) -> &[u8] {
            self.0.get(..1).unwrap_or_default()
        }
        fn advance(&mut self, count: usize) {
            self.0.advance(count);
        }
    }

    #[test]
    fn what_cannot_be_looked_at_is_counted_in_bytes_only() {
        let mut tap = tap();
        tap.data(&Bytes::from_static(b"\0\0\0\0\0"));
        tap.data(&Shy(Bytes::from_static(b"\0\0\0\0\0")));
        tap.data(&Bytes::from_static(b"\0\0\0\0\0"));
        let expected = Traffic { bytes: 15, messages: 0, last_bytes: 0 };
        assert_eq!(tap.exchange.traffic(Direction::Request), expected);
        assert_eq!(tap.exchange.streaming(), Streaming::Unknown);
    }
    #[test]
    fn an_end_that_cannot_be_looked_at_is_neither_there_nor_missing() {
        let exchange = Exchange::new(Side::Client, Wire::GrpcWeb, None);
        let mut tap = Tap::new(exchange, Direction::Response);
        tap.respond(StatusCode::OK, &HeaderMap::new());
        assert_eq!(tap.end(), End::Untold);
        tap.data(&Shy(Bytes::from_static(b"\x80\0\0\0\x0fgrpc-status: 0\n")));
        assert_eq!(tap.end(), End::Sealed);
    }
}
