//! The outcomes and error types by which failed calls are told apart.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use hottap::rpc::Outcome;
use http::Extensions;
use rcgen::{CertificateParams, KeyPair};
use reqwest_middleware::{ClientBuilder, Error, Middleware, Next};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::recorder::Recorder;
use crate::script::{Handler, Script, answer};
use crate::{builder, check, client, layer, plain};

/// Secrets of a URL, which no tracer may see.
const SECRET: &str = "?token=hunter2)x";

/// An address where every connection is refused.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    format!("http://{}", listener.local_addr().expect("bound"))
}

/// Fails a GET and checks how that is told.
#[track_caller]
fn fails(url: String, outcome: Outcome, error_type: &str) -> impl Future<Output = ()> {
    let error_type = error_type.to_owned();
    async move {
        let recorder = Recorder::default();
        let request = client(&recorder).post(format!("{url}/{SECRET}")).body("unsent").timeout(Duration::from_secs(20));
        let error = request.send().await.expect_err(&error_type);
        assert!(error.is_connect(), "{error_type}: {error:?}");
        let info = recorder.one().await;
        check(&info, outcome, &error_type);
        let words = info.stats().error_message();
        assert!(!words.contains("hunter2") && words.starts_with("error sending request: "), "{words}");
        assert_eq!(info.stats().sent().bytes, 0, "nothing was sent");
    }
}

#[tokio::test]
async fn what_keeps_a_connection_from_being_made_is_told_apart() {
    fails(nobody(), Outcome::Error, "connection_refused").await;
    fails("http://no-such-host.invalid".to_owned(), Outcome::Error, "dns").await;
    let server =
        Script::start(|mut wire, _| async move { wire.write(b"HTTP/1.1 400 no TLS here\r\n\r\n").await }).await;
    fails(format!("https://{}", server.address), Outcome::Error, "tls").await;

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let key = KeyPair::generate().expect("a key");
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).expect("a name").self_signed(&key).expect("signed");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config =
        builder.with_no_client_auth().with_single_cert(vec![CertificateDer::from(certificate)], key).expect("fits");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let any = "127.0.0.1:0".parse().expect("an address");
    let server = Handler::at(any, Some(acceptor), |_, _| async { answer(200, &[], "") }).await;
    fails(format!("https://localhost:{}", server.address.port()), Outcome::Error, "certificate").await;
}

#[tokio::test]
async fn a_connection_that_takes_too_long_is_no_late_call() {
    // The listener's queue of connections is full, so the next connection gets no answer.
    let listener = tokio::net::TcpSocket::new_v4().expect("a socket");
    listener.bind("127.0.0.1:0".parse().expect("an address")).expect("binds");
    let listener = listener.listen(0).expect("listens");
    let address = listener.local_addr().expect("bound");
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(address)).await
    {
        queued.push(stream);
    }
    let recorder = Recorder::default();
    let inner = builder().connect_timeout(Duration::from_millis(50)).build().expect("builds");
    let client = ClientBuilder::new(inner).with(layer(&recorder.start("shop"))).build();
    client.get(format!("http://{address}/{SECRET}")).send().await.expect_err("too late");
    check(&recorder.one().await, Outcome::Error, "connect_timeout");
}

#[tokio::test]
async fn a_timeout_is_one_before_the_response_and_in_its_body() {
    let late = [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"];
    for head in late {
        let server = Script::start(move |mut wire, _| async move {
            wire.head().await;
            wire.write(head).await;
            wire.drain().await;
        })
        .await;
        let recorder = Recorder::default();
        let request = client(&recorder).get(format!("{}/{SECRET}", server.url())).timeout(Duration::from_millis(100));
        let error = match request.send().await {
            Ok(response) => response.bytes().await.expect_err("too late").into(),
            Err(error) => error,
        };
        assert!(error.is_timeout(), "{error:?}");
        let info = recorder.one().await;
        check(&info, Outcome::TimedOut, "DEADLINE_EXCEEDED");
        assert_eq!(info.config().deadline(), Some(Duration::from_millis(100)));
        assert!(!info.stats().error_message().contains("hunter2"), "{}", info.stats().error_message());
    }
}

#[tokio::test]
async fn a_server_that_breaks_off_or_breaks_the_rules_is_told_apart() {
    for (bytes, error_type) in [
        (&b""[..], "reset"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "reset"),
        (b"SSH-2.0-OpenSSH\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno chunk", "protocol"),
    ] {
        let server = Script::start(move |mut wire, _| async move {
            wire.head().await;
            wire.write(bytes).await;
        })
        .await;
        let recorder = Recorder::default();
        if let Ok(response) = client(&recorder).get(server.url()).send().await {
            response.bytes().await.expect_err("it is not whole");
        }
        check(&recorder.one().await, Outcome::Error, error_type);
    }
}

#[tokio::test]
async fn redirects_without_end_and_urls_that_are_none_are_told_apart() {
    let server = Handler::start(|_, _| async { answer(302, &[("location", "/again")], "") }).await;
    let recorder = Recorder::default();
    let error = client(&recorder).get(format!("{}/{SECRET}", server.url())).send().await.expect_err("no end");
    assert!(error.is_redirect(), "{error:?}");
    check(&recorder.one().await, Outcome::Error, "redirect");

    let recorder = Recorder::default();
    let request = reqwest::Request::new(reqwest::Method::GET, "mailto:nobody@invalid".parse().expect("a URL"));
    let error = client(&recorder).execute(request).await.expect_err("no server");
    assert!(error.is_builder(), "{error:?}");
    check(&recorder.one().await, Outcome::Error, "request");
}

/// A middleware that sends nothing.
struct Refuses;

#[async_trait::async_trait]
impl Middleware for Refuses {
    async fn handle(&self, _: reqwest::Request, _: &mut Extensions, _: Next<'_>) -> Result<reqwest::Response, Error> {
        Err(Error::middleware(std::io::Error::other("the circuit is open")))
    }
}

#[tokio::test]
async fn another_middlewares_error_is_one_of_the_transport() {
    let recorder = Recorder::default();
    let client = ClientBuilder::new(plain()).with(layer(&recorder.start("shop"))).with(Refuses).build();
    client.get("http://inventory/").send().await.expect_err("refused");
    let info = recorder.one().await;
    check(&info, Outcome::Error, "transport");
    assert_eq!(info.stats().error_message(), "the circuit is open");
}
