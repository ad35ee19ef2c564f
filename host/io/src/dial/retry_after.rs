//! What a server wishes by the header `retry-after` of RFC 9110; what is done about it is each client's.

use std::time::{Duration, SystemTime};

/// How long to wait by the header's value, seconds or a date, when the answer came at `now`. A date that is over is now; a
/// number that is too large is as long as can be. None if it is neither.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_seconds_or_a_date() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (value, expected, reason) in [
            ("7", Some(7), "seconds"),
            (" 7\t", Some(7), "blanks around it"),
            ("0", Some(0), "at once"),
            ("99999999999999999999999", Some(u64::MAX), "more than can be counted"),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10), "a date"),
            (" Sun, 06 Nov 1994 08:49:47 GMT ", Some(10), "a date with blanks around it"),
            ("Sun, 06 Nov 1994 08:49:27 GMT", Some(0), "a date that is over"),
            ("", None, "nothing"),
            ("-1", None, "no number of seconds"),
            ("+1", None, "no digits alone"),
            ("1.5", None, "no whole seconds"),
            ("soon", None, "neither"),
        ] {
            assert_eq!(retry_after(value, now), expected.map(Duration::from_secs), "{reason}: {value:?}");
        }
    }
}
