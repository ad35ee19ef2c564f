//! Which names calls get: those that a router knows, and never whatever a peer made up.

use std::convert::Infallible;

use bytes::Bytes;
use hottap::rpc::Outcome;
use hottap::{RequestBody, Route};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{Empty, StreamBody};
use tonic::Request as GrpcRequest;
use tower::{ServiceExt, service_fn};

use crate::recorder::Recorder;
use crate::world::World;

#[tokio::test]
async fn a_flood_of_methods_that_nobody_knows_is_other() {
    let world = World::start().await;
    const FLOOD: usize = 300;
    for i in 0..FLOOD {
        let path = match i % 2 {
            0 => format!("/flood.S{i}/Method"),
            _ => format!("/test.Echo/Method{i}"),
        };
        world.client.send(&path, GrpcRequest::new(Bytes::new())).await.expect_err("nobody knows it");
    }
    for info in world.served.finished(FLOOD).await {
        assert_eq!(info.invocation().method().as_str(), "_OTHER");
        assert_eq!(info.stats().rpc_status(), Some(12));
    }
    world.client.unary("echo").await.expect("succeeds");
    let served = world.served.finished(FLOOD + 1).await;
    assert_eq!(served[FLOOD].invocation().method().as_str(), "test.Echo/Unary");
    world.close().await;
}

#[tokio::test]
async fn a_method_that_was_served_keeps_its_name_when_it_refuses() {
    let world = World::start().await;
    world.client.unary("fail 16 before anything is known").await.expect_err("refused");
    world.client.unary("echo").await.expect("succeeds");
    world.client.unary("fail 16 who are you").await.expect_err("refused");
    let names: Vec<String> =
        world.served.finished(3).await.iter().map(|info| info.invocation().method().as_str().to_owned()).collect();
    assert_eq!(names[1..], ["test.Echo/Unary", "test.Echo/Unary"]);
    world.close().await;
}

#[tokio::test]
async fn a_known_method_that_is_unimplemented_keeps_its_name_and_what_no_router_knows_has_none() {
    let world = World::start().await;
    world.client.unary("echo").await.expect("succeeds");
    // The handler says so of a part of what it is asked for.
    world.client.unary("fail 12 not yet").await.expect_err("refused");
    // tonic's router says so of a service, and the service of a method.
    for path in ["/no.Such/Method", "/test.Echo/NoSuch"] {
        world.client.send(path, GrpcRequest::new(Bytes::new())).await.expect_err("nobody knows it");
    }
    let served = world.served.finished(4).await;
    for (info, name) in served.iter().zip(["test.Echo/Unary", "test.Echo/Unary", "_OTHER", "_OTHER"]) {
        assert_eq!(info.invocation().method().as_str(), name);
    }
    for info in &served[1..] {
        assert_eq!((info.stats().rpc_status(), info.stats().outcome()), (Some(12), Outcome::Error));
        assert_eq!(info.stats().error_type().as_str(), "UNIMPLEMENTED");
    }
    world.close().await;
}

/// One plain HTTP call through the server's layer; gives the method's name.
async fn name(request: http::request::Builder, answer: http::response::Builder) -> String {
    let recorder = Recorder::default();
    let answer = std::sync::Mutex::new(Some(answer));
    let service =
        recorder.start("unit").server_layer().layer(service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| {
            let response = answer.lock().expect("not poisoned").take().expect("one call").body(Empty::<Bytes>::new());
            async { Ok::<_, Infallible>(response.expect("a response")) }
        }));
    service.oneshot(request.body(Empty::new()).expect("a request")).await.expect("succeeds");
    recorder.one().await.invocation().method().as_str().to_owned()
}

#[tokio::test]
async fn plain_http_is_named_by_route_and_never_by_path() {
    let get = || Request::get("/users/17?token=hunter2");
    let ok = || Response::builder().status(StatusCode::OK);
    let route = Route::new("/users/{id}");
    assert_eq!(name(get(), ok()).await, "GET");
    assert_eq!(name(get(), ok().status(404)).await, "GET");
    assert_eq!(name(get().extension(route.clone()), ok()).await, "GET /users/{id}");
    assert_eq!(name(get().extension(route.clone()), ok().status(404)).await, "GET /users/{id}");
    assert_eq!(name(get(), ok().extension(route.clone())).await, "GET /users/{id}");
    assert_eq!(name(get().extension(Route::new("/{*any}")), ok().extension(route)).await, "GET /users/{id}");
    assert_eq!(name(Request::builder().method("BREW").uri("/"), ok()).await, "_OTHER");
    assert_eq!(name(get().extension(Route::from("/x".repeat(200))), ok()).await, "_OTHER");
}

/// The name of a call whose answer has this content type, and which the client leaves in the middle of it.
async fn name_when_left(request: http::request::Builder, content_type: &'static str, route: Option<Route>) -> String {
    let recorder = Recorder::default();
    let service =
        recorder.start("unit").server_layer().layer(service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| {
            let endless = StreamBody::new(tokio_stream::pending::<Result<Frame<Bytes>, Infallible>>());
            let mut response = Response::new(endless);
            if !content_type.is_empty() {
                response.headers_mut().insert("content-type", content_type.parse().expect("a value"));
            }
            if let Some(route) = route.clone() {
                response.extensions_mut().insert(route);
            }
            async { Ok::<_, Infallible>(response) }
        }));
    drop(service.oneshot(request.body(Empty::new()).expect("a request")).await.expect("succeeds"));
    let info = recorder.one().await;
    assert_eq!(info.stats().outcome(), Outcome::Cancelled);
    info.invocation().method().as_str().to_owned()
}

#[tokio::test]
async fn a_name_is_believed_of_an_answer_in_the_words_of_its_protocol() {
    const NAME: &str = "shop.v1.Checkout/Place";
    let post = |content_type| Request::post(format!("/{NAME}")).header("content-type", content_type);
    for (asked, answered, believed) in [
        ("application/grpc", "application/grpc", true),
        ("application/grpc", "application/grpc+proto", true),
        // A page that answers every path.
        ("application/grpc", "text/html", false),
        ("application/grpc", "application/json", false),
        ("application/grpc", "", false),
        ("application/grpc-web+proto", "application/grpc-web+proto", true),
        ("application/grpc-web", "application/grpc-web-text", true),
        ("application/grpc-web", "text/html", false),
        ("application/grpc-web", "", false),
        ("application/connect+json", "application/connect+json", true),
        ("application/connect+json", "application/json", false),
        ("application/connect+json", "", false),
        ("application/json", "application/json", true),
        ("application/proto", "application/proto; x=y", true),
        ("application/json", "text/plain", false),
        ("application/json", "", false),
    ] {
        let request = post(asked).header("connect-protocol-version", "1");
        let name = name_when_left(request, answered, None).await;
        assert_eq!(name, if believed { NAME } else { "_OTHER" }, "{asked} answered by {answered:?}");
    }
    let get = Request::get("/flood.S1/Method").header("content-type", "application/grpc");
    assert_eq!(name_when_left(get, "application/grpc", None).await, "GET", "calls of gRPC are made by POST");
}

#[tokio::test]
async fn a_name_is_not_believed_against_a_route_that_the_answer_tells() {
    let json = "application/json";
    for (path, route, expected) in [
        ("/users/17", "/users/{id}", "_OTHER"),
        ("/users/17", "/{*any}", "_OTHER"),
        ("/api/shop.v1.Checkout/Place", "/api/shop.v1.Checkout/Place", "shop.v1.Checkout/Place"),
    ] {
        let request = Request::post(path).header("content-type", json).header("connect-protocol-version", "1");
        assert_eq!(name_when_left(request, json, Some(Route::new(route))).await, expected, "{path} {route}");
    }
    let request = Request::post("/shop.v1.Stock/Count").header("content-type", "application/grpc");
    let name = name_when_left(request, "application/grpc", Some(Route::new("/shop.v1.Stock/{*rest}"))).await;
    assert_eq!(name, "shop.v1.Stock/Count", "routes of gRPC are those of services");
}
