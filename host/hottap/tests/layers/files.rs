//! Files and other bodies that do not know their size behind an announced length, over both versions of HTTP: all of a
//! response is a success, and a part of it is none.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use hottap::rpc::{Outcome, RpcInfo};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tower::ServiceExt;
use tower_http::services::ServeDir;

use crate::curl::curl;
use crate::program::Peer;
use crate::recorder::Recorder;
use crate::stand::{http_client, serve_router};

/// More than what is read of a file at once.
const LARGE: usize = 300_007;

/// A server of a folder, and of bodies that are not as long as announced.
struct Site {
    address: SocketAddr,
    served: Recorder,
    tasks: [JoinHandle<()>; 2],
    _folder: tempfile::TempDir,
}

impl Site {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder can be made");
        for (name, size) in [("empty", 0), ("small.txt", 11), ("large", LARGE)] {
            std::fs::write(folder.path().join(name), vec![b'x'; size]).expect("the folder is ours");
        }
        let files = Router::new().nest_service("/files", ServeDir::new(folder.path()));
        let (upstream, at) = listen().await;
        let upstream = {
            let files = files.clone();
            tokio::spawn(async move { axum::serve(upstream, files).await.expect("serves") })
        };
        let router = files
            .route("/passed-on/{file}", get(async move |file: axum::extract::Path<String>| passed_on(at, &file).await))
            .route("/short", get(async || announced(10, &["hello"])))
            .route("/long", get(async || announced(3, &["hello"])))
            .route("/read", post(read));
        let served = Recorder::default();
        let (listener, address) = listen().await;
        let server = serve_router(&served.start("files"), listener, router);
        Self { address, served, tasks: [upstream, server], _folder: folder }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

/// An upstream's response with its length, whose body is a stream of unknown size.
async fn passed_on(upstream: SocketAddr, file: &str) -> Response {
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let uri = format!("http://{upstream}/files/{file}").parse().expect("a URI");
    let (head, body) = client.get(uri).await.expect("a response").into_parts();
    let mut response = Response::new(Body::from_stream(body.into_data_stream()));
    let length = head.headers.get("content-length").expect("a file has a length");
    response.headers_mut().insert("content-length", length.clone());
    response
}

/// A body of these pieces, announced to have another length.
fn announced(length: u64, pieces: &'static [&'static str]) -> Response {
    let pieces =
        tokio_stream::iter(pieces.iter().map(|piece| Ok::<_, io::Error>(Bytes::from_static(piece.as_bytes()))));
    let mut response = Response::new(Body::from_stream(pieces));
    response.headers_mut().insert("content-length", length.into());
    response
}

/// Reads what comes, and answers as if nothing were wrong.
async fn read(mut body: Body) -> &'static str {
    while let Some(Ok(_)) = body.frame().await {}
    "thanks"
}

#[track_caller]
fn check(info: &RpcInfo, outcome: Outcome, error_types: &[&str], reason: &str) {
    let stats = info.stats();
    let (error_type, words) = (stats.error_type().as_str(), stats.error_message());
    assert_eq!(stats.outcome(), outcome, "{:?}, {reason}: {error_type}, {words}", info.side());
    assert!(error_types.contains(&error_type), "{:?}, {reason}: {error_type}, {words}", info.side());
}

#[tokio::test]
async fn a_file_that_was_sent_whole_is_a_success_on_both_sides() {
    let later = "Fri, 01 Jan 2100 00:00:00 GMT";
    let (one, two) = ("bytes=0-4", "bytes=-100000");
    for http2 in [false, true] {
        let (site, sent) = (Site::start().await, Recorder::default());
        let client = http_client(&sent.start("shop"), site.address, http2);
        for (i, (method, path, header, status, bytes)) in [
            (Method::GET, "/files/small.txt", None, 200, 11),
            (Method::GET, "/files/large", None, 200, LARGE),
            (Method::GET, "/files/empty", None, 200, 0),
            (Method::GET, "/passed-on/small.txt", None, 200, 11),
            (Method::GET, "/passed-on/large", None, 200, LARGE),
            (Method::GET, "/passed-on/empty", None, 200, 0),
            (Method::HEAD, "/files/large", None, 200, 0),
            (Method::HEAD, "/files/empty", None, 200, 0),
            (Method::GET, "/files/small.txt", Some(("range", one)), 206, 5),
            (Method::GET, "/files/large", Some(("range", two)), 206, 100_000),
            (Method::HEAD, "/files/large", Some(("range", one)), 206, 0),
            (Method::GET, "/files/large", Some(("range", "bytes=999999-")), 416, 0),
            (Method::GET, "/files/large", Some(("if-modified-since", later)), 304, 0),
            (Method::GET, "/files/none", None, 404, 0),
            (Method::GET, "/files/small.txt", None, 200, 11),
        ]
        .into_iter()
        .enumerate()
        {
            let case = format!("{method} {path} {header:?}, HTTP/2 {http2}");
            let mut request = Request::builder().method(method.clone()).uri(site.url(path));
            if let Some((name, value)) = header {
                request = request.header(name, value);
            }
            let request = request.body(Full::<Bytes>::default()).expect("a request");
            let response = client.clone().oneshot(request).await.expect("a response");
            assert_eq!(response.status(), status, "{case}");
            let body = response.into_body().collect().await.expect("a body").to_bytes();
            assert_eq!(body.len(), bytes, "{case}");
            let (client, server) = (sent.finished(i + 1).await.remove(i), site.served.finished(i + 1).await.remove(i));
            check(&server, Outcome::Ok, &[""], &case);
            let refused = if status >= 400 { Outcome::Error } else { Outcome::Ok };
            check(&client, refused, &["", "404", "416"], &case);
            assert_eq!(client.stats().received().bytes, bytes as u64, "{case}");
            assert_eq!(server.stats().sent().bytes, bytes as u64, "{case}");
        }
        drop(client);
        sent.assert_each_finished_once();
        site.served.assert_each_finished_once();
    }
}

#[tokio::test]
#[ignore = "needs curl"]
async fn curl_that_gets_all_of_a_file_is_a_success() {
    let program = fixtures::peer("HOTTAP_TEST_CURL");
    for version in ["1.1", "2"] {
        let site = Site::start().await;
        for (i, (options, path, expected)) in [
            (&[][..], "/files/large", "200 300007"),
            (&[], "/files/empty", "200 0"),
            (&[], "/passed-on/large", "200 300007"),
            (&["--head"], "/files/large", "200 0"),
            (&["--range", "7-10"], "/files/small.txt", "206 4"),
            (&["--time-cond", "1 Jan 2100"], "/files/large", "304 0"),
        ]
        .into_iter()
        .enumerate()
        {
            let mut command = curl(&program, version);
            command.args(["--output", "/dev/null", "--write-out", "%{http_code} %{size_download}\n"]);
            let lines = Peer::start(command.args(options).arg(site.url(path))).rest().await;
            assert_eq!(lines, [expected], "{version} {options:?} {path}");
            let info = site.served.finished(i + 1).await.remove(i);
            check(&info, Outcome::Ok, &[""], &format!("{version} {options:?} {path}"));
            let told = format!("{} {}", info.stats().http_status().unwrap_or_default(), info.stats().sent().bytes);
            assert_eq!(told, expected, "{version} {options:?} {path}");
        }
        site.served.assert_each_finished_once();
    }
}

#[tokio::test]
async fn a_response_that_is_shorter_than_announced_is_an_error_on_both_sides() {
    for http2 in [false, true] {
        let (site, sent) = (Site::start().await, Recorder::default());
        let client = http_client(&sent.start("shop"), site.address, http2);
        let request = Request::get(site.url("/short")).body(Full::<Bytes>::default()).expect("a request");
        let response = client.oneshot(request).await;
        if let Ok(response) = response {
            response.into_body().collect().await.expect_err("a part of it");
        }
        let reason = format!("HTTP/2 {http2}");
        let server = site.served.one().await;
        check(&server, Outcome::Error, &["body"], &reason);
        assert_eq!(server.stats().error_message(), "the response's body ended after 5 of 10 announced bytes");
        // Over HTTP/1 the connection may break before its head is out; and the client runtime tells more than the layer can.
        check(&sent.one().await, Outcome::Error, &["body", "transport", "reset", "protocol"], &reason);
    }
}

#[tokio::test]
async fn a_response_that_is_longer_than_announced_is_an_error_of_the_server() {
    for http2 in [false, true] {
        let (site, sent) = (Site::start().await, Recorder::default());
        let client = http_client(&sent.start("shop"), site.address, http2);
        let request = Request::get(site.url("/long")).body(Full::<Bytes>::default()).expect("a request");
        let read = async {
            let response = client.oneshot(request).await.map_err(drop)?;
            response.into_body().collect().await.map_err(drop)
        };
        let read = read.await;
        let server = site.served.one().await;
        check(&server, Outcome::Error, &["body"], "too long");
        assert!(server.stats().error_message().contains("longer than the 3 bytes"));
        // Over HTTP/1 the client sees what was announced, and no more; over HTTP/2 it sees that something is wrong.
        assert_eq!(read.is_ok(), !http2);
        let expected = if http2 { Outcome::Error } else { Outcome::Ok };
        check(&sent.one().await, expected, &["", "body", "protocol", "reset"], "too long");
    }
}

#[tokio::test]
async fn a_peer_that_breaks_off_a_response_is_an_error_of_the_client() {
    for head in ["content-length: 10", "content-length: 10\r\ncontent-length: 10"] {
        let (listener, address) = listen().await;
        let peer = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            let _ = stream.read(&mut [0; 1024]).await.expect("a request");
            let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nhello");
            stream.write_all(answer.as_bytes()).await.expect("writes");
        });
        let sent = Recorder::default();
        let client = http_client(&sent.start("shop"), address, false);
        let request = Request::get(format!("http://{address}/")).body(Full::<Bytes>::default()).expect("a request");
        let response = client.oneshot(request).await.expect("a head");
        response.into_body().collect().await.expect_err("a part of it");
        check(&sent.one().await, Outcome::Error, &["body", "reset"], head);
        peer.await.expect("no panic");
    }
}

#[tokio::test]
async fn a_peer_that_breaks_off_a_request_is_an_error_of_the_server() {
    let site = Site::start().await;
    for (i, (head, body, outcome, error_type)) in [
        ("content-length: 10", "hello", Outcome::Error, "body"),
        ("content-length: 5", "hello", Outcome::Ok, ""),
        ("content-length: 5\r\ncontent-length: 5", "hello", Outcome::Ok, ""),
        ("transfer-encoding: chunked", "5\r\nhello\r\n0\r\n\r\n", Outcome::Ok, ""),
        ("content-length: 0", "", Outcome::Ok, ""),
    ]
    .into_iter()
    .enumerate()
    {
        let mut stream = TcpStream::connect(site.address).await.expect("connects");
        let request = format!("POST /read HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await.expect("writes");
        stream.shutdown().await.expect("no more is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{head}: {answer}");
        check(&site.served.finished(i + 1).await.remove(i), outcome, &[error_type], head);
    }
    // What hyper refuses by itself is no call.
    for head in ["content-length: 5\r\ncontent-length: 6", "content-length: 5x"] {
        let mut stream = TcpStream::connect(site.address).await.expect("connects");
        let request = format!("POST /read HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\nhello!");
        stream.write_all(request.as_bytes()).await.expect("writes");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 400"), "{head}: {answer}");
    }
    assert_eq!(site.served.finished(5).await.len(), 5);
}

#[tokio::test]
async fn an_upload_with_an_announced_length_is_a_success() {
    for http2 in [false, true] {
        let (site, sent) = (Site::start().await, Recorder::default());
        let client = http_client(&sent.start("shop"), site.address, http2);
        let body = Full::new(Bytes::from(vec![b'x'; LARGE]));
        let request = Request::post(site.url("/read")).header("content-length", LARGE).body(body).expect("a request");
        let response = client.oneshot(request).await.expect("a response");
        assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "thanks");
        let (client, server) = (sent.one().await, site.served.one().await);
        for info in [&client, &server] {
            check(info, Outcome::Ok, &[""], "as announced");
        }
        assert_eq!((client.stats().sent().bytes, server.stats().received().bytes), (LARGE as u64, LARGE as u64));
    }
}
