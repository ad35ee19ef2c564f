//! Plain HTTP over TCP: axum and a bare hyper service, called by hyper-util's client.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::Path;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use bytes::Bytes;
use hottap::rpc::{Outcome, Peer, Protocol, RpcInfo, Side, Streaming};
use hottap::{ClientService, Hottap, RequestBody, Route};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::{ServiceExt, service_fn};

use crate::recorder::Recorder;

type HttpClient = ClientService<Client<HttpConnector, RequestBody<Full<Bytes>>>>;

fn client(tap: &Hottap) -> HttpClient {
    tap.client_layer().layer(Client::builder(TokioExecutor::new()).build_http())
}

async fn send(client: &HttpClient, request: http::request::Builder, body: &'static str) -> (StatusCode, Bytes) {
    let request = request.body(Full::from(body)).expect("a request");
    let response = client.clone().oneshot(request).await.expect("a response");
    let status = response.status();
    (status, response.into_body().collect().await.expect("a body").to_bytes())
}

async fn axum(tap: &Hottap) -> (SocketAddr, JoinHandle<()>) {
    let router = Router::new()
        .route("/users/{id}", get(async |Path(id): Path<String>| format!("user {id}")))
        .route("/echo", post(async |body: Bytes| body))
        .route("/missing/{id}", get(async || StatusCode::NOT_FOUND))
        .route("/broken", get(async || StatusCode::INTERNAL_SERVER_ERROR))
        .layer(tap.server_layer());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let task = tokio::spawn(async move { axum::serve(listener, service).await.expect("serves") });
    (address, task)
}

#[track_caller]
fn check(info: &RpcInfo, method: &str, status: u16, outcome: Outcome, error_type: &str) {
    assert_eq!(info.invocation().method().as_str(), method);
    assert_eq!(info.invocation().protocol(), Protocol::Http);
    assert_eq!(info.invocation().streaming(), Streaming::Unknown);
    let stats = info.stats();
    assert_eq!((stats.http_status(), stats.rpc_status()), (Some(status), None));
    assert_eq!((stats.outcome(), stats.error_type().as_str()), (outcome, error_type));
}

#[tokio::test]
async fn axum_and_a_hyper_client_are_recorded() {
    let (sent, served) = (Recorder::default(), Recorder::default());
    let (client_tap, server_tap) = (sent.start("shop"), served.start("users"));
    let (address, server) = axum(&server_tap).await;
    let client = client(&client_tap);
    let url = |path: &str| format!("http://{address}{path}");

    let (status, body) = send(&client, Request::get(url("/users/17")).extension(Route::new("/users/{id}")), "").await;
    assert_eq!((status, body), (StatusCode::OK, Bytes::from("user 17")));
    assert_eq!(send(&client, Request::post(url("/echo")), "twelve bytes").await.1, "twelve bytes");
    send(&client, Request::get(url("/missing/1")), "").await;
    send(&client, Request::get(url("/broken")), "").await;
    send(&client, Request::get(url("/nowhere")), "").await;
    send(&client, Request::delete(url("/users/17")), "").await;
    assert_eq!(send(&client, Request::head(url("/users/17")), "").await.1, "");

    let (client_calls, server_calls) = (sent.finished(7).await, served.finished(7).await);
    for (i, method, status, outcome, error_type) in [
        (0, "GET /users/{id}", 200, Outcome::Ok, ""),
        (1, "POST", 200, Outcome::Ok, ""),
        (2, "GET", 404, Outcome::Error, "404"),
        (3, "GET", 500, Outcome::Error, "500"),
        (4, "GET", 404, Outcome::Error, "404"),
        (5, "DELETE", 405, Outcome::Error, "405"),
        (6, "HEAD", 200, Outcome::Ok, ""),
    ] {
        check(&client_calls[i], method, status, outcome, error_type);
        assert_eq!(client_calls[i].peer(), &Peer::Socket(address));
    }
    for (i, method, status, outcome, error_type) in [
        (0, "GET /users/{id}", 200, Outcome::Ok, ""),
        (1, "POST /echo", 200, Outcome::Ok, ""),
        (2, "GET /missing/{id}", 404, Outcome::Ok, ""),
        (3, "GET /broken", 500, Outcome::Error, "500"),
        (4, "GET", 404, Outcome::Ok, ""),
        (5, "DELETE /users/{id}", 405, Outcome::Ok, ""),
        (6, "HEAD /users/{id}", 200, Outcome::Ok, ""),
    ] {
        check(&server_calls[i], method, status, outcome, error_type);
        assert!(matches!(server_calls[i].peer(), Peer::Socket(peer) if peer.ip().is_loopback()));
        assert_eq!(server_calls[i].trace().parent_span_id, client_calls[i].trace().span_id);
    }
    for (i, requested, responded) in [(0, 0, 7), (1, 12, 12)] {
        let (client, server) = (client_calls[i].stats(), server_calls[i].stats());
        assert_eq!((client.sent().bytes, client.received().bytes), (requested, responded));
        assert_eq!((server.received().bytes, server.sent().bytes), (requested, responded));
        assert_eq!((server.sent().messages, server.sent().last_bytes), (0, 0));
    }
    server.abort();
    sent.assert_each_finished_once();
    served.assert_each_finished_once();
}

#[tokio::test]
async fn a_hyper_service_is_recorded_and_may_tell_its_route_afterwards() {
    let served = Recorder::default();
    let service =
        served.start("raw").server_layer().layer(service_fn(|request: Request<RequestBody<Incoming>>| async move {
            let body = request.into_body().collect().await?.to_bytes();
            let mut response = Response::new(Full::new(body));
            response.extensions_mut().insert(Route::new("/files/{name}"));
            Ok::<_, hyper::Error>(response)
        }));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let server = tokio::spawn(async move {
        let (connection, _) = listener.accept().await.expect("accepts");
        let service = TowerToHyperService::new(service);
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
    });
    let sent = Recorder::default();
    let client = client(&sent.start("shop"));
    for path in ["/files/a", "/files/b"] {
        let request = Request::put(format!("http://{address}{path}"));
        assert_eq!(send(&client, request, "some content").await.1, "some content");
    }
    for info in served.finished(2).await {
        assert_eq!(info.side(), Side::Server);
        check(&info, "PUT /files/{name}", 200, Outcome::Ok, "");
        assert_eq!((info.stats().received().bytes, info.stats().sent().bytes), (12, 12));
    }
    drop(client);
    server.abort();
    served.assert_each_finished_once();
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn a_client_that_hangs_up_cancels_the_call() {
    let served = Recorder::default();
    let reached = std::sync::Arc::new(tokio::sync::Notify::new());
    let notify = reached.clone();
    let router = Router::new()
        .route(
            "/hang",
            get(async move || {
                notify.notify_one();
                std::future::pending::<()>().await;
            }),
        )
        .layer(served.start("users").server_layer());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
    let sent = Recorder::default();
    let client = client(&sent.start("shop"));
    let call = tokio::spawn(async move { send(&client, Request::get(format!("http://{address}/hang")), "").await });
    reached.notified().await;
    call.abort();
    for info in [sent.one().await, served.one().await] {
        let stats = info.stats();
        assert_eq!((stats.outcome(), stats.error_type().as_str()), (Outcome::Cancelled, "cancelled"));
        assert_eq!(stats.http_status(), None);
    }
    server.abort();
    served.assert_each_finished_once();
}

async fn json() -> impl IntoResponse {
    ([("content-type", "application/json")], "{}")
}

#[tokio::test]
async fn a_flood_of_ids_that_looks_like_connect_is_named_by_its_route() {
    const QUERY: &str = "?connect=v1&encoding=json";
    const FLOOD: usize = 150;
    let served = Recorder::default();
    let tap = served.start("users");
    let inner = Router::new().route("/shop.v1.Stock/Count", get(json)).layer(tap.server_layer());
    let router = Router::new()
        .route("/users/{id}", get(json).post(json))
        .route("/shop.v1.Checkout/Place", get(json).post(json))
        .layer(tap.server_layer())
        .nest("/api", inner);
    let send = async |method: &str, path: &str| {
        let mut request = Request::builder().method(method).uri(path);
        if method == "POST" {
            request = request.header("content-type", "application/json").header("connect-protocol-version", "1");
        }
        let request = request.body(axum::body::Body::from("{}")).expect("a request");
        let response = router.clone().oneshot(request).await.expect("infallible");
        assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "{}");
    };
    for i in 0..FLOOD {
        send("GET", &format!("/users/{i}{QUERY}")).await;
        send("POST", &format!("/users/{i}")).await;
    }
    for (i, info) in served.finished(2 * FLOOD).await.iter().enumerate() {
        check(info, if i % 2 == 0 { "GET /users/{id}" } else { "POST /users/{id}" }, 200, Outcome::Ok, "");
    }
    // Routes that are methods are none that anybody makes up.
    for (i, (method, path, name)) in [
        ("GET", format!("/shop.v1.Checkout/Place{QUERY}"), "shop.v1.Checkout/Place"),
        ("POST", "/shop.v1.Checkout/Place".to_owned(), "shop.v1.Checkout/Place"),
        ("GET", format!("/api/shop.v1.Stock/Count{QUERY}"), "shop.v1.Stock/Count"),
    ]
    .into_iter()
    .enumerate()
    {
        send(method, &path).await;
        let calls = served.finished(2 * FLOOD + 1 + i).await;
        let invocation = calls[2 * FLOOD + i].invocation();
        assert_eq!((invocation.protocol(), invocation.method().as_str()), (Protocol::Connect, name), "{path}");
    }
    served.assert_each_finished_once();
}
