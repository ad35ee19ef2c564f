//! Plain HTTP: axum over TCP and over a Unix socket, connections used again, HTTP/2 where it is asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::{get as on_get, post};
use bytes::Bytes;
use hottap::rpc::{Outcome, Protocol, Transport};
use hottap::{Hottap, Route};
use http_body_util::{BodyExt, Full};
use tokio::net::{TcpListener, UnixListener};
use tower::ServiceExt;

use crate::counted::check;
use crate::recorder::Recorder;
use crate::script::{get, send};

fn app(served: &Hottap) -> Router {
    Router::new()
        .route("/hello", on_get(|| async { "hello" }))
        .route(
            "/where",
            on_get(|request: Request| async move {
                let host = request.headers().get("host").map(|host| host.to_str().expect("ASCII").to_owned());
                format!("{} {} {:?}", request.uri(), host.unwrap_or_default(), request.version())
            }),
        )
        .route("/echo", post(|body: Bytes| async { body }))
        .layer(served.server_layer())
}

async fn serve(served: &Recorder) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let app = app(&served.start("echo"));
    tokio::spawn(async { axum::serve(listener, app).await });
    address
}

#[tokio::test]
async fn a_call_of_plain_http_is_one_row() {
    let (sent, served) = (Recorder::default(), Recorder::default());
    let address = serve(&served).await;
    let client = sent.start("shop").client(format!("http://{address}")).callee("echo").build().expect("builds");
    let mut request = http::Request::get("/hello").body(Full::default()).expect("a request");
    request.extensions_mut().insert(Route::new("/hello"));
    assert_eq!(send(&client, request).await.expect("a response").into_body(), "hello");
    let (info, seen) = (sent.one().await, served.one().await);
    check(&info, Outcome::Ok, "");
    assert_eq!(info.invocation().method().as_str(), "GET /hello");
    assert_eq!((info.invocation().protocol(), info.config().transport()), (Protocol::Http, Transport::Http1));
    assert_eq!(info.stats().received().bytes, 5);
    assert_eq!(info.peer().to_string(), address.to_string());
    assert_eq!(seen.trace().parent_span_id, info.trace().span_id);
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn every_body_passes() {
    let (sent, served) = (Recorder::default(), Recorder::default());
    let address = serve(&served).await;
    let client = sent.start("shop").client(format!("http://{address}")).build().expect("builds");
    let of =
        |length: usize| http::Request::post("/echo").body(Full::new(Bytes::from(vec![b'x'; length]))).expect("one");
    for length in [0, 1, 100_000] {
        assert_eq!(send(&client, of(length)).await.expect("a response").into_body().len(), length);
    }
    let body = Body::from_stream(tokio_stream::iter((0..9).map(|_| Ok::<_, std::io::Error>("piece"))));
    let request = http::Request::post("/echo").body(body).expect("a request");
    let response = client.clone().oneshot(request).await.expect("a response");
    assert_eq!(response.into_body().collect().await.expect("a body").to_bytes().len(), 45);
    let sizes: Vec<_> = sent.finished(4).await.iter().map(|info| info.stats().sent().bytes).collect();
    assert_eq!(sizes, [0, 1, 100_000, 45]);
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn the_endpoint_says_where_a_request_goes_and_the_authority_how_it_is_called() {
    let (sent, served) = (Recorder::default(), Recorder::default());
    let address = serve(&served).await;
    let tap = sent.start("shop");
    let client = tap.client(format!("http://{address}")).build().expect("builds");
    let text = get(&client, "http://elsewhere.invalid/where?a=b").await.expect("a response").into_body();
    assert_eq!(text, format!("/where?a=b {address} HTTP/1.1"));
    let client = tap.client(format!("http://{address}")).authority("inventory.internal").build().expect("builds");
    let text = get(&client, "/where").await.expect("a response").into_body();
    assert_eq!(text, "/where inventory.internal HTTP/1.1");
    let client = tap.client(format!("http://{address}")).http2_only().build().expect("builds");
    let text = get(&client, "/where").await.expect("a response").into_body();
    assert_eq!(text, format!("http://{address}/where  HTTP/2.0"));
    assert_eq!(sent.finished(3).await[2].config().transport(), Transport::Http2);
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let (sent, accepted) = (Recorder::default(), Arc::new(AtomicUsize::new(0)));
    let count = accepted.clone();
    let server = crate::script::Script::start(move |mut wire, _| {
        let count = count.clone();
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            while wire.head().await {
                wire.write(crate::script::OK).await;
            }
        }
    })
    .await;
    let client = sent.start("shop").client(server.url()).build().expect("builds");
    for _ in 0..20 {
        assert_eq!(get(&client, "/").await.expect("a response").into_body(), "ok");
    }
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
    assert_eq!(sent.finished(20).await.len(), 20);
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn a_unix_socket_is_an_endpoint() {
    let (sent, served) = (Recorder::default(), Recorder::default());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.sock");
    let listener = UnixListener::bind(&path).expect("binds");
    let app = app(&served.start("echo"));
    tokio::spawn(async { axum::serve(listener, app).await });
    let endpoint = format!("unix:{}", path.display());
    let client = sent.start("shop").client(endpoint.clone()).build().expect("builds");
    assert_eq!(get(&client, "/hello").await.expect("a response").into_body(), "hello");
    let info = sent.one().await;
    check(&info, Outcome::Ok, "");
    assert_eq!(info.peer().to_string(), endpoint);

    let nobody = sent.start("shop").client("unix:/nowhere/at/all.sock").build().expect("builds");
    let error = get(&nobody, "/hello").await.expect_err("nobody listens");
    assert_eq!(error.kind(), hottap::client::ErrorKind::ConnectionRefused);
    check(&sent.finished(2).await[1], Outcome::Error, "connection_refused");
    sent.assert_each_finished_once();
}
