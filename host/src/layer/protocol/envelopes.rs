//! A body of messages whose last envelope is none, but says how the call ended: gRPC-web's and Connect's responses.

use super::frames::COMPRESSED;
use super::{Base64, End, Frames, connect, grpc_web};

/// Bytes kept of the envelope that ends the body: as much as servers take of headers. More would let a peer fill memory,
/// less might cut trailers that are used.
const MAX_END_BYTES: usize = 64 * 1024;

/// Whose last envelope it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    GrpcWeb,
    Connect,
}

impl Last {
    fn flag(self) -> u8 {
        match self {
            Self::GrpcWeb => grpc_web::TRAILERS,
            Self::Connect => connect::END_OF_STREAM,
        }
    }
}

/// Where in the body it is.
pub(crate) struct Envelopes {
    last: Last,
    text: Option<Base64>,
    inner: Inner,
}

struct Inner {
    frames: Frames,
    last: u8,
    /// What there is of the last envelope.
    end: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Messages,
    /// In the last envelope, or after it.
    End {
        compressed: bool,
        /// It was longer than what is kept of it.
        cut: bool,
        complete: bool,
        /// Something came after it.
        beyond: bool,
    },
}

impl Envelopes {
    pub(super) fn new(last: Last, is_text: bool) -> Self {
        let inner = Inner { frames: Frames::default(), last: last.flag(), end: Vec::new(), state: State::Messages };
        Self { last, text: is_text.then(Base64::default), inner }
    }

    /// Takes the next bytes; calls `message` with the size of each message that ends in them, its prefix included and
    /// decoded if they are text. The last envelope is no message.
    pub(super) fn feed(&mut self, bytes: &[u8], message: &mut impl FnMut(u64)) {
        match &mut self.text {
            Some(text) => text.feed(bytes, |bytes| self.inner.feed(bytes, message)),
            None => self.inner.feed(bytes, message),
        }
    }

    /// What the last envelope says.
    pub(super) fn end(&self) -> End {
        match self.inner.state {
            State::End { complete: true, compressed: true, .. } => End::Sealed,
            State::End { complete: true, cut: true, .. } => End::Garbage,
            State::End { complete: true, .. } => match self.last {
                Last::GrpcWeb => grpc_web::trailers(&self.inner.end),
                Last::Connect => connect::end_of_stream(&self.inner.end),
            },
            _ => End::Untold,
        }
    }

    /// The last envelope is there: nothing that matters follows.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.inner.state, State::End { complete: true, .. })
    }

    /// What came can't be a body of this protocol, whatever follows.
    pub(super) fn is_malformed(&self) -> bool {
        self.text.as_ref().is_some_and(Base64::is_broken)
            || self.inner.frames.has_flags_beyond(self.inner.last | COMPRESSED)
            || matches!(self.inner.state, State::End { beyond: true, .. })
    }

    /// A message has begun and is not complete.
    pub(super) fn is_inside(&self) -> bool {
        self.inner.frames.is_inside() || self.text.as_ref().is_some_and(Base64::is_inside)
    }
}

impl Inner {
    fn feed(&mut self, mut bytes: &[u8], message: &mut impl FnMut(u64)) {
        while !bytes.is_empty() {
            if let State::End { complete: true, beyond, .. } = &mut self.state {
                *beyond = true;
                return;
            }
            let Some(piece) = self.frames.next(&mut bytes) else { return };
            if piece.flag & self.last == 0 {
                if let Some(size) = piece.size {
                    message(size);
                }
                continue;
            }
            let room = MAX_END_BYTES - self.end.len().min(MAX_END_BYTES);
            let kept = piece.payload.get(..room).unwrap_or(piece.payload);
            self.end.extend_from_slice(kept);
            let was_cut = matches!(self.state, State::End { cut: true, .. });
            self.state = State::End {
                compressed: piece.flag & COMPRESSED != 0,
                cut: was_cut || kept.len() < piece.payload.len(),
                complete: piece.size.is_some(),
                beyond: false,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(flag: u8, payload: &[u8]) -> Vec<u8> {
        [&[flag][..], &(payload.len() as u32).to_be_bytes(), payload].concat()
    }

    /// The sizes of the messages, the reader, for every way to cut the body.
    fn read(last: Last, is_text: bool, body: &[u8], check: impl Fn(&[u64], &Envelopes)) {
        for size in [1, 2, 3, 7, body.len().max(1)] {
            let (mut envelopes, mut sizes) = (Envelopes::new(last, is_text), Vec::new());
            for piece in body.chunks(size) {
                envelopes.feed(piece, &mut |size| sizes.push(size));
            }
            check(&sizes, &envelopes);
        }
    }

    #[test]
    fn the_last_envelope_is_no_message_and_tells_the_status() {
        let connect = [envelope(0, b"abc"), envelope(1, b""), envelope(2, b"{}")].concat();
        read(Last::Connect, false, &connect, |sizes, envelopes| {
            assert_eq!((sizes, envelopes.end()), (&[8, 5][..], End::Status(0, String::new())));
            assert!(envelopes.has_ended() && !envelopes.is_malformed() && !envelopes.is_inside());
        });
        let web = [envelope(0, b"abc"), envelope(0x80, b"grpc-status: 5\r\n")].concat();
        read(Last::GrpcWeb, false, &web, |sizes, envelopes| {
            assert_eq!((sizes, envelopes.end()), (&[8][..], End::Status(5, String::new())));
        });
    }

    #[test]
    fn text_is_read_like_bytes() {
        // A message of three bytes, padded; then the trailers in a group of their own.
        let body = b"AAAAAANhYmM=gAAAABBncnBjLXN0YXR1czogNQ0K";
        read(Last::GrpcWeb, true, body, |sizes, envelopes| {
            assert_eq!((sizes, envelopes.end()), (&[8][..], End::Status(5, String::new())));
            assert!(!envelopes.is_malformed() && !envelopes.is_inside());
        });
        read(Last::GrpcWeb, true, b"AAAAAA!!", |_, envelopes| assert!(envelopes.is_malformed()));
        read(Last::GrpcWeb, true, b"AAAAA", |_, envelopes| assert!(envelopes.is_inside()));
    }

    #[test]
    fn what_is_malformed_is_seen_and_nothing_is_kept_of_what_is_too_long() {
        for (body, end, malformed, inside, reason) in [
            (envelope(2, b"garbage"), End::Garbage, false, false, "no JSON"),
            (envelope(3, b"{}"), End::Sealed, false, false, "compressed"),
            (envelope(4, b""), End::Untold, true, false, "a flag that nobody knows"),
            (vec![2, 0, 0, 0, 9, b'{'], End::Untold, false, true, "a length that lies"),
            ([envelope(2, b"{}"), envelope(0, b"")].concat(), End::Status(0, String::new()), true, false, "beyond"),
            (Vec::new(), End::Untold, false, false, "nothing"),
        ] {
            read(Last::Connect, false, &body, |_, envelopes| {
                assert_eq!(envelopes.end(), end, "{reason}");
                assert_eq!((envelopes.is_malformed(), envelopes.is_inside()), (malformed, inside), "{reason}");
            });
        }
        let long = envelope(2, &vec![b' '; 4 * MAX_END_BYTES]);
        let mut envelopes = Envelopes::new(Last::Connect, false);
        envelopes.feed(&long, &mut |_| {});
        assert_eq!((envelopes.end(), envelopes.inner.end.len()), (End::Garbage, MAX_END_BYTES));
    }
}
