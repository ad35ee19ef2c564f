//! What OpenTelemetry's semantic conventions call RPC systems, statuses and errors; which metric or span has them is a
//! tracer's own business.

use std::borrow::Cow;

use crate::call::Call;
use crate::kinds::{Outcome, Protocol, Side};
use crate::symbol::{Symbol, grpc_status_name};

/// gRPC's statuses that say that the server failed; the others say that the caller asked for something it should not, or
/// went away.
const SERVER_FAILED: [u16; 6] = [2, 4, 12, 13, 14, 15];

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

/// The conventions' `error.type` of a call; [`Symbol::NONE`] where it is no error to them, which depends on the side: a
/// server that answers NOT_FOUND has not failed, the caller's call has. An outcome of the application's own is none, and
/// neither is a response that an HTTP client drops unread. A tracer that counts errors counts these and no others:
/// [`Call::error_type`] names also what is none. The table is in docs/endings.md.
#[must_use]
pub fn failure(call: Call<'_>) -> Symbol {
    let error_type = call.error_type();
    if error_type == Symbol::NONE {
        return error_type;
    }
    let (is_server, is_http) = (call.side() == Side::Server, call.protocol() == Protocol::Http);
    let failed = match call.outcome() {
        Outcome::Ok | Outcome::BusinessError => false,
        Outcome::Panicked => true,
        // A server that does not get its response out has failed; a client that wants no more of one has not.
        Outcome::Cancelled if is_http => is_server,
        // Everything but OK is a client's error; a server whose caller went away has not failed.
        Outcome::Cancelled => !is_server && call.rpc_status() != Some(0),
        _ if !is_server => true,
        _ => match call.rpc_status() {
            Some(status @ 1..) if !is_http => SERVER_FAILED.contains(&status),
            // The status blames no caller: there is none, or it is OK and the call failed in another way.
            _ => true,
        },
    };
    if failed { error_type } else { Symbol::NONE }
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
