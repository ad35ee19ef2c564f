//! What carries a request, and how its messages are encoded, as its head says it.

use http::{HeaderValue, Version};

use super::grpc;
use crate::rpc::{Codec, Protocol, Transport};

/// What carries a request.
#[inline]
pub(crate) fn transport(version: Version) -> Transport {
    match version {
        Version::HTTP_2 => Transport::Http2,
        Version::HTTP_3 => Transport::Http3,
        Version::HTTP_09 | Version::HTTP_10 | Version::HTTP_11 => Transport::Http1,
        _ => Transport::Unknown,
    }
}

/// How the messages of a request are encoded, by its content type: the part after `+` if there is one, else the subtype.
/// gRPC's own types without that part mean Protocol Buffers.
#[inline]
pub(crate) fn codec(protocol: Protocol, content_type: &HeaderValue) -> Codec {
    let text = content_type.as_bytes();
    if protocol == Protocol::Grpc && text == grpc::CONTENT_TYPE {
        return Codec::Protobuf;
    }
    let essence = text.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let Some(slash) = essence.iter().position(|&byte| byte == b'/') else { return Codec::Unknown };
    let subtype = essence.get(slash + 1..).unwrap_or_default();
    let plus = subtype.iter().rposition(|&byte| byte == b'+');
    let name = plus.and_then(|plus| subtype.get(plus + 1..)).unwrap_or(subtype);
    let is = |known: &[&str]| known.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    if is(&["json"]) {
        Codec::Json
    } else if is(&["proto", "protobuf", "x-protobuf"]) {
        Codec::Protobuf
    } else if is(&["thrift", "x-thrift"]) {
        Codec::Thrift
    } else if plus.is_none() && matches!(protocol, Protocol::Grpc | Protocol::GrpcWeb) {
        Codec::Protobuf
    } else {
        Codec::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codec_is_what_the_content_type_says() {
        for (protocol, value, expected) in [
            (Protocol::Grpc, "application/grpc", Codec::Protobuf),
            (Protocol::Grpc, "application/grpc+proto", Codec::Protobuf),
            (Protocol::Grpc, "application/grpc+json", Codec::Json),
            (Protocol::Grpc, "application/grpc+custom", Codec::Unknown),
            (Protocol::GrpcWeb, "application/grpc-web-text", Codec::Protobuf),
            (Protocol::Connect, "application/json; charset=utf-8", Codec::Json),
            (Protocol::Connect, "application/connect+proto", Codec::Protobuf),
            (Protocol::Http, "application/problem+JSON", Codec::Json),
            (Protocol::Http, "application/x-thrift", Codec::Thrift),
            (Protocol::Http, "text/html", Codec::Unknown),
            (Protocol::Http, "nonsense", Codec::Unknown),
            (Protocol::Http, "", Codec::Unknown),
        ] {
            assert_eq!(codec(protocol, &HeaderValue::from_static(value)), expected, "{value}");
        }
    }
}
