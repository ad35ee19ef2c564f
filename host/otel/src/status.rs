//! Whether a call is an error to OpenTelemetry, which depends on the side; no call is judged by anything but its RpcInfo.

use opentelemetry::trace::Status;

use super::BusinessErrors;
use super::attributes::Kind;
use hottap_core::rpc::{Outcome, RpcInfo, Side, Symbol};

/// gRPC's statuses that say that the server failed; the others say that the caller asked for something it should not, or
/// went away.
const SERVER_FAILED: [u16; 6] = [2, 4, 12, 13, 14, 15];

/// What `error.type` a call has; none if it is no error.
pub(super) fn failure(kind: Kind, info: &RpcInfo, business: BusinessErrors) -> Option<&'static str> {
    let stats = info.stats();
    let failed = match stats.outcome() {
        Outcome::Ok => false,
        Outcome::BusinessError => business == BusinessErrors::Error,
        Outcome::Panicked => true,
        // By HTTP's conventions a server that does not get its response out has failed; a client that wants no more of one
        // has not.
        Outcome::Cancelled if kind == Kind::Http => info.side() == Side::Server,
        // By those of RPCs everything but OK is a client's error; a server whose caller went away has not failed.
        Outcome::Cancelled => info.side() != Side::Server && stats.rpc_status() != Some(0),
        _ if info.side() != Side::Server => true,
        _ => match (kind, stats.rpc_status()) {
            (Kind::Rpc, Some(status @ 1..)) => SERVER_FAILED.contains(&status),
            // The status blames no caller: there is none, or it is OK and the call failed in another way.
            _ => true,
        },
    };
    failed.then(|| match (stats.outcome(), stats.error_type()) {
        (Outcome::BusinessError, _) => Outcome::BusinessError.as_str(),
        // Whoever drives the call has not said what kind of error it was.
        (_, Symbol::NONE) => "_OTHER",
        (_, error_type) => error_type.as_str(),
    })
}

/// The span's status. It is never `Ok`: that is the application's to say.
pub(super) fn status(info: &RpcInfo, failed: bool) -> Option<Status> {
    let words = match info.stats().outcome() {
        Outcome::BusinessError => info.invocation().business_message(),
        _ => info.stats().error_message(),
    };
    failed.then(|| Status::error(words.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hottap_core::rpc::{Level, Method, Protocol, RpcStats, TraceContext, error_type};

    fn info(side: Side, protocol: Protocol, outcome: Outcome, status: Option<u16>) -> RpcInfo {
        let stats = RpcStats::new(Level::Base, 0, 0);
        let mut info = RpcInfo::new(1, side, Method::new("a.B/C"), TraceContext::root(), stats);
        info.invocation.protocol = protocol;
        let error_type = status.map_or(error_type::CANCELLED, error_type::grpc);
        info.stats.rpc_status = status;
        info.stats.fail(outcome, error_type, "");
        info
    }

    #[test]
    fn who_failed_depends_on_the_side() {
        use BusinessErrors::{Attribute, Error};
        use Outcome::{BusinessError, Cancelled, Panicked, TimedOut};
        for (outcome, status, server, client, reason) in [
            (Outcome::Ok, Some(0), "", "", "success"),
            (Outcome::Error, Some(5), "", "NOT_FOUND", "the caller asked for what is not there"),
            (Outcome::Error, Some(13), "INTERNAL", "INTERNAL", "the server failed"),
            (Outcome::Error, Some(2), "UNKNOWN", "UNKNOWN", "nobody knows why"),
            (Outcome::Error, Some(14), "UNAVAILABLE", "UNAVAILABLE", "the server is not there"),
            (Outcome::Error, Some(16), "", "UNAUTHENTICATED", "the caller may not"),
            (Cancelled, Some(1), "", "CANCELLED", "the caller gave up"),
            (Cancelled, None, "", "cancelled", "the caller is gone"),
            (Cancelled, Some(0), "", "", "the caller had what it wanted"),
            (TimedOut, Some(4), "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", "too late"),
            (Outcome::Error, Some(0), "OK", "OK", "a body that broke off, whatever the status"),
            (Panicked, None, "cancelled", "cancelled", "whatever was said"),
        ] {
            for (side, expected) in [(Side::Server, server), (Side::Client, client)] {
                let info = info(side, Protocol::Grpc, outcome, status);
                assert_eq!(failure(Kind::Rpc, &info, Attribute).unwrap_or(""), expected, "{side:?}: {reason}");
            }
        }
        for (kind, server, client) in [(Kind::Rpc, None, Some("cancelled")), (Kind::Http, Some("cancelled"), None)] {
            let protocol = if kind == Kind::Http { Protocol::Http } else { Protocol::Grpc };
            for (side, expected) in [(Side::Server, server), (Side::Client, client)] {
                assert_eq!(
                    failure(kind, &info(side, protocol, Cancelled, None), Attribute),
                    expected,
                    "{kind:?} {side:?}"
                );
            }
        }
        let refused = info(Side::Server, Protocol::Grpc, BusinessError, Some(0));
        assert_eq!(failure(Kind::Rpc, &refused, Attribute), None);
        assert_eq!(failure(Kind::Rpc, &refused, Error), Some("business_error"));
    }
}
