//! Plain HTTP by OpenTelemetry's conventions: the method's name, and which statuses are failures.

use http::{Extensions, Method, StatusCode};

use crate::layer::Route;
use crate::rpc::Side;

/// The HTTP method as it may stand in a name: one that no standard knows is `_OTHER`.
#[inline]
pub(crate) fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ if method.as_str() == "QUERY" => "QUERY",
        _ => "_OTHER",
    }
}

/// The route that a router has told, never the path.
#[inline]
pub(crate) fn route(extensions: &Extensions) -> Option<&str> {
    if extensions.is_empty() {
        return None;
    }
    if let Some(route) = extensions.get::<Route>() {
        return Some(route.as_str());
    }
    #[cfg(feature = "axum")]
    if let Some(path) = extensions.get::<axum::extract::MatchedPath>() {
        return Some(path.as_str());
    }
    None
}

/// A status is a failure of the server from 500 up, of the client from 400 up.
pub(crate) fn is_failure(side: Side, status: StatusCode) -> bool {
    match side {
        Side::Server => status.as_u16() >= 500,
        _ => status.as_u16() >= 400,
    }
}

/// Its response ends with its head, whatever the body says.
pub(crate) fn has_no_body(to_head: bool, status: StatusCode) -> bool {
    to_head || status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_that_no_standard_knows_is_other() {
        for (text, expected) in [("GET", "GET"), ("QUERY", "QUERY"), ("get", "_OTHER"), ("X-RANDOM-17", "_OTHER")] {
            let parsed = Method::from_bytes(text.as_bytes()).expect("a token");
            assert_eq!(method(&parsed), expected, "{text}");
        }
    }

    #[test]
    fn a_status_is_a_failure_by_side() {
        for (status, server, client) in
            [(200, false, false), (302, false, false), (404, false, true), (499, false, true), (500, true, true)]
        {
            let code = StatusCode::from_u16(status).expect("a status");
            assert_eq!(is_failure(Side::Server, code), server, "{status}");
            assert_eq!(is_failure(Side::Client, code), client, "{status}");
        }
    }
}
