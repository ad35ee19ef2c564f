//! Decompressing what tells how a call ended, where a peer compresses that too. Messages are never decompressed.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::{GzDecoder, ZlibDecoder};
use http::HeaderValue;

/// Bytes that come out at the most: as much as is kept of an end that came plain. More would let a peer of a few hundred
/// bytes keep the RPC's thread busy; less might cut trailers that are used.
pub(super) const MAX_PLAIN_BYTES: usize = 64 * 1024;

/// How bytes are compressed, as the head of their response says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Not at all, or nobody has said.
    Identity,
    Gzip,
    /// In HTTP and gRPC that is zlib's format.
    Deflate,
    /// One that is not decompressed here, such as Brotli.
    Other,
}

/// What came out of compressed bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened<'a> {
    Plain(Cow<'a, [u8]>),
    /// They are cut, are not what their head says, or become more than the bound.
    Broken,
    /// They are in an encoding that is not decompressed here.
    Sealed,
}

impl Encoding {
    pub(super) fn of(value: Option<&HeaderValue>) -> Self {
        let Some(value) = value else { return Self::Identity };
        let is = |name: &[u8]| value.as_bytes().trim_ascii().eq_ignore_ascii_case(name);
        if is(b"identity") || is(b"") {
            Self::Identity
        } else if is(b"gzip") || is(b"x-gzip") {
            Self::Gzip
        } else if is(b"deflate") {
            Self::Deflate
        } else {
            Self::Other
        }
    }

    /// Decompresses the whole of something short.
    pub(super) fn open(self, bytes: &[u8]) -> Opened<'_> {
        match self {
            Self::Identity => Opened::Plain(bytes.into()),
            Self::Gzip => read(GzDecoder::new(bytes)),
            Self::Deflate => read(ZlibDecoder::new(bytes)),
            Self::Other => Opened::Sealed,
        }
    }
}

fn read(decoder: impl Read) -> Opened<'static> {
    let mut plain = Vec::new();
    // One byte beyond the bound tells what is as long as it from what is longer.
    match decoder.take(MAX_PLAIN_BYTES as u64 + 1).read_to_end(&mut plain) {
        Ok(read) if read <= MAX_PLAIN_BYTES => Opened::Plain(plain.into()),
        _ => Opened::Broken,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use std::io::Write;

    pub(in crate::layer::protocol) fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).expect("into memory");
        encoder.finish().expect("into memory")
    }

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).expect("into memory");
        encoder.finish().expect("into memory")
    }

    #[test]
    fn an_encoding_is_known_by_its_name_alone() {
        for (value, expected) in [
            (None, Encoding::Identity),
            (Some("identity"), Encoding::Identity),
            (Some(""), Encoding::Identity),
            (Some("gzip"), Encoding::Gzip),
            (Some("GZIP"), Encoding::Gzip),
            (Some("x-gzip"), Encoding::Gzip),
            (Some("deflate"), Encoding::Deflate),
            (Some("br"), Encoding::Other),
            (Some("gzip, br"), Encoding::Other),
            (Some("gzi"), Encoding::Other),
        ] {
            assert_eq!(Encoding::of(value.map(HeaderValue::from_static).as_ref()), expected, "{value:?}");
        }
    }

    #[test]
    fn what_is_short_and_sound_comes_out_as_it_was() {
        for plain in [&b""[..], b"{}", &b"grpc-status: 0\r\n".repeat(100), &vec![b' '; MAX_PLAIN_BYTES]] {
            let expected = Opened::Plain(plain.into());
            assert_eq!(Encoding::Gzip.open(&gzip(plain)), expected);
            assert_eq!(Encoding::Deflate.open(&zlib(plain)), expected);
            assert_eq!(Encoding::Identity.open(plain), expected);
            assert_eq!(Encoding::Other.open(plain), Opened::Sealed);
        }
    }

    #[test]
    fn a_bomb_is_cut_at_the_bound() {
        let long = vec![0; MAX_PLAIN_BYTES + 1];
        let bomb = vec![0; 50_000_000];
        for plain in [long, bomb] {
            assert_eq!(Encoding::Gzip.open(&gzip(&plain)), Opened::Broken);
            assert_eq!(Encoding::Deflate.open(&zlib(&plain)), Opened::Broken);
        }
    }

    #[test]
    fn what_is_cut_or_contradicts_itself_is_broken() {
        let sound = gzip(br#"{"error":{"code":"data_loss"}}"#);
        for length in 0..sound.len() {
            assert_eq!(Encoding::Gzip.open(&sound[..length]), Opened::Broken, "{length} of {}", sound.len());
        }
        let mut wrong = sound.clone();
        // The checksum stands before the length, which are the last eight bytes.
        let at = wrong.len() - 8;
        wrong[at] ^= 1;
        assert_eq!(Encoding::Gzip.open(&wrong), Opened::Broken);
        assert_eq!(Encoding::Gzip.open(&zlib(b"{}")), Opened::Broken, "another format");
        assert_eq!(Encoding::Deflate.open(&sound), Opened::Broken, "another format");
        let mut rng = fastrand::Rng::with_seed(5);
        for _ in 0..2_000 {
            let mut bytes = sound.clone();
            let at = rng.usize(..bytes.len());
            bytes[at] = rng.u8(..);
            // Whatever it is, it ends, and is bounded.
            if let Opened::Plain(plain) = Encoding::Gzip.open(&bytes) {
                assert!(plain.len() <= MAX_PLAIN_BYTES);
            }
        }
    }
}
