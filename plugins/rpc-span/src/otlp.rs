//! OTLP's messages around spans and in them, by field number; which facts a span has is not decided here.
//!
//! The numbers are those of `opentelemetry/proto/trace/v1/trace.proto` and its neighbours, version 1.

use crate::protobuf::{begin, bytes, bytes_len, fixed64, member_number, message, number, varint_len};

/// Field numbers of a span.
pub(crate) mod field {
    pub(crate) const TRACE_ID: u32 = 1;
    pub(crate) const SPAN_ID: u32 = 2;
    pub(crate) const PARENT_SPAN_ID: u32 = 4;
    pub(crate) const NAME: u32 = 5;
    pub(crate) const KIND: u32 = 6;
    pub(crate) const START: u32 = 7;
    pub(crate) const END: u32 = 8;
    pub(crate) const ATTRIBUTES: u32 = 9;
    pub(crate) const EVENTS: u32 = 11;
    pub(crate) const DROPPED_EVENTS: u32 = 12;
    pub(crate) const STATUS: u32 = 15;
    pub(crate) const FLAGS: u32 = 16;
}

/// A span in `ScopeSpans`.
const SPANS: u32 = 2;
/// The status of a span that failed.
const STATUS_ERROR: u64 = 2;
/// A text that was cut has at most this many bytes: it bounds a span.
const MAX_TEXT: usize = 1024;

/// Writes an attribute whose value is a text, cut at 1 KiB.
#[inline]
pub(crate) fn text(into: &mut Vec<u8>, field: u32, key: &str, value: &str) {
    let value = cut(value);
    let any = bytes_len(value.len());
    begin(into, field, bytes_len(key.len()) + bytes_len(any));
    bytes(into, 1, key.as_bytes());
    begin(into, 2, any);
    bytes(into, 1, value.as_bytes());
}

/// Writes an attribute whose value is a whole number.
#[inline]
pub(crate) fn integer(into: &mut Vec<u8>, field: u32, key: &str, value: i64) {
    // Negative numbers take ten bytes, as the format wants it.
    let value = value.cast_unsigned();
    let any = 1 + varint_len(value);
    begin(into, field, bytes_len(key.len()) + bytes_len(any));
    bytes(into, 1, key.as_bytes());
    begin(into, 2, any);
    member_number(into, 3, value);
}

/// Writes an event of a span.
pub(crate) fn event(into: &mut Vec<u8>, unix_nanos: u64, name: &str, attributes: &[(&str, &str)]) {
    message(into, field::EVENTS, |into| {
        fixed64(into, 1, unix_nanos);
        bytes(into, 2, cut(name).as_bytes());
        for (key, value) in attributes {
            text(into, 3, key, value);
        }
    });
}

/// Writes the status of a span that failed.
pub(crate) fn failed(into: &mut Vec<u8>, words: &str) {
    let words = cut(words);
    let words_len = if words.is_empty() { 0 } else { bytes_len(words.len()) };
    begin(into, field::STATUS, words_len + 2);
    if !words.is_empty() {
        bytes(into, 2, words.as_bytes());
    }
    number(into, 3, STATUS_ERROR);
}

/// Writes a span where [`request`] wants it.
#[inline]
pub(crate) fn span(into: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    message(into, SPANS, write);
}

/// What all spans have in common: `Resource` and `InstrumentationScope`, as fields of the messages that they stand in.
#[derive(Debug)]
pub(crate) struct Common {
    resource: Vec<u8>,
    scope: Vec<u8>,
}

/// The service, by its attributes.
pub(crate) fn resource<'a>(identities: impl Iterator<Item = (&'a str, &'a str)>) -> Common {
    let (mut resource, mut scope) = (Vec::new(), Vec::new());
    let mut named = false;
    message(&mut resource, 1, |into| {
        for (key, value) in identities.filter(|(_, value)| !value.is_empty()) {
            named |= key == "service.name";
            text(into, 1, key, value);
        }
        if !named {
            // What OpenTelemetry's own SDKs say; without a name some collectors refuse spans.
            text(into, 1, "service.name", "unknown_service");
        }
    });
    message(&mut scope, 1, |into| {
        bytes(into, 1, b"hottap");
        bytes(into, 2, env!("CARGO_PKG_VERSION").as_bytes());
    });
    Common { resource, scope }
}

/// Bytes that [`request`] adds to spans at most.
pub(crate) fn around(common: &Common) -> usize {
    /// Of the two messages around them: a tag and a length of at most ten bytes each.
    const HEADERS: usize = 2 * 11;
    common.resource.len() + common.scope.len() + HEADERS
}

/// An `ExportTraceServiceRequest` with these spans.
pub(crate) fn request(common: &Common, spans: &[u8]) -> Vec<u8> {
    let scope_spans = common.scope.len() + spans.len();
    let resource_spans = common.resource.len() + bytes_len(scope_spans);
    let mut request = Vec::with_capacity(bytes_len(resource_spans));
    begin(&mut request, 1, resource_spans);
    request.extend_from_slice(&common.resource);
    begin(&mut request, 2, scope_spans);
    request.extend_from_slice(&common.scope);
    request.extend_from_slice(spans);
    request
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or("")
}
