//! What the layers read of a request's head before the call starts.

use http::{HeaderMap, HeaderValue, Method, Request};

use super::{Length, Wire, connect, grpc, payload};
use crate::propagate::{Given, Propagators, TRACEPARENT};
use crate::rpc::{Codec, Protocol};

/// Found in one walk: to look each header up by its name means to hash it, which costs more than to walk past the few
/// headers that RPCs have.
pub(crate) struct Head<'a> {
    pub(crate) wire: Wire,
    pub(crate) given: Given,
    /// Of the request's body.
    pub(crate) length: Length,
    /// Of gRPC or of Connect, whichever it is.
    timeout: Option<&'a HeaderValue>,
    content_type: Option<&'a HeaderValue>,
    /// Of a call by GET, whose message is in it.
    query: Option<&'a str>,
}

impl<'a> Head<'a> {
    #[inline]
    pub(crate) fn of<B>(request: &'a Request<B>) -> Self {
        let (mut content_type, mut grpc_timeout, mut given) = (None, None, Given::Nothing);
        let (mut connect_version, mut connect_timeout) = (None, None);
        let mut length = Length::default();
        for (name, value) in request.headers() {
            match name.as_str() {
                "content-type" => _ = content_type.get_or_insert(value),
                grpc::TIMEOUT => _ = grpc_timeout.get_or_insert(value),
                TRACEPARENT => given.add(value),
                connect::VERSION => _ = connect_version.get_or_insert(value),
                connect::TIMEOUT => _ = connect_timeout.get_or_insert(value),
                "content-length" => length.add(value),
                "transfer-encoding" => length = Length::Encoded,
                _ => {}
            }
        }
        let wire = Wire::of_request(content_type, connect_version, request.method(), request.uri());
        let timeout = if wire.protocol() == Protocol::Connect { connect_timeout } else { grpc_timeout };
        let by_get = wire == Wire::ConnectUnary && request.method() == Method::GET;
        let query = if by_get { request.uri().query() } else { None };
        if request.method() == Method::CONNECT {
            // A request for a tunnel has no content, whatever it says (RFC 9110 9.3.6).
            length = Length::Unsaid;
        }
        Self { wire, given, length, timeout, content_type, query }
    }

    /// The same where a trace may come in other formats than W3C's.
    #[inline]
    pub(crate) fn propagated(self, propagators: Propagators, headers: &HeaderMap) -> Self {
        if propagators.is_default() { self } else { Self { given: propagators.extract(headers), ..self } }
    }

    /// The same for a request whose route a router has told.
    #[inline]
    pub(crate) fn routed(self, route: &str, path: &str) -> Self {
        Self { wire: self.wire.routed(route, path), ..self }
    }

    /// How the messages are encoded.
    pub(crate) fn codec(&self) -> Codec {
        match (self.wire, self.query, self.content_type) {
            (Wire::ConnectUnary, Some(query), _) => connect::codec(query),
            (_, _, Some(value)) => payload::codec(self.wire.protocol(), value),
            _ => Codec::Unknown,
        }
    }

    /// The deadline that the protocol's header gives, in nanoseconds from the start of the call; 0 if there is none.
    pub(crate) fn deadline(&self) -> u64 {
        match (self.wire.protocol(), self.timeout) {
            (Protocol::Grpc | Protocol::GrpcWeb, Some(value)) => grpc::deadline(value),
            (Protocol::Connect, Some(value)) => connect::deadline(value),
            _ => 0,
        }
    }
}

/// The deadline that a request's headers give, in nanoseconds from its start, whatever its protocol is: for a call that
/// nobody watches. 0 if there is none.
pub fn deadline(headers: &HeaderMap) -> u64 {
    if let Some(value) = headers.get(grpc::TIMEOUT) {
        return grpc::deadline(value);
    }
    headers.get(connect::TIMEOUT).map_or(0, connect::deadline)
}

/// The first value of a header among few.
pub(super) fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a HeaderValue> {
    headers.iter().find(|(key, _)| key.as_str() == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_its_protocols_own() {
        const SECOND: u64 = 1_000_000_000;
        for (content_type, wire, expected) in [
            ("text/plain", Wire::Http, 0),
            ("application/json", Wire::ConnectUnary, 250_000_000),
            ("application/connect+proto", Wire::ConnectStream, 250_000_000),
            ("application/grpc", Wire::Grpc, SECOND),
            ("application/grpc-web+proto", Wire::GrpcWeb, SECOND),
        ] {
            let request = Request::post("/a.B/C")
                .header("grpc-timeout", "1S")
                .header("connect-timeout-ms", "250")
                .header("connect-protocol-version", "1")
                .header("content-type", content_type)
                .body(())
                .expect("a request");
            let head = Head::of(&request);
            assert_eq!((head.wire, head.deadline()), (wire, expected), "{content_type}");
        }
        let bare = Request::new(());
        assert_eq!((Head::of(&bare).wire, Head::of(&bare).deadline()), (Wire::Http, 0));
    }
    #[test]
    fn a_get_says_in_its_query_how_its_message_is_encoded() {
        for (query, content_type, expected) in [
            ("connect=v1&encoding=json&message=%7B%7D", None, Codec::Json),
            ("message=&encoding=proto&connect=v1", None, Codec::Protobuf),
            // A body's type says nothing where there is no body.
            ("connect=v1&encoding=proto", Some("application/json"), Codec::Protobuf),
            ("encoding=json&message=%7B%7D", None, Codec::Unknown),
            ("encoding=json", Some("application/proto"), Codec::Protobuf),
        ] {
            let mut request = Request::get(format!("/a.B/C?{query}"));
            if let Some(content_type) = content_type {
                request = request.header("content-type", content_type);
            }
            let request = request.body(()).expect("a request");
            assert_eq!(Head::of(&request).codec(), expected, "{query} {content_type:?}");
        }
    }
}
