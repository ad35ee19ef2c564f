//! Plain HTTP by OpenTelemetry's conventions: the route, and which statuses are failures. Its methods are in `methods`.

use http::{Extensions, StatusCode};

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

/// Its response ends with its head, whatever the body says.
pub(crate) fn has_no_body(to_head: bool, status: StatusCode) -> bool {
    to_head || status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
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
}
