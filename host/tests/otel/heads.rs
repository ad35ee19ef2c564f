//! What requests' heads say in spans and metrics, over real connections: the server runtime with and without TLS, the client
//! runtime, and hyper alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use hottap::client::{Client, Retry};
use hottap::otel::{Conventions, MetricTracer, Names};
use hottap::server::{Served, Server};
use hottap::{Hottap, RouteLayer};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::SpanData;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tower::{Layer, ServiceExt};

use crate::metrics::Metrics;
use crate::spans::{Spans, assert_attributes, attribute, error};

/// A shop on a port of its own, whose spans are kept.
struct Shop {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Served>,
}

fn router() -> Router {
    Router::new()
        .route("/users/{id}", get(|| async { "somebody" }))
        .route("/busy", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
        .layer(RouteLayer)
}

impl Shop {
    async fn open(tap: &Hottap, configure: impl FnOnce(Server) -> Server) -> Self {
        let bound = configure(tap.server()).bind("127.0.0.1:0").await.expect("binds");
        let address = bound.local_addr().expect("over TCP");
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(bound.serve_until(router(), async { _ = stopped.await }));
        Self { address, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connects")
    }

    /// All its calls have finished then.
    async fn close(self) {
        let _ = self.stop.send(());
        self.task.await.expect("no panic");
    }
}

fn tap(spans: &Spans, names: Names) -> Hottap {
    let tracer = spans.tracer().conventions(Conventions::new(names, names));
    Hottap::builder().service("shop").tracer(tracer).start().expect("starts")
}

/// Sends bytes, and reads until the other end has closed.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> String {
    stream.write_all(bytes).await.expect("sent");
    let mut answer = Vec::new();
    // A server that closes while something of the request is left resets the connection.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The server's span of one request, as it goes over the wire.
async fn served(names: Names, bytes: &[u8]) -> SpanData {
    let spans = Spans::new();
    let shop = Shop::open(&tap(&spans, names), |server| server).await;
    let answer = exchange(shop.connect().await, bytes).await;
    assert!(answer.starts_with("HTTP/1."), "{answer}");
    shop.close().await;
    the_one(&spans, &SpanKind::Server)
}

#[track_caller]
fn the_one(spans: &Spans, kind: &SpanKind) -> SpanData {
    let mut found: Vec<_> = spans.ended().into_iter().filter(|span| span.span_kind == *kind).collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

const PLAIN: &str = "GET /users/17?q=1&sig=hunter2 HTTP/1.1\r\nhost: shop.example:8080\r\nuser-agent: curl/8\r\n\
                     connection: close\r\n\r\n";

#[tokio::test]
async fn a_servers_span_has_what_the_conventions_require_and_recommend() {
    let span = served(Names::Stable, PLAIN.as_bytes()).await;
    assert_eq!(span.name, "GET /users/{id}");
    assert_attributes(
        &span,
        &[
            ("http.request.method", "GET"),
            ("http.request.method_original", ""),
            ("http.route", "/users/{id}"),
            ("http.response.status_code", "200"),
            ("url.scheme", "http"),
            ("url.path", "/users/17"),
            ("url.query", "q=1&sig=REDACTED"),
            ("server.address", "shop.example"),
            ("server.port", "8080"),
            ("client.address", "127.0.0.1"),
            ("network.peer.address", "127.0.0.1"),
            ("network.protocol.version", "1.1"),
            ("user_agent.original", "curl/8"),
            ("error.type", ""),
            ("url.full", ""),
        ],
    );
    assert_ne!(attribute(&span, "network.peer.port"), "");
    assert!(!format!("{span:?}").contains("hunter2"), "{span:?}");
    for old in ["http.method", "http.target", "http.scheme", "net.host.name", "net.sock.peer.addr"] {
        assert_eq!(attribute(&span, old), "", "{old}");
    }
}

#[tokio::test]
async fn the_older_names_have_the_older_shapes() {
    for (names, both) in [(Names::Old, false), (Names::Both, true)] {
        let span = served(names, PLAIN.as_bytes()).await;
        assert_attributes(
            &span,
            &[
                ("http.method", "GET"),
                ("http.target", "/users/17?q=1&sig=REDACTED"),
                ("http.scheme", "http"),
                ("http.status_code", "200"),
                ("net.host.name", "shop.example"),
                ("net.host.port", "8080"),
                ("net.sock.peer.addr", "127.0.0.1"),
                ("net.protocol.version", "1.1"),
                ("user_agent.original", "curl/8"),
                ("http.client_ip", ""),
                ("url.scheme", if both { "http" } else { "" }),
                ("url.path", if both { "/users/17" } else { "" }),
                ("url.query", if both { "q=1&sig=REDACTED" } else { "" }),
                ("server.address", if both { "shop.example" } else { "" }),
                ("client.address", if both { "127.0.0.1" } else { "" }),
            ],
        );
    }
}

#[tokio::test]
async fn what_a_request_does_not_say_is_not_there() {
    let long = format!("/{}", "a".repeat(5_000));
    for (line, headers, expected, reason) in [
        ("GET /users/1 HTTP/1.0", "", [("network.protocol.version", "1.0"), ("server.address", "")], "nothing is said"),
        ("GET /users/1 HTTP/1.1", "host: shop\r\n", [("server.address", "shop"), ("server.port", "")], "no port"),
        ("GET /users/1 HTTP/1.1", "host: [::1]:80\r\n", [("server.address", "::1"), ("server.port", "80")], "IPv6"),
        ("GET /users/1 HTTP/1.1", "host: a/../b c\r\n", [("server.address", ""), ("server.port", "")], "no host"),
        (
            "GET /users/1 HTTP/1.1",
            "host: u:hunter2@shop\r\n",
            [("server.address", "shop"), ("url.full", "")],
            "a secret",
        ),
        (
            "GET http://else:81/users/1 HTTP/1.1",
            "host: shop\r\n",
            [("server.address", "else"), ("server.port", "81")],
            "the request line counts",
        ),
        (
            "GET /users/1 HTTP/1.1",
            "host: x\r\nuser-agent: \u{e9}\r\n",
            [("user_agent.original", ""), ("url.query", "")],
            "not ASCII",
        ),
        (
            "GET /users/1? HTTP/1.1",
            "host: x\r\nforwarded: proto=https;host=y\r\nx-forwarded-proto: https\r\n",
            [("url.scheme", "http"), ("server.address", "x")],
            "anybody can say so",
        ),
        ("OPTIONS * HTTP/1.1", "host: x\r\n", [("url.path", "*"), ("http.request.method", "OPTIONS")], "no path"),
        (
            &format!("GET {long} HTTP/1.1"),
            "host: x\r\n",
            [("url.path", &long[..2_048]), ("http.route", "")],
            "too long",
        ),
    ] {
        let span = served(Names::Stable, format!("{line}\r\n{headers}connection: close\r\n\r\n").as_bytes()).await;
        for (key, value) in expected {
            assert_eq!(attribute(&span, key), value, "{key} of {line} {headers:?}: {reason}");
        }
        assert!(!format!("{span:?}").contains("hunter2"), "{span:?}");
    }
}

#[tokio::test]
async fn a_method_that_nobody_knows_is_other_and_its_span_is_called_http() {
    for (line, name, original) in [
        ("BREW /users/17", "HTTP /users/{id}", "BREW"),
        ("get /users/17", "HTTP /users/{id}", "get"),
        ("BREW /made-up", "HTTP", "BREW"),
        ("QUERY /made-up", "QUERY", ""),
    ] {
        let bytes = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let span = served(Names::Stable, bytes.as_bytes()).await;
        assert_eq!(span.name, name, "{line}");
        let method = if original.is_empty() { "QUERY" } else { "_OTHER" };
        assert_attributes(&span, &[("http.request.method", method), ("http.request.method_original", original)]);
    }
}

/// A certificate for `localhost`: for the server, and as those have it who trust it.
fn certificate() -> (hottap::server::Tls, String, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("makes one");
    let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let tls = hottap::server::Tls::from_pem(pem.as_bytes(), key.as_bytes()).expect("TLS");
    (tls, pem, made.cert.der().clone())
}

#[tokio::test]
async fn the_scheme_is_https_where_the_connection_has_tls() {
    for alpn in [&b"http/1.1"[..], b"h2"] {
        let (spans, (tls, _, der)) = (Spans::new(), certificate());
        let shop = Shop::open(&tap(&spans, Names::Stable), |server| server.tls(tls)).await;
        let mut roots = RootCertStore::empty();
        roots.add(der).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = config.expect("versions").with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        let name = ServerName::try_from("localhost").expect("a name");
        let stream =
            TlsConnector::from(Arc::new(config)).connect(name, shop.connect().await).await.expect("shakes hands");
        let version = if alpn == b"h2" {
            two(stream, "https://localhost:8443/users/17").await;
            "2"
        } else {
            exchange(stream, PLAIN.as_bytes()).await;
            "1.1"
        };
        shop.close().await;
        let span = the_one(&spans, &SpanKind::Server);
        assert_attributes(&span, &[("url.scheme", "https"), ("network.protocol.version", version)]);
    }
}

/// One request of HTTP/2, by hyper alone.
async fn two(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, uri: &str) {
    let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.expect("shakes hands");
    let connection = tokio::spawn(connection);
    let request = Request::get(uri).body(Empty::<Bytes>::new()).expect("a request");
    let response = sender.send_request(request).await.expect("a response");
    response.into_body().collect().await.expect("ends");
    drop(sender);
    connection.await.expect("no panic").expect("ends well");
}

#[tokio::test]
async fn pseudo_headers_tell_scheme_and_server() {
    for (uri, scheme, address, port) in [
        ("http://shop.example:8080/users/17", "http", "shop.example", "8080"),
        ("https://shop.example/users/17", "https", "shop.example", ""),
        ("gopher://shop.example/users/17", "http", "shop.example", ""),
    ] {
        let spans = Spans::new();
        let shop = Shop::open(&tap(&spans, Names::Stable), |server| server).await;
        two(shop.connect().await, uri).await;
        shop.close().await;
        let span = the_one(&spans, &SpanKind::Server);
        assert_attributes(&span, &[("url.scheme", scheme), ("server.address", address), ("server.port", port)]);
        assert_attributes(&span, &[("url.path", "/users/17"), ("network.protocol.version", "2")]);
    }
}

async fn ask(client: &Client, uri: &str) -> StatusCode {
    let request = Request::get(uri).header("user-agent", "shop/1").body(Empty::<Bytes>::new()).expect("a request");
    let response = client.clone().oneshot(request).await.expect("a response");
    let status = response.status();
    response.into_body().collect().await.expect("ends");
    status
}

#[tokio::test]
async fn a_clients_span_has_the_whole_url_of_where_the_call_went() {
    for (names, url, agent) in [(Names::Stable, "url.full", ""), (Names::Old, "http.url", "shop/1")] {
        let (calls, (tls, pem, _)) = (Spans::new(), certificate());
        let shop = Shop::open(&tap(&Spans::new(), names), |server| server.tls(tls)).await;
        let port = shop.address.port().to_string();
        let tap = Hottap::builder()
            .tracer(calls.tracer().conventions(Conventions::new(names, names)).without_attempts())
            .start()
            .expect("starts");
        let client = tap.client(format!("https://localhost:{port}")).tls(hottap::client::Tls::new().ca_pem(pem));
        ask(&client.build().expect("builds"), "/users/17?q=1&Signature=hunter2").await;
        shop.close().await;
        let span = the_one(&calls, &SpanKind::Client);
        assert_eq!(span.name, "GET");
        let expected = format!("https://localhost:{port}/users/17?q=1&Signature=REDACTED");
        assert_attributes(&span, &[(url, &expected), ("user_agent.original", agent), ("url.path", "")]);
        let keys = match names {
            Names::Old => ["net.peer.name", "net.peer.port", "net.sock.peer.addr", "net.sock.peer.port"],
            _ => ["server.address", "server.port", "network.peer.address", "network.peer.port"],
        };
        // By name who was asked, by number who was reached.
        assert_eq!(keys.map(|key| attribute(&span, key)), ["localhost", &port, "127.0.0.1", &port]);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_called_by_its_path() {
    let (spans, place) = (Spans::new(), tempfile::tempdir().expect("a directory"));
    let path = place.path().join("shop.sock");
    let (tap, text) = (tap(&spans, Names::Stable), path.to_str().expect("UTF-8"));
    let bound = tap.server().bind_unix(&path).expect("binds");
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(bound.serve_until(router(), async { _ = stopped.await }));
    ask(&tap.client(format!("unix:{text}")).build().expect("builds"), "/users/17").await;
    let _ = stop.send(());
    task.await.expect("no panic");
    let (server, ended) = (the_one(&spans, &SpanKind::Server), spans.ended());
    for client in ended.iter().filter(|span| span.span_kind == SpanKind::Client) {
        assert_attributes(client, &[("server.address", text), ("server.port", ""), ("network.peer.address", text)]);
        assert_attributes(client, &[("url.full", "http://localhost/users/17")]);
    }
    assert_attributes(&server, &[("server.address", "localhost"), ("client.address", ""), ("url.scheme", "http")]);
    assert_eq!(ended.len(), 3, "the client's call, its attempt, and the server's");
}

#[tokio::test]
async fn a_client_layer_knows_what_the_request_says_of_where_it_goes() {
    for (uri, host, full, address, port) in [
        ("https://user:hunter2@shop/x?sig=1", "", "https://REDACTED:REDACTED@shop/x?sig=REDACTED", "shop", "443"),
        ("http://shop:8080/x", "ignored", "http://shop:8080/x", "shop", "8080"),
        ("/x", "shop:8080", "//shop:8080/x", "shop", "8080"),
        ("/x", "", "", "", ""),
    ] {
        let spans = Spans::new();
        let answer = |_: Request<hottap::RequestBody<Empty<Bytes>>>| async {
            Ok::<_, std::convert::Infallible>(http::Response::new(Empty::<Bytes>::new()))
        };
        let mut request = Request::get(uri);
        if !host.is_empty() {
            request = request.header("host", host);
        }
        let request = request.body(Empty::new()).expect("a request");
        let client = tap(&spans, Names::Stable).client_layer().layer(tower::service_fn(answer));
        client.oneshot(request).await.expect("infallible");
        let span = the_one(&spans, &SpanKind::Client);
        assert_attributes(&span, &[("url.full", full), ("server.address", address), ("server.port", port)]);
        assert!(!format!("{span:?}").contains("hunter2"), "{span:?}");
    }
}

#[tokio::test]
async fn each_attempt_says_where_it_went() {
    let (calls, unseen) = (Spans::new(), Spans::new());
    let shops = [
        Shop::open(&tap(&unseen, Names::Stable), |server| server).await,
        Shop::open(&tap(&unseen, Names::Stable), |server| server).await,
    ];
    let [first, second] = [&shops[0], &shops[1]].map(|shop| format!("http://{}", shop.address));
    let tap = tap(&calls, Names::Stable);
    let retry = Retry::new(2).pauses(Duration::from_micros(1), Duration::from_micros(10));
    let client = tap.client(&first).endpoint(&second).retry(retry).build().expect("builds");
    assert_eq!(ask(&client, "http://ignored/busy").await, StatusCode::SERVICE_UNAVAILABLE);
    for shop in shops {
        shop.close().await;
    }
    let ended = calls.ended();
    let [attempts @ .., call] = &ended[..] else { panic!("{ended:#?}") };
    assert_eq!(attempts.len(), 2);
    assert_attributes(
        call,
        &[("url.full", ""), ("server.address", ""), ("hottap.attempts", "2"), ("error.type", "503")],
    );
    for attempt in attempts {
        let port = attribute(attempt, "server.port");
        let expected = format!("http://127.0.0.1:{port}/busy");
        assert!([format!("{first}/busy"), format!("{second}/busy")].contains(&expected), "{expected}");
        assert_attributes(attempt, &[("url.full", &expected), ("server.address", "127.0.0.1"), ("error.type", "503")]);
        assert_attributes(attempt, &[("network.peer.address", "127.0.0.1"), ("network.peer.port", &port)]);
    }
    assert_attributes(&attempts[1], &[("http.request.resend_count", "1"), ("hottap.attempt", "")]);
}

#[tokio::test]
async fn a_call_that_the_caller_gives_up_is_no_error_of_its_client() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let calls = Spans::new();
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let client = tap(&calls, Names::Stable).client(&url).build().expect("builds");
    let asked = tokio::spawn(async move { ask(&client, "/users/17").await });
    let (mut stream, _) = listener.accept().await.expect("accepts");
    let mut some = [0; 16];
    stream.read_exact(&mut some).await.expect("the request is on its way");
    asked.abort();
    assert!(asked.await.expect_err("given up").is_cancelled());
    for span in calls.ended() {
        assert_eq!((error(&span), &*attribute(&span, "error.type")), (None, ""), "{span:?}");
        assert_attributes(&span, &[("url.full", &format!("{url}/users/17")), ("http.response.status_code", "")]);
    }
    assert_eq!(calls.ended().len(), 2, "the call and its attempt");
}

#[tokio::test]
async fn metrics_have_the_scheme_and_nothing_else_that_callers_write() {
    let metrics = Metrics::new();
    let tracer = MetricTracer::new(metrics.provider()).conventions(Conventions::new(Names::Both, Names::Both));
    let tap = Hottap::builder().tracer(tracer).start().expect("starts");
    let shop = Shop::open(&tap, |server| server).await;
    exchange(shop.connect().await, PLAIN.as_bytes()).await;
    two(shop.connect().await, "gopher://made-up/users/18").await;
    let client = tap.client(format!("http://{}", shop.address)).build().expect("builds");
    ask(&client, "/users/19?x=1").await;
    let port = shop.address.port();
    shop.close().await;
    let held = metrics.held();
    let keys = |name: &str| held[name].counts.keys().cloned().collect::<Vec<_>>();
    let served = |version: &str| {
        format!(
            "http.request.method=GET http.response.status_code=200 http.route=/users/{{id}} \
             network.protocol.version={version} url.scheme=http"
        )
    };
    assert_eq!(keys("http.server.request.duration"), [served("1.1"), served("2")]);
    assert_eq!(
        keys("http.client.request.duration"),
        [format!(
            "http.request.method=GET http.response.status_code=200 network.protocol.version=1.1 \
             server.address=127.0.0.1 server.port={port}"
        )]
    );
    let old = |version: &str| {
        format!(
            "http.method=GET http.route=/users/{{id}} http.scheme=http http.status_code=200 net.protocol.version={version}"
        )
    };
    assert_eq!(keys("http.server.duration"), [old("1.1"), old("2.0")]);
}
