//! What clients' spans say of where calls went: of the client runtime over real connections, and of a layer alone.

use std::time::Duration;

use bytes::Bytes;
use hottap::client::Retry;
use hottap::otel::{Conventions, Names};
use hottap::{CallContext, Hottap, Tracer};
use http::{Request, StatusCode};
use http_body_util::Empty;
use opentelemetry::trace::SpanKind;
use tokio::io::AsyncReadExt;
#[cfg(unix)]
use tokio::sync::oneshot;
use tower::ServiceExt;

#[cfg(unix)]
use crate::shop::router;
use crate::shop::{Shop, ask, certificate, tap, the_one};
use crate::spans::{Spans, assert_attributes, assert_child, attribute, error};

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
    let client = the_one(&spans, &SpanKind::Client);
    assert_attributes(&client, &[("server.address", text), ("server.port", ""), ("network.peer.address", text)]);
    assert_attributes(&client, &[("url.full", "http://localhost/users/17")]);
    assert_attributes(&server, &[("server.address", "localhost"), ("client.address", ""), ("url.scheme", "http")]);
    assert_eq!(ended.len(), 2, "the client's call and the server's");
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
async fn a_call_to_one_of_several_says_by_an_attempt_where_it_went() {
    let (calls, unseen) = (Spans::new(), tap(&Spans::new(), Names::Stable));
    let shops = [Shop::open(&unseen, |server| server).await, Shop::open(&unseen, |server| server).await];
    let [first, second] = [&shops[0], &shops[1]].map(|shop| format!("http://{}", shop.address));
    let client = tap(&calls, Names::Stable).client(&first).endpoint(&second).build().expect("builds");
    ask(&client, "/users/17").await;
    for shop in shops {
        shop.close().await;
    }
    let ended = calls.ended();
    let [attempt, call] = &ended[..] else { panic!("{ended:#?}") };
    assert_child(attempt, call);
    assert_attributes(attempt, &[("server.address", "127.0.0.1")]);
    assert!(attribute(attempt, "url.full").ends_with("/users/17"), "{attempt:?}");
}

/// Wants to know of attempts.
struct Keen;

impl Tracer for Keen {
    fn start(&self, _: &mut CallContext) {}

    fn finish(&self, _: &CallContext) {}

    fn attempts(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn an_attempt_without_a_span_goes_out_as_its_call() {
    let spans = Spans::new();
    let tap = Hottap::builder().tracer(spans.tracer().without_attempts()).tracer(Keen).start().expect("starts");
    let shop = Shop::open(&tap, |server| server).await;
    let client = tap.client(format!("http://{}", shop.address)).retry(Retry::new(2)).build().expect("builds");
    ask(&client, "/users/17").await;
    shop.close().await;
    assert_child(&the_one(&spans, &SpanKind::Server), &the_one(&spans, &SpanKind::Client));
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
    assert_eq!(calls.ended().len(), 1, "a call that nobody tries again has no attempts");
}
