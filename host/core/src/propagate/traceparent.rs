//! The `traceparent` header of W3C Trace Context, Level 2: parsed from the headers of an untrusted peer, and written.

use http::{HeaderName, HeaderValue};

use super::given::Remote;
use crate::rpc::TraceContext;

/// The header's name.
pub const NAME: &str = "traceparent";
pub(super) static TRACEPARENT: HeaderName = HeaderName::from_static(NAME);

/// Bytes of a `traceparent` of version 00: `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits.
const LENGTH: usize = 55;
/// The trace flags: the trace is sampled, and its id is random in its lower 56 bits. Others are sent as zero.
const SAMPLED: u8 = 1;
const RANDOM: u8 = 2;

/// Parses a header's value by <https://www.w3.org/TR/trace-context-2/#traceparent-header>; none if it is not valid.
pub(super) fn parse(value: &[u8]) -> Option<Remote> {
    let (fixed, rest) = value.split_at_checked(LENGTH)?;
    let version = hex(fixed.get(..2)?)?;
    let trace_id = hex(fixed.get(3..35)?)?;
    let span_id = hex(fixed.get(36..52)?)?;
    let flags = u8::try_from(hex(fixed.get(53..)?)?).ok()?;
    let dashes = [2, 35, 52].iter().all(|&at| fixed.get(at) == Some(&b'-'));
    // A version that is not known yet is read by the fields of this one, as long as what follows is set apart.
    let tail = rest.is_empty() || (version != 0 && rest.starts_with(b"-"));
    if !dashes || !tail || version == 0xff || trace_id == 0 || span_id == 0 {
        return None;
    }
    let (sampled, random) = (flags & SAMPLED != 0, flags & RANDOM != 0);
    Some(Remote { trace_id, span_id: u64::try_from(span_id).ok()?, sampled, debug: false, random })
}

/// The header's value for a call with this identity.
///
/// It is marked as sensitive, so that HTTP/2 does not put it into its table of headers that come again: it never does,
/// and would drive out those that do.
pub(super) fn format(trace: &TraceContext) -> Option<HeaderValue> {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    if let Some(digits) = text.get_mut(3..35) {
        write_hex(digits, trace.trace_id);
    }
    if let Some(digits) = text.get_mut(36..52) {
        write_hex(digits, u128::from(trace.span_id));
    }
    if let Some(last) = text.last_mut() {
        *last += if trace.sampled { SAMPLED } else { 0 } + if trace.random { RANDOM } else { 0 };
    }
    let mut value = HeaderValue::from_bytes(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Eight numbers, one in each byte of a word: one, and the greatest that a digit stands for.
const ONES: u64 = 0x0101_0101_0101_0101;
const LOW: u64 = 0x0f0f_0f0f_0f0f_0f0f;

/// The number that lowercase hex digits stand for: two of them, or a multiple of eight, at most 32.
fn hex(digits: &[u8]) -> Option<u128> {
    let (words, rest) = digits.as_chunks();
    let mut number = 0u128;
    for word in words {
        number = number << 32 | u128::from(hex_word(*word)?);
    }
    match rest {
        [] => Some(number),
        [high, low] => hex_word([b'0', b'0', b'0', b'0', b'0', b'0', *high, *low]).map(u128::from),
        _ => None,
    }
}

/// Eight digits at once: every request has 52 of them, so one at a time would show.
fn hex_word(digits: [u8; 8]) -> Option<u32> {
    let digits = u64::from_be_bytes(digits);
    // Letters have bit 6, and their low half counts from 1 at `a`.
    let letters = digits >> 6 & ONES;
    let mut nibbles = (digits & LOW) + letters * 9;
    // What is no digit is found by writing the number again.
    if nibbles & !LOW != 0 || ascii(nibbles) != digits {
        return None;
    }
    nibbles = (nibbles | nibbles >> 4) & 0x00ff_00ff_00ff_00ff;
    nibbles = (nibbles | nibbles >> 8) & 0x0000_ffff_0000_ffff;
    u32::try_from((nibbles | nibbles >> 16) & 0xffff_ffff).ok()
}

/// The digits of eight numbers below 16.
fn ascii(nibbles: u64) -> u64 {
    let letters = (nibbles + ONES * 6) >> 4 & ONES;
    nibbles + ONES * u64::from(b'0') + letters * u64::from(b'a' - b'0' - 10)
}

fn word_hex(number: u32) -> [u8; 8] {
    let mut nibbles = u64::from(number);
    nibbles = (nibbles | nibbles << 16) & 0x0000_ffff_0000_ffff;
    nibbles = (nibbles | nibbles << 8) & 0x00ff_00ff_00ff_00ff;
    nibbles = (nibbles | nibbles << 4) & LOW;
    ascii(nibbles).to_be_bytes()
}

/// Fills a multiple of eight digits with the lowest of a number.
fn write_hex(digits: &mut [u8], number: u128) {
    let (words, _) = digits.as_chunks_mut();
    for (i, word) in words.iter_mut().rev().enumerate() {
        *word = word_hex((number >> (32 * i)) as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
    const SPAN: u64 = 0xb7ad_6b71_6920_3331;

    #[track_caller]
    fn check(value: &str, expected: Option<(bool, bool)>, reason: &str) {
        let expected =
            expected.map(|(sampled, random)| Remote { trace_id: TRACE, span_id: SPAN, sampled, debug: false, random });
        assert_eq!(parse(value.as_bytes()), expected, "{reason}: {value}");
    }

    #[test]
    fn a_traceparent_is_read_as_w3c_has_it() {
        const T: &str = "0af7651916cd43dd8448eb211c80319c";
        const S: &str = "b7ad6b7169203331";
        for (value, expected, reason) in [
            (format!("00-{T}-{S}-01"), Some((true, false)), "sampled"),
            (format!("00-{T}-{S}-00"), Some((false, false)), "not sampled"),
            (format!("00-{T}-{S}-03"), Some((true, true)), "sampled, and of a random id"),
            (format!("00-{T}-{S}-02"), Some((false, true)), "of a random id alone"),
            (format!("00-{T}-{S}-fc"), Some((false, false)), "flags that are not known are ignored"),
            (format!("00-{T}-{S}-ff"), Some((true, true)), "beside those that are"),
            (format!("00-{T}-{S}-1"), None, "one digit of flags"),
            (format!("00-{T}-{S}-0x"), None, "flags that are no hex"),
            (format!("00-{T}-{S}-01-x"), None, "version 00 has no fifth field"),
            (format!("00-{T}-{S}-01x"), None, "nor anything else"),
            (format!("01-{T}-{S}-01"), Some((true, false)), "a higher version is read by its first fields"),
            (format!("cc-{T}-{S}-01-what-the-future-brings"), Some((true, false)), "and may have more"),
            (format!("cc-{T}-{S}-01."), None, "but set apart by a dash"),
            (format!("ff-{T}-{S}-01"), None, "version ff is not valid"),
            (format!("0-{T}-{S}-01"), None, "a version has two digits"),
            (format!("0X-{T}-{S}-01"), None, "of hex"),
            (format!("00-{}-{S}-01", T.to_uppercase()), None, "upper case"),
            (format!("00-{T}-{}-01", S.to_uppercase()), None, "upper case in the span"),
            (format!("00-{}-{S}-01", "0".repeat(32)), None, "a trace of zeros"),
            (format!("00-{T}-{}-01", "0".repeat(16)), None, "a span of zeros"),
            (format!("00-{}-{S}-01", &T[1..]), None, "a trace that is too short"),
            (format!("00-{T}0-{S}-01"), None, "a trace that is too long"),
            (format!("00-{T}.{S}-01"), None, "another separator"),
            (format!("00_{T}-{S}-01"), None, "another separator after the version"),
            (format!("00-{T}-{S}_01"), None, "another separator before the flags"),
            (format!("00-{}é-{S}-01", &T[2..]), None, "bytes that are no ASCII"),
            (String::new(), None, "nothing"),
            ("-".repeat(55), None, "dashes"),
            ("0".repeat(4096), None, "zeros"),
        ] {
            check(&value, expected, reason);
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic() {
        let mut rng = fastrand::Rng::with_seed(1);
        let valid = format!("00-{TRACE:032x}-{SPAN:016x}-01");
        for _ in 0..20_000 {
            let mut bytes = valid.clone().into_bytes();
            bytes.truncate(rng.usize(..=LENGTH));
            bytes.extend((0..rng.usize(..8)).map(|_| rng.u8(..)));
            if let Some(byte) = bytes.get_mut(rng.usize(..60)) {
                *byte = rng.u8(..);
            }
            let _ = parse(&bytes);
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for _ in 0..1_000 {
            let (sampled, random) = (fastrand::bool(), fastrand::bool());
            let trace = TraceContext { sampled, random, ..TraceContext::root() };
            let value = format(&trace).expect("ASCII");
            let read = parse(value.as_bytes()).expect("valid");
            let expected = Remote { trace_id: trace.trace_id, span_id: trace.span_id, sampled, debug: false, random };
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn only_lowercase_hex_digits_are_digits() {
        for byte in 0..=u8::MAX {
            let text = [b'0', b'1', b'2', byte, b'4', b'5', b'6', b'f'];
            let expected = match byte {
                b'0'..=b'9' | b'a'..=b'f' => u32::from_str_radix(&String::from_utf8_lossy(&text), 16).ok(),
                _ => None,
            };
            assert_eq!(hex_word(text), expected, "{byte:#x}");
        }
    }
}
