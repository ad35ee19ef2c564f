//! Until when a call has to be done: the least of what its client, its request and the call it is made for allow; and how
//! the server is told.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};

use hottap_core::layer::{Media, deadline as given};
use hottap_core::propagate;

static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
static CONNECT_TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");
/// What the digits of `grpc-timeout` can say.
const MAX_AMOUNT: u128 = 99_999_999;
/// What those of `connect-timeout-ms` can.
const MAX_MILLIS: u128 = 9_999_999_999;

/// The request is one of gRPC, which is HTTP/2 and has deadlines; gRPC-web is not.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| Media::of(value) == Media::Grpc)
}

/// How long the call may take; none if nobody says. `own` is what the client gives each call. It is told to the server, if
/// the protocol has words for it.
pub(super) fn settle(own: Option<Duration>, headers: &mut HeaderMap) -> Option<Duration> {
    let asked = match given(headers) {
        0 => None,
        nanos => Some(Duration::from_nanos(nanos)),
    };
    let limits = [own, asked, propagate::remaining()];
    let limit = limits.into_iter().flatten().min()?;
    if asked != Some(limit) {
        tell(headers, limit);
    }
    Some(limit)
}

/// Tells the server how long the call may take.
pub(super) fn tell(headers: &mut HeaderMap, limit: Duration) {
    if is_grpc(headers) {
        // A request that is full of headers goes out without it.
        let _ = headers.try_insert(&GRPC_TIMEOUT, timeout(limit));
    } else if headers.contains_key("connect-protocol-version") || headers.contains_key(&CONNECT_TIMEOUT) {
        let millis = limit.as_millis().clamp(1, MAX_MILLIS);
        let _ = headers.try_insert(&CONNECT_TIMEOUT, HeaderValue::from(u64::try_from(millis).unwrap_or(u64::MAX)));
    }
}

/// At most eight digits and a unit, by gRPC's specification; rounded down, so that the server does not think that it has
/// more time than it has, but never to nothing, which it might take for none.
fn timeout(limit: Duration) -> HeaderValue {
    const UNITS: [(u128, char); 6] = [
        (1, 'n'),
        (1_000, 'u'),
        (1_000_000, 'm'),
        (1_000_000_000, 'S'),
        (60_000_000_000, 'M'),
        (3_600_000_000_000, 'H'),
    ];
    let nanos = limit.as_nanos().max(1);
    let fitting = UNITS.into_iter().find(|(each, _)| nanos / each <= MAX_AMOUNT);
    let (each, unit) = fitting.unwrap_or((3_600_000_000_000, 'H'));
    let text = format!("{}{unit}", (nanos / each).min(MAX_AMOUNT));
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("99999999H"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_told_as_exactly_as_eight_digits_can() {
        for (limit, expected) in [
            (Duration::ZERO, "1n"),
            (Duration::from_nanos(99_999_999), "99999999n"),
            (Duration::from_millis(100), "100000u"),
            (Duration::from_micros(1_500), "1500000n"),
            (Duration::from_secs(99), "99000000u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(86_400 * 365), "31536000S"),
            (Duration::from_secs(u64::MAX), "99999999H"),
        ] {
            assert_eq!(timeout(limit).to_str().expect("ASCII"), expected, "{limit:?}");
        }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_least_time_counts_and_is_told() {
        const GRPC: (&str, &str) = ("content-type", "application/grpc");
        let second = Some(Duration::from_secs(1));
        for (own, given, expected, told, reason) in [
            (None, vec![GRPC], None, None, "nobody says"),
            (second, vec![GRPC], second, Some("1000000u"), "the client's"),
            (second, vec![GRPC, ("grpc-timeout", "2S")], second, Some("1000000u"), "the client's is less"),
            (second, vec![GRPC, ("grpc-timeout", "3m")], Some(Duration::from_millis(3)), Some("3m"), "the request's"),
            (
                None,
                vec![GRPC, ("grpc-timeout", "3m")],
                Some(Duration::from_millis(3)),
                Some("3m"),
                "only the request's",
            ),
            (second, vec![GRPC, ("grpc-timeout", "soon")], second, Some("1000000u"), "one that cannot be read"),
            (second, vec![], second, None, "HTTP has no words for it"),
        ] {
            let mut headers = headers(&given);
            assert_eq!(settle(own, &mut headers), expected, "{reason}");
            let found = headers.get("grpc-timeout").map(|value| value.to_str().expect("ASCII"));
            assert_eq!(found, told, "{reason}");
        }
        let mut connect = headers(&[("connect-protocol-version", "1")]);
        settle(second, &mut connect);
        assert_eq!(connect.get("connect-timeout-ms"), Some(&HeaderValue::from_static("1000")));
        settle(Some(Duration::from_micros(300)), &mut connect);
        assert_eq!(connect.get("connect-timeout-ms"), Some(&HeaderValue::from_static("1")), "0 may be taken for none");
    }

    #[test]
    fn grpc_is_told_by_its_content_type() {
        for (value, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;v=1", true),
            ("Application/gRPC", true),
            ("application/grpcx", false),
            ("application/grpc-web", false),
            ("application/grpc-web+proto", false),
            ("application/json", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]);
            assert_eq!(is_grpc(&headers), expected, "{value}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
