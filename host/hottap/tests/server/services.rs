//! Whatever is a tower service runs: a function, axum's router, tonic's services with all four kinds of streaming.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo as AxumInfo, Path};
use axum::routing::get;
use bytes::Bytes;
use hottap::RouteLayer;
use hottap::rpc::{Outcome, Streaming, Transport};
use hottap::server::{Body, Bound};
use http::{Request, StatusCode, Version};
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use tokio_stream::StreamExt;
use tonic::service::Routes;

use crate::echo::Echo;
use crate::house::{House, client, pieces};
use crate::recorder::Recorder;
use crate::world::{Client, collect};

#[tokio::test]
async fn a_function_is_served_over_both_versions_on_one_port() {
    let house = House::start(|server| server).await;
    for (http2, version) in [(false, Version::HTTP_11), (true, Version::HTTP_2)] {
        let request = Request::get(format!("http://{}/hello", house.address())).body(pieces(0)).expect("a request");
        let response = client(http2).request(request).await.expect("a response");
        assert_eq!((response.status().as_u16(), response.version()), (200, version));
        assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "hello");
    }
    let calls = house.served.finished(2).await;
    let transports: Vec<_> = calls.iter().map(|call| call.config().transport()).collect();
    assert_eq!(transports, [Transport::Http1, Transport::Http2]);
    for call in &calls {
        assert_eq!(call.stats().outcome(), Outcome::Ok);
        assert!(call.peer().to_string().starts_with("127.0.0.1:"), "{}", call.peer());
        assert_eq!(call.local().to_string(), house.address().to_string());
    }
    let (_, seen) = house.close().await;
    assert_eq!((seen.accepted, seen.closed.total()), (2, 2));
}

#[tokio::test]
async fn a_router_of_axum_is_served_and_knows_its_callers() {
    async fn who(Path(name): Path<String>, AxumInfo(address): AxumInfo<SocketAddr>) -> String {
        format!("{name} at {}", address.ip())
    }
    let served = Recorder::default();
    let bound = served.start("house").server().bind("127.0.0.1:0").await.expect("binds");
    let address = bound.local_addr().expect("over TCP");
    let server = tokio::spawn(bound.serve(Router::new().route("/who/{name}", get(who))));
    let request = Request::get(format!("http://{address}/who/ann")).body(pieces(0)).expect("a request");
    let response = client(false).request(request).await.expect("a response");
    assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "ann at 127.0.0.1");
    let call = served.one().await;
    assert_eq!(call.stats().http_status(), Some(200));
    assert_eq!(call.invocation().method().as_str(), "GET /who/{name}");
    server.abort();
}

/// REST beside gRPC, with what axum has besides routes.
fn rest() -> Router {
    let orders = Router::new().route("/orders/{id}", get(async || "order"));
    Router::new()
        .route("/users/{id}", get(async || "user"))
        .nest("/api", orders)
        .nest_service("/files", tower::service_fn(async |_: axum::extract::Request| Ok::<_, Infallible>("a file")))
        .fallback(async || (StatusCode::NOT_FOUND, "nothing"))
}

#[tokio::test]
async fn the_routes_of_axum_are_found_beside_grpc_and_in_tonics_routes() {
    let beside = Router::new().merge(rest()).merge(Routes::new(Echo::default()).into_axum_router().reset_fallback());
    check_routes(|bound| tokio::spawn(bound.serve(beside))).await;
    check_routes(|bound| tokio::spawn(bound.serve(Routes::from(rest()).add_service(Echo::default())))).await;
    let told = rest().layer(RouteLayer).route_service("/test.Echo/{*method}", Echo::default());
    check_routes(|bound| tokio::spawn(bound.serve(told.into_service::<Body>()))).await;
}

async fn check_routes(serve: impl FnOnce(Bound) -> tokio::task::JoinHandle<Infallible>) {
    let served = Recorder::default();
    let bound = served.start("shop").server().bind("127.0.0.1:0").await.expect("binds");
    let address = bound.local_addr().expect("over TCP");
    let server = serve(bound);
    let grpc = Client::new(&Recorder::default().start("shop"), address);
    assert_eq!(grpc.unary("echo this").await.expect("echoes"), "echo this");
    let requests = [
        ("GET", "/users/17", 200, "GET /users/{id}"),
        ("GET", "/api/orders/4", 200, "GET /api/orders/{id}"),
        ("DELETE", "/users/17", 405, "DELETE /users/{id}"),
        ("GET", "/files/logo.png", 200, "GET"),
        ("GET", "/nowhere", 404, "GET"),
    ];
    for (method, path, status, _) in requests {
        let request = Request::builder().method(method).uri(format!("http://{address}{path}"));
        let response = client(false).request(request.body(pieces(0)).expect("a request")).await.expect("a response");
        assert_eq!(response.status(), status, "{path}");
        response.into_body().collect().await.expect("a body");
    }
    assert!(grpc.send("/no.Such/Method", tonic::Request::new(Bytes::new())).await.is_err());
    let calls = served.finished(2 + requests.len()).await;
    let names: Vec<_> = calls.iter().map(|call| call.invocation().method().as_str().to_owned()).collect();
    let expected = requests.iter().map(|(.., name)| *name);
    assert_eq!(names, ["test.Echo/Unary"].into_iter().chain(expected).chain(["_OTHER"]).collect::<Vec<_>>());
    server.abort();
}

/// tonic's routes with the echo in them, and a client of it.
async fn routes() -> (Client, Recorder, oneshot::Sender<()>, tokio::task::JoinHandle<hottap::server::Served>) {
    let served = Recorder::default();
    let bound = served.start("echo").server().bind("127.0.0.1:0").await.expect("binds");
    let address = bound.local_addr().expect("over TCP");
    let (stop, stopped) = oneshot::channel::<()>();
    let routes = Routes::new(Echo::default());
    let server = tokio::spawn(bound.serve_until(routes, async { _ = stopped.await }));
    (Client::new(&Recorder::default().start("shop"), address), served, stop, server)
}

#[tokio::test]
async fn tonics_services_stream_in_all_four_ways() {
    let (client, served, stop, server) = routes().await;
    assert_eq!(client.unary("echo this").await.expect("echoes"), "echo this");
    assert_eq!(collect(client.download("3 8 end").await.expect("starts")).await.len(), 3);
    let messages = || tokio_stream::iter(["one", "two"].map(Bytes::from));
    assert_eq!(client.upload(messages()).await.expect("counts"), "6");
    let answers = collect(client.chat(messages()).await.expect("starts")).await;
    assert_eq!(answers.len(), 2);
    let calls = served.finished(4).await;
    let seen: Vec<_> = calls
        .iter()
        .map(|call| (call.invocation().method().as_str().to_owned(), call.invocation().streaming()))
        .collect();
    assert_eq!(
        seen,
        [
            ("test.Echo/Unary".to_owned(), Streaming::Unary),
            ("test.Echo/Download".to_owned(), Streaming::Server),
            ("test.Echo/Upload".to_owned(), Streaming::Client),
            ("test.Echo/Chat".to_owned(), Streaming::Both),
        ]
    );
    assert!(calls.iter().all(|call| call.stats().rpc_status() == Some(0)));
    drop(client);
    let _ = stop.send(());
    assert_eq!(server.await.expect("ends").requests_cut, 0);
    served.assert_each_finished_once();
}

#[tokio::test]
async fn a_handler_of_tonic_knows_its_caller() {
    use tonic::body::Body as TonicBody;
    let served = Recorder::default();
    let bound = served.start("echo").server().bind("127.0.0.1:0").await.expect("binds");
    let address = bound.local_addr().expect("over TCP");
    let service = tower::service_fn(|request: Request<Body>| async move {
        let request = tonic::Request::from_http(request);
        let peer = request.remote_addr().expect("over TCP");
        let mut response = http::Response::new(TonicBody::empty());
        response.headers_mut().insert("x-peer", peer.to_string().parse().expect("ASCII"));
        Ok::<_, Infallible>(response)
    });
    let server = tokio::spawn(bound.serve(service));
    let request = Request::get(format!("http://{address}/")).body(pieces(0)).expect("a request");
    let response = client(true).request(request).await.expect("a response");
    assert_eq!(response.headers()["x-peer"], served.one().await.peer().to_string());
    server.abort();
}

#[tokio::test]
async fn a_stream_goes_both_ways_at_once() {
    let (client, _served, _stop, server) = routes().await;
    let (say, said) = tokio::sync::mpsc::channel::<Bytes>(1);
    let mut answers = client.chat(tokio_stream::wrappers::ReceiverStream::new(said)).await.expect("starts");
    for word in ["one", "two", "three"] {
        say.send(word.into()).await.expect("taken");
        assert_eq!(answers.next().await.expect("an answer").expect("a message"), word);
    }
    drop(say);
    assert!(answers.next().await.is_none());
    server.abort();
}
