//! The layer around a client as a tower service, and a tower stack's errors.

use std::time::Duration;

use hottap::ReqwestService;
use hottap::rpc::Outcome;
use http::Request;
use reqwest::Body;
use reqwest_middleware::ClientWithMiddleware;
use tower::{ServiceBuilder, ServiceExt};

use crate::recorder::Recorder;
use crate::script::{Handler, answer};
use crate::{builder, check, layer, plain};

#[tokio::test]
async fn a_client_is_a_service_inside_of_the_layer() {
    let server = Handler::start(|request, _| async move {
        assert!(request.headers().contains_key("traceparent"));
        answer(if request.body() == "five!" { 200 } else { 400 }, &[], "seven")
    })
    .await;
    let recorder = Recorder::default();
    let client = layer(&recorder.start("shop")).layer(ReqwestService::new(plain()));
    let request = Request::post(server.url()).body(Body::from("five!")).expect("a request");
    let response = client.oneshot(request).await.expect("a response");
    assert_eq!(response.status(), 200);
    let body = http_body_util::BodyExt::collect(response.into_body()).await.expect("a body").to_bytes();
    assert_eq!(body, "seven");
    let info = recorder.one().await;
    check(&info, Outcome::Ok, "");
    assert_eq!((info.stats().sent().bytes, info.stats().received().bytes), (5, 5));
    assert_eq!(info.peer().to_string(), server.address.to_string());
}

#[tokio::test]
async fn a_stack_of_tower_is_told_what_reqwest_says() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("bound");
    let hangs = Handler::start(|_, _| std::future::pending()).await;
    for (url, outcome, error_type) in [
        (format!("http://{nobody}/?token=hunter2"), Outcome::Error, "connection_refused"),
        ("http://no-such-host.invalid/?token=hunter2".to_owned(), Outcome::Error, "dns"),
        (format!("{}/?token=hunter2", hangs.url()), Outcome::TimedOut, "DEADLINE_EXCEEDED"),
    ] {
        let recorder = Recorder::default();
        let inner = builder().timeout(Duration::from_millis(200)).build().expect("builds");
        // A stack whose errors are boxed, around a client with middlewares.
        let stack = ServiceBuilder::new()
            .layer(layer(&recorder.start("shop")))
            .map_err(Box::<dyn std::error::Error + Send + Sync>::from)
            .service(ReqwestService::new(ClientWithMiddleware::from(inner)));
        let request = Request::get(&url).body(Body::default()).expect("a request");
        stack.oneshot(request).await.expect_err(error_type);
        let info = recorder.one().await;
        check(&info, outcome, error_type);
        assert!(!info.stats().error_message().contains("hunter2"), "{}", info.stats().error_message());
    }
}

#[tokio::test]
async fn a_request_that_is_none_is_an_error_and_no_panic() {
    let recorder = Recorder::default();
    let client = layer(&recorder.start("shop")).layer(ReqwestService::new(plain()));
    let error = client.oneshot(Request::get("/no-host").body(Body::default()).expect("a request")).await;
    assert!(error.expect_err("no host").is_builder());
    check(&recorder.one().await, Outcome::Error, "request");
}
