//! Spans out of an OTLP payload: the few fields that the demo shows, read by the rules of protobuf's wire format.
//!
//! The numbers are those of `opentelemetry/proto/trace/v1/trace.proto` and its neighbours, version 1.

/// What is shown of a span.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) trace: Vec<u8>,
    pub(super) id: Vec<u8>,
    /// Empty if it is a root.
    pub(super) parent: Vec<u8>,
    pub(super) name: String,
    /// 2 server, 3 client.
    pub(super) kind: u64,
    /// Nanoseconds since the Unix epoch.
    pub(super) start: u64,
    /// Nanoseconds since the Unix epoch.
    pub(super) end: u64,
}

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// All spans of an `ExportTraceServiceRequest`, in their order; none if it is no such thing.
pub(super) fn spans(request: &[u8]) -> Option<Vec<Span>> {
    let mut spans = Vec::new();
    for resource_spans in messages(request, 1)? {
        for scope_spans in messages(resource_spans, 2)? {
            for span in messages(scope_spans, 2)? {
                spans.push(Span::read(span)?);
            }
        }
    }
    Some(spans)
}

impl Span {
    fn read(message: &[u8]) -> Option<Self> {
        let mut span = Self::default();
        for field in fields(message)? {
            match field {
                (1, Value::Bytes(id)) => span.trace = id.to_vec(),
                (2, Value::Bytes(id)) => span.id = id.to_vec(),
                (4, Value::Bytes(id)) => span.parent = id.to_vec(),
                (5, Value::Bytes(name)) => span.name = std::str::from_utf8(name).ok()?.to_owned(),
                (6, Value::Number(kind)) => span.kind = kind,
                (7, Value::Number(nanos)) => span.start = nanos,
                (8, Value::Number(nanos)) => span.end = nanos,
                // Attributes, events, status: more than the demo shows.
                _ => {}
            }
        }
        Some(span)
    }
}

/// The messages in one field.
fn messages(message: &[u8], number: u64) -> Option<Vec<&[u8]>> {
    let fields = fields(message)?;
    let bytes = |(at, value)| match value {
        Value::Bytes(bytes) if at == number => Some(bytes),
        _ => None,
    };
    Some(fields.into_iter().filter_map(bytes).collect())
}

/// All fields of a message, by number; none if it is no message.
fn fields(mut message: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut message)?),
            1 => Value::Number(u64::from_le_bytes(take(&mut message, 8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                Value::Bytes(take(&mut message, length)?)
            }
            5 => Value::Number(u32::from_le_bytes(take(&mut message, 4)?.try_into().ok()?).into()),
            _ => return None,
        };
        fields.push((tag >> 3, value));
    }
    Some(fields)
}

fn take<'a>(from: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(count)?;
    *from = rest;
    Some(taken)
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn varint(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let &[byte] = take(from, 1)? else { return None };
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of bytes; of lengths below 128.
    fn bytes(number: u8, value: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, value.len() as u8], value].concat()
    }

    fn request() -> Vec<u8> {
        let times = [&[7 << 3 | 1][..], &9_u64.to_le_bytes(), &[8 << 3 | 1], &700_u64.to_le_bytes()].concat();
        // Kind 3; flags as four bytes in field 16, whose tag takes two.
        let rest = [&[6 << 3, 3][..], &times, &[0x85, 1, 1, 3, 0, 0], &bytes(9, b"\x0a\x01a")].concat();
        let span = [bytes(1, &[7; 16]), bytes(2, &[8; 8]), bytes(4, &[9; 8]), bytes(5, b"Place"), rest].concat();
        let scope_spans = [bytes(1, b"\x0a\x06hottap"), bytes(2, &span), bytes(2, &[])].concat();
        bytes(1, &[bytes(1, &[]), bytes(2, &scope_spans)].concat())
    }

    #[test]
    fn a_span_is_read_with_what_is_shown_of_it() {
        let span = Span {
            trace: vec![7; 16],
            id: vec![8; 8],
            parent: vec![9; 8],
            name: "Place".to_owned(),
            kind: 3,
            start: 9,
            end: 700,
        };
        assert_eq!(spans(&request()), Some(vec![span, Span::default()]));
        assert_eq!(spans(&[]), Some(vec![]));
    }

    #[test]
    fn what_is_cut_short_or_no_protobuf_is_no_payload() {
        let whole = request();
        for cut in 1..whole.len() {
            assert_eq!(spans(&whole[..cut]), None, "the first {cut} bytes");
        }
        for nonsense in [&b"no protobuf"[..], &[0xff; 20], &[10, 0x80], &[11, 12], &[10, 0xff, 0xff, 0xff, 0xff, 15]] {
            assert_eq!(spans(nonsense), None, "{nonsense:?}");
        }
    }
}
