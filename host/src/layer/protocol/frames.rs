//! Counting gRPC's length-prefixed messages in a stream of bytes that is cut anywhere. It keeps six bytes, never a
//! message.

/// Bytes before each message: a flag, and the length in four bytes.
const PREFIX: u8 = 5;

/// Where in the stream of messages it is.
///
/// A length that lies makes the count wrong and nothing else: it is subtracted from, never allocated.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Frames {
    /// Bytes of the current prefix that were seen; [`PREFIX`] inside a message.
    seen: u8,
    length: u32,
    left: u32,
}

impl Frames {
    /// Takes the next bytes; calls `message` with the size of each message that ends in them, its prefix included.
    #[inline]
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut message: impl FnMut(u64)) {
        loop {
            if self.seen < PREFIX {
                if self.seen == 0
                    && let Some(([_, a, b, c, d], rest)) = bytes.split_first_chunk()
                {
                    // The whole prefix at once, as it nearly always comes.
                    self.length = u32::from_be_bytes([*a, *b, *c, *d]);
                    (self.seen, self.left, bytes) = (PREFIX, self.length, rest);
                    continue;
                }
                let Some((&byte, rest)) = bytes.split_first() else { return };
                bytes = rest;
                if self.seen > 0 {
                    self.length = self.length << 8 | u32::from(byte);
                }
                self.seen += 1;
                self.left = self.length;
            } else {
                let here = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                bytes = bytes.get(here..).unwrap_or_default();
                self.left -= here as u32;
                if self.left > 0 {
                    return;
                }
                message(u64::from(PREFIX) + u64::from(self.length));
                *self = Self::default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: usize) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend((length as u32).to_be_bytes());
        bytes.resize(bytes.len() + length, b'x');
        bytes
    }

    fn count(pieces: &[&[u8]]) -> Vec<u64> {
        let (mut frames, mut sizes) = (Frames::default(), Vec::new());
        for piece in pieces {
            frames.feed(piece, |size| sizes.push(size));
        }
        sizes
    }

    #[test]
    fn messages_are_counted_wherever_the_stream_is_cut() {
        let stream = [message(0), message(1), message(300), message(0), message(70_000)].concat();
        let expected = [5, 6, 305, 5, 70_005];
        assert_eq!(count(&[&stream]), expected);
        for size in [1, 2, 3, 4, 5, 6, 7, 299, 4096] {
            let pieces: Vec<&[u8]> = stream.chunks(size).collect();
            assert_eq!(count(&pieces), expected, "cut every {size} bytes");
        }
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..200 {
            let (mut pieces, mut rest) = (Vec::new(), &stream[..]);
            while !rest.is_empty() {
                let (piece, tail) = rest.split_at(rng.usize(0..=rest.len().min(900)));
                pieces.push(piece);
                rest = tail;
            }
            assert_eq!(count(&pieces), expected);
        }
    }

    #[test]
    fn a_length_that_lies_is_harmless() {
        let four_gigabytes = [0, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(count(&[&four_gigabytes, &[7; 100_000]]), [0u64; 0], "it never ends");
        assert_eq!(count(&[&[0; 10_000]]), vec![5; 2_000], "zeros are empty messages");
        assert_eq!(count(&[b"", b"\x01"]), [0u64; 0]);
    }
}
