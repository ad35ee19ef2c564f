//! Plain HTTP by OpenTelemetry's conventions: the route, and which statuses are failures. Its methods are in `methods`.

use http::{Extensions, Method, StatusCode};

use crate::layer::Route;
use crate::rpc::Side;

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

/// The methods of requests whose responses may have no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseTo {
    Head,
    Connect,
    Other,
}

impl ResponseTo {
    #[inline]
    pub(crate) fn of(method: &Method) -> Self {
        match *method {
            Method::HEAD => Self::Head,
            Method::CONNECT => Self::Connect,
            _ => Self::Other,
        }
    }

    /// Tells whether a response ends with its head, whatever its headers and its body say (RFC 9112 6.3). A tunnel that
    /// begins there is no part of the call.
    pub(crate) fn ends_with_head(self, status: StatusCode) -> bool {
        match self {
            Self::Head => true,
            Self::Connect if status.is_success() => true,
            _ => status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_response_ends_with_its_head_by_method_and_status() {
        for (method, status, expected, reason) in [
            (Method::GET, 200, false, "a body follows"),
            (Method::HEAD, 200, true, "its length is that of a GET"),
            (Method::HEAD, 404, true, "whatever the status"),
            (Method::GET, 101, true, "another protocol follows"),
            (Method::GET, 204, true, "no content"),
            (Method::GET, 206, false, "a part"),
            (Method::GET, 304, true, "its length is that of a 200"),
            (Method::CONNECT, 200, true, "a tunnel follows"),
            (Method::CONNECT, 407, false, "no tunnel"),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(ResponseTo::of(&method).ends_with_head(status), expected, "{method} {status}: {reason}");
        }
    }
}
