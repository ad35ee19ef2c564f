//! The `tracestate` header: passed on as it came, within W3C's bounds. It is not changed or understood.

use http::{HeaderMap, HeaderName, HeaderValue};

pub(super) static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Members of a list, by W3C's rule. A longer list is dropped as a whole: cut, it would claim to be complete.
const MAX_MEMBERS: usize = 32;
/// Bytes of a list that every participant should pass on. A longer one is dropped, so that no caller can make a
/// service send more than this with every call it makes.
const MAX_BYTES: usize = 512;

/// The list that came with a request, to be passed on; none if there is none or it is beyond the bounds.
pub(super) fn extract(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut values = headers.get_all(&TRACESTATE).iter();
    let first = values.next()?;
    let joined = match values.next() {
        None => first.clone(),
        // A list may stand in several headers, in their order.
        Some(second) => {
            let mut joined = first.as_bytes().to_vec();
            for value in std::iter::once(second).chain(values) {
                if joined.len() + value.len() >= MAX_BYTES {
                    return None;
                }
                joined.push(b',');
                joined.extend_from_slice(value.as_bytes());
            }
            HeaderValue::from_bytes(&joined).ok()?
        }
    };
    fits(joined.as_bytes()).then_some(joined)
}

fn fits(list: &[u8]) -> bool {
    if list.len() > MAX_BYTES {
        return false;
    }
    // W3C allows empty members and does not count them.
    let members = list.split(|&byte| byte == b',').filter(|member| !member.trim_ascii().is_empty()).count();
    (1..=MAX_MEMBERS).contains(&members)
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
