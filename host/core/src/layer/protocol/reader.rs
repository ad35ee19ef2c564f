//! What looks at the bytes of one body as they pass: it counts messages, and keeps the little that tells how a call ended.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};

use super::envelopes::Last;
use super::frames::COMPRESSED;
use super::{Encoding, End, Envelopes, Frames, Media, Opened, Wire, connect};

/// Bytes kept of the body of an error: errors are short, and what is longer is somebody's page.
const MAX_ERROR_BYTES: usize = 16 * 1024;

/// One body's reader. It never holds bytes back: what it keeps are copies, and bounded.
pub enum Reader {
    /// It is none of the protocol's: nothing in it is looked at.
    Opaque,
    /// Some of it could not be looked at; `sealed` if that may have been the end.
    Unread { sealed: bool },
    /// Messages with a length before each.
    Framed(Frames),
    /// The same, and a last envelope that tells the status; or in base64.
    Envelopes(Box<Envelopes>),
    /// The whole body is one message, and that it came means success.
    Whole { counted: bool },
    /// The whole body is an error in JSON.
    Error(Box<Excerpt>),
}

/// The start of a body; all of it, if it is not longer than what is kept.
pub struct Excerpt {
    encoding: Encoding,
    kept: Vec<u8>,
    cut: bool,
}

impl Reader {
    /// Reads a request's body.
    #[inline]
    pub fn of_request(wire: Wire) -> Self {
        match wire {
            Wire::Http => Self::Opaque,
            Wire::Grpc | Wire::GrpcWeb | Wire::ConnectStream => Self::Framed(Frames::default()),
            Wire::GrpcWebText => Self::Envelopes(Box::new(Envelopes::new(Last::GrpcWeb, true, &HeaderMap::new()))),
            Wire::ConnectUnary => Self::Whole { counted: false },
        }
    }

    /// Reads a response's body: what it is depends on the response's own head, which may be somebody's on the way.
    pub fn of_response(wire: Wire, status: StatusCode, headers: &HeaderMap) -> Self {
        let media = headers.get(CONTENT_TYPE).map(Media::of);
        let encoding = Encoding::of(headers.get(CONTENT_ENCODING));
        let envelopes = |last, is_text| Self::Envelopes(Box::new(Envelopes::new(last, is_text, headers)));
        match wire {
            Wire::ConnectUnary if status != StatusCode::OK && headers.get(CONTENT_TYPE).is_some_and(Media::is_json) => {
                Self::Error(Box::new(Excerpt::new(encoding)))
            }
            _ if status != StatusCode::OK => Self::Opaque,
            Wire::Http => Self::Opaque,
            Wire::ConnectUnary => match media {
                Some(Media::JsonOrProto) | None => Self::Whole { counted: false },
                _ => Self::Opaque,
            },
            Wire::Grpc => Self::Framed(Frames::default()),
            // Somebody on the way, or a layer of the server's, has compressed the whole body, prefixes and all.
            _ if encoding != Encoding::Identity => Self::Unread { sealed: true },
            Wire::GrpcWeb | Wire::GrpcWebText => match media {
                Some(Media::GrpcWeb) => envelopes(Last::GrpcWeb, false),
                Some(Media::GrpcWebText) => envelopes(Last::GrpcWeb, true),
                None => envelopes(Last::GrpcWeb, wire == Wire::GrpcWebText),
                _ => Self::Opaque,
            },
            Wire::ConnectStream => match media {
                Some(Media::ConnectStream) | None => envelopes(Last::Connect, false),
                _ => Self::Opaque,
            },
        }
    }

    /// Takes the next bytes; calls `message` with the size of each message that ends in them.
    #[inline]
    pub fn feed(&mut self, bytes: &[u8], message: &mut impl FnMut(u64)) {
        match self {
            Self::Framed(frames) => frames.feed(bytes, message),
            Self::Envelopes(envelopes) => envelopes.feed(bytes, message),
            Self::Error(excerpt) => excerpt.feed(bytes),
            Self::Opaque | Self::Unread { .. } | Self::Whole { .. } => {}
        }
    }

    /// Its messages can't be counted.
    #[inline]
    pub(crate) fn is_unread(&self) -> bool {
        matches!(self, Self::Unread { .. })
    }

    /// It need not be fed.
    #[inline]
    pub(crate) fn is_blind(&self) -> bool {
        matches!(self, Self::Opaque | Self::Unread { .. } | Self::Whole { .. })
    }

    /// Some of the body could not be looked at: what follows means nothing.
    pub(crate) fn give_up(&mut self) {
        *self = Self::Unread { sealed: matches!(self, Self::Envelopes(_)) };
    }

    /// Returns the end of the call, as far as the body has reported it.
    pub fn end(&self) -> End {
        match self {
            Self::Envelopes(envelopes) => envelopes.end(),
            Self::Error(excerpt) => excerpt.end(),
            Self::Whole { .. } => End::Status(0, String::new()),
            Self::Unread { sealed: true } => End::Sealed,
            _ => End::Untold,
        }
    }

    /// The body has said how the call ended, and nothing that matters follows.
    pub fn has_ended(&self) -> bool {
        matches!(self, Self::Envelopes(envelopes) if envelopes.has_ended())
    }

    /// What came can't be a body of its protocol, whatever follows.
    #[inline]
    pub fn is_malformed(&self) -> bool {
        match self {
            Self::Framed(frames) => frames.has_flags_beyond(COMPRESSED),
            Self::Envelopes(envelopes) => envelopes.is_malformed(),
            _ => false,
        }
    }

    /// A message has begun and is not complete: here a body must not end.
    #[inline]
    pub fn is_inside(&self) -> bool {
        match self {
            Self::Framed(frames) => frames.is_inside(),
            Self::Envelopes(envelopes) => envelopes.is_inside(),
            _ => false,
        }
    }
}

impl Excerpt {
    fn new(encoding: Encoding) -> Self {
        Self { encoding, kept: Vec::new(), cut: false }
    }

    /// What can't be read is not the error of anybody who speaks Connect, as far as is known here.
    fn end(&self) -> End {
        match self.encoding.open(&self.kept) {
            Opened::Plain(json) if !self.cut => connect::error(&json),
            _ => End::Untold,
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        let room = MAX_ERROR_BYTES - self.kept.len().min(MAX_ERROR_BYTES);
        let kept = bytes.get(..room).unwrap_or(bytes);
        self.kept.extend_from_slice(kept);
        self.cut |= kept.len() < bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::protocol::encoding::tests::gzip;
    use http::HeaderValue;

    fn name(reader: &Reader) -> &'static str {
        match reader {
            Reader::Opaque => "opaque",
            Reader::Unread { .. } => "unread",
            Reader::Framed(_) => "framed",
            Reader::Envelopes(_) => "envelopes",
            Reader::Whole { .. } => "whole",
            Reader::Error(_) => "error",
        }
    }

    #[test]
    fn a_response_is_read_by_its_own_head() {
        for (wire, status, content_type, encoding, expected) in [
            (Wire::Http, 200, "application/grpc", "", "opaque"),
            (Wire::Grpc, 200, "application/grpc", "", "framed"),
            (Wire::Grpc, 502, "text/html", "", "opaque"),
            (Wire::GrpcWeb, 200, "application/grpc-web+proto", "", "envelopes"),
            (Wire::GrpcWeb, 200, "application/grpc-web-text", "", "envelopes"),
            (Wire::GrpcWeb, 200, "text/html", "", "opaque"),
            (Wire::GrpcWebText, 503, "application/grpc-web-text", "", "opaque"),
            (Wire::ConnectStream, 200, "application/connect+json", "", "envelopes"),
            (Wire::ConnectStream, 200, "application/json", "", "opaque"),
            (Wire::ConnectStream, 404, "application/json", "", "opaque"),
            (Wire::ConnectUnary, 200, "application/json", "", "whole"),
            (Wire::ConnectUnary, 200, "application/proto", "gzip", "whole"),
            (Wire::ConnectUnary, 200, "text/html", "", "opaque"),
            (Wire::ConnectUnary, 404, "application/json", "", "error"),
            (Wire::ConnectUnary, 404, "application/json; charset=utf-8", "identity", "error"),
            (Wire::ConnectUnary, 404, "application/json", "gzip", "error"),
            (Wire::GrpcWeb, 200, "application/grpc-web+proto", "br", "unread"),
            (Wire::ConnectStream, 200, "application/connect+json", "gzip", "unread"),
            (Wire::ConnectStream, 200, "application/connect+json", "identity", "envelopes"),
            (Wire::ConnectUnary, 404, "text/html", "", "opaque"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            if !encoding.is_empty() {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
            }
            let status = StatusCode::from_u16(status).expect("a status");
            let reader = Reader::of_response(wire, status, &headers);
            assert_eq!(name(&reader), expected, "{wire:?} {status} {content_type} {encoding}");
        }
    }

    #[test]
    fn an_error_is_kept_only_if_it_is_short() {
        let error = br#"{"code":"not_found","message":"x"}"#;
        for (padding, expected) in [(0, End::Status(5, "x".to_owned())), (MAX_ERROR_BYTES, End::Untold)] {
            let mut reader = Reader::Error(Box::new(Excerpt::new(Encoding::Identity)));
            for piece in error.chunks(3) {
                reader.feed(piece, &mut |_| panic!("an error is no message"));
            }
            reader.feed(&vec![b' '; padding], &mut |_| {});
            assert_eq!(reader.end(), expected);
            assert!(matches!(&reader, Reader::Error(excerpt) if excerpt.kept.len() <= MAX_ERROR_BYTES));
        }
    }

    #[test]
    fn an_error_that_is_compressed_is_read() {
        let error = br#"{"code":"not_found","message":"x"}"#;
        let bomb = [error, &b" ".repeat(1_000_000)[..]].concat();
        for (encoding, body, expected) in [
            (Encoding::Gzip, gzip(error), End::Status(5, "x".to_owned())),
            (Encoding::Gzip, gzip(&bomb), End::Untold),
            (Encoding::Gzip, error.to_vec(), End::Untold),
            (Encoding::Other, error.to_vec(), End::Untold),
        ] {
            let mut reader = Reader::Error(Box::new(Excerpt::new(encoding)));
            reader.feed(&body, &mut |_| panic!("an error is no message"));
            assert_eq!(reader.end(), expected, "{encoding:?}");
        }
    }

    /// A head that says that envelopes may be compressed.
    fn gzipped() -> HeaderMap {
        let name = |name| (http::HeaderName::from_static(name), HeaderValue::from_static("gzip"));
        ["grpc-encoding", "connect-content-encoding"].into_iter().map(name).collect()
    }

    /// What a reader makes of a body that is cut into these pieces.
    fn outcome(mut reader: Reader, pieces: &[&[u8]]) -> (Vec<u64>, End, [bool; 3]) {
        let mut sizes = Vec::new();
        for piece in pieces {
            reader.feed(piece, &mut |size| sizes.push(size));
        }
        (sizes, reader.end(), [reader.is_malformed(), reader.is_inside(), reader.has_ended()])
    }

    #[test]
    fn whatever_comes_the_cuts_do_not_matter() {
        let readers: [fn() -> Reader; 5] = [
            || Reader::Framed(Frames::default()),
            || Reader::Envelopes(Box::new(Envelopes::new(Last::GrpcWeb, false, &HeaderMap::new()))),
            || Reader::Envelopes(Box::new(Envelopes::new(Last::GrpcWeb, true, &gzipped()))),
            || Reader::Envelopes(Box::new(Envelopes::new(Last::Connect, false, &gzipped()))),
            || Reader::Error(Box::new(Excerpt::new(Encoding::Identity))),
        ];
        // Bytes that lead far into every reader, and now and then any other.
        const LIKELY: &[u8] = b"\0\0\0\0\0\0\0\x01\x02\x03\x05\x80\x81AAAA=Yz+/{}\"code\":,grpc-status:\r\n";
        let mut rng = fastrand::Rng::with_seed(17);
        for round in 0..3_000 {
            let any =
                |rng: &mut fastrand::Rng| if rng.u8(..) < 8 { rng.u8(..) } else { LIKELY[rng.usize(..LIKELY.len())] };
            let body: Vec<u8> = (0..rng.usize(..400)).map(|_| any(&mut rng)).collect();
            for (which, reader) in readers.iter().enumerate() {
                let whole = outcome(reader(), &[&body]);
                let one_by_one: Vec<&[u8]> = body.chunks(1).collect();
                assert_eq!(outcome(reader(), &one_by_one), whole, "round {round}, reader {which}: {body:?}");
                let (first, rest) = body.split_at(rng.usize(..=body.len()));
                assert_eq!(outcome(reader(), &[first, rest]), whole, "round {round}, reader {which}: {body:?}");
            }
        }
    }
}
