//! What the server answers by itself, in the words of the protocol that it was asked in: too busy, broken.

use std::time::Duration;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version};

use super::settings::bounded;
use hottap_core::layer::{Media, grpc_deadline};

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

/// The reason for which the server answers by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// As many requests as there may be are under way.
    Busy,
    /// The request does not say for which host it is, or says it twice (RFC 9112, 3.2).
    NoHost,
    /// The caller's deadline has passed.
    Late,
    /// The service panicked, or gave an error instead of a response.
    Broken,
}

/// What the server itself wants to know of a request, found in one walk past its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) speech: Speech,
    /// It is a stream of messages, whose silence is no sign of trouble.
    pub(super) may_be_silent: bool,
    /// How long the caller waits for the answer, in gRPC.
    pub(super) timeout: Option<Duration>,
}

impl Asked {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let (mut content_type, mut timeout) = (None, None);
        for (name, value) in headers {
            match name.as_str() {
                "content-type" => _ = content_type.get_or_insert(value),
                "grpc-timeout" => _ = timeout.get_or_insert(value),
                _ => {}
            }
        }
        let media = content_type.map_or(Media::Other, Media::of);
        let speech = match media {
            Media::Grpc => Speech::Grpc,
            Media::GrpcWeb | Media::GrpcWebText => Speech::GrpcWeb,
            Media::ConnectStream | Media::JsonOrProto | Media::Other => Speech::Http,
        };
        let timeout = timeout.filter(|_| speech != Speech::Http).map_or(0, grpc_deadline);
        Self {
            speech,
            may_be_silent: speech != Speech::Http || media == Media::ConnectStream,
            timeout: (timeout > 0).then(|| bounded(Duration::from_nanos(timeout))),
        }
    }
}

impl Speech {
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
                    Trouble::Late => StatusCode::GATEWAY_TIMEOUT,
                    Trouble::Broken => StatusCode::INTERNAL_SERVER_ERROR,
                };
                *response.status_mut() = status;
                return response;
            }
            Self::Grpc => "application/grpc",
            Self::GrpcWeb => "application/grpc-web",
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        trouble.tell(headers);
        response
    }
}

impl Trouble {
    /// gRPC's words for it, in headers or trailers.
    pub(super) fn tell(self, headers: &mut HeaderMap) {
        let (status, message) = match self {
            // RESOURCE_EXHAUSTED, INTERNAL, DEADLINE_EXCEEDED.
            Self::Busy => ("8", "the server handles as many requests as it may"),
            Self::NoHost => ("13", "the request needs one host header"),
            Self::Late => ("4", "the deadline has passed"),
            Self::Broken => ("13", "the handler broke"),
        };
        headers.insert("grpc-status", HeaderValue::from_static(status));
        headers.insert("grpc-message", HeaderValue::from_static(message));
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
            ("application/grpc", Trouble::Late, 200, Some("4")),
            ("text/plain", Trouble::NoHost, 400, None),
            ("Application/gRPC", Trouble::Busy, 200, Some("8")),
            ("application/GRPC-Web-Text", Trouble::Busy, 200, Some("8")),
            ("application/grpcx", Trouble::Busy, 503, None),
            ("application/grpc-website", Trouble::Busy, 503, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            let response = Asked::of(&headers).speech.say(trouble, ());
            let told = response.headers().get("grpc-status").and_then(|status| status.to_str().ok());
            assert_eq!((response.status().as_u16(), told), (status, grpc), "{kind} {trouble:?}");
        }
    }

    #[test]
    fn only_grpc_has_a_deadline_and_only_streams_may_be_silent() {
        for (kind, may_be_silent, timeout) in [
            ("application/grpc", true, Some(Duration::from_millis(20))),
            ("application/grpc-web", true, Some(Duration::from_millis(20))),
            ("application/GRPC+proto", true, Some(Duration::from_millis(20))),
            ("application/connect+proto", true, None),
            ("application/Connect+json", true, None),
            ("application/grpcx", false, None),
            ("application/json", false, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            headers.insert("grpc-timeout", HeaderValue::from_static("20m"));
            let asked = Asked::of(&headers);
            assert_eq!((asked.may_be_silent, asked.timeout), (may_be_silent, timeout), "{kind}");
        }
    }
}
