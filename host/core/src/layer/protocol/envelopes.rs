//! A body of messages whose last envelope is none, but says how the call ended: gRPC-web's and Connect's responses.

use http::HeaderMap;

use super::frames::COMPRESSED;
use super::{Base64, Encoding, End, Frames, Opened, connect, grpc, grpc_web};

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

    /// How envelopes are compressed that have the flag for it.
    fn encoding(self, headers: &HeaderMap) -> Encoding {
        let name = match self {
            Self::GrpcWeb => grpc::ENCODING,
            Self::Connect => connect::ENCODING,
        };
        Encoding::of(headers.get(name))
    }
}

/// Where in the body it is.
pub struct Envelopes {
    last: Last,
    encoding: Encoding,
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
    /// `headers` are those of the body's head.
    pub(super) fn new(last: Last, is_text: bool, headers: &HeaderMap) -> Self {
        let inner = Inner { frames: Frames::default(), last: last.flag(), end: Vec::new(), state: State::Messages };
        Self { last, encoding: last.encoding(headers), text: is_text.then(Base64::default), inner }
    }

    /// Takes the next bytes; calls `message` with the size of each message that ends in them, its prefix included and
    /// decoded if they are text. The last envelope is no message.
    pub(super) fn feed(&mut self, bytes: &[u8], message: &mut impl FnMut(u64)) {
        match &mut self.text {
            Some(text) => text.feed(bytes, |bytes| self.inner.feed(bytes, message)),
            None => self.inner.feed(bytes, message),
        }
    }

    /// What the last envelope says. If it is compressed, this decompresses it: to be asked once.
    pub(super) fn end(&self) -> End {
        let State::End { complete: true, compressed, cut, .. } = self.inner.state else { return End::Untold };
        match self.open(compressed, cut) {
            Opened::Plain(end) => match self.last {
                Last::GrpcWeb => grpc_web::trailers(&end),
                Last::Connect => connect::end_of_stream(&end),
            },
            Opened::Broken => End::Garbage,
            Opened::Sealed => End::Sealed,
        }
    }

    fn open(&self, compressed: bool, cut: bool) -> Opened<'_> {
        let end = self.inner.end.as_slice();
        match self.encoding {
            // Nothing is nothing in every encoding.
            _ if end.is_empty() => Encoding::Identity.open(end),
            Encoding::Other if compressed => Opened::Sealed,
            _ if cut => Opened::Broken,
            _ if !compressed => Encoding::Identity.open(end),
            // The flag contradicts the head: no client of the protocol would take it.
            Encoding::Identity => Opened::Broken,
            encoding => encoding.open(end),
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
    use crate::layer::protocol::encoding::tests::gzip;
    use http::HeaderValue;

    fn envelope(flag: u8, payload: &[u8]) -> Vec<u8> {
        [&[flag][..], &(payload.len() as u32).to_be_bytes(), payload].concat()
    }

    /// The sizes of the messages, the reader, for every way to cut the body.
    fn read(last: Last, is_text: bool, body: &[u8], check: impl Fn(&[u64], &Envelopes)) {
        for size in [1, 2, 3, 7, body.len().max(1)] {
            let (mut envelopes, mut sizes) = (Envelopes::new(last, is_text, &HeaderMap::new()), Vec::new());
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
            (envelope(3, b"{}"), End::Garbage, false, false, "compressed, and nobody said how"),
            (envelope(3, b""), End::Garbage, false, false, "nothing, compressed, is no JSON"),
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
        let mut envelopes = Envelopes::new(Last::Connect, false, &HeaderMap::new());
        envelopes.feed(&long, &mut |_| {});
        assert_eq!((envelopes.end(), envelopes.inner.end.len()), (End::Garbage, MAX_END_BYTES));
    }

    #[test]
    fn an_end_that_is_compressed_is_read_and_a_bomb_is_not() {
        let error = br#"{"error":{"code":"data_loss","message":"gone"}}"#;
        let trailers = b"grpc-status: 5\r\ngrpc-message: gone\r\n";
        let (web, sound) = (gzip(trailers), gzip(error));
        // It compresses badly: more of it comes than is kept.
        let mut rng = fastrand::Rng::with_seed(9);
        let noise: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(2 * MAX_END_BYTES).collect();
        let (bomb, long) = (gzip(&vec![b' '; 10_000_000]), gzip(&noise));
        for (last, encoding, end, expected, reason) in [
            (Last::Connect, "gzip", &sound[..], End::Status(15, "gone".into()), "an error"),
            (Last::Connect, "gzip", &gzip(b"{}"), End::Status(0, String::new()), "success"),
            (Last::GrpcWeb, "gzip", &web, End::Status(5, "gone".into()), "trailers"),
            (Last::GrpcWeb, "gzip", b"", End::Untold, "nothing"),
            (Last::GrpcWeb, "br", &web, End::Sealed, "an encoding that is not read"),
            (Last::GrpcWeb, "br", &long, End::Sealed, "an encoding that is not read, and too long"),
            (Last::GrpcWeb, "identity", &web, End::Garbage, "not compressed, says the head"),
            (Last::GrpcWeb, "deflate", &web, End::Garbage, "another format"),
            (Last::Connect, "gzip", &sound[..20], End::Garbage, "cut"),
            (Last::Connect, "gzip", error, End::Garbage, "plain"),
            (Last::Connect, "gzip", &bomb, End::Garbage, "a bomb"),
            (Last::Connect, "gzip", &long, End::Garbage, "more than is kept"),
        ] {
            let mut headers = HeaderMap::new();
            let (name, other) = match last {
                Last::GrpcWeb => (grpc::ENCODING, connect::ENCODING),
                Last::Connect => (connect::ENCODING, grpc::ENCODING),
            };
            headers.insert(name, HeaderValue::from_static(encoding));
            // Another protocol's word says nothing here.
            headers.insert(other, HeaderValue::from_static("zstd"));
            let mut envelopes = Envelopes::new(last, false, &headers);
            envelopes.feed(&envelope(last.flag() | COMPRESSED, end), &mut |_| panic!("it is no message"));
            assert_eq!(envelopes.end(), expected, "{reason}");
            assert!(envelopes.has_ended() && !envelopes.is_malformed(), "{reason}");
        }
    }
}
