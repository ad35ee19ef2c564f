//! What the server answers by itself, in the words of the protocol that it was asked in: too busy, broken.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version};

/// Which words the caller understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    /// The numbers of HTTP.
    Http,
    /// gRPC's numbers, in a response that has no body.
    Grpc,
    /// The same over gRPC-web.
    GrpcWeb,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// As many requests as there may be are under way.
    Busy,
    /// The request does not say for which host it is, or says it twice (RFC 9112, 3.2).
    NoHost,
    /// The service panicked, or gave an error instead of a response.
    Broken,
}

impl Speech {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        match headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes) {
            Some(kind) if kind.starts_with(b"application/grpc-web") => Self::GrpcWeb,
            Some(kind) if kind.starts_with(b"application/grpc") => Self::Grpc,
            _ => Self::Http,
        }
    }

    /// A response without a body that says it.
    pub(super) fn say<B>(self, trouble: Trouble, body: B) -> Response<B> {
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        let kind = match self {
            Self::Http => {
                headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
                let status = match trouble {
                    Trouble::Busy => {
                        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
                        StatusCode::SERVICE_UNAVAILABLE
                    }
                    Trouble::NoHost => StatusCode::BAD_REQUEST,
                    Trouble::Broken => StatusCode::INTERNAL_SERVER_ERROR,
                };
                *response.status_mut() = status;
                return response;
            }
            Self::Grpc => "application/grpc",
            Self::GrpcWeb => "application/grpc-web",
        };
        // RESOURCE_EXHAUSTED and INTERNAL.
        let (status, message) = match trouble {
            Trouble::Busy => ("8", "the server handles as many requests as it may"),
            Trouble::NoHost => ("13", "the request needs one host header"),
            Trouble::Broken => ("13", "the handler broke"),
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert("grpc-status", HeaderValue::from_static(status));
        headers.insert("grpc-message", HeaderValue::from_static(message));
        response
    }
}

/// The request says once for which host it is, as HTTP/1.1 wants it; HTTP/1.0 need not say it.
pub(super) fn has_host(version: Version, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    match version {
        Version::HTTP_11 => hosts.next().is_some() && hosts.next().is_none(),
        Version::HTTP_10 => hosts.nth(1).is_none(),
        _ => true,
    }
}

/// The request is a stream of messages, whose silence is no sign of trouble.
pub(super) fn may_be_silent(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    kind.starts_with(b"application/grpc") || kind.starts_with(b"application/connect+")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_in_the_callers_words() {
        for (kind, trouble, status, grpc) in [
            ("text/plain", Trouble::Busy, 503, None),
            ("text/plain", Trouble::Broken, 500, None),
            ("application/json", Trouble::Broken, 500, None),
            ("application/grpc", Trouble::Busy, 200, Some("8")),
            ("application/grpc+proto", Trouble::Broken, 200, Some("13")),
            ("application/grpc-web+proto", Trouble::Broken, 200, Some("13")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            let response = Speech::of(&headers).say(trouble, ());
            let told = response.headers().get("grpc-status").and_then(|status| status.to_str().ok());
            assert_eq!((response.status().as_u16(), told), (status, grpc), "{kind} {trouble:?}");
        }
    }
}
