//! The `tracestate` header: passed on as it came, within W3C's bounds. It is not changed or understood.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::list::{self, Bounds};

pub(super) static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// W3C's members, and the bytes that every participant should pass on. A longer list is dropped as a whole: cut, it would
/// claim to be complete; and no caller can make a service send more than this with every call it makes.
const BOUNDS: Bounds = Bounds { members: 32, bytes: 512 };

/// The list that came with a request, to be passed on; none if there is none or it is beyond the bounds.
pub(super) fn extract(headers: &HeaderMap) -> Option<HeaderValue> {
    list::extract(headers, &TRACESTATE, &BOUNDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[String], expected: Option<&str>, reason: &str) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&TRACESTATE, HeaderValue::from_str(value).expect("ASCII"));
        }
        assert_eq!(extract(&headers).as_ref().map(HeaderValue::as_bytes), expected.map(str::as_bytes), "{reason}");
    }

    #[test]
    fn a_tracestate_is_passed_on_within_its_bounds() {
        let own = |text: &str| vec![text.to_owned()];
        let members = |count: usize| (0..count).map(|i| format!("k{i}=v")).collect::<Vec<_>>().join(",");
        check(&[], None, "there is none");
        check(&own("a=1,b=2"), Some("a=1,b=2"), "as it came");
        check(&own(" , ,"), None, "no member");
        check(&own("a=1, ,b=2"), Some("a=1, ,b=2"), "empty members are allowed");
        check(&["a=1".to_owned(), "b=2".to_owned()], Some("a=1,b=2"), "several headers are one list");
        check(&own(&members(32)), Some(&members(32)), "32 members");
        check(&own(&members(33)), None, "33 members");
        check(&own(&format!("a={}", "x".repeat(510))), Some(&format!("a={}", "x".repeat(510))), "512 bytes");
        check(&own(&format!("a={}", "x".repeat(511))), None, "513 bytes");
        check(&[format!("a={}", "x".repeat(300)), format!("b={}", "x".repeat(300))], None, "too long together");
    }
}
