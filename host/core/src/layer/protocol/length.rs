//! The length that a message's head announces for its body (RFC 9110 8.6, RFC 9112 6.3), read from the
//! headers of an untrusted peer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue};
use http_body::Body;

/// The length of a body by the `content-length` and `transfer-encoding` headers that have been read so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Length {
    /// Nothing.
    #[default]
    Unsaid,
    /// The body has so many bytes.
    Exactly(u64),
    /// A value is no number, or two values differ: none of them is trusted.
    Conflicting,
    /// A `transfer-encoding` delimits the body, and overrides every `content-length`.
    Encoded,
}

impl Length {
    /// Reads the headers of a response.
    #[inline]
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut length = Self::default();
        // A walk past the few headers of a response costs less than two lookups.
        for (name, value) in headers {
            if name == CONTENT_LENGTH {
                length.add(value);
            } else if name == TRANSFER_ENCODING {
                length = Self::Encoded;
            }
        }
        length
    }

    /// Takes one `content-length`. Values that are equal, in one header or several, are one value.
    pub(crate) fn add(&mut self, value: &HeaderValue) {
        for element in value.as_bytes().split(|&byte| byte == b',') {
            *self = match (*self, decimal(element.trim_ascii())) {
                (Self::Encoded, _) => Self::Encoded,
                (Self::Unsaid, Some(bytes)) => Self::Exactly(bytes),
                (Self::Exactly(earlier), Some(bytes)) if earlier == bytes => Self::Exactly(bytes),
                _ => Self::Conflicting,
            };
        }
    }

    /// The announced length of a body: what its head says, or else the size that the body itself knows when it starts,
    /// which is what a transport announces then. None if the head contradicts itself.
    #[inline]
    pub(crate) fn announced(self, body: &impl Body) -> Option<u64> {
        match self {
            Self::Exactly(bytes) => Some(bytes),
            Self::Conflicting => None,
            Self::Unsaid | Self::Encoded => known_size(body),
        }
    }
}

/// The size that a body knows. Zero is none: an empty body says that it has ended, and one of trailers alone has them to come.
fn known_size(body: &impl Body) -> Option<u64> {
    // The layer is the first to ask: a body that panics then must not fail a call that nothing else would have failed.
    let hint = catch_unwind(AssertUnwindSafe(|| body.size_hint())).ok()?;
    hint.exact().filter(|&bytes| bytes > 0)
}

/// Digits alone: no sign, no blank, nothing beyond 64 bits.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body::{Frame, SizeHint};

    use super::*;

    /// A body that knows its size, or does not.
    struct Sized(SizeHint);

    impl Body for Sized {
        type Data = &'static [u8];
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Self::Data>, Infallible>>> {
            Poll::Pending
        }

        fn size_hint(&self) -> SizeHint {
            self.0
        }
    }

    #[track_caller]
    fn check(headers: &[(&'static str, &'static [u8])], hint: Option<u64>, expected: Option<u64>, reason: &str) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value).expect("a value"));
        }
        let body = Sized(hint.map_or_else(SizeHint::default, SizeHint::with_exact));
        assert_eq!(Length::of(&map).announced(&body), expected, "{reason}: {headers:?}");
    }

    #[test]
    fn only_lengths_without_contradiction_are_trusted() {
        for (values, expected, reason) in [
            (&[][..], None, "nothing is said"),
            (&[&b"0"[..]], Some(0), "an empty body"),
            (&[b"42"], Some(42), "as nearly all are"),
            (&[b"18446744073709551615"], Some(u64::MAX), "the most that 64 bits hold"),
            (&[b"0042"], Some(42), "zeros before it"),
            (&[b"42", b"42"], Some(42), "repeated"),
            (&[b"42, 42"], Some(42), "repeated in a list"),
            (&[b"42 ,\t042", b"42"], Some(42), "equal numbers"),
            (&[b"42", b"43"], None, "two lengths"),
            (&[b"42, 43"], None, "two in a list"),
            (&[b"43", b"42", b"42"], None, "a majority decides nothing"),
            (&[b"42", b"x"], None, "one is no number"),
            (&[b"42,"], None, "a list with nothing in it"),
            (&[b""], None, "empty"),
            (&[b"+42"], None, "a sign"),
            (&[b"-1"], None, "a sign"),
            (&[b"4 2"], None, "a blank inside"),
            (&[b"0x2a"], None, "not decimal"),
            (&[b"42.0"], None, "a fraction"),
            (&[b"18446744073709551616"], None, "beyond 64 bits"),
            (&[b"99999999999999999999999999999999"], None, "far beyond"),
            (&[b"\xd9\xa3"], None, "digits of another script"),
        ] {
            let headers: Vec<_> = values.iter().map(|value| ("content-length", *value)).collect();
            check(&headers, None, expected, reason);
        }
    }

    #[test]
    fn the_head_speaks_before_the_body_and_a_transfer_encoding_before_both() {
        const CHUNKED: (&str, &[u8]) = ("transfer-encoding", b"chunked");
        const FIVE: (&str, &[u8]) = ("content-length", b"5");
        for (headers, hint, expected, reason) in [
            (&[][..], Some(7), Some(7), "the body knows its size"),
            (&[], Some(0), None, "trailers may follow"),
            (&[FIVE], Some(7), Some(5), "the header is what is sent"),
            (&[FIVE, CHUNKED], None, None, "RFC 9112 6.3"),
            (&[CHUNKED, FIVE], None, None, "in any order"),
            (&[CHUNKED, FIVE], Some(7), Some(7), "the body keeps to its own size"),
            (&[FIVE, ("content-length", b"6")], Some(7), None, "a contradiction is not resolved"),
        ] {
            check(headers, hint, expected, reason);
        }
    }
}
