//! axum's routes, wherever the layer stands; and the log line where they are lost.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hottap::{Hottap, RequestBody, RouteLayer};
use http::StatusCode;
use http_body_util::BodyExt;
use tonic::service::Routes;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_http::trace::TraceLayer;
use tracing::Level;

use crate::notices::Notices;
use crate::recorder::Recorder;

/// A place of the layer, and the service that stands so.
type Place = (&'static str, fn(&Hottap) -> App);

type App = BoxCloneSyncService<Request, Response, Infallible>;

fn app<S, R>(service: S) -> App
where
    S: Service<Request, Response = R, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
    R: IntoResponse + 'static,
{
    BoxCloneSyncService::new(service.map_response(IntoResponse::into_response))
}

/// One route, with a pattern; a handler for what no route matches.
fn users() -> Router {
    Router::new().route("/users/{id}", get(async || "user")).fallback(async || (StatusCode::NOT_FOUND, "nothing"))
}

/// A static file in the place of a route, as with `ServeDir`.
fn files() -> Router {
    users()
        .nest_service("/files", service_fn(async |_: Request| Ok::<_, Infallible>(Response::new(Body::from("file")))))
}

async fn call(app: &App, method: &str, path: &str) -> StatusCode {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).expect("a request");
    let response = app.clone().oneshot(request).await.expect("answers");
    let status = response.status();
    response.into_body().collect().await.expect("whole");
    status
}

/// The names under which requests are recorded.
async fn names(make: fn(&Hottap) -> App, requests: &[(&str, &str)]) -> Vec<String> {
    let recorder = Recorder::default();
    let app = make(&recorder.start("users"));
    for (method, path) in requests {
        call(&app, method, path).await;
    }
    let finished = recorder.finished(requests.len()).await;
    finished.iter().map(|info| info.invocation().method().as_str().to_owned()).collect()
}

#[tokio::test]
async fn axums_routes_are_known_wherever_the_layer_stands() {
    let arrangements: [Place; 11] = [
        ("inside, after the routes", |tap| app(users().layer(tap.server_layer()))),
        ("inside, around the routes alone", |tap| app(users().route_layer(tap.server_layer()))),
        ("around one method router", |tap| {
            app(Router::new().route("/users/{id}", get(async || "user").layer(tap.server_layer())))
        }),
        ("around one handler", |tap| {
            let handler = (async || "user").layer(tap.server_layer());
            app(Router::new().route("/users/{id}", get(handler)))
        }),
        ("inside, with others around it", |tap| {
            let layers = ServiceBuilder::new().layer(TraceLayer::new_for_http()).layer(tap.server_layer());
            app(users().layer(layers))
        }),
        ("inside, around others", |tap| {
            let layers = ServiceBuilder::new().layer(tap.server_layer()).layer(TraceLayer::new_for_http());
            app(users().layer(layers))
        }),
        ("inside a router that is merged", |tap| app(Router::new().merge(users().layer(tap.server_layer())))),
        ("around a router that tells its routes", |tap| app(tap.server_layer().layer(users().layer(RouteLayer)))),
        ("around tonic's routes, of a router that tells its own", |tap| {
            app(tap.server_layer().layer(Routes::from(users().layer(RouteLayer))))
        }),
        ("around others and a router that tells its routes", |tap| {
            app(tap.server_layer().layer(TraceLayer::new_for_http().layer(users().layer(RouteLayer))))
        }),
        ("around a boxed router that tells its routes", |tap| {
            app(tap.server_layer().layer(BoxCloneSyncService::new(users().layer(RouteLayer))))
        }),
    ];
    for (place, make) in arrangements {
        let requests = [("GET", "/users/17"), ("HEAD", "/users/18")];
        assert_eq!(names(make, &requests).await, ["GET /users/{id}", "HEAD /users/{id}"], "{place}");
    }
}

#[tokio::test]
async fn nested_routes_are_known_whole() {
    let arrangements: [Place; 6] = [
        ("outer, inside", |tap| app(Router::new().nest("/api", users()).layer(tap.server_layer()))),
        ("outer, around", |tap| app(tap.server_layer().layer(Router::new().nest("/api", users()).layer(RouteLayer)))),
        ("inner, inside", |tap| app(Router::new().nest("/api", users().layer(tap.server_layer())))),
        ("inner, inside, as a service", |tap| {
            app(Router::new().nest_service("/api", users().layer(tap.server_layer())))
        }),
        ("inner, around", |tap| {
            app(Router::new().nest_service("/api", tap.server_layer().layer(users().layer(RouteLayer))))
        }),
        ("around an inner service that tells its routes", |tap| {
            app(tap.server_layer().layer(Router::new().nest_service("/api", users().layer(RouteLayer))))
        }),
    ];
    for (place, make) in arrangements {
        assert_eq!(names(make, &[("GET", "/api/users/17")]).await, ["GET /api/users/{id}"], "{place}");
    }
}

#[tokio::test]
async fn a_request_without_a_route_is_recorded_by_its_method_alone() {
    let arrangements: [Place; 2] = [
        ("inside", |tap| app(files().layer(tap.server_layer()))),
        ("around", |tap| app(tap.server_layer().layer(files().layer(RouteLayer)))),
    ];
    for (place, make) in arrangements {
        let requests = [("GET", "/nowhere"), ("GET", "/files/logo.png"), ("DELETE", "/users/17"), ("GET", "/users/17")];
        let expected = ["GET", "GET", "DELETE /users/{id}", "GET /users/{id}"];
        assert_eq!(names(make, &requests).await, expected, "{place}");
    }
}

/// The lines of a Hottap whose service gets these requests, one after the other.
async fn lines(make: impl FnOnce(&Hottap) -> App, paths: &[&str]) -> Vec<(Level, String)> {
    let (notices, _listening) = Notices::listen();
    let recorder = Recorder::default();
    let app = make(&recorder.start("users"));
    for path in paths {
        call(&app, "GET", path).await;
    }
    notices.take()
}

#[tokio::test]
async fn lost_routes_of_axum_are_warned_of_once() {
    let arrangements: [fn(&Hottap) -> App; 3] = [
        |tap| app(tap.server_layer().layer(users())),
        |tap| app(tap.server_layer().layer(users().into_service::<RequestBody<Body>>())),
        |tap| app(ServiceBuilder::new().layer(tap.server_layer()).layer(TraceLayer::new_for_http()).service(users())),
    ];
    for hidden in arrangements {
        let seen = lines(hidden, &["/users/17", "/users/18", "/users/19"]).await;
        let [(Level::WARN, line)] = &*seen else { panic!("{seen:?}") };
        assert!(line.contains(".layer(hottap::RouteLayer)"), "{line}");
    }
}

#[tokio::test]
async fn no_line_is_written_where_no_route_is_lost() {
    let boxed = |tap: &Hottap| app(tap.server_layer().layer(BoxCloneSyncService::new(files().layer(RouteLayer))));
    assert_eq!(lines(boxed, &["/files/logo.png"]).await, [], "the type shows no router");
    let hidden = |tap: &Hottap| app(tap.server_layer().layer(users()));
    assert_eq!(lines(hidden, &["/nowhere"]).await, [], "no handler has answered");
    let told = |tap: &Hottap| app(tap.server_layer().layer(files().layer(RouteLayer)));
    assert_eq!(lines(told, &["/files/logo.png"]).await, [], "the router tells its routes, and this has none");
    let inside = |tap: &Hottap| app(files().layer(tap.server_layer()));
    assert_eq!(lines(inside, &["/files/logo.png"]).await, [], "the layer stands in the router");
    let grpc = |tap: &Hottap| app(tap.server_layer().layer(BoxCloneSyncService::new(Routes::default())));
    assert_eq!(lines(grpc, &["/"]).await, [], "tonic's router knows no such method");
    let plain = |tap: &Hottap| {
        let hello = service_fn(async |_: http::Request<_>| Ok::<_, Infallible>(Response::new(Body::from("hello"))));
        app(tap.server_layer().layer(hello))
    };
    assert_eq!(lines(plain, &["/"]).await, [], "there is no router");
    let untraced = |_: &Hottap| {
        let tap = Hottap::builder().start().expect("starts");
        app(tap.server_layer().layer(TraceLayer::new_for_http().layer(users())))
    };
    assert_eq!(lines(untraced, &["/users/17"]).await, [], "nothing is recorded");
}
