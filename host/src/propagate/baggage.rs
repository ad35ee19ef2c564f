//! Baggage: W3C's header `baggage`, passed on as it came, within its bounds; other formats are read into it.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::list::{self, Bounds};
use super::percent::decode;
use crate::rpc::RpcHandle;

pub(super) static BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// W3C's own. A longer list is dropped as a whole: cut, it would claim to be complete; and no caller can make a service send
/// more than this with every call it makes.
pub(super) const BOUNDS: Bounds = Bounds { members: 64, bytes: 8192 };

/// What a request's caller wants to reach everybody behind it. It is kept among a handler's extensions, so that a call
/// without it costs nothing.
#[derive(Clone, PartialEq)]
pub(crate) struct Baggage(pub(super) HeaderValue);

impl Baggage {
    /// The list that came with a request, to be passed on; none if there is none or it is beyond the bounds.
    pub(super) fn extract(headers: &HeaderMap) -> Option<Self> {
        list::extract(headers, &BAGGAGE, &BOUNDS).map(Self)
    }

    /// The list of these members, each as W3C writes it; none if there are none, or they are beyond the bounds together.
    pub(super) fn of<M: AsRef<[u8]>>(members: impl IntoIterator<Item = M>) -> Option<Self> {
        let mut list = Vec::new();
        for (count, member) in members.into_iter().enumerate() {
            let member = member.as_ref();
            if count >= BOUNDS.members || list.len() + 1 + member.len() > BOUNDS.bytes + usize::from(count == 0) {
                return None;
            }
            if count > 0 {
                list.push(b',');
            }
            list.extend_from_slice(member);
        }
        if list.is_empty() { None } else { HeaderValue::from_bytes(&list).ok().map(Self) }
    }

    /// The members as they came.
    pub(super) fn members(&self) -> impl Iterator<Item = &[u8]> {
        list::members(self.0.as_bytes())
    }

    /// The members with their values decoded, as far as they are valid; their properties are left out.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, String)> {
        let list = self.0.to_str().unwrap_or("");
        list.split(',').filter_map(|member| {
            let (key, value) = member.split(';').next()?.split_once('=')?;
            let (key, value) = (key.trim(), decode(value.trim())?);
            (!key.is_empty()).then_some((key, value))
        })
    }

    pub(crate) fn get(&self, key: &str) -> Option<String> {
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

/// The key of a member.
pub(super) fn key(member: &[u8]) -> &[u8] {
    member.split(|byte| matches!(byte, b'=' | b';')).next().unwrap_or(member).trim_ascii()
}

impl RpcHandle {
    /// What the caller's `baggage` says under a key, decoded; none if it says nothing, or if no format with baggage is
    /// among the [`Propagators`](crate::Propagators). It comes from the caller: whoever can call can write it.
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
            headers.append(&BAGGAGE, HeaderValue::from_str(value).expect("ASCII"));
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
        check(&own(&members(65)), None, "65 members");
        check(&own(&long(8192)), Some(&long(8192)), "8192 bytes");
        check(&own(&long(8193)), None, "8193 bytes");
        check(&[long(5000), long(5000)], None, "too long together");
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
            (vec![member(8188), member(4)], None, "8193 bytes together"),
            (vec![member(3); 64], Some(255), "64 members"),
            (vec![member(3); 65], None, "65 members"),
        ] {
            assert_eq!(of(&members), expected, "{reason}");
        }
    }

    #[test]
    fn baggage_is_read() {
        let list = "user = 42 ;p=1 , name=J%C3%BCrgen%20M, user=43, nonsense, =1, bad=%FF,last=a=b";
        let baggage = Baggage(HeaderValue::from_static(list));
        for (key, expected, reason) in [
            ("user", Some("42"), "the first, without its properties"),
            ("name", Some("Jürgen M"), "decoded"),
            ("last", Some("a=b"), "an equals sign"),
            ("bad", None, "no UTF-8"),
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
