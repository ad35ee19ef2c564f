//! What the head of a call's request says beside the call's RpcInfo, for native tracers that ask for it; plugins do not see it.

use std::fmt;

use http::header::{HOST, USER_AGENT};
use http::uri::PathAndQuery;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Method, Request, Uri, Version};

/// The head of a call's request as it came, or as it is about to leave.
///
/// Kept where a native tracer [asks](crate::tracer::Tracer::request_head) for it, and where there was a request: not for calls inside
/// the process, nor for those of `Hottap::start_call`. Nothing is taken out of it: path, query
/// and user agent are whatever a stranger chose to send, of any length that the transport let pass, and the query may hold
/// secrets. So it is not for names and not for metrics, and [`Debug`](fmt::Debug) shows none of these.
#[derive(Clone)]
pub struct RequestHead {
    method: Method,
    uri: Uri,
    version: Version,
    host: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    /// What the connection has, if whoever serves it told.
    connection: Option<&'static str>,
}

impl RequestHead {
    /// Of a request. Copies no text: all of it is shared with the request.
    #[must_use]
    pub fn of<B>(request: &Request<B>) -> Self {
        let (mut host, mut user_agent) = (None, None);
        // One walk past the few headers that requests have costs less than to look up two.
        for (name, value) in request.headers() {
            if *name == HOST {
                host.get_or_insert(value);
            } else if *name == USER_AGENT {
                user_agent.get_or_insert(value);
            }
        }
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            host: host.cloned(),
            user_agent: user_agent.cloned(),
            connection: None,
        }
    }

    /// The same of a request that came over a connection with TLS, or without.
    pub(crate) fn over(self, tls: bool) -> Self {
        Self { connection: Some(if tls { "https" } else { "http" }), ..self }
    }

    /// The same of a request that goes where its URI does not say.
    pub(crate) fn at(mut self, (scheme, authority): (&Scheme, &Authority)) -> Self {
        let mut parts = self.uri.clone().into_parts();
        parts.scheme = Some(scheme.clone());
        parts.authority = Some(authority.clone());
        parts.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
        if let Ok(uri) = Uri::from_parts(parts) {
            self.uri = uri;
        }
        self.host = None;
        self
    }

    /// The same of a request that goes to one of several places, none of which its URI says.
    pub(crate) fn nowhere(mut self) -> Self {
        let path_and_query = self.uri.path_and_query().cloned();
        self.uri = path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/")).into();
        self.host = None;
        self
    }

    /// The method as it was sent, which may be any token.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Path and query, and scheme and authority as far as the request's first line or its pseudo-headers say them. On a
    /// client that knows where the call goes they are of there.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The version of HTTP: on a server the one that the request came with, on a client the one that was asked for.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// `http` or `https`: what the URI says (`:scheme` in HTTP/2), if it is one of the two; else, on servers, `https` where the
    /// server runtime's connection has TLS and `http` where it has none, and under any other server. None on clients whose
    /// URIs do not say it. What proxies write into headers is not believed, and not looked at.
    #[must_use]
    pub fn scheme(&self) -> Option<&'static str> {
        match self.uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => Some("https"),
            Some(scheme) if *scheme == Scheme::HTTP => Some("http"),
            _ => self.connection,
        }
    }

    /// Host and port that the request names: those of its URI (`:authority` in HTTP/2), else of its `host` header. It may
    /// hold user and password. None if there is none, or if it is not one.
    #[must_use]
    pub fn authority(&self) -> Option<Authority> {
        match self.uri.authority() {
            Some(authority) => Some(authority.clone()),
            None => Authority::try_from(self.host.as_ref()?.as_bytes()).ok(),
        }
    }

    /// What the caller says that it is; none if it is not ASCII.
    #[must_use]
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_ref()?.to_str().ok()
    }
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("version", &self.version)
            .field("scheme", &self.scheme())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str, host: Option<&'static str>) -> RequestHead {
        let mut request = Request::get(uri);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        RequestHead::of(&request.body(()).expect("a request"))
    }

    #[test]
    fn the_scheme_is_the_requests_and_else_the_connections() {
        for (uri, over, expected, reason) in [
            ("https://shop/x", None, Some("https"), "the request says it"),
            ("https://shop/x", Some(false), Some("https"), "a proxy that ends TLS passes it on"),
            ("/x", Some(true), Some("https"), "the connection has TLS"),
            ("/x", Some(false), Some("http"), "the connection has none"),
            ("/x", None, None, "nobody says it"),
            ("gopher://shop/x", Some(true), Some("https"), "a word that HTTP does not have"),
        ] {
            let head = head(uri, None);
            let head = if let Some(tls) = over { head.over(tls) } else { head };
            assert_eq!(head.scheme(), expected, "{uri}: {reason}");
        }
    }

    #[test]
    fn the_authority_is_the_uris_and_else_the_hosts() {
        for (uri, host, expected) in [
            ("http://shop:8080/x", Some("elsewhere"), Some("shop:8080")),
            ("/x", Some("shop:8080"), Some("shop:8080")),
            ("/x", Some("[::1]:8080"), Some("[::1]:8080")),
            ("/x", Some("a b/../c"), None),
            ("/x", Some(""), None),
            ("/x", None, None),
        ] {
            let found = head(uri, host).authority();
            assert_eq!(found.as_ref().map(Authority::as_str), expected, "{uri} {host:?}");
        }
    }

    #[test]
    fn a_client_that_knows_where_a_call_goes_says_so() {
        let (scheme, authority) = (Scheme::HTTPS, Authority::from_static("shop:8443"));
        for (uri, expected) in [
            ("/x?y=1", "https://shop:8443/x?y=1"),
            ("http://ignored/x", "https://shop:8443/x"),
            ("http://ignored", "https://shop:8443/"),
        ] {
            let head = head(uri, Some("ignored")).at((&scheme, &authority));
            assert_eq!(head.uri().to_string(), expected, "{uri}");
            assert_eq!(head.authority(), Some(authority.clone()));
        }
    }

    #[test]
    fn nothing_that_was_sent_is_shown_by_debug() {
        let shown = format!("{:?}", head("http://user:hunter2@shop/secret?sig=1", Some("secret")));
        assert!(!shown.contains("secret") && !shown.contains("hunter2") && !shown.contains("sig"), "{shown}");
    }
}
