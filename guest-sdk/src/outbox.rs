//! Payloads for destinations that the operator named; a tracer knows nothing of a destination but its name.

use std::fmt;

use crate::host;

pub use crate::items::Items;
pub use crate::lines::Lines;
pub use crate::outlet::Outlet;

/// Takes a payload for a destination. It leaves when the flush is committed; space for it is reserved at once, so that
/// what was taken is not refused later.
///
/// `content_type` is the payload's media type, such as `application/x-protobuf`, for destinations that carry one (HTTP);
/// "" says nothing.
///
/// # Errors
/// [`Refusal`] says why it was not taken; nothing of it leaves then.
pub fn send(destination: &str, content_type: &str, payload: &[u8]) -> Result<(), Refusal> {
    host::send(destination, content_type, payload).map_err(|number| match number {
        0 => Refusal::NotAllowed,
        1 => Refusal::Full,
        2 => Refusal::TooLarge,
        other => Refusal::Other(other),
    })
}

/// Returns the bytes of the largest payload that a destination takes, as the operator has configured it at this moment;
/// [`send`] refuses a larger one. None if the tracer may not use a destination of this name.
///
/// A destination of datagrams takes 1,432 bytes unless the operator says otherwise, the others a mebibyte. [`Lines`] and
/// [`Items`] make payloads that fit.
#[must_use]
pub fn max_payload(destination: &str) -> Option<usize> {
    host::max_payload(destination).map(|bytes| bytes as usize)
}

/// Why a payload was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The operator has no destination of this name for this tracer.
    NotAllowed,
    /// There is no space left: the destination is slow or away.
    Full,
    /// The payload is larger than [`max_payload`].
    TooLarge,
    /// A reason that this version does not know.
    Other(u32),
}

impl Refusal {
    /// A word for it, for a metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::Full => "full",
            Self::TooLarge => "too_large",
            Self::Other(_) => "other",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed => f.write_str("the operator has no destination of this name for this tracer"),
            Self::Full => f.write_str("the destination's queue is full"),
            Self::TooLarge => f.write_str("the payload is too large"),
            Self::Other(number) => write!(f, "refused for reason {number}"),
        }
    }
}

impl std::error::Error for Refusal {}
