//! Every call finishes exactly once, whatever becomes of its connection: never there, reset, closed, shut down, upgraded.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use hottap::RequestBody;
use hottap::rpc::{Outcome, RpcInfo};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Hyper;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tonic::transport::Endpoint;
use tower::{ServiceExt, service_fn};

use crate::echo::Echo;
use crate::recorder::Recorder;
use crate::world::{Client, Running, World, collect};

#[track_caller]
fn check(info: &RpcInfo, outcome: Outcome, error_type: &str) {
    let stats = info.stats();
    assert_eq!((stats.outcome(), stats.error_type().as_str()), (outcome, error_type), "{}", stats.error_message());
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_a_failure_of_the_transport() {
    let sent = Recorder::default();
    let unknown = service_fn(async |_name| Err::<std::vec::IntoIter<_>, _>(io::Error::other("no such host")));
    let connector = HttpConnector::new_with_resolver(unknown);
    let client: Hyper<_, RequestBody<Empty<Bytes>>> = Hyper::builder(TokioExecutor::new()).build(connector);
    let request = Request::get("http://nowhere.invalid/").body(Empty::new()).expect("a request");
    let error = sent.start("shop").client_layer().layer(client).oneshot(request).await;
    error.expect_err("nobody knows it");
    let info = sent.one().await;
    check(&info, Outcome::Error, "transport");
    assert_eq!(info.peer().to_string(), "nowhere.invalid:80");
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_a_failure_of_the_transport() {
    let world = World::start().await;
    let address = world.address;
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let tls = tokio_rustls::TlsConnector::from(Arc::new(config));
    let connector = service_fn(move |_: http::Uri| {
        let tls = tls.clone();
        async move {
            let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
            tls.connect(name, TcpStream::connect(address).await?).await.map(TokioIo::new)
        }
    });
    let channel = Endpoint::from_static("http://localhost").connect_with_connector_lazy(connector);
    let sent = Recorder::default();
    let client = Client::over(crate::stand::over(&sent.start("shop"), channel));
    client.unary("echo").await.expect_err("no hands are shaken");
    check(&sent.one().await, Outcome::Error, "transport");
    sent.assert_each_finished_once();
    assert!(world.served.finished(0).await.is_empty(), "without a request there is no call");
    world.close().await;
}

/// What tonic's client gets, and its layer records, if the server answers a call with these frames of HTTP/2.
async fn answered(frames: Vec<u8>) -> RpcInfo {
    let (address, peer) = crate::peer::answering(frames).await;
    let sent = Recorder::default();
    let client = Client::new(&sent.start("shop"), address);
    client.unary("echo").await.expect_err("that is no answer");
    let info = sent.one().await;
    drop(client);
    peer.abort();
    sent.assert_each_finished_once();
    info
}

#[tokio::test]
async fn a_stream_that_the_server_resets_is_a_failure() {
    const RESET: [u8; 13] = [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 2];
    let info = answered(RESET.to_vec()).await;
    check(&info, Outcome::Error, "transport");
    assert_eq!(info.stats().http_status(), None);

    // A head with the status 200, an empty message, and then no more.
    let head = [0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88];
    let message = [0, 0, 5, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0];
    let info = answered([&head[..], &message, &RESET].concat()).await;
    check(&info, Outcome::Error, "body");
    assert_eq!((info.stats().http_status(), info.stats().received().messages), (Some(200), 1));
}

#[tokio::test]
async fn a_connection_that_the_server_gives_up_is_a_failure() {
    // GOAWAY: it has not looked at any stream.
    let info = answered(vec![0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).await;
    check(&info, Outcome::Error, "transport");
}

type Answer = Result<Response<Full<Bytes>>, io::Error>;

/// Serves one connection over HTTP/1 with a layer and a handler.
fn serve_one<H, F>(served: &Recorder, listener: TcpListener, handler: H) -> tokio::task::JoinHandle<()>
where
    H: Fn(Request<RequestBody<Incoming>>) -> F + Clone + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let service = served.start("echo").server_layer().layer(service_fn(handler));
    tokio::spawn(async move {
        let (connection, _) = listener.accept().await.expect("accepts");
        let connection = TokioIo::new(connection);
        let server = hyper::server::conn::http1::Builder::new();
        // The client may break the connection.
        let _ = server.serve_connection(connection, TowerToHyperService::new(service)).with_upgrades().await;
    })
}

async fn listen() -> (TcpListener, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

type Layered<B> = hottap::ClientService<Hyper<HttpConnector, RequestBody<B>>>;

fn client<B>(sent: &Recorder) -> Layered<B>
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
{
    sent.start("shop").client_layer().layer(Hyper::builder(TokioExecutor::new()).build_http())
}

#[tokio::test]
async fn an_upgrade_finishes_with_its_head() {
    let (sent, served) = (Recorder::default(), Recorder::default());
    let (listener, address) = listen().await;
    let server = serve_one(&served, listener, |mut request| async move {
        tokio::spawn(async move {
            let upgraded = hyper::upgrade::on(&mut request).await.expect("upgrades");
            TokioIo::new(upgraded).write_all(b"another protocol").await.expect("writes");
        });
        let head = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
        Ok(head.header("connection", "upgrade").header("upgrade", "other").body(Full::default()).expect("a head"))
    });
    let request = Request::get(format!("http://{address}/")).header("connection", "upgrade").header("upgrade", "other");
    let request = request.body(Empty::<Bytes>::new()).expect("a request");
    let response = client(&sent).oneshot(request).await.expect("a head");
    for info in [sent.one().await, served.one().await] {
        check(&info, Outcome::Ok, "");
        assert_eq!(info.stats().http_status(), Some(101));
    }
    // The connection lives on after the call.
    let mut text = String::new();
    let upgraded = hyper::upgrade::on(response).await.expect("upgrades");
    TokioIo::new(upgraded).read_to_string(&mut text).await.expect("reads");
    assert_eq!(text, "another protocol");
    server.await.expect("ends");
    sent.assert_each_finished_once();
    served.assert_each_finished_once();
}

#[tokio::test]
async fn a_request_that_the_handler_does_not_read_is_a_success() {
    let (sent, served) = (Recorder::default(), Recorder::default());
    let (listener, address) = listen().await;
    let server = serve_one(&served, listener, async |_unread| Ok(Response::new("enough".into())));
    let pieces = tokio_stream::iter((0..3).map(|_| Ok::<_, io::Error>(http_body::Frame::data(Bytes::from("piece")))));
    let request = Request::post(format!("http://{address}/")).body(StreamBody::new(pieces)).expect("a request");
    let response = client(&sent).oneshot(request).await.expect("a response");
    assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "enough");
    for info in [sent.one().await, served.one().await] {
        check(&info, Outcome::Ok, "");
    }
    assert_eq!(served.one().await.stats().received().bytes, 0, "nobody has read it");
    server.abort();
    sent.assert_each_finished_once();
    served.assert_each_finished_once();
}

#[tokio::test]
async fn a_response_that_the_client_does_not_read_is_cancelled_there() {
    let world = World::start().await;
    let stream = world.client.download("1 8 hang").await.expect("starts");
    drop(stream);
    let (client, server) = (world.sent.one().await, world.served.one().await);
    check(&client, Outcome::Cancelled, "cancelled");
    check(&server, Outcome::Cancelled, "cancelled");
    assert_eq!(client.stats().received().messages, 0);
    world.close().await;
}

#[tokio::test]
async fn a_call_that_runs_when_the_server_shuts_down_gracefully_succeeds() {
    let (sent, served) = (Recorder::default(), Recorder::default());
    let (reached, go_on, shut) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (listener, address) = listen().await;
    let (at, until) = (reached.clone(), go_on.clone());
    let handler = move |_: Request<RequestBody<Incoming>>| {
        let (at, until) = (at.clone(), until.clone());
        async move {
            at.notify_one();
            until.notified().await;
            Ok::<_, io::Error>(Response::new(Full::new(Bytes::from("done"))))
        }
    };
    let service = TowerToHyperService::new(served.start("echo").server_layer().layer(service_fn(handler)));
    let shutting = shut.clone();
    let server = tokio::spawn(async move {
        let (connection, _) = listener.accept().await.expect("accepts");
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(connection), service));
        tokio::select! {
            _ = connection.as_mut() => panic!("the call hangs"),
            () = shutting.notified() => connection.as_mut().graceful_shutdown(),
        }
        // It sends GOAWAY, and ends when the last call has ended.
        go_on.notify_one();
        let _ = connection.await;
    });
    let http2 = Hyper::builder(TokioExecutor::new()).http2_only(true).build_http();
    let client = sent.start("shop").client_layer().layer(http2);
    let request = Request::get(format!("http://{address}/")).body(Empty::<Bytes>::new()).expect("a request");
    let call = tokio::spawn(async move {
        let response = client.oneshot(request).await.expect("a response");
        response.into_body().collect().await.expect("a body").to_bytes()
    });
    reached.notified().await;
    shut.notify_one();
    assert_eq!(call.await.expect("ends"), "done");
    server.await.expect("shuts down");
    for info in [sent.one().await, served.one().await] {
        check(&info, Outcome::Ok, "");
    }
    sent.assert_each_finished_once();
    served.assert_each_finished_once();
}

#[test]
fn a_runtime_that_shuts_down_ends_the_calls_that_it_serves() {
    let (sent, served, echo) = (Recorder::default(), Recorder::default(), Echo::default());
    let server_runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let server_runtime = server_runtime.expect("starts");
    let client_runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("starts");
    let tap = served.start("echo");
    let server = server_runtime.block_on(async { Running::start(&tap, echo.clone()).await });
    client_runtime.block_on(async {
        let client = Client::new(&sent.start("shop"), server.address);
        let stream = client.download("1 8 hang").await.expect("starts");
        echo.reached.notified().await;
        server_runtime.shutdown_background();
        assert!(collect(stream).await.last().is_some_and(Result::is_err));
        check(&served.one().await, Outcome::Cancelled, "cancelled");
        check(&sent.one().await, Outcome::Error, "body");
    });
    sent.assert_each_finished_once();
    served.assert_each_finished_once();
}
