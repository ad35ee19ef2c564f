//! The log line for a server whose routes are lost.

use std::any::type_name;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Response;
use http::header::CONTENT_TYPE;

use super::protocol::Media;

/// The target of the log line: the documentation names it.
const TARGET: &str = "hottap::route";

/// Returns true if the type of a service shows axum's router, and its routes do not reach a layer around the service.
///
/// It goes by the type's name: without the feature `axum` there is no other mark, and only a log line depends on it.
pub fn hides_routes<S>() -> bool {
    hides(type_name::<S>(), cfg!(feature = "axum"))
}

fn hides(name: &str, sees_axum: bool) -> bool {
    if sees_axum {
        // A layer inside the router gets each of its routes, in which `MatchedPath` is known.
        name.contains("axum::routing::Router")
    } else {
        name.contains("axum::routing::")
    }
}

/// Notes that a call has a route: then the log line about lost routes need not be written.
#[inline]
pub(super) fn seen(settled: &AtomicBool) {
    if !settled.load(Ordering::Relaxed) {
        settled.store(true, Ordering::Relaxed);
    }
}

/// Notes that a call of plain HTTP has lost its route. Writes the one log line of a Hottap about that for the first call
/// that a handler has answered.
#[cold]
pub(super) fn lost<B>(settled: &AtomicBool, response: &Response<B>) {
    #[cfg(feature = "axum")]
    if response.extensions().get::<super::matched::Unmatched>().is_some() {
        return;
    }
    if !is_handled(response) || settled.swap(true, Ordering::Relaxed) {
        return;
    }
    let advice = if cfg!(feature = "axum") {
        "add .layer(hottap::RouteLayer) to the Router, after its routes"
    } else {
        "enable the feature `axum` of the crate hottap in Cargo.toml"
    };
    tracing::warn!(target: TARGET, "axum's routes are not seen, so all its requests have the same name (GET, POST): {advice}");
}

/// A handler has answered: not a router that knows no route, be it in the words of gRPC.
fn is_handled<B>(response: &Response<B>) -> bool {
    let media = response.headers().get(CONTENT_TYPE).map_or(Media::Other, Media::of);
    response.status().as_u16() < 400 && matches!(media, Media::Other | Media::JsonOrProto)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_names_axum_shows_whether_its_routes_are_hidden() {
        for (name, with_feature, without) in [
            ("axum::routing::Router", true, true),
            ("tower_http::normalize_path::NormalizePath<axum::routing::Router>", true, true),
            ("axum::routing::RouterIntoService<hottap::server::body::Body>", true, true),
            ("axum::routing::route::Route", false, true),
            ("tower_http::trace::Trace<axum::routing::route::Route>", false, true),
            ("tower::util::service_fn::ServiceFn<app::handle>", false, false),
            ("tonic::service::router::Routes", false, false),
        ] {
            assert_eq!((hides(name, true), hides(name, false)), (with_feature, without), "{name}");
        }
    }

    #[test]
    fn the_types_of_axum_still_have_these_names() {
        assert!(type_name::<axum::Router>().contains("axum::routing::Router"));
        let route = type_name::<axum::routing::Route>();
        assert!(route.contains("axum::routing::") && !route.contains("axum::routing::Router"), "{route}");
    }

    #[test]
    fn only_what_a_handler_answers_has_lost_a_route() {
        for (status, content_type, expected) in [
            (200, "", true),
            (204, "", true),
            (302, "text/html", true),
            (200, "application/json", true),
            // A router that knows no route; tonic's says so with 200, in the words of gRPC.
            (404, "text/html", false),
            (405, "", false),
            (200, "application/grpc", false),
            // The runtime's own answers.
            (500, "", false),
            (503, "", false),
        ] {
            let response = Response::builder().status(status).header(CONTENT_TYPE, content_type);
            assert_eq!(is_handled(&response.body(()).expect("a response")), expected, "{status} {content_type}");
        }
    }
}
