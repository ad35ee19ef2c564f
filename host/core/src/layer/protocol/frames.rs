//! Counting length-prefixed messages, gRPC's and Connect's, in a stream of bytes that is cut anywhere. It keeps a few
//! bytes, never a message.

/// Bytes before each message: a flag, and the length in four bytes.
const PREFIX: u8 = 5;
/// A message is compressed; the one flag that messages can have.
pub(super) const COMPRESSED: u8 = 1;

/// Where in the stream of messages it is.
///
/// A length that lies makes the count wrong and nothing else: it is subtracted from, never allocated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frames {
    /// Bytes of the current prefix that were seen; [`PREFIX`] inside a message.
    seen: u8,
    flag: u8,
    /// All flags that there were.
    flags: u8,
    length: u32,
    left: u32,
}

/// A part of one message, or the whole of it.
pub(super) struct Piece<'a> {
    pub(super) flag: u8,
    pub(super) payload: &'a [u8],
    /// The size of the message with its prefix, if this is its end.
    pub(super) size: Option<u64>,
}

impl Frames {
    /// Takes the next bytes; calls `message` with the size of each message that ends in them, its prefix included.
    #[inline]
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut message: impl FnMut(u64)) {
        while let Some(piece) = self.next(&mut bytes) {
            if let Some(size) = piece.size {
                message(size);
            }
        }
    }

    /// Takes the next piece off the bytes; none when they are used up.
    #[inline]
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Piece<'a>> {
        if self.seen < PREFIX {
            match bytes.split_first_chunk() {
                // The whole prefix at once, as it nearly always comes.
                Some(([flag, a, b, c, d], rest)) if self.seen == 0 => {
                    self.flag = *flag;
                    self.length = u32::from_be_bytes([*a, *b, *c, *d]);
                    (self.seen, *bytes) = (PREFIX, rest);
                }
                _ => self.prefix(bytes)?,
            }
            self.flags |= self.flag;
            self.left = self.length;
        }
        let here = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if here == 0 && self.left > 0 {
            return None;
        }
        let (payload, rest) = bytes.split_at_checked(here)?;
        *bytes = rest;
        self.left -= here as u32;
        let size = (self.left == 0).then(|| u64::from(PREFIX) + u64::from(self.length));
        if size.is_some() {
            (self.seen, self.length) = (0, 0);
        }
        Some(Piece { flag: self.flag, payload, size })
    }

    /// Takes a prefix byte by byte; none if it is not complete yet.
    fn prefix(&mut self, bytes: &mut &[u8]) -> Option<()> {
        while self.seen < PREFIX {
            let (&byte, rest) = bytes.split_first()?;
            *bytes = rest;
            if self.seen == 0 {
                self.flag = byte;
            } else {
                self.length = self.length << 8 | u32::from(byte);
            }
            self.seen += 1;
        }
        Some(())
    }

    /// There was a flag that is not among these.
    #[inline]
    pub(super) fn has_flags_beyond(&self, known: u8) -> bool {
        self.flags & !known != 0
    }

    /// A message has begun and is not complete.
    #[inline]
    pub(super) fn is_inside(&self) -> bool {
        self.seen != 0
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

    #[test]
    fn flags_that_nobody_knows_and_messages_that_are_cut_are_seen() {
        for (bytes, beyond, inside) in [
            (&b""[..], false, false),
            (b"\0\0\0\0\x01a", false, false),
            (b"\x01\0\0\0\x01a\0", false, true),
            (b"\x02\0\0\0\0", true, false),
            (b"<html", true, true),
            (b"\0\0\0\0\x02a", false, true),
        ] {
            let mut frames = Frames::default();
            frames.feed(bytes, |_| {});
            assert_eq!((frames.has_flags_beyond(COMPRESSED), frames.is_inside()), (beyond, inside), "{bytes:?}");
        }
    }
}
