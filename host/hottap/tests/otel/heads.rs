//! What requests' heads say in servers' spans and in metrics, over real connections with and without TLS.

use std::sync::Arc;

use hottap::Hottap;
use hottap::otel::{Conventions, MetricTracer, Names};
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::SpanData;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use crate::metrics::Metrics;
use crate::shop::{PLAIN, Shop, ask, certificate, exchange, tap, the_one, two};
use crate::spans::{Spans, assert_attributes, attribute};

/// The server's span of one request, as it goes over the wire.
async fn served(names: Names, bytes: &[u8]) -> SpanData {
    let spans = Spans::new();
    let shop = Shop::open(&tap(&spans, names), |server| server).await;
    let answer = exchange(shop.connect().await, bytes).await;
    assert!(answer.starts_with("HTTP/1."), "{answer}");
    shop.close().await;
    the_one(&spans, &SpanKind::Server)
}

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
