//! Jaeger's own format, `uber-trace-id`: <https://www.jaegertracing.io/docs/1.76/client-libraries/#propagation-format>.

use http::HeaderMap;

use super::formats::{hex, insert};
use super::traceparent::Remote;
use crate::rpc::TraceContext;

const NAME: &str = "uber-trace-id";
/// Bytes of the longest value there is, with its colons escaped; there is no need to look at longer ones.
const MAX_BYTES: usize = 32 + 16 + 16 + 2 + 3 * 3;
/// The flag that says that the trace is sampled.
const SAMPLED: u128 = 1;

/// `TRACE:SPAN:PARENT:FLAGS`, in hex, whose leading zeros may be left out. Some write `%3A` for the colon.
pub(super) fn extract(headers: &HeaderMap) -> Option<Remote> {
    let value = headers.get(NAME)?.to_str().ok().filter(|value| value.len() <= MAX_BYTES)?;
    let value = value.replace("%3A", ":").replace("%3a", ":");
    let mut parts = value.split(':').map(str::as_bytes);
    let (trace_id, span_id, _parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (trace_id, span_id) = (hex(trace_id, 32)?, u64::try_from(hex(span_id, 16)?).ok()?);
    let sampled = hex(flags, 2)? & SAMPLED != 0;
    (trace_id != 0 && span_id != 0).then_some(Remote { trace_id, span_id, sampled })
}

/// The parent has been out of use for long, and is written as 0.
pub(super) fn inject(trace: &TraceContext, headers: &mut HeaderMap) {
    let sampled = u8::from(trace.sampled);
    insert(headers, NAME, &format!("{:032x}:{:016x}:0:{sampled:02x}", trace.trace_id, trace.span_id));
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_value_is_read() {
        const TRACE: &str = "80f198ee56343ba864fe8b2a57d3eff7";
        let expected = |trace_id, sampled| Some((trace_id, 0xe457_b5a2_e4d8_6bd1, sampled));
        let whole = 0x80f1_98ee_5634_3ba8_64fe_8b2a_57d3_eff7;
        for (value, expected, reason) in [
            (format!("{TRACE}:e457b5a2e4d86bd1:0:1"), expected(whole, true), "sampled"),
            (format!("{TRACE}:e457b5a2e4d86bd1:05e3ac9a4f6e3b90:0"), expected(whole, false), "not sampled"),
            (format!("{TRACE}:e457b5a2e4d86bd1:0:03"), expected(whole, true), "sampled and debug"),
            (format!("{TRACE}%3Ae457b5a2e4d86bd1%3a0%3A1"), expected(whole, true), "escaped"),
            ("1f:e457b5a2e4d86bd1:0:1".to_owned(), expected(0x1f, true), "without leading zeros"),
            (format!("{TRACE}:e457b5a2e4d86bd1:0"), None, "no flags"),
            (format!("{TRACE}:e457b5a2e4d86bd1:0:1:1"), None, "too much"),
            (format!("{TRACE}:e457b5a2e4d86bd1:0:100"), None, "flags that are too long"),
            (format!("{TRACE}0:e457b5a2e4d86bd1:0:1"), None, "a trace that is too long"),
            (format!("{TRACE}:0:0:1"), None, "no span"),
            ("0:e457b5a2e4d86bd1:0:1".to_owned(), None, "no trace"),
            (":::".to_owned(), None, "nothing"),
            (":".repeat(9_000), None, "colons"),
        ] {
            let headers = HeaderMap::from_iter([(
                NAME.parse().expect("a name"),
                HeaderValue::from_str(&value).expect("visible"),
            )]);
            let found = extract(&headers).map(|remote| (remote.trace_id, remote.span_id, remote.sampled));
            assert_eq!(found, expected, "{reason}");
        }
    }
}
