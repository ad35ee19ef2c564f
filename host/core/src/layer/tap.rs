//! The counters of one body of a call: its bytes, its messages, its announced length, and the end of the call that the
//! body reports.

use std::cmp::Ordering;
use std::io::IoSlice;
use std::sync::Arc;

use bytes::Buf;
use http::{HeaderMap, StatusCode};

use super::exchange::{Direction, Exchange, Meter};
use super::protocol::{End, Reader, Wire};
use crate::rpc::EventKind;
use crate::tracer::{Call, Follower};

/// Slices of one piece of a body that are looked at; a piece of more is counted in bytes only.
const MAX_SLICES: usize = 16;

/// Counts what one body yields.
pub(crate) struct Tap {
    exchange: Arc<Exchange>,
    direction: Direction,
    /// Bytes that the body must have, if that is known.
    announced: Option<u64>,
    asked: bool,
    ended: bool,
    reader: Reader,
    /// Writes the messages down, if a plugin follows the call.
    follower: Option<Box<Follower>>,
}

impl Tap {
    pub(crate) fn new(exchange: Arc<Exchange>, direction: Direction) -> Self {
        let reader = Reader::of_request(exchange.wire());
        Self { exchange, direction, announced: None, asked: false, ended: false, reader, follower: None }
    }

    /// Takes the announced length of the body, if it has one.
    #[inline]
    pub(crate) fn announce(&mut self, bytes: Option<u64>) {
        self.announced = bytes;
    }

    /// Compares what has passed with the announced length: `Less` while the body has to go on, and where no length is known.
    #[inline]
    pub(crate) fn progress(&self) -> Ordering {
        match self.announced {
            Some(announced) => self.meter().bytes().cmp(&announced),
            None => Ordering::Less,
        }
    }

    /// The body was not as long as announced.
    pub(crate) fn has_wrong_length(&self) -> bool {
        self.meter().has_wrong_length()
    }

    fn meter(&self) -> &Meter {
        self.exchange.meter(self.direction)
    }

    /// Has its messages written down, where they are framed and a plugin follows the call.
    #[inline]
    pub(crate) fn follow(&mut self, call: &Call) {
        if self.exchange.wire().is_framed() {
            self.follower = call.follow();
        }
    }

    /// The response's head says what its body is.
    #[inline]
    pub(crate) fn respond(&mut self, status: StatusCode, headers: &HeaderMap) {
        if self.exchange.wire() != Wire::Grpc || status != StatusCode::OK {
            self.reader = Reader::of_response(self.exchange.wire(), status, headers);
            if self.reader.is_unread() {
                self.meter().forget_messages();
            }
        }
    }

    /// The whole body is one message.
    #[inline]
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.reader, Reader::Whole { .. })
    }

    /// Returns the end of the call, as far as the body has reported it.
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
                meter.add_message(meter.bytes());
            }
        } else if self.reader.is_inside() {
            meter.mark_malformed();
        }
    }

    /// The body has ended, by itself or with an error: it must have had its announced length.
    #[inline]
    fn check_length(&mut self) {
        let meter = self.exchange.meter(self.direction);
        if let Some(announced) = self.announced.filter(|&announced| meter.bytes() != announced) {
            meter.mark_wrong_length(announced);
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

    /// The body has ended with an error. One that was sent breaks off the call; one that is received is the handler's to
    /// judge, unless it was announced to be longer.
    #[cold]
    pub(crate) fn failed(&mut self) {
        if self.exchange.is_incoming(self.direction) {
            self.check_length();
        }
    }

    /// The body has yielded its last piece.
    #[inline]
    pub(crate) fn ended(&mut self) {
        self.complete();
        self.check_length();
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
                && !exchange.is_closed()
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
            meter.mark_malformed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::{Side, Streaming, Traffic};
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
    fn a_body_has_to_be_as_long_as_announced() {
        for (announced, pieces, progress, fault) in [
            (None, &["ab"][..], Ordering::Less, None),
            (Some(5), &["ab", "cde"], Ordering::Equal, None),
            (Some(0), &[], Ordering::Equal, None),
            (Some(5), &["ab"], Ordering::Less, Some("the request's body ended after 2 of 5 announced bytes")),
            (
                Some(1),
                &["ab", "c"],
                Ordering::Greater,
                Some("the request's body is longer than the 1 bytes that were announced"),
            ),
            (
                Some(u64::MAX),
                &[],
                Ordering::Less,
                Some("the request's body ended after 0 of 18446744073709551615 announced bytes"),
            ),
        ] {
            let mut tap = Tap::new(Exchange::new(Side::Server, Wire::Http, None), Direction::Request);
            tap.announce(announced);
            for piece in pieces {
                tap.data(&Bytes::from_static(piece.as_bytes()));
            }
            assert_eq!(tap.progress(), progress, "{announced:?} {pieces:?}");
            tap.ended();
            assert_eq!(tap.exchange.length_fault(Direction::Request).as_deref(), fault, "{announced:?} {pieces:?}");
            assert_eq!(tap.has_wrong_length(), fault.is_some());
        }
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
