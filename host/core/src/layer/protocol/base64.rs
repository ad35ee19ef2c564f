//! Base64 as gRPC-web's text has it: groups of four characters, cut anywhere and padded wherever a piece ended.

/// Bytes decoded at a time: three quarters of the characters in a slice that fits the first cache level.
const CHUNK: usize = 384;

/// Where in a group it is. It keeps three characters, never text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Base64 {
    bits: u32,
    /// Characters of the current group that were seen, and how many of them were padding.
    seen: u8,
    padding: u8,
    /// Something was no base64; what follows means nothing.
    broken: bool,
}

impl Base64 {
    /// Decodes the next characters and hands the bytes on in pieces.
    pub fn feed(&mut self, text: &[u8], mut bytes: impl FnMut(&[u8])) {
        let mut decoded = [0; CHUNK];
        for piece in text.chunks(CHUNK) {
            let mut filled = 0;
            for &character in piece {
                let (count, group) = self.take(character);
                for byte in group.into_iter().take(count) {
                    // A group of four gives three bytes at the most, and three that were seen before are left over.
                    if let Some(slot) = decoded.get_mut(filled) {
                        *slot = byte;
                        filled += 1;
                    }
                }
            }
            if filled > 0 {
                bytes(decoded.get(..filled).unwrap_or_default());
            }
        }
    }

    /// How many bytes the character completes, and which.
    fn take(&mut self, character: u8) -> (usize, [u8; 3]) {
        const NOTHING: (usize, [u8; 3]) = (0, [0; 3]);
        if self.broken {
            return NOTHING;
        }
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' if self.seen >= 2 => {
                self.padding = self.padding.saturating_add(1);
                0
            }
            _ => return self.fail(),
        };
        if self.padding > 0 && character != b'=' {
            return self.fail();
        }
        self.bits = self.bits << 6 | u32::from(value);
        self.seen += 1;
        if self.seen < 4 {
            return NOTHING;
        }
        let [_, a, b, c] = self.bits.to_be_bytes();
        let count = 3 - usize::from(self.padding);
        *self = Self::default();
        (count, [a, b, c])
    }

    fn fail(&mut self) -> (usize, [u8; 3]) {
        self.broken = true;
        (0, [0; 3])
    }

    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// A group has begun and is not complete.
    pub fn is_inside(&self) -> bool {
        self.seen > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes, and whether the text was whole and sound.
    fn decode(pieces: &[&[u8]]) -> (Vec<u8>, bool) {
        let (mut state, mut decoded) = (Base64::default(), Vec::new());
        for piece in pieces {
            state.feed(piece, |bytes| decoded.extend_from_slice(bytes));
        }
        (decoded, !state.is_broken() && !state.is_inside())
    }

    #[test]
    fn text_is_decoded_wherever_it_is_cut_and_padded() {
        let endless_padding = [&b"AA!"[..], &[b'='; 300]].concat();
        for (text, expected, sound, reason) in [
            (&b""[..], &b""[..], true, "nothing"),
            (b"aGVsbG8=", b"hello", true, "padded at its end"),
            (b"aGVsbG8=aGVsbG8=", b"hellohello", true, "padded in its middle"),
            (b"aA==aGk=aGkh", b"hhihi!", true, "padded by one and two"),
            (b"+/+/", b"\xfb\xff\xbf", true, "the last two of the alphabet"),
            (b"aGVsbG8", b"hel", false, "cut"),
            (b"aGVs bG8=", b"hel", false, "a blank"),
            (b"a===", b"", false, "too much padding"),
            (b"aA=A", b"", false, "padding inside of a group"),
            (b"=aaa", b"", false, "padding first"),
            (b"\xff\x00aaaa", b"", false, "no text at all"),
            (&endless_padding, b"", false, "padding without end of what is broken"),
        ] {
            assert_eq!(decode(&[text]), (expected.to_vec(), sound), "{reason}");
            let pieces: Vec<&[u8]> = text.chunks(1).collect();
            assert_eq!(decode(&pieces), (expected.to_vec(), sound), "{reason}, one by one");
        }
        let long = b"YWJj".repeat(5_000);
        for size in [1, 2, 3, 5, 383, 384, 385, 20_000] {
            let pieces: Vec<&[u8]> = long.chunks(size).collect();
            assert_eq!(decode(&pieces), (b"abc".repeat(5_000), true), "{size}");
        }
    }
}
