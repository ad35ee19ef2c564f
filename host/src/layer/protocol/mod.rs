//! What the layers know of each RPC protocol: names of methods, framing of messages, how a call says that it failed.

mod frames;
pub(crate) mod grpc;
pub(crate) mod http;
mod payload;

pub(crate) use frames::Frames;
pub(crate) use payload::transport;

use ::http::{HeaderMap, HeaderValue};

use crate::propagate::{Given, TRACEPARENT};
use crate::rpc::{Codec, Protocol};

const GRPC: &[u8] = b"application/grpc";

/// What the layers read of a request's headers, found in one walk: to look each up by its name means to hash it, which
/// costs more than to walk past the few headers that RPCs have.
pub(crate) struct Head<'a> {
    pub(crate) protocol: Protocol,
    pub(crate) given: Given,
    grpc_timeout: Option<&'a HeaderValue>,
    content_type: Option<&'a HeaderValue>,
}

impl<'a> Head<'a> {
    #[inline]
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let (mut content_type, mut grpc_timeout, mut given) = (None, None, Given::Nothing);
        for (name, value) in headers {
            match name.as_str() {
                "content-type" => _ = content_type.get_or_insert(value),
                grpc::TIMEOUT => _ = grpc_timeout.get_or_insert(value),
                TRACEPARENT => given.add(value),
                _ => {}
            }
        }
        Self { protocol: content_type.map_or(Protocol::Http, detect), given, grpc_timeout, content_type }
    }

    /// How the messages are encoded.
    pub(crate) fn codec(&self) -> Codec {
        self.content_type.map_or(Codec::Unknown, |value| payload::codec(self.protocol, value))
    }

    /// The deadline that gRPC's headers give, in nanoseconds from the start of the call; 0 if there is none.
    pub(crate) fn deadline(&self) -> u64 {
        match (self.protocol, self.grpc_timeout) {
            (Protocol::Grpc | Protocol::GrpcWeb, Some(value)) => grpc::deadline(value),
            _ => 0,
        }
    }
}

/// The first value of a header among few.
fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a HeaderValue> {
    headers.iter().find(|(key, _)| key.as_str() == name).map(|(_, value)| value)
}

/// The protocol of a request, by its content type. What is not known is plain HTTP.
fn detect(content_type: &HeaderValue) -> Protocol {
    match content_type.as_bytes().split_at_checked(GRPC.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(GRPC) => match rest {
            [] | [b'+' | b';' | b' ', ..] => Protocol::Grpc,
            [b'-', web @ ..] if web.len() >= 3 && web.iter().zip(b"web").all(|(a, b)| a.eq_ignore_ascii_case(b)) => {
                Protocol::GrpcWeb
            }
            _ => Protocol::Http,
        },
        _ => Protocol::Http,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_is_what_the_content_type_says() {
        for (value, expected) in [
            ("application/grpc", Protocol::Grpc),
            ("application/grpc+proto", Protocol::Grpc),
            ("application/grpc;charset=utf-8", Protocol::Grpc),
            ("Application/gRPC", Protocol::Grpc),
            ("application/grpc-web", Protocol::GrpcWeb),
            ("application/grpc-web-text+proto", Protocol::GrpcWeb),
            ("application/grpcx", Protocol::Http),
            ("application/grpc-we", Protocol::Http),
            ("application/json", Protocol::Http),
            ("", Protocol::Http),
        ] {
            assert_eq!(detect(&HeaderValue::from_static(value)), expected, "{value}");
        }
    }

    #[test]
    fn a_deadline_is_only_grpcs() {
        let mut headers = HeaderMap::new();
        assert_eq!((Head::of(&headers).protocol, Head::of(&headers).deadline()), (Protocol::Http, 0));
        headers.insert("grpc-timeout", HeaderValue::from_static("1S"));
        assert_eq!(Head::of(&headers).deadline(), 0);
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        assert_eq!((Head::of(&headers).protocol, Head::of(&headers).deadline()), (Protocol::Grpc, 1_000_000_000));
    }
}
