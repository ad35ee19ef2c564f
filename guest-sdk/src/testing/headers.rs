//! The headers of a made-up request, and which of them a starter may set; the real host's rules, without its operator.

use crate::kinds::Side;

/// Headers that one plugin may add to a request.
const MOST: usize = 8;
/// Bytes that their names and values may have together.
const MOST_BYTES: usize = 1024;

/// What every starter may set.
const PROPAGATION: &[&str] =
    &["b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags", "uber-trace-id"];
/// What none may see or set, whatever the operator says: who somebody is, and what belongs to a connection.
const NEVER: &[&str] = &[
    "authentication-info",
    "authorization",
    "connection",
    "cookie",
    "cookie2",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "set-cookie",
    "set-cookie2",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
];
/// What none may set beside: how a message is read and for whom it is, and the host's own.
const NEVER_SET: &[&str] =
    &["content-encoding", "content-length", "expect", "grpc-encoding", "host", "traceparent", "tracestate"];

/// The headers of a call that starts.
#[derive(Debug)]
pub(crate) struct Headers {
    side: Side,
    given: Vec<(String, String)>,
    may_set: Vec<String>,
    set: Vec<(String, String)>,
}

impl Headers {
    pub(super) fn new(side: Side, given: Vec<(String, String)>, may_set: &[String]) -> Self {
        Self { side, given, may_set: may_set.to_vec(), set: Vec::new() }
    }

    pub(super) fn into_set(self) -> Vec<(String, String)> {
        self.set
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        let found = self.given.iter().find(|(given, _)| given.eq_ignore_ascii_case(&name));
        found.filter(|_| !NEVER.contains(&name.as_str())).map(|(_, value)| value.clone())
    }

    /// The errors are the contract's.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), u32> {
        let name = name.to_ascii_lowercase();
        let is_there = self.given.iter().chain(&self.set).any(|(there, _)| there.eq_ignore_ascii_case(&name));
        let bytes: usize = self.set.iter().map(|(name, value)| name.len() + value.len()).sum();
        let fits = self.set.len() < MOST && bytes + name.len() + value.len() <= MOST_BYTES;
        let sound = value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte));
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let named = !name.is_empty() && name.bytes().all(is_token);
        if self.side == Side::Server {
            return Err(3);
        } else if !sound || !named {
            return Err(4);
        } else if !self.may_set(&name) {
            return Err(0);
        } else if is_there {
            return Err(1);
        } else if !fits {
            return Err(2);
        }
        self.set.push((name, value.to_owned()));
        Ok(())
    }

    fn may_set(&self, name: &str) -> bool {
        let granted = PROPAGATION.contains(&name) || self.may_set.iter().any(|set| set.eq_ignore_ascii_case(name));
        granted && !NEVER.contains(&name) && !NEVER_SET.contains(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(side: Side) -> Headers {
        Headers::new(
            side,
            vec![("X-Tenant".to_owned(), "acme".to_owned()), ("Cookie".to_owned(), "secret".to_owned())],
            &["x-audit".to_owned(), "x-tenant".to_owned(), "cookie".to_owned()],
        )
    }

    #[test]
    fn a_header_is_added_only_if_it_is_allowed_and_new() {
        let long = "x".repeat(MOST_BYTES);
        for (name, value, expected, reason) in [
            ("b3", "0", Ok(()), "propagates"),
            ("X-B3-TraceId", "1", Ok(()), "propagates, and names have no case"),
            ("uber-trace-id", "1", Ok(()), "propagates"),
            ("x-audit", "1", Ok(()), "the operator lets it"),
            ("x-tenant", "1", Err(1), "the request has it"),
            ("authorization", "1", Err(0), "no one lets it"),
            ("cookie", "1", Err(0), "not even the operator may let it"),
            ("x-b3-other", "1", Err(0), "no header of B3"),
            ("b3", "a\nb", Err(4), "no header value"),
            ("b 3", "1", Err(4), "no header name"),
            ("b3", &long, Err(2), "too long"),
        ] {
            let mut headers = headers(Side::Client);
            assert_eq!(headers.set(name, value), expected, "{name}: {reason}");
            assert!(headers.set(name, value).is_err(), "{name} twice");
            assert_eq!(headers.into_set().len(), usize::from(expected.is_ok()), "{name}");
        }
        assert_eq!(headers(Side::Server).set("b3", "0"), Err(3), "nothing leaves on the server");
        assert_eq!(headers(Side::Server).get("x-TENANT").as_deref(), Some("acme"));
        assert_eq!(headers(Side::Server).get("b3"), None);
        assert_eq!(headers(Side::Server).get("cookie"), None, "no tracer sees who somebody is");
    }

    #[test]
    fn there_are_at_most_eight() {
        let names: Vec<String> = (0..12).map(|i| format!("x-many-{i}")).collect();
        let mut headers = Headers::new(Side::Client, Vec::new(), &names);
        let added = names.iter().filter(|name| headers.set(name, "1").is_ok()).count();
        assert_eq!(added, MOST);
    }
}
