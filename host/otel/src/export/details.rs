//! What gRPC's `grpc-status-details-bin` says of trying again: the `RetryInfo` among the details of a `google.rpc.Status`.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use prost::Message;

use hottap_core::layer::Base64;

/// Characters of the header that are looked at: a time is some dozens, beside it may be words.
const MAX_BYTES: usize = 8 << 10;

#[derive(Message)]
struct Status {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

#[derive(Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

#[derive(Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    delay: Option<Delay>,
}

#[derive(Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// How long to wait before the next attempt, zero if that is not said; none if nothing is said of another attempt.
pub(super) fn retry_delay(value: &HeaderValue) -> Option<Duration> {
    let bytes = decode(value.as_bytes())?;
    let status = Status::decode(bytes.as_slice()).ok()?;
    let info = status.details.iter().find(|detail| detail.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(info.value.clone()).ok()?.delay.unwrap_or_default();
    let (seconds, nanos) = (u64::try_from(delay.seconds).unwrap_or(0), u32::try_from(delay.nanos).unwrap_or(0));
    Some(Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos.into())))
}

/// The bytes that base64 stands for, with its padding or without, as gRPC has it in headers.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let (mut state, mut bytes) = (Base64::default(), Vec::new());
    state.feed(text, |piece| bytes.extend_from_slice(piece));
    while state.is_inside() && !state.is_broken() {
        state.feed(b"=", |piece| bytes.extend_from_slice(piece));
    }
    (!state.is_broken()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let word = three.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
            (0..=three.len()).for_each(|at| text.push(DIGITS[(word >> (18 - 6 * at)) as usize & 63].into()));
        }
        text
    }

    fn status(type_url: &str, delay: Option<(i64, i32)>) -> Vec<u8> {
        let info = RetryInfo { delay: delay.map(|(seconds, nanos)| Delay { seconds, nanos }) };
        let other =
            Detail { type_url: "type.googleapis.com/google.rpc.Help".to_owned(), value: Bytes::from_static(b"x") };
        let detail = Detail { type_url: type_url.to_owned(), value: info.encode_to_vec().into() };
        Status { details: vec![other, detail] }.encode_to_vec()
    }

    #[test]
    fn the_time_to_wait_is_found() {
        const INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";
        let millis = Duration::from_millis;
        for (bytes, expected, reason) in [
            (status(INFO, Some((2, 500_000_000))), Some(millis(2_500)), "two and a half seconds"),
            (status(INFO, Some((0, 0))), Some(millis(0)), "at once"),
            (status(INFO, None), Some(millis(0)), "no time"),
            (status(INFO, Some((-5, -1))), Some(millis(0)), "before now"),
            (status(INFO, Some((i64::MAX, i32::MAX))), Some(Duration::new(i64::MAX as u64 + 2, 147_483_647)), "never"),
            (status("type.googleapis.com/google.rpc.BadRequest", Some((1, 0))), None, "another detail"),
            (vec![], None, "no details"),
            (b"\xff\xff\xff\xff".to_vec(), None, "no message"),
        ] {
            let text = encode(&bytes);
            let padded = format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
            for text in [text, padded] {
                let value = HeaderValue::from_str(&text).expect("visible");
                assert_eq!(retry_delay(&value), expected, "{reason}: {text}");
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let mut rng = fastrand::Rng::with_seed(3);
        let valid = encode(&status("x/google.rpc.RetryInfo", Some((1, 1))));
        for _ in 0..20_000 {
            let mut bytes = valid.clone().into_bytes();
            bytes.truncate(rng.usize(..=bytes.len()));
            bytes.extend((0..rng.usize(..6)).map(|_| rng.u8(..)));
            if let Some(byte) = bytes.get_mut(rng.usize(..60)) {
                *byte = rng.u8(..);
            }
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let _ = retry_delay(&value);
            }
        }
        assert_eq!(retry_delay(&HeaderValue::from_str(&"A".repeat(MAX_BYTES + 1)).expect("visible")), None);
    }
}
