//! How a call is on the wire: its protocol, and the way in which that puts messages into bodies.

use http::{HeaderValue, Method, Uri};

use super::{connect, grpc};
use crate::rpc::Protocol;

/// A protocol and its way of framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Plain HTTP, and whatever is not known.
    Http,
    /// gRPC over HTTP/2.
    Grpc,
    /// gRPC-web in bytes.
    GrpcWeb,
    /// gRPC-web in base64.
    GrpcWebText,
    /// Connect with one message each way, which is the whole body.
    ConnectUnary,
    /// Connect with messages in envelopes.
    ConnectStream,
}

impl Wire {
    /// What a request is, by its content type and what else it says.
    #[inline]
    pub(crate) fn of_request(
        content_type: Option<&HeaderValue>,
        connect_version: Option<&HeaderValue>,
        method: &Method,
        uri: &Uri,
    ) -> Self {
        // Calls are made by POST; Connect's may be made by GET.
        if *method == Method::GET && uri.query().is_some_and(connect::is_get) {
            return Self::ConnectUnary;
        }
        if *method != Method::POST {
            return Self::Http;
        }
        match content_type.map_or(Media::Other, Media::of) {
            Media::Grpc => Self::Grpc,
            Media::GrpcWeb => Self::GrpcWeb,
            Media::GrpcWebText => Self::GrpcWebText,
            Media::ConnectStream => Self::ConnectStream,
            // Much else sends JSON by POST: only the header makes it an RPC.
            Media::JsonOrProto if connect_version.is_some_and(|value| value == "1") => Self::ConnectUnary,
            Media::JsonOrProto | Media::Other => Self::Http,
        }
    }

    /// What a request is whose route a router has told.
    ///
    /// Anybody can give a plain request the looks of a unary call of Connect, and then the route would be lost, and the
    /// path would be a name. It is a call only if the route is one method's, and no pattern. gRPC's routes may be
    /// patterns, such as a service's for all of its methods.
    #[inline]
    pub(crate) fn routed(self, route: &str, path: &str) -> Self {
        if self == Self::ConnectUnary && !is_literally(route, path) { Self::Http } else { self }
    }

    /// A response with this content type is made by somebody who speaks the protocol: no page that answers every path.
    pub(crate) fn is_spoken(self, content_type: Option<&HeaderValue>) -> bool {
        let media = content_type.map_or(Media::Other, Media::of);
        match self {
            Self::Http => false,
            Self::Grpc => media == Media::Grpc,
            Self::GrpcWeb | Self::GrpcWebText => matches!(media, Media::GrpcWeb | Media::GrpcWebText),
            Self::ConnectUnary => media == Media::JsonOrProto,
            Self::ConnectStream => media == Media::ConnectStream,
        }
    }

    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::Http => Protocol::Http,
            Self::Grpc => Protocol::Grpc,
            Self::GrpcWeb | Self::GrpcWebText => Protocol::GrpcWeb,
            Self::ConnectUnary | Self::ConnectStream => Protocol::Connect,
        }
    }

    /// Its status is gRPC's, in headers and trailers.
    pub(crate) fn is_grpc_family(self) -> bool {
        matches!(self, Self::Grpc | Self::GrpcWeb | Self::GrpcWebText)
    }

    /// Its bodies are made of messages with a length before each.
    pub(crate) fn is_framed(self) -> bool {
        !matches!(self, Self::Http | Self::ConnectUnary)
    }

    /// The method's name as the path has it; none for plain HTTP, where the path is no name.
    #[inline]
    pub fn method(self, path: &str) -> Option<&str> {
        match self {
            Self::Http => None,
            Self::Grpc | Self::GrpcWeb | Self::GrpcWebText => Some(grpc::method(path)),
            Self::ConnectUnary | Self::ConnectStream => Some(connect::method(path)),
        }
    }
}

/// The route is no pattern but the path itself, or ends with it: a nested router may have taken a prefix off the path.
fn is_literally(route: &str, path: &str) -> bool {
    !path.is_empty() && route.ends_with(path)
}

/// What a content type says of a body. The layers and both runtimes ask this alone, so that all take a call for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    Grpc,
    GrpcWeb,
    GrpcWebText,
    ConnectStream,
    JsonOrProto,
    Other,
}

impl Media {
    #[inline]
    pub fn of(content_type: &HeaderValue) -> Self {
        // As nearly all have it.
        if content_type.as_bytes() == grpc::CONTENT_TYPE {
            return Self::Grpc;
        }
        let Some(subtype) = after(content_type.as_bytes(), b"application/") else { return Self::Other };
        if let Some(rest) = after(subtype, b"grpc") {
            if ends_name(rest) {
                return Self::Grpc;
            }
            return match after(rest, b"-web") {
                Some(rest) if ends_name(rest) => Self::GrpcWeb,
                Some(rest) if after(rest, b"-text").is_some_and(ends_name) => Self::GrpcWebText,
                _ => Self::Other,
            };
        }
        if after(subtype, b"connect+").is_some() {
            Self::ConnectStream
        } else if [&b"json"[..], b"proto"].iter().any(|name| after(subtype, name).is_some_and(ends_type)) {
            Self::JsonOrProto
        } else {
            Self::Other
        }
    }

    /// It is JSON, as Connect's errors are.
    pub(super) fn is_json(content_type: &HeaderValue) -> bool {
        after(content_type.as_bytes(), b"application/json").is_some_and(ends_type)
    }
}

/// What follows a prefix in any case of letters.
fn after<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// A name of gRPC's ends here, though a format may follow.
fn ends_name(rest: &[u8]) -> bool {
    rest.first() == Some(&b'+') || ends_type(rest)
}

/// The type ends here, though parameters may follow.
fn ends_type(rest: &[u8]) -> bool {
    matches!(rest, [] | [b';' | b' ', ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_is_what_the_request_says() {
        let version = HeaderValue::from_static("1");
        for (method, uri, content_type, version, expected) in [
            ("POST", "/", "application/grpc", None, Wire::Grpc),
            ("POST", "/", "application/grpc+proto", None, Wire::Grpc),
            ("POST", "/", "application/grpc;charset=utf-8", None, Wire::Grpc),
            ("POST", "/", "Application/gRPC", None, Wire::Grpc),
            ("POST", "/", "application/grpc-web", None, Wire::GrpcWeb),
            ("POST", "/", "application/grpc-web+json", None, Wire::GrpcWeb),
            ("POST", "/", "application/grpc-web-text", None, Wire::GrpcWebText),
            ("POST", "/", "application/grpc-web-text+proto", None, Wire::GrpcWebText),
            ("POST", "/", "application/grpcx", None, Wire::Http),
            ("POST", "/", "application/grpc-we", None, Wire::Http),
            ("POST", "/", "application/grpc-website", None, Wire::Http),
            ("POST", "/", "application/grpc-web-textual", None, Wire::Http),
            ("POST", "/", "application/connect+json", None, Wire::ConnectStream),
            ("POST", "/", "application/connect+proto", Some(&version), Wire::ConnectStream),
            ("POST", "/", "application/connect", None, Wire::Http),
            ("POST", "/", "application/json", Some(&version), Wire::ConnectUnary),
            ("POST", "/", "application/json; charset=utf-8", Some(&version), Wire::ConnectUnary),
            ("POST", "/", "application/proto", Some(&version), Wire::ConnectUnary),
            ("POST", "/", "application/proto", None, Wire::Http),
            ("POST", "/", "application/json", None, Wire::Http),
            ("POST", "/", "application/jsonl", Some(&version), Wire::Http),
            ("PUT", "/", "application/json", Some(&version), Wire::Http),
            ("GET", "/", "application/grpc", None, Wire::Http),
            ("PUT", "/", "application/grpc-web", None, Wire::Http),
            ("GET", "/", "application/grpc-web-text", None, Wire::Http),
            ("PATCH", "/", "application/connect+json", Some(&version), Wire::Http),
            ("POST", "/?connect=v1", "application/json", None, Wire::Http),
            ("GET", "/a.B/C?encoding=json&connect=v1&message=%7B%7D", "", None, Wire::ConnectUnary),
            ("GET", "/a.B/C?encoding=json&message=%7B%7D", "", None, Wire::Http),
            ("GET", "/a.B/C?disconnect=v1&encoding=json", "", None, Wire::Http),
            ("GET", "/a.B/C?connect=v1", "", None, Wire::Http),
            ("GET", "/", "", None, Wire::Http),
        ] {
            let content_type = HeaderValue::from_static(content_type);
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let wire = Wire::of_request(Some(&content_type), version, &method, &Uri::from_static(uri));
            assert_eq!(wire, expected, "{method} {uri} {content_type:?} {version:?}");
        }
        let nothing =
            Wire::of_request(None, Some(&HeaderValue::from_static("1")), &Method::POST, &Uri::from_static("/"));
        assert_eq!(nothing, Wire::Http);
    }

    #[test]
    fn a_route_that_is_a_pattern_makes_a_look_alike_plain_http() {
        use Wire::{ConnectStream, ConnectUnary, Grpc, Http};
        for (wire, route, path, expected, reason) in [
            (ConnectUnary, "/users/{id}", "/users/17", Http, "an id"),
            (ConnectUnary, "/{*any}", "/a.B/C", Http, "whatever it is"),
            (ConnectUnary, "/a.B/{method}", "/a.B/C", Http, "whatever it is of a service"),
            (ConnectUnary, "/a.B/C", "/a.B/C", ConnectUnary, "one method's"),
            (ConnectUnary, "/api/a.B/C", "/a.B/C", ConnectUnary, "one method's in a nested router"),
            (ConnectUnary, "/a.B/C", "", Http, "no path"),
            (ConnectStream, "/a.B/{*rest}", "/a.B/C", ConnectStream, "framed"),
            (Grpc, "/a.B/{*rest}", "/a.B/C", Grpc, "a service's"),
            (Http, "/a.B/C", "/a.B/C", Http, "plain"),
        ] {
            assert_eq!(wire.routed(route, path), expected, "{reason}: {wire:?} {route} {path}");
        }
    }

    #[test]
    fn only_an_rpc_has_a_name_in_its_path() {
        for (wire, expected) in [
            (Wire::Http, None),
            (Wire::Grpc, Some("api/shop.v1.Checkout/Place")),
            (Wire::GrpcWebText, Some("api/shop.v1.Checkout/Place")),
            (Wire::ConnectUnary, Some("shop.v1.Checkout/Place")),
        ] {
            assert_eq!(wire.method("/api/shop.v1.Checkout/Place"), expected, "{wire:?}");
        }
    }
}
