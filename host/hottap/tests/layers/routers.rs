//! axum's routers in routers: every name is a route that the application wrote, and nothing of how the router works.

use axum::Router;
use axum::body::Body;
use axum::routing::{any, get, post};
use hottap::rpc::{Outcome, Side};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::{ServiceExt, service_fn};

use crate::recorder::Recorder;

#[tokio::test]
async fn a_router_in_a_router_has_the_names_of_its_routes_and_no_others() {
    let served = Recorder::default();
    let users = Router::new()
        .route("/", get(async || "all"))
        .route("/{id}", get(async || "one").put(async || StatusCode::NO_CONTENT))
        .fallback(async || StatusCode::GONE);
    let plain =
        service_fn(async |_: Request<Body>| Ok::<_, std::convert::Infallible>(http::Response::new(Body::empty())));
    let router = Router::new()
        .nest("/api/{tenant}", Router::new().route("/", get(async || "tenant")))
        .nest("/api/{tenant}/users", users)
        .nest_service("/files", plain)
        .route("/any", any(async || "whatever"))
        .route_service("/raw/{*path}", plain)
        .merge(Router::new().route("/orders", post(async || StatusCode::CREATED)))
        .fallback(async || StatusCode::NOT_FOUND)
        .layer(served.start("shop").server_layer());
    let cases = [
        ("GET", "/api/acme/users/17", 200, "GET /api/{tenant}/users/{id}"),
        ("HEAD", "/api/acme/users/17", 200, "HEAD /api/{tenant}/users/{id}"),
        ("PUT", "/api/acme/users/17", 204, "PUT /api/{tenant}/users/{id}"),
        ("DELETE", "/api/acme/users/17", 405, "DELETE /api/{tenant}/users/{id}"),
        ("OPTIONS", "/api/acme/users/17", 405, "OPTIONS /api/{tenant}/users/{id}"),
        ("GET", "/api/acme/users", 200, "GET /api/{tenant}/users"),
        ("GET", "/api/acme", 200, "GET /api/{tenant}"),
        // Fallbacks are no routes: whatever the path is, it is no name.
        ("GET", "/api/acme/users/17/orders/4711", 410, "GET"),
        ("GET", "/files/secret/4711", 200, "GET"),
        ("GET", "/files", 200, "GET /files"),
        ("GET", "/raw/a/b?c", 200, "GET /raw/{*path}"),
        ("PROPFIND", "/any", 200, "_OTHER /any"),
        ("POST", "/orders", 201, "POST /orders"),
        ("POST", "/orders/", 404, "POST"),
        ("GET", "/made/up", 404, "GET"),
    ];
    for (index, (method, path, status, name)) in cases.into_iter().enumerate() {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).expect("a request");
        let response = router.clone().oneshot(request).await.expect("infallible");
        assert_eq!(response.status(), status, "{method} {path}");
        response.into_body().collect().await.expect("a body");
        let info = served.finished(index + 1).await.swap_remove(index);
        assert_eq!(info.invocation().method().as_str(), name, "{method} {path}");
        assert_eq!(
            (info.stats().http_status(), info.stats().outcome()),
            (Some(status), Outcome::Ok),
            "{method} {path}"
        );
    }
    served.assert_each_finished_once();
}

#[tokio::test]
async fn a_request_that_passes_two_layers_of_one_hottap_is_one_call() {
    let (served, sent) = (Recorder::default(), Recorder::default());
    let tap = served.start("shop");
    let inner = Router::new().route("/users/{id}", get(async || "one")).layer(tap.server_layer());
    let router = Router::new().nest("/api", inner).layer(tap.server_layer());
    let get = || Request::get("/api/users/17").body(Body::empty()).expect("a request");
    let response = router.clone().oneshot(get()).await.expect("infallible");
    assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "one");
    let info = served.one().await;
    assert_eq!(info.invocation().method().as_str(), "GET /api/users/{id}");
    assert_eq!((info.stats().sent().bytes, info.stats().outcome()), (3, Outcome::Ok));

    // Another Hottap's layer sees its own.
    let around = sent.start("gateway").server_layer().layer(router.clone());
    around.oneshot(get().map(Body::new)).await.expect("infallible").into_body().collect().await.expect("a body");
    assert_eq!(sent.one().await.invocation().method().as_str(), "GET");
    assert_eq!(served.finished(2).await.len(), 2);

    // A layer with a tracer of its own is there for that.
    let own = Recorder::default();
    let twice = tap.server_layer().layer(tap.server_layer().with_tracer(own.clone()).layer(router.clone()));
    twice.oneshot(get().map(Body::new)).await.expect("infallible").into_body().collect().await.expect("a body");
    assert_eq!(own.one().await.stats().sent().bytes, 3);
    assert_eq!(served.finished(4).await.len(), 4);

    // A request that a handler passes on is another one where it arrives.
    let (upstream, client) = (router, tap.client_layer());
    let proxy = Router::new()
        .fallback(async move |request: Request<Body>| {
            let upstream = service_fn(move |request: Request<hottap::RequestBody<Body>>| {
                upstream.clone().oneshot(request.map(Body::new))
            });
            client.layer(upstream).oneshot(request).await.expect("infallible").map(Body::new)
        })
        .layer(tap.server_layer());
    let response = proxy.oneshot(get()).await.expect("infallible");
    assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "one");
    let calls = served.finished(7).await;
    let sides: Vec<_> = calls[4..].iter().map(|info| info.side()).collect();
    assert_eq!(sides, [Side::Server, Side::Client, Side::Server], "the last hop ends first");
    served.assert_each_finished_once();
}
