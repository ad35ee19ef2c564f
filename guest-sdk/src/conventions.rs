//! Names that OpenTelemetry's semantic conventions give to RPC systems and statuses; which metric or span has them is a
//! tracer's own business.

use std::borrow::Cow;

use crate::kinds::Protocol;
use crate::symbol::grpc_status_name;

/// The conventions' `rpc.system.name` of a protocol. gRPC-web is gRPC in another frame; what has no name there, plain
/// HTTP above all, is `_OTHER`.
#[must_use]
pub const fn rpc_system(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Grpc | Protocol::GrpcWeb => "grpc",
        Protocol::Connect => "connectrpc",
        Protocol::Thrift => "thrift",
        _ => "_OTHER",
    }
}

/// A status as its protocol writes it (`NOT_FOUND` for gRPC, `not_found` for Connect, `404` for HTTP): the conventions'
/// `rpc.response.status_code`. "" if there was none.
#[must_use]
pub fn status_text(protocol: Protocol, status: Option<u16>) -> Cow<'static, str> {
    let Some(code) = status else { return Cow::Borrowed("") };
    match (protocol, grpc_status_name(code)) {
        (Protocol::Grpc | Protocol::GrpcWeb, Some(name)) => Cow::Borrowed(name),
        // gRPC's own libraries read a code that they don't know as this one.
        (Protocol::Grpc | Protocol::GrpcWeb, None) => Cow::Borrowed("UNKNOWN"),
        // Connect has the same codes, writes them in lower case, and has none for success.
        (Protocol::Connect, Some(_)) if code == 0 => Cow::Borrowed(""),
        (Protocol::Connect, Some("CANCELLED")) => Cow::Borrowed("canceled"),
        (Protocol::Connect, Some(name)) => Cow::Owned(name.to_ascii_lowercase()),
        (Protocol::Connect, None) => Cow::Borrowed("unknown"),
        _ => Cow::Owned(code.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_written_as_its_protocol_writes_it() {
        for (protocol, status, expected, reason) in [
            (Protocol::Grpc, Some(0), "OK", "gRPC has a name for success"),
            (Protocol::Grpc, Some(5), "NOT_FOUND", "canonical name"),
            (Protocol::GrpcWeb, Some(16), "UNAUTHENTICATED", "gRPC-web is gRPC"),
            (Protocol::Grpc, Some(17), "UNKNOWN", "as gRPC's libraries read it"),
            (Protocol::Grpc, None, "", "ended without a status"),
            (Protocol::Connect, Some(0), "", "Connect has no name for success"),
            (Protocol::Connect, Some(1), "canceled", "Connect writes it with one l"),
            (Protocol::Connect, Some(4), "deadline_exceeded", "lower case"),
            (Protocol::Connect, Some(99), "unknown", "not a code"),
            (Protocol::Thrift, Some(6), "6", "no names"),
            (Protocol::Http, Some(404), "404", "a number"),
        ] {
            assert_eq!(status_text(protocol, status), expected, "{reason}");
        }
    }
}
