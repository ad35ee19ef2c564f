//! Baggage: W3C's header `baggage`, passed on as it came, within its bounds; other formats are read into it.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::list::{self, Bounds};
use super::percent::{decode_lossy, encode_raw};
use crate::rpc::RpcHandle;

pub(super) static BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// W3C's own: no caller can make a service send more than this with every call it makes.
pub(super) const BOUNDS: Bounds = Bounds { members: 64, bytes: 8192 };

/// The values of a request's `baggage` header, which are passed on to every service behind it. They are kept among a
/// handler's extensions, so that a call without them costs nothing. All of them are ASCII.
#[derive(Clone, PartialEq)]
pub struct Baggage(pub HeaderValue);

impl Baggage {
    /// The list that came with a request, to be passed on; none if there is none. Members beyond the bounds are left out.
    /// Bytes in values that are no ASCII are escaped: they are not allowed there, and not every receiver reads them.
    pub(super) fn extract(headers: &HeaderMap) -> Option<Self> {
        let list = list::joined(headers, &BAGGAGE)?;
        if list.as_bytes().is_ascii() && BOUNDS.hold(list.as_bytes()) {
            return Some(Self(list));
        }
        Self::of(list::members(list.as_bytes()).filter_map(ascii))
    }

    /// The list of these members, each as W3C writes it; none if there are none. One that goes beyond the bounds together
    /// with those before it is left out.
    pub fn of<M: AsRef<[u8]>>(members: impl IntoIterator<Item = M>) -> Option<Self> {
        let (mut list, mut count) = (Vec::new(), 0);
        for member in members {
            let (member, comma) = (member.as_ref(), usize::from(count > 0));
            if list.len() + comma + member.len() > BOUNDS.bytes {
                continue;
            }
            list.extend(std::iter::repeat_n(b',', comma));
            list.extend_from_slice(member);
            count += 1;
            if count == BOUNDS.members {
                break;
            }
        }
        if list.is_empty() { None } else { HeaderValue::from_bytes(&list).ok().map(Self) }
    }

    /// The members as they came.
    pub fn members(&self) -> impl Iterator<Item = &[u8]> {
        list::members(self.0.as_bytes())
    }

    /// The members with their values decoded, as far as they are valid; their properties are left out. What is no UTF-8 in
    /// a value is U+FFFD, as W3C has it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, String)> {
        self.members().filter_map(|member| {
            let member = member.split(|&byte| byte == b';').next()?;
            let at = member.iter().position(|&byte| byte == b'=')?;
            let key = std::str::from_utf8(member.get(..at)?.trim_ascii()).ok()?;
            let value = member.get(at + 1..)?.trim_ascii();
            (!key.is_empty()).then(|| (key, decode_lossy(value)))
        })
    }

    pub fn get(&self, key: &str) -> Option<String> {
        self.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// Sends it along, unless the application has given the request its own.
    pub(super) fn inject(self, headers: &mut HeaderMap) {
        if !headers.contains_key(&BAGGAGE) {
            // A request has room for 32,768 headers; one that is full goes out without it.
            let _ = headers.try_insert(&BAGGAGE, self.0);
        }
    }
}

/// A member in ASCII; none if its key is not.
fn ascii(member: &[u8]) -> Option<Cow<'_, [u8]>> {
    if member.is_ascii() {
        return Some(Cow::Borrowed(member));
    }
    key(member).is_ascii().then(|| Cow::Owned(encode_raw(member).into_bytes()))
}

/// The key of a member.
pub fn key(member: &[u8]) -> &[u8] {
    member.split(|byte| matches!(byte, b'=' | b';')).next().unwrap_or(member).trim_ascii()
}

impl RpcHandle {
    /// What the caller's `baggage` says under a key, decoded; none if it says nothing, or if no format with baggage is
    /// among the [`Propagators`](crate::propagate::Propagators). It comes from the caller: whoever can call can write it.
    #[must_use]
    pub fn baggage(&self, key: &str) -> Option<String> {
        self.extensions().get::<Baggage>()?.get(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[String], expected: Option<&str>, reason: &str) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&BAGGAGE, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        let found = Baggage::extract(&headers);
        assert_eq!(found.as_ref().map(|found| found.0.as_bytes()), expected.map(str::as_bytes), "{reason}");
    }

    #[test]
    fn baggage_is_passed_on_within_its_bounds() {
        let own = |text: &str| vec![text.to_owned()];
        let members = |count: usize| (0..count).map(|i| format!("k{i}=v")).collect::<Vec<_>>().join(",");
        let long = |bytes: usize| format!("a={}", "x".repeat(bytes - 2));
        check(&[], None, "there is none");
        check(&own("user=42;p=1,b=2"), Some("user=42;p=1,b=2"), "as it came");
        check(&own(" , ,"), None, "no member");
        check(&["a=1".to_owned(), "b=2".to_owned()], Some("a=1,b=2"), "several headers are one list");
        check(&own(&members(64)), Some(&members(64)), "64 members");
        check(&own(&members(65)), Some(&members(64)), "65 members: the last is left out");
        check(&own(&long(8192)), Some(&long(8192)), "8192 bytes");
        check(&own(&long(8193)), None, "8193 bytes");
        check(&own(&format!("{},b=2", long(8193))), Some("b=2"), "one that is too long costs no other");
        check(&[long(5000), long(5000)], Some(&long(5000)), "too long together");
    }

    #[test]
    fn a_byte_that_is_no_ascii_makes_no_other_member_unreadable() {
        let headers =
            |list: &[u8]| HeaderMap::from_iter([(BAGGAGE.clone(), HeaderValue::from_bytes(list).expect("a value"))]);
        for (list, sent, read, reason) in [
            (&b"a=1,user=J\xc3\xbcrgen;p=\xff,b=2"[..], "a=1,user=J%C3%BCrgen;p=%FF,b=2", Some("J\u{fc}rgen"), "UTF-8"),
            (b"user=J\xfcrgen, b=2", "user=J%FCrgen,b=2", Some("J\u{fffd}rgen"), "Latin-1"),
            (b"user=%C3\xbc,b=2", "user=%C3%BC,b=2", Some("\u{fc}"), "half of it escaped"),
            (b"us\xc3\xa9r=1,user=7,b=2", "user=7,b=2", Some("7"), "a key that is none"),
            (b"user=%FF,b=2", "user=%FF,b=2", Some("\u{fffd}"), "an escape that is no UTF-8"),
            (b"\xff,b=2", "b=2", None, "no member"),
        ] {
            let baggage = Baggage::extract(&headers(list)).expect(reason);
            assert_eq!(baggage.0.as_bytes(), sent.as_bytes(), "{reason}");
            assert_eq!(baggage.get("user").as_deref(), read, "{reason}");
            assert_eq!(baggage.get("b").as_deref(), Some("2"), "{reason}");
        }
        let long = [b"a=1,user=", &[0xff; 3_000][..], b",b=2"].concat();
        let baggage = Baggage::extract(&headers(&long)).expect("two members");
        assert_eq!(baggage.0, "a=1,b=2", "too long when it is escaped");
    }

    #[test]
    fn members_make_a_list_within_the_bounds() {
        let member = |bytes: usize| format!("a={}", "x".repeat(bytes - 2));
        let of = |members: &[String]| Baggage::of(members).map(|baggage| baggage.0.len());
        for (members, expected, reason) in [
            (vec![], None, "no member"),
            (vec!["a=1".to_owned(), "b=2;p".to_owned()], Some(9), "two"),
            (vec![member(8192)], Some(8192), "8192 bytes"),
            (vec![member(8193)], None, "8193 bytes"),
            (vec![member(8188), member(3)], Some(8192), "8192 bytes together"),
            (vec![member(8188), member(4)], Some(8188), "8193 bytes together"),
            (vec![member(8188), member(4), member(3)], Some(8192), "a shorter one fits"),
            (vec![member(3); 64], Some(255), "64 members"),
            (vec![member(3); 65], Some(255), "65 members"),
        ] {
            assert_eq!(of(&members), expected, "{reason}");
        }
    }

    #[test]
    fn baggage_is_read() {
        let list = "user = 42 ;p=1 , name=J%C3%BCrgen%20M, user=43, nonsense, =1, bad=%FF,last=a=b,empty=";
        let baggage = Baggage(HeaderValue::from_static(list));
        for (key, expected, reason) in [
            ("user", Some("42"), "the first, without its properties"),
            ("name", Some("Jürgen M"), "decoded"),
            ("last", Some("a=b"), "an equals sign"),
            ("bad", Some("\u{fffd}"), "no UTF-8"),
            ("empty", Some(""), "nothing in it"),
            ("nonsense", None, "no value"),
            ("", None, "no key"),
            ("USER", None, "cases differ"),
        ] {
            assert_eq!(baggage.get(key).as_deref(), expected, "{key}: {reason}");
        }
    }

    #[test]
    fn the_applications_own_baggage_stays() {
        let mut headers = HeaderMap::new();
        Baggage(HeaderValue::from_static("a=1")).inject(&mut headers);
        assert_eq!(headers.get(&BAGGAGE), Some(&HeaderValue::from_static("a=1")));
        Baggage(HeaderValue::from_static("b=2")).inject(&mut headers);
        assert_eq!(headers.get(&BAGGAGE), Some(&HeaderValue::from_static("a=1")));
    }
}
