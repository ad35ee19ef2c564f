//! What the layers know of each RPC protocol: names of methods, framing of messages, how a call says that it failed.

mod frames;
pub(crate) mod grpc;
pub(crate) mod http;

pub(crate) use frames::Frames;

use ::http::HeaderMap;
use ::http::header::CONTENT_TYPE;

use crate::rpc::Protocol;

const GRPC: &[u8] = b"application/grpc";

/// The protocol of a request, by its content type. What is not known is plain HTTP.
#[inline]
pub(crate) fn detect(headers: &HeaderMap) -> Protocol {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Protocol::Http;
    };
    match value.as_bytes().split_at_checked(GRPC.len()) {
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
    use ::http::HeaderValue;

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
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
            assert_eq!(detect(&headers), expected, "{value}");
        }
        assert_eq!(detect(&HeaderMap::new()), Protocol::Http);
    }
}
