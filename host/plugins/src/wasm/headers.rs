//! Which headers a plugin's starter may see and set. What decides is pure; the headers are the request's own.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::config::{is_the_hosts, may_be_seen, may_be_set};
use hottap_core::rpc::Side;

/// Headers that one starter may add to one request.
const MAX_HEADERS: usize = 8;
/// Bytes of their names and values together. Servers refuse requests whose headers grow too large.
const MAX_BYTES: usize = 1024;

/// Headers that carry a trace from one service to the next. They name no user and no secret, so starters may set them
/// unasked, and see them.
const PROPAGATION: &[&str] =
    &["b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags", "uber-trace-id"];

/// What the operator allows beyond the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeaderGrants {
    pub(crate) see: Vec<HeaderName>,
    pub(crate) set: Vec<HeaderName>,
}

// The configuration refuses such grants already; here nothing depends on where the grants came from.
impl HeaderGrants {
    fn may_see(&self, name: &HeaderName) -> bool {
        may_be_seen(name) && (PROPAGATION.contains(&name.as_str()) || is_the_hosts(name) || self.see.contains(name))
    }

    fn may_set(&self, name: &HeaderName) -> bool {
        may_be_set(name) && (PROPAGATION.contains(&name.as_str()) || self.set.contains(name))
    }
}

/// Why a header was not added; the numbers are the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NotAllowed = 0,
    Present = 1,
    Full = 2,
    NoRequest = 3,
    Malformed = 4,
}

/// The request's headers while a starter runs; none at any other time.
#[derive(Debug, Default)]
pub(super) struct Starting {
    headers: HeaderMap,
    /// Of the call that starts, if one does.
    side: Option<Side>,
    set: usize,
    bytes: usize,
}

impl Starting {
    /// Takes the headers of a call that starts. What was there before lies in their place until [`end`](Self::end).
    pub(super) fn begin(&mut self, headers: &mut HeaderMap, side: Side) {
        std::mem::swap(&mut self.headers, headers);
        (self.side, self.set, self.bytes) = (Some(side), 0, 0);
    }

    /// Gives the headers back, with what was added.
    pub(super) fn end(&mut self, headers: &mut HeaderMap) {
        std::mem::swap(&mut self.headers, headers);
        self.side = None;
    }

    /// A header's first value, if the starter may see it and it is text, in UTF-8.
    pub(super) fn header(&self, name: &str, grants: &HeaderGrants) -> Option<String> {
        if name.len() > MAX_BYTES {
            return None;
        }
        let name = HeaderName::from_bytes(name.as_bytes()).ok().filter(|name| grants.may_see(name))?;
        std::str::from_utf8(self.headers.get(name)?.as_bytes()).ok().map(str::to_owned)
    }

    /// Adds a header to a request that is about to leave.
    pub(super) fn set(&mut self, name: &str, value: &str, grants: &HeaderGrants) -> Result<(), Refusal> {
        if self.side != Some(Side::Client) {
            return Err(Refusal::NoRequest);
        }
        let bytes = name.len() + value.len();
        if name.len() > MAX_BYTES {
            return Err(Refusal::Full);
        }
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Refusal::Malformed)?;
        let value = HeaderValue::from_str(value).map_err(|_| Refusal::Malformed)?;
        if !grants.may_set(&name) {
            return Err(Refusal::NotAllowed);
        }
        if self.headers.contains_key(&name) {
            return Err(Refusal::Present);
        }
        if self.set == MAX_HEADERS || self.bytes + bytes > MAX_BYTES {
            return Err(Refusal::Full);
        }
        // A map that can hold no more refuses; the request leaves as it was.
        self.headers.try_insert(name, value).map_err(|_| Refusal::Full)?;
        self.set += 1;
        self.bytes += bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(see: &[&'static str], set: &[&'static str]) -> HeaderGrants {
        let names = |names: &[&'static str]| names.iter().map(|name| HeaderName::from_static(name)).collect();
        HeaderGrants { see: names(see), set: names(set) }
    }

    fn starting(mut headers: HeaderMap, side: Side) -> Starting {
        let mut starting = Starting::default();
        starting.begin(&mut headers, side);
        starting
    }

    fn client() -> Starting {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("authorization", "secret"), ("cookie", "secret"), ("x-tenant", "a"), ("b3", "0"), ("x-u", "u")]
        {
            headers.insert(name, HeaderValue::from_static(value));
        }
        starting(headers, Side::Client)
    }

    #[test]
    fn only_what_was_granted_is_seen_and_no_secret_ever_is() {
        let all = grants(&["x-tenant", "authorization", "cookie"], &[]);
        for (name, grants, expected) in [
            ("b3", &grants(&[], &[]), Some("0")),
            ("B3", &grants(&[], &[]), Some("0")),
            ("x-tenant", &grants(&[], &[]), None),
            ("x-tenant", &all, Some("a")),
            ("x-u", &all, None),
            ("authorization", &all, None),
            ("cookie", &all, None),
            (":path", &all, None),
            ("", &all, None),
        ] {
            assert_eq!(client().header(name, grants).as_deref(), expected, "{name:?}");
        }
    }

    #[test]
    fn text_is_seen_if_it_is_utf8() {
        let all = grants(&["x-name"], &[]);
        for (value, expected) in [(&b"J\xc3\xbcrgen"[..], Some("J\u{fc}rgen")), (b"J\xfcrgen", None)] {
            let value = HeaderValue::from_bytes(value).expect("a value");
            let headers = HeaderMap::from_iter([(HeaderName::from_static("x-name"), value)]);
            assert_eq!(starting(headers, Side::Server).header("x-name", &all).as_deref(), expected);
        }
    }

    #[test]
    fn forbidden_headers_are_not_set_whatever_was_granted() {
        let all = grants(
            &[],
            &["x-audit-id", "authorization", "cookie", "host", "traceparent", "te", "grpc-encoding", "x-tenant"],
        );
        for (name, value, expected, reason) in [
            ("x-b3-traceid", "1", Ok(()), "propagation needs no grant"),
            ("uber-trace-id", "1:2:0:1", Ok(()), "propagation needs no grant"),
            ("x-audit-id", "7", Ok(()), "granted"),
            ("x-other", "7", Err(Refusal::NotAllowed), "not granted"),
            ("b3", "1", Err(Refusal::Present), "it is there already"),
            ("x-tenant", "b", Err(Refusal::Present), "granted, and there already"),
            ("traceparent", "00-1-1-01", Err(Refusal::NotAllowed), "the host's"),
            ("authorization", "Bearer x", Err(Refusal::NotAllowed), "who somebody is"),
            ("cookie", "a=b", Err(Refusal::NotAllowed), "who somebody is"),
            ("host", "elsewhere", Err(Refusal::NotAllowed), "where the request goes"),
            ("te", "trailers", Err(Refusal::NotAllowed), "of the connection"),
            ("grpc-encoding", "gzip", Err(Refusal::NotAllowed), "how the message is read"),
            ("keep-alive", "1", Err(Refusal::NotAllowed), "of the connection"),
            (":authority", "elsewhere", Err(Refusal::Malformed), "a pseudo-header"),
            ("x-b3-spanid", "a\r\nb: c", Err(Refusal::Malformed), "two headers in one"),
            ("", "", Err(Refusal::Malformed), "no name"),
        ] {
            assert_eq!(client().set(name, value, &all), expected, "{reason}: {name:?}");
        }
        let mut server = starting(HeaderMap::new(), Side::Server);
        assert_eq!(server.set("b3", "1", &all), Err(Refusal::NoRequest), "a server sends no request");
    }

    #[test]
    fn more_headers_or_bytes_than_there_is_room_for_are_refused() {
        let names: Vec<String> = (0..12).map(|i| format!("x-many-{i}")).collect();
        let all = HeaderGrants {
            see: Vec::new(),
            set: names.iter().map(|name| HeaderName::from_bytes(name.as_bytes()).expect("a name")).collect(),
        };
        let mut starting = client();
        assert_eq!(names.iter().filter(|name| starting.set(name, "v", &all).is_ok()).count(), MAX_HEADERS);
        let mut starting = client();
        assert_eq!(starting.set(&"x".repeat(MAX_BYTES + 1), "v", &all), Err(Refusal::Full), "whoever may set what");
        assert_eq!(starting.header(&"x".repeat(MAX_BYTES + 1), &all), None);
        assert_eq!(starting.set("x-many-0", &"v".repeat(MAX_BYTES), &all), Err(Refusal::Full));
        assert_eq!(starting.set("x-many-0", &"v".repeat(MAX_BYTES - 20), &all), Ok(()));
        assert_eq!(starting.set("x-many-1", "and twenty bytes more", &all), Err(Refusal::Full));
    }
}
