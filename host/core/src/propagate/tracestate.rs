//! The `tracestate` header: passed on as it came, if it is one by W3C's grammar; without some of its members where it is
//! longer than W3C's bounds.

use std::collections::HashSet;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::list::{self, Bounds};

pub(super) static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// W3C's members, and the bytes that every participant should pass on: no caller can make a service send more than this with
/// every call it makes.
const BOUNDS: Bounds = Bounds { members: 32, bytes: 512 };
/// Bytes of a member. Longer ones are dropped first where the list is too long.
const LONG: usize = 128;
/// Bytes of a key, and of a value.
const LENGTH: usize = 256;

/// The list that came with a request, to be passed on; none if there is none, or if it is not valid.
pub(super) fn extract(headers: &HeaderMap) -> Option<HeaderValue> {
    within_bounds(list::joined(headers, &TRACESTATE)?)
}

/// The list by <https://www.w3.org/TR/trace-context-2/#tracestate-header>. None if a member is not valid: a sender that
/// can't be trusted with one is not trusted with the others.
///
/// Of members with one key the first stays, which is the one that was set last. Beyond the bounds, members over 128 bytes are
/// dropped first, then others, both from the end, until the list is within them.
pub fn within_bounds(list: HeaderValue) -> Option<HeaderValue> {
    let bytes = list.as_bytes();
    if !list::members(bytes).all(|member| key(member).is_some()) {
        return None;
    }
    if BOUNDS.hold(bytes) && !has_duplicates(bytes) {
        return Some(list);
    }
    let mut known = HashSet::new();
    let members = list::members(bytes).filter(|member| known.insert(key(member))).collect();
    let kept = cut(members).join(&b',');
    if kept.is_empty() { None } else { HeaderValue::from_bytes(&kept).ok() }
}

/// Of a list within the bounds, without an allocation.
fn has_duplicates(list: &[u8]) -> bool {
    let mut keys = [None; BOUNDS.members];
    list::members(list).map(key).zip(0..).any(|(key, count)| {
        let known = keys.iter().take(count).any(|known| *known == key);
        if let Some(free) = keys.get_mut(count) {
            *free = key;
        }
        known
    })
}

/// As many of the members as are within the bounds.
fn cut(members: Vec<&[u8]>) -> Vec<&[u8]> {
    let mut count = members.len();
    // A comma before each but the first.
    let mut bytes = members.iter().map(|member| member.len() + 1).sum::<usize>().saturating_sub(1);
    let mut kept: Vec<Option<&[u8]>> = members.into_iter().map(Some).collect();
    for longer_than in [LONG, 0] {
        for slot in kept.iter_mut().rev() {
            if count <= BOUNDS.members && bytes <= BOUNDS.bytes {
                break;
            }
            if let Some(member) = slot.take_if(|member| member.len() > longer_than) {
                count -= 1;
                bytes = bytes.saturating_sub(member.len() + 1);
            }
        }
    }
    kept.into_iter().flatten().collect()
}

/// The key of a member; none if the member is not valid.
fn key(member: &[u8]) -> Option<&[u8]> {
    let at = member.iter().position(|&byte| byte == b'=')?;
    let (key, value) = (member.get(..at)?, member.get(at + 1..)?);
    (is_key(key) && is_value(value)).then_some(key)
}

/// A system's part after an `@` has no form of its own in Level 2.
fn is_key(key: &[u8]) -> bool {
    let begins_well = key.first().is_some_and(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'));
    let allowed = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    begins_well && key.len() <= LENGTH && key.iter().all(allowed)
}

fn is_value(value: &[u8]) -> bool {
    let allowed = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'=');
    (1..=LENGTH).contains(&value.len()) && value.iter().all(allowed)
}

/// The request has this list, in one header, and no other.
pub(super) fn is_exactly(list: Option<&HeaderValue>, headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(&TRACESTATE).iter();
    values.next() == list && values.next().is_none()
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

    fn own(text: &str) -> Vec<String> {
        vec![text.to_owned()]
    }

    fn numbered(count: usize) -> Vec<String> {
        (0..count).map(|i| format!("k{i}=v")).collect()
    }

    /// A member of this many bytes.
    fn member(key: &str, bytes: usize) -> String {
        format!("{key}={}", "x".repeat(bytes - key.len() - 1))
    }

    #[test]
    fn a_tracestate_within_its_bounds_is_passed_on_as_it_came() {
        for (list, reason) in [
            ("a=1,b=2".to_owned(), "two members"),
            ("a=1, ,b=2".to_owned(), "empty members are allowed"),
            (numbered(32).join(","), "32 members"),
            (format!("c=1,{},{}", member("a", 252), member("b", 255)), "512 bytes"),
            (format!("{},{}", member("a", 255), member("b", 256)), "of long members"),
        ] {
            check(&own(&list), Some(&list), reason);
        }
        check(&[], None, "there is none");
        check(&own(" , ,"), None, "no member");
        check(&["a=1".to_owned(), "b=2".to_owned()], Some("a=1,b=2"), "several headers are one list");
        check(&["a=1".to_owned(), String::new()], Some("a=1,"), "one of them empty");
    }

    #[test]
    fn a_tracestate_beyond_its_bounds_loses_long_members_first_and_then_those_at_the_end() {
        let (short, of_128, of_129) = (|key: &str| member(key, 100), member("x", 128), member("y", 129));
        let longest = format!("{}={}", "k".repeat(256), "v".repeat(256));
        let five = ["a", "b", "c", "d", "e"].map(short);
        for (list, expected, reason) in [
            (numbered(33), numbered(32), "33 members"),
            (numbered(5_000), numbered(32), "5000 members"),
            (
                [vec![of_129.clone()], numbered(32)].concat(),
                numbered(32),
                "33 members: one that is long goes before the last",
            ),
            (
                [vec![of_128.clone()], numbered(32)].concat(),
                [vec![of_128.clone()], numbered(31)].concat(),
                "128 bytes are not long",
            ),
            ([five.to_vec(), vec!["f=123456".to_owned()]].concat(), five.to_vec(), "513 bytes: the last goes"),
            (
                [five.to_vec(), vec!["f=12345".to_owned()]].concat(),
                [five.to_vec(), vec!["f=12345".to_owned()]].concat(),
                "512 bytes",
            ),
            ([vec![of_129.clone()], five.to_vec()].concat(), five.to_vec(), "a long one goes first, wherever it is"),
            (
                vec![short("a"), member("y", 200), member("z", 200), short("b")],
                vec![short("a"), member("y", 200), short("b")],
                "the last of two long ones is enough",
            ),
            (
                [vec![of_129.clone(), of_129.replace('y', "z")], five.to_vec(), vec![of_128]].concat(),
                five.to_vec(),
                "long ones are not enough",
            ),
            (vec![longest.clone(), "a=1".to_owned()], own("a=1"), "one that is longer than a list may be"),
            (vec![longest], vec![], "that one alone"),
        ] {
            let (list, expected) = (list.join(","), expected.join(","));
            let expected = (!expected.is_empty()).then_some(expected.as_str());
            check(&own(&list), expected, reason);
            check(&list.split(',').map(str::to_owned).collect::<Vec<_>>(), expected, "the same in several headers");
        }
        let spaced = format!("{}, \t ,{}", short("a"), " ".repeat(512));
        check(&own(&spaced), Some(&short("a")), "spaces and empty members go before any member");
    }

    #[test]
    fn of_two_members_with_one_key_the_first_stays() {
        for list in ["foo=1,foo=1", "foo=1,foo=2", "foo=1, foo=2,foo=3"] {
            check(&own(list), Some("foo=1"), list);
            check(&list.split(',').map(str::to_owned).collect::<Vec<_>>(), Some("foo=1"), list);
        }
        check(&own("a=1,b=2,a=3,c=4"), Some("a=1,b=2,c=4"), "the others stay in their order");
        let many = [numbered(32), numbered(32)].concat().join(",");
        check(&own(&many), Some(&numbered(32).join(",")), "before members are dropped");
    }

    #[test]
    fn one_member_that_is_none_takes_the_others_with_it() {
        let characters = |range: std::ops::RangeInclusive<char>| range.collect::<String>();
        let all_keys = format!("{}0123456789_-*/@", characters('a'..='z'));
        let all_values = [characters(' '..='+'), characters('-'..='<'), characters('>'..='~')].concat();
        for (list, is_valid, reason) in [
            (format!("{all_keys}={all_values}"), true, "all characters there are"),
            ("1a=1".to_owned(), true, "a digit first, as the second edition has it"),
            ("a= 1".to_owned(), true, "a space in a value"),
            (format!("{}=1", "z".repeat(256)), true, "a key of 256 bytes"),
            (format!("{}=1", "z".repeat(257)), false, "of 257"),
            (format!("{}@v=1", "t".repeat(242)), true, "a tenant of any length"),
            (format!("t@{}=1", "v".repeat(15)), true, "a system of any length"),
            (format!("a={}", "x".repeat(256)), true, "a value of 256 bytes"),
            (format!("a={}", "x".repeat(257)), false, "of 257"),
            ("foo@=1".to_owned(), true, "no system"),
            ("foo@@bar=1".to_owned(), true, "two signs"),
            ("foo@bar@baz=1".to_owned(), true, "two systems"),
            ("@foo=1".to_owned(), false, "no tenant"),
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
        ] {
            check(std::slice::from_ref(&list), is_valid.then_some(list.as_str()), reason);
            let more = format!("first=1,{list}");
            check(std::slice::from_ref(&more), is_valid.then_some(more.as_str()), reason);
            check(&["first=1".to_owned(), list.clone()], is_valid.then_some(more.as_str()), reason);
            let long = format!("{},{list}", numbered(40).join(","));
            let cut = numbered(32).join(",");
            check(&own(&long), is_valid.then_some(cut.as_str()), "also where it would be dropped");
        }
    }
}
