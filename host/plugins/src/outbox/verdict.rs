//! What an HTTP answer means for the payload: taken, later, never. Pure.

use std::time::{Duration, SystemTime};

use http::StatusCode;

use hottap_io::dial::retry_after;

/// What becomes of a payload after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Delivered,
    /// Try it again, not before this time if the server said one.
    Retry(Option<Duration>),
    /// The credentials were not accepted; they may have been renewed.
    Denied,
    /// The server takes no payload of this size.
    TooLarge,
    /// Trying the same again would bring the same answer.
    Rejected,
}

/// Judges an answer by its status and its `retry-after`.
pub(super) fn judge(status: StatusCode, wish: Option<&str>, now: SystemTime) -> Verdict {
    match status.as_u16() {
        200..=299 => Verdict::Delivered,
        401 | 403 => Verdict::Denied,
        413 => Verdict::TooLarge,
        // The server does not know the method or the protocol, and will not learn it.
        501 | 505 => Verdict::Rejected,
        408 | 425 | 429 | 500..=599 => Verdict::Retry(wish.and_then(|wish| retry_after(wish, now))),
        _ => Verdict::Rejected,
    }
}

/// What the operator can do about an answer that is no success.
pub(super) fn what_to_do(status: StatusCode) -> &'static str {
    match status.as_u16() {
        300..=399 => "the server answers elsewhere: give the final address in `url`",
        401 | 403 | 407 => "check the credentials in `headers`; files are read again after such an answer",
        404 | 405 | 410 => "check the path in `url`",
        413 => "lower `max_payload`, or let the server take more at once",
        400 | 415 | 422 => "check that the tracer's format is the one that the server expects at this `url`",
        429 => "the server limits the rate: let it take more, or let tracers flush less often",
        501 | 505 => "check `url`: this is no server for HTTP/1.1 POST requests",
        408 | 425 | 500..=599 => "look at the server; a payload is tried again for as long as `retry_for` says",
        _ => "check `url` and the server",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_later_or_never() {
        use Verdict::{Delivered, Denied, Rejected, Retry, TooLarge};
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let seconds = |seconds| Retry(Some(Duration::from_secs(seconds)));
        for (status, retry_after, expected) in [
            (200, None, Delivered),
            (204, Some("5"), Delivered),
            (101, None, Rejected),
            (301, None, Rejected),
            (308, None, Rejected),
            (400, None, Rejected),
            (401, None, Denied),
            (403, None, Denied),
            (404, None, Rejected),
            (413, Some("5"), TooLarge),
            (422, None, Rejected),
            (408, None, Retry(None)),
            (425, None, Retry(None)),
            (429, None, Retry(None)),
            (429, Some("7"), seconds(7)),
            (429, Some(" 7 "), seconds(7)),
            (503, Some("0"), seconds(0)),
            (503, Some("99999999999999999999999"), seconds(u64::MAX)),
            (503, Some("-1"), Retry(None)),
            (503, Some("soon"), Retry(None)),
            (503, Some(""), Retry(None)),
            (503, Some("Sun, 06 Nov 1994 08:49:47 GMT"), seconds(10)),
            (503, Some("Sun, 06 Nov 1994 08:49:27 GMT"), seconds(0)),
            (500, None, Retry(None)),
            (501, None, Rejected),
            (502, None, Retry(None)),
            (504, None, Retry(None)),
            (505, None, Rejected),
            (507, None, Retry(None)),
            (999, None, Rejected),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(judge(status, retry_after, now), expected, "{status} {retry_after:?}");
            assert!(!what_to_do(status).is_empty());
        }
    }
}
