//! How a call ended, by all that its response has said: HTTP's status, headers and trailers, and the body.

use std::borrow::Cow;

use http::StatusCode;

use super::{Wire, grpc};
use crate::rpc::{Outcome, Symbol, error_type};

/// What the body of a response says of how the call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing.
    Untold,
    /// gRPC's number of a status, and its words.
    Status(u16, String),
    /// It can't be read: it is compressed in a way that is not known here, or came in buffers that do not show their bytes.
    Sealed,
    /// Something that is no end of this protocol.
    Garbage,
}

/// What is to be recorded at the end of a complete response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// None if it stays as it is.
    pub(crate) rpc_status: Option<u16>,
    pub(crate) failure: Option<Wrong>,
}

/// Outcome, error type, words.
pub(crate) type Wrong = (Outcome, Symbol, Cow<'static, str>);

impl Verdict {
    /// `told` is the status that headers or trailers gave.
    pub(crate) fn of(wire: Wire, http: StatusCode, told: Option<u16>, end: End) -> Self {
        const NOTHING: Verdict = Verdict { rpc_status: None, failure: None };
        if wire == Wire::Http {
            return NOTHING;
        }
        let by_http = || (Outcome::Error, error_type::http(http.as_u16()), Cow::Borrowed(""));
        match (end, told) {
            // A failure that was told first is not taken back.
            (_, Some(1..)) => NOTHING,
            (End::Status(0, _), _) | (End::Untold | End::Sealed, Some(0)) => {
                let contradicts = http != StatusCode::OK;
                Self { rpc_status: Some(0), failure: contradicts.then(by_http) }
            }
            (End::Status(code, words), _) => Self::status(code, words.into()),
            (End::Garbage, _) => Self {
                rpc_status: Some(grpc::UNKNOWN),
                failure: Some((Outcome::Error, error_type::FRAME, "the end of the response is malformed".into())),
            },
            (End::Untold, None) if http != StatusCode::OK => {
                let code = grpc::status_of_http(http);
                match wire {
                    // Connect's own way to tell a status, where others only have a gatekeeper's.
                    Wire::ConnectUnary if http == StatusCode::NOT_MODIFIED => NOTHING,
                    Wire::ConnectUnary | Wire::ConnectStream => Self::status(code, Cow::Borrowed("")),
                    _ => Self { rpc_status: Some(code), failure: Some(by_http()) },
                }
            }
            (End::Untold, None) => Self {
                rpc_status: Some(grpc::UNKNOWN),
                failure: Some((Outcome::Error, error_type::MISSING_STATUS, missing(wire).into())),
            },
            (End::Sealed, None) => NOTHING,
        }
    }

    /// A status that is not OK.
    fn status(code: u16, words: Cow<'static, str>) -> Self {
        Self { rpc_status: Some(code), failure: Some((grpc::outcome(code), error_type::grpc(code), words)) }
    }
}

fn missing(wire: Wire) -> &'static str {
    match wire {
        Wire::ConnectUnary => "the response is none of Connect's",
        Wire::ConnectStream => "the response ended without an end of its stream",
        _ => "the response ended without a grpc-status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_telling_word_counts() {
        use Wire::{ConnectStream, ConnectUnary, Grpc, GrpcWeb, Http};
        let words = || "x".to_owned();
        for (wire, http, told, end, rpc_status, error, reason) in [
            (Http, 500, None, End::Untold, None, "", "plain HTTP was judged by its head"),
            (Grpc, 200, Some(0), End::Untold, Some(0), "", "success"),
            (Grpc, 200, Some(5), End::Untold, None, "", "recorded when it was told"),
            (Grpc, 200, None, End::Untold, Some(2), "missing_status", "no status"),
            (Grpc, 502, None, End::Untold, Some(14), "502", "a gatekeeper's answer"),
            (Grpc, 500, Some(0), End::Untold, Some(0), "500", "HTTP contradicts"),
            (GrpcWeb, 200, None, End::Status(7, words()), Some(7), "PERMISSION_DENIED", "in the last frame"),
            (GrpcWeb, 200, Some(0), End::Status(7, words()), Some(7), "PERMISSION_DENIED", "headers contradict"),
            (GrpcWeb, 200, Some(5), End::Status(0, words()), None, "", "the failure stays"),
            (GrpcWeb, 200, None, End::Garbage, Some(2), "frame", "no trailers"),
            (GrpcWeb, 200, Some(0), End::Garbage, Some(2), "frame", "no trailers"),
            (GrpcWeb, 200, None, End::Sealed, None, "", "nobody knows"),
            (GrpcWeb, 403, None, End::Untold, Some(7), "403", "a gatekeeper's answer"),
            (ConnectUnary, 200, None, End::Status(0, words()), Some(0), "", "success"),
            (ConnectUnary, 200, None, End::Untold, Some(2), "missing_status", "somebody's page"),
            (ConnectUnary, 404, None, End::Status(5, words()), Some(5), "NOT_FOUND", "told by the body"),
            (ConnectUnary, 404, None, End::Untold, Some(12), "UNIMPLEMENTED", "told by HTTP"),
            (ConnectUnary, 429, None, End::Untold, Some(14), "UNAVAILABLE", "told by HTTP"),
            (ConnectUnary, 504, None, End::Status(4, words()), Some(4), "DEADLINE_EXCEEDED", "told by the body"),
            (ConnectUnary, 304, None, End::Untold, None, "", "what the caller has is still good"),
            (ConnectStream, 200, None, End::Status(0, words()), Some(0), "", "success"),
            (ConnectStream, 200, None, End::Status(15, words()), Some(15), "DATA_LOSS", "told by its end"),
            (ConnectStream, 200, None, End::Untold, Some(2), "missing_status", "no end"),
            (ConnectStream, 401, None, End::Untold, Some(16), "UNAUTHENTICATED", "told by HTTP"),
        ] {
            let status = StatusCode::from_u16(http).expect("a status");
            let verdict = Verdict::of(wire, status, told, end);
            let failure = verdict.failure.as_ref().map_or("", |(_, error_type, _)| error_type.as_str());
            assert_eq!((verdict.rpc_status, failure), (rpc_status, error), "{wire:?} {http} {told:?}: {reason}");
        }
    }
}
