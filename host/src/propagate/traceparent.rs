//! The `traceparent` header: parsed from what anybody may have sent, and written.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::rpc::TraceContext;

/// The header's name.
pub(crate) const NAME: &str = "traceparent";
pub(super) static TRACEPARENT: HeaderName = HeaderName::from_static(NAME);

/// Bytes of a `traceparent` of version 00: `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits.
const LENGTH: usize = 55;
/// The trace flag that says that the trace is sampled.
const SAMPLED: u128 = 1;

/// The caller's span, as it came over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) trace_id: u128,
    pub(crate) span_id: u64,
    pub(crate) sampled: bool,
    /// The trace is one for debugging, which nobody is to leave out. W3C's format can't say it.
    pub(crate) debug: bool,
}

impl Remote {
    /// Parses a header's value by <https://www.w3.org/TR/trace-context/#traceparent-header>; none if it is not valid.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let (fixed, rest) = value.split_at_checked(LENGTH)?;
        let version = hex(fixed.get(..2)?)?;
        let trace_id = hex(fixed.get(3..35)?)?;
        let span_id = hex(fixed.get(36..52)?)?;
        let flags = hex(fixed.get(53..)?)?;
        let dashes = [2, 35, 52].iter().all(|&at| fixed.get(at) == Some(&b'-'));
        // A version that is not known yet is read by the fields of this one, as long as what follows is set apart.
        let tail = rest.is_empty() || (version != 0 && rest.starts_with(b"-"));
        if !dashes || !tail || version == 0xff || trace_id == 0 || span_id == 0 {
            return None;
        }
        let (span_id, sampled) = (u64::try_from(span_id).ok()?, flags & SAMPLED != 0);
        Some(Self { trace_id, span_id, sampled, debug: false })
    }

    /// A new span under this one.
    pub(crate) fn child(self) -> TraceContext {
        self.as_context().child()
    }

    /// The caller's span itself, for calls that are passed on without a span of their own.
    pub(super) fn as_context(self) -> TraceContext {
        TraceContext { trace_id: self.trace_id, span_id: self.span_id, parent_span_id: 0, sampled: self.sampled }
    }
}

/// What a request says of its caller's span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Given {
    /// Nothing.
    #[default]
    Nothing,
    /// Something that is not valid. Two headers are not valid.
    Unreadable,
    /// Which it is.
    Remote(Remote),
    /// Which it is, in another format than W3C's.
    Other(Remote),
}

impl Given {
    /// Takes one of the request's `traceparent` headers.
    pub(crate) fn add(&mut self, value: &HeaderValue) {
        // HTTP allows spaces around a value, and not everybody who hands one on has taken them away.
        *self = match (&self, Remote::parse(value.as_bytes().trim_ascii())) {
            (Self::Nothing, Some(remote)) => Self::Remote(remote),
            _ => Self::Unreadable,
        };
    }

    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut given = Self::Nothing;
        for value in headers.get_all(&TRACEPARENT) {
            given.add(value);
        }
        given
    }

    /// The span, if there is a valid one.
    pub(crate) fn remote(self) -> Option<Remote> {
        match self {
            Self::Remote(remote) | Self::Other(remote) => Some(remote),
            Self::Nothing | Self::Unreadable => None,
        }
    }

    /// The trace, if it is one for debugging.
    pub(super) fn debugged(self) -> Option<u128> {
        self.remote().filter(|remote| remote.debug).map(|remote| remote.trace_id)
    }
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
        *last += u8::from(trace.sampled);
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
    fn check(value: &str, expected: Option<bool>, reason: &str) {
        let expected = expected.map(|sampled| Remote { trace_id: TRACE, span_id: SPAN, sampled, debug: false });
        assert_eq!(Remote::parse(value.as_bytes()), expected, "{reason}: {value}");
    }

    #[test]
    fn a_traceparent_is_read_as_w3c_has_it() {
        const T: &str = "0af7651916cd43dd8448eb211c80319c";
        const S: &str = "b7ad6b7169203331";
        for (value, expected, reason) in [
            (format!("00-{T}-{S}-01"), Some(true), "sampled"),
            (format!("00-{T}-{S}-00"), Some(false), "not sampled"),
            (format!("00-{T}-{S}-ff"), Some(true), "flags that are not known are ignored"),
            (format!("00-{T}-{S}-02"), Some(false), "only the lowest flag means sampled"),
            (format!("00-{T}-{S}-1"), None, "one digit of flags"),
            (format!("00-{T}-{S}-0x"), None, "flags that are no hex"),
            (format!("00-{T}-{S}-01-x"), None, "version 00 has no fifth field"),
            (format!("00-{T}-{S}-01x"), None, "nor anything else"),
            (format!("01-{T}-{S}-01"), Some(true), "a higher version is read by its first fields"),
            (format!("cc-{T}-{S}-01-what-the-future-brings"), Some(true), "and may have more"),
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
            let _ = Remote::parse(&bytes);
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for _ in 0..1_000 {
            let trace = TraceContext { sampled: fastrand::bool(), ..TraceContext::root() };
            let value = format(&trace).expect("ASCII");
            let read = Remote::parse(value.as_bytes()).expect("valid");
            assert_eq!((read.trace_id, read.span_id, read.sampled), (trace.trace_id, trace.span_id, trace.sampled));
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

    #[test]
    fn two_traceparents_are_none() {
        let mut headers = HeaderMap::new();
        let value = format(&TraceContext::root()).expect("ASCII");
        headers.append(&TRACEPARENT, value.clone());
        assert!(matches!(Given::of(&headers), Given::Remote(_)));
        headers.append(&TRACEPARENT, value);
        assert_eq!(Given::of(&headers), Given::Unreadable);
    }

    #[test]
    fn a_child_is_in_the_callers_trace() {
        let remote = Remote { trace_id: TRACE, span_id: SPAN, sampled: false, debug: false };
        let child = remote.child();
        assert_eq!((child.trace_id, child.parent_span_id, child.sampled), (TRACE, SPAN, false));
        assert!(child.span_id != SPAN && child.span_id != 0);
    }
}
