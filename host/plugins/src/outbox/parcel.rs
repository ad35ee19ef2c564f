//! A payload on its way: with its space reserved until it is committed, then in the queue. Never copied.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;

use super::destination::Destination;

/// What a payload costs beside its contents: its place in the queue, its handle, its media type. Without it, empty
/// payloads would cost nothing and their number would have no bound.
const OVERHEAD: usize = 256;

/// What is to be delivered. Cloning it copies no contents.
#[derive(Clone)]
pub(super) struct Payload {
    /// Tells it from the others of its destination.
    pub(super) id: u64,
    /// None if the tracer gave none, or none that a header can carry.
    pub(super) content_type: Option<HeaderValue>,
    pub(super) bytes: Bytes,
    /// Bytes of the queue's space.
    pub(super) cost: usize,
}

impl Payload {
    pub(super) fn new(content_type: &str, bytes: Vec<u8>) -> Self {
        Self { id: 0, content_type: media_type(content_type), cost: cost(&bytes), bytes: bytes.into() }
    }
}

/// The bytes of a queue's space that a payload takes.
pub(super) fn cost(bytes: &Vec<u8>) -> usize {
    bytes.capacity().saturating_add(OVERHEAD)
}

/// A media type as a header: a type, a slash, a subtype, perhaps parameters; at most 255 bytes.
fn media_type(text: &str) -> Option<HeaderValue> {
    let essence = text.split(';').next().unwrap_or("").trim();
    let (kind, subtype) = essence.split_once('/')?;
    let token = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
    };
    if text.len() > 255 || !text.is_ascii() || !token(kind) || !token(subtype) {
        return None;
    }
    HeaderValue::from_str(text).ok()
}

/// A payload with its space reserved. [`commit`](Self::commit) hands it over; dropping it gives the space back.
#[must_use]
pub(crate) struct Parcel {
    destination: Arc<Destination>,
    payload: Option<Payload>,
}

impl Parcel {
    pub(super) fn new(destination: Arc<Destination>, payload: Payload) -> Self {
        Self { destination, payload: Some(payload) }
    }

    /// Hands the payload over: from here on it is accepted. Cannot fail, does not block, and copies nothing.
    pub(crate) fn commit(mut self) {
        if let Some(payload) = self.payload.take() {
            self.destination.accept(payload);
        }
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        if let Some(payload) = self.payload.take() {
            self.destination.give_back(payload.cost);
        }
    }
}

/// Its contents may be anything, so they are not shown.
impl fmt::Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.payload.as_ref().map(|payload| payload.bytes.len());
        f.debug_struct("Parcel").field("destination", &self.destination.name()).field("bytes", &bytes).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_one_or_nothing() {
        for (text, valid) in [
            ("application/x-protobuf", true),
            ("text/plain; charset=utf-8", true),
            ("application/vnd.a+json", true),
            ("", false),
            ("text", false),
            ("text/", false),
            ("/plain", false),
            ("te xt/plain", false),
            ("text/plain\r\nx-evil: 1", false),
            ("text/plain; a=\r\nx-evil: 1", false),
            ("text/pläin", false),
            ("text/plain; a=\u{0}", false),
        ] {
            assert_eq!(media_type(text).is_some(), valid, "{text:?}");
        }
        assert_eq!(media_type(&format!("text/{}", "x".repeat(300))), None);
    }

    #[test]
    fn a_payload_keeps_the_very_bytes_that_it_was_made_of() {
        let bytes = vec![7; 64 << 10];
        let address = bytes.as_ptr();
        let payload = Payload::new("", bytes);
        assert_eq!(payload.bytes.as_ptr(), address);
        assert_eq!(payload.clone().bytes.as_ptr(), address);
        assert_eq!(payload.cost, (64 << 10) + OVERHEAD);
    }
}
