//! Headers that no grant gives to a tracer: the one place that decides it, for the configuration and for the requests
//! themselves. Pure.

use http::HeaderName;

/// Who somebody is, or what they are asked to prove it with.
const IDENTITY: &[&str] = &[
    "authentication-info",
    "authorization",
    "cookie",
    "cookie2",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "set-cookie",
    "set-cookie2",
    "www-authenticate",
];
/// What belongs to one connection and ends with it.
const CONNECTION: &[&str] = &[
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Where a message ends and when its body is sent: with one of them wrong, a request could be read as two.
const LENGTH: &[&str] = &["content-length", "expect"];
/// How a message is read, and for whom it is.
const READING: &[&str] = &["content-encoding", "grpc-encoding", "host"];
/// The host's own propagation.
const OWN: &[&str] = &["traceparent", "tracestate"];

/// Whether an operator can let a tracer see this header of a request.
pub(crate) fn may_be_seen(name: &HeaderName) -> bool {
    !is_in(name, &[IDENTITY, CONNECTION])
}

/// Whether an operator can let a tracer set this header of a request. What may be set may be seen.
pub(crate) fn may_be_set(name: &HeaderName) -> bool {
    may_be_seen(name) && !is_in(name, &[LENGTH, READING, OWN])
}

/// Whether this is the host's own propagation: every tracer may see it, and none may set it.
pub(crate) fn is_the_hosts(name: &HeaderName) -> bool {
    is_in(name, &[OWN])
}

/// Whether the transport itself sets this header, so that not even the operator may do it for a destination.
pub(super) fn is_the_transports(name: &HeaderName) -> bool {
    is_in(name, &[CONNECTION, LENGTH])
}

fn is_in(name: &HeaderName, lists: &[&[&str]]) -> bool {
    lists.iter().any(|list| list.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_grant_gives_identity_the_connection_or_how_a_message_is_read() {
        for (name, seen, set, transports) in [
            ("x-tenant", true, true, false),
            ("b3", true, true, false),
            ("baggage", true, true, false),
            ("Authorization", false, false, false),
            ("cookie", false, false, false),
            ("cookie2", false, false, false),
            ("set-cookie", false, false, false),
            ("proxy-authorization", false, false, false),
            ("proxy-authenticate", false, false, false),
            ("www-authenticate", false, false, false),
            ("connection", false, false, true),
            ("keep-alive", false, false, true),
            ("proxy-connection", false, false, true),
            ("te", false, false, true),
            ("trailer", false, false, true),
            ("transfer-encoding", false, false, true),
            ("upgrade", false, false, true),
            ("http2-settings", false, false, true),
            ("content-length", true, false, true),
            ("expect", true, false, true),
            ("content-encoding", true, false, false),
            ("grpc-encoding", true, false, false),
            ("host", true, false, false),
            ("traceparent", true, false, false),
            ("tracestate", true, false, false),
        ] {
            let header = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            let found = (may_be_seen(&header), may_be_set(&header), is_the_transports(&header));
            assert_eq!(found, (seen, set, transports), "{name}");
        }
    }
}
