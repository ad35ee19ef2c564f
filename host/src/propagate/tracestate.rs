//! The `tracestate` header: passed on as it came, if it is one by W3C's grammar and within its bounds. It is not changed.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::list::{self, Bounds};

pub(super) static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// W3C's members, and the bytes that every participant should pass on. A longer list is dropped as a whole: cut, it would
/// claim to be complete; and no caller can make a service send more than this with every call it makes.
const BOUNDS: Bounds = Bounds { members: 32, bytes: 512 };
/// Bytes of a key, and of a value.
const LENGTH: usize = 256;
/// Bytes of the two parts of a key with an `@`: whose it is, and in which system.
const TENANT: usize = 241;
const SYSTEM: usize = 14;

/// The list that came with a request, to be passed on; none if there is none, it is beyond the bounds, or one of its members
/// is none: who can't be trusted with one is not trusted with the others.
pub(super) fn extract(headers: &HeaderMap) -> Option<HeaderValue> {
    list::extract(headers, &TRACESTATE, &BOUNDS).filter(|list| is_valid(list.as_bytes()))
}

/// By <https://www.w3.org/TR/trace-context/#tracestate-header>. Each key comes once.
fn is_valid(list: &[u8]) -> bool {
    let mut keys = [&[][..]; BOUNDS.members];
    for (count, member) in list::members(list).enumerate() {
        let Some(at) = member.iter().position(|&byte| byte == b'=') else { return false };
        let (Some(key), Some(value)) = (member.get(..at), member.get(at + 1..)) else { return false };
        let (earlier, Some(free)) = (keys, keys.get_mut(count)) else { return false };
        if !is_key(key) || !is_value(value) || earlier.iter().take(count).any(|known| *known == key) {
            return false;
        }
        *free = key;
    }
    true
}

/// W3C's first edition wants a letter at the beginning, the second takes a digit, too.
fn is_key(key: &[u8]) -> bool {
    let is_name = |name: &[u8], most: usize| {
        let begins_well = name.first().is_some_and(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'));
        let allowed = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/');
        begins_well && name.len() <= most && name.iter().all(allowed)
    };
    let mut parts = key.splitn(2, |&byte| byte == b'@');
    match (parts.next(), parts.next()) {
        (Some(tenant), Some(system)) => is_name(tenant, TENANT) && is_name(system, SYSTEM),
        (Some(name), None) => is_name(name, LENGTH),
        (None, _) => false,
    }
}

fn is_value(value: &[u8]) -> bool {
    let allowed = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'=');
    (1..=LENGTH).contains(&value.len()) && value.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[String], expected: Option<&str>, reason: &str) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&TRACESTATE, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        assert_eq!(extract(&headers).as_ref().map(HeaderValue::as_bytes), expected.map(str::as_bytes), "{reason}");
    }

    #[test]
    fn a_tracestate_is_passed_on_within_its_bounds() {
        let own = |text: &str| vec![text.to_owned()];
        let members = |count: usize| (0..count).map(|i| format!("k{i}=v")).collect::<Vec<_>>().join(",");
        let long = |bytes: usize| format!("a={},b={}", "x".repeat(250), "x".repeat(bytes - 255));
        check(&[], None, "there is none");
        check(&own("a=1,b=2"), Some("a=1,b=2"), "as it came");
        check(&own(" , ,"), None, "no member");
        check(&own("a=1, ,b=2"), Some("a=1, ,b=2"), "empty members are allowed");
        check(&["a=1".to_owned(), "b=2".to_owned()], Some("a=1,b=2"), "several headers are one list");
        check(&["a=1".to_owned(), String::new()], Some("a=1,"), "one of them empty");
        check(&own(&members(32)), Some(&members(32)), "32 members");
        check(&own(&members(33)), None, "33 members");
        check(&own(&format!("c=1,{}", long(508))), Some(&format!("c=1,{}", long(508))), "512 bytes");
        check(&own(&format!("c=1,,{}", long(508))), None, "513 bytes");
        check(&[format!("a={}", "x".repeat(256)), format!("b={}", "x".repeat(256))], None, "too long together");
    }

    #[test]
    fn one_member_that_is_none_takes_the_others_with_it() {
        let characters = |range: std::ops::RangeInclusive<char>| range.collect::<String>();
        let all_keys = format!("{}0123456789_-*/", characters('a'..='z'));
        let all_values = [characters(' '..='+'), characters('-'..='<'), characters('>'..='~')].concat();
        for (list, is_valid, reason) in [
            (format!("{all_keys}={all_values}"), true, "all characters there are"),
            (format!("{all_keys}@a-z0-9_-*/={all_values}"), true, "the same with a system"),
            ("1a=1".to_owned(), true, "a digit first, as the second edition has it"),
            ("a= 1".to_owned(), true, "a space in a value"),
            (format!("{}=1", "z".repeat(256)), true, "a key of 256 bytes"),
            (format!("{}=1", "z".repeat(257)), false, "of 257"),
            (format!("{}@{}=1", "t".repeat(241), "v".repeat(14)), true, "a tenant and a system"),
            (format!("{}@v=1", "t".repeat(242)), false, "a tenant that is too long"),
            (format!("t@{}=1", "v".repeat(15)), false, "a system that is too long"),
            (format!("a={}", "x".repeat(256)), true, "a value of 256 bytes"),
            (format!("a={}", "x".repeat(257)), false, "of 257"),
            ("foo@=1".to_owned(), false, "no system"),
            ("@foo=1".to_owned(), false, "no tenant"),
            ("foo@@bar=1".to_owned(), false, "two signs"),
            ("foo@bar@baz=1".to_owned(), false, "two systems"),
            ("foo =1".to_owned(), false, "a space in a key"),
            ("FOO=1".to_owned(), false, "capitals"),
            ("foo.bar=1".to_owned(), false, "a dot"),
            ("_a=1".to_owned(), false, "neither letter nor digit first"),
            ("=1".to_owned(), false, "no key"),
            ("foo".to_owned(), false, "no value"),
            ("foo=".to_owned(), false, "an empty value"),
            ("foo=bar=baz".to_owned(), false, "an equals sign"),
            ("foo=b\u{e4}r".to_owned(), false, "bytes that are no ASCII"),
            ("foo=1\t2".to_owned(), false, "a tab"),
            ("foo=1,foo=1".to_owned(), false, "one key twice"),
        ] {
            check(std::slice::from_ref(&list), is_valid.then_some(list.as_str()), reason);
            let more = format!("first=1,{list}");
            check(std::slice::from_ref(&more), is_valid.then_some(more.as_str()), reason);
            check(&["first=1".to_owned(), list], is_valid.then_some(more.as_str()), reason);
        }
    }
}
