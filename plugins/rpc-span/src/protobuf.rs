//! The few rules of protobuf's wire format that are needed to write messages; it reads none and knows no message.

/// How a field's value is written.
#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

/// Bytes that a number takes as a varint.
#[inline]
pub(crate) fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Bytes that a field of bytes takes with its tag; of a field number below 16.
#[inline]
pub(crate) fn bytes_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

#[inline]
fn varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

#[inline]
fn tag(into: &mut Vec<u8>, field: u32, wire: Wire) {
    varint(into, u64::from(field) << 3 | wire as u64);
}

/// Writes a number; 0 is what a reader assumes without it, and is left out.
#[inline]
pub(crate) fn number(into: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        member_number(into, field, value);
    }
}

/// Writes a number also if it is 0, as a member of a `oneof` must be.
#[inline]
pub(crate) fn member_number(into: &mut Vec<u8>, field: u32, value: u64) {
    tag(into, field, Wire::Varint);
    varint(into, value);
}

/// Writes eight bytes.
#[inline]
pub(crate) fn fixed64(into: &mut Vec<u8>, field: u32, value: u64) {
    tag(into, field, Wire::Fixed64);
    into.extend_from_slice(&value.to_le_bytes());
}

/// Writes four bytes.
#[inline]
pub(crate) fn fixed32(into: &mut Vec<u8>, field: u32, value: u32) {
    tag(into, field, Wire::Fixed32);
    into.extend_from_slice(&value.to_le_bytes());
}

/// Writes bytes or a text.
#[inline]
pub(crate) fn bytes(into: &mut Vec<u8>, field: u32, value: &[u8]) {
    begin(into, field, value.len());
    into.extend_from_slice(value);
}

/// Begins a field of so many bytes, which the caller writes.
#[inline]
pub(crate) fn begin(into: &mut Vec<u8>, field: u32, len: usize) {
    tag(into, field, Wire::Bytes);
    varint(into, len as u64);
}

/// Writes a message whose length is not known before it is written.
pub(crate) fn message(into: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    tag(into, field, Wire::Bytes);
    let at = into.len();
    // As many bytes as the lengths of most messages take; moving a few hundred bytes is cheaper than counting first.
    into.extend_from_slice(&[0; 2]);
    write(into);
    let len = into.len() - at - 2;
    let mut prefix = Vec::new();
    if let (0x80..0x4000, Some([low, high])) = (len, into.get_mut(at..at + 2)) {
        (*low, *high) = (len as u8 | 0x80, (len >> 7) as u8);
    } else {
        varint(&mut prefix, len as u64);
        into.splice(at..at + 2, prefix);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_as_many_bytes_as_they_are_said_to() {
        for bit in 0..64 {
            for value in [(1_u64 << bit) - 1, 1 << bit, u64::MAX >> bit] {
                let mut written = Vec::new();
                varint(&mut written, value);
                assert_eq!(written.len(), varint_len(value), "{value}");
                assert_eq!(prost::encoding::decode_varint(&mut &*written), Ok(value));
            }
        }
    }

    #[test]
    fn a_message_has_its_length_whatever_it_is() {
        for len in [0, 1, 127, 128, 129, 16_383, 16_384, 70_000] {
            let mut written = vec![9];
            message(&mut written, 3, |into| into.extend(std::iter::repeat_n(7, len)));
            let mut expected = vec![9];
            bytes(&mut expected, 3, &vec![7; len]);
            assert_eq!(written, expected, "{len}");
            assert_eq!(written.len(), 1 + bytes_len(len));
        }
    }

    #[test]
    fn fields_are_written_as_the_format_says() {
        let mut written = Vec::new();
        number(&mut written, 1, 0);
        number(&mut written, 1, 300);
        member_number(&mut written, 2, 0);
        fixed32(&mut written, 16, 0x0102_0304);
        fixed64(&mut written, 7, 1);
        bytes(&mut written, 5, b"ab");
        assert_eq!(
            written,
            [8, 0xac, 2, 16, 0, 0x85, 1, 4, 3, 2, 1, 57, 1, 0, 0, 0, 0, 0, 0, 0, 42, 2, b'a', b'b'],
            "tag is field number times eight plus wire type"
        );
    }
}
