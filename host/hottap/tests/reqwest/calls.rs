//! The calls that a tracer sees of requests; the application sees the same as it would without tracers.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hottap::rpc::{Level, Outcome, Protocol, RpcNotes, Side};
use hottap::{Hottap, Route};
use http::{HeaderMap, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use reqwest::Body;
use tokio_stream::StreamExt;

use crate::recorder::Recorder;
use crate::script::{Handler, Script, answer};
use crate::{check, client, layer, with};

/// A server that keeps the headers of what it is asked.
async fn echo(seen: Arc<Mutex<Vec<HeaderMap>>>) -> Handler {
    Handler::start(move |request, _| {
        seen.lock().expect("no panic").push(request.headers().clone());
        let path = request.uri().path().to_owned();
        async move {
            match &*path {
                "/moved" => answer(302, &[("location", "/items/7")], ""),
                "/elsewhere" => answer(307, &[("location", "/echo")], ""),
                "/echo" => {
                    let body = Full::new(request.into_body()).map_err(|never| match never {});
                    Response::builder().header("x-kind", "echo").body(BoxBody::new(body)).expect("an answer")
                }
                "/missing" => answer(404, &[], "no such item"),
                "/nothing" => answer(204, &[], ""),
                _ => answer(200, &[], "seven"),
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_request_is_a_call_and_goes_out_with_its_trace() {
    let (recorder, seen) = (Recorder::default(), Arc::default());
    let server = echo(Arc::clone(&seen)).await;
    let response = client(&recorder)
        .post(format!("{}/echo?token=hunter2", server.url()))
        .with_extension(Route::new("/echo"))
        .with_extension(RpcNotes::new().tag("tenant", "acme"))
        .body("five!")
        .send()
        .await
        .expect("a response");
    assert_eq!((response.status().as_u16(), response.content_length()), (200, Some(5)));
    assert_eq!(response.url().as_str(), format!("{}/echo?token=hunter2", server.url()));
    assert_eq!(
        (response.remote_addr(), &response.headers()["x-kind"]),
        (Some(server.address), &"echo".parse().expect("a value"))
    );
    assert_eq!(response.text().await.expect("a body"), "five!");

    let info = recorder.one().await;
    check(&info, Outcome::Ok, "");
    assert_eq!((info.side(), info.invocation().protocol()), (Side::Client, Protocol::Http));
    assert_eq!(info.invocation().method().as_str(), "POST /echo");
    assert_eq!((info.to().service().as_str(), info.stats().http_status()), ("inventory", Some(200)));
    assert_eq!((info.stats().sent().bytes, info.stats().received().bytes), (5, 5));
    assert_eq!(info.peer().to_string(), server.address.to_string());
    let tags: Vec<_> = info.tags().iter().map(|(key, value)| (key.as_str(), value.to_string())).collect();
    assert_eq!(tags, [("tenant", "acme".to_owned())]);
    let sent = seen.lock().expect("no panic");
    let trace = info.trace();
    let expected = format!("00-{:032x}-{:016x}-03", trace.trace_id, trace.span_id);
    assert_eq!(sent[0]["traceparent"], expected.as_str());
    assert_eq!(sent[0]["content-length"], "5", "a body in memory stays one");
}

#[tokio::test]
async fn bodies_that_are_streamed_are_counted_as_they_pass() {
    let recorder = Recorder::default();
    let server = echo(Arc::default()).await;
    let pieces = ["one", "two", "three"].map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
    let body = Body::wrap_stream(tokio_stream::iter(pieces));
    let response =
        client(&recorder).post(format!("{}/echo", server.url())).body(body).send().await.expect("a response");
    let mut stream = response.bytes_stream();
    let mut received = Vec::new();
    while let Some(piece) = stream.next().await {
        received.extend(piece.expect("a piece"));
    }
    assert_eq!(received, b"onetwothree");
    let info = recorder.one().await;
    check(&info, Outcome::Ok, "");
    assert_eq!((info.stats().sent().bytes, info.stats().received().bytes), (11, 11));
}

#[tokio::test]
async fn a_redirect_is_followed_within_one_call() {
    for (path, sent, reached, text) in [("/moved", 0, "/items/7", "seven"), ("/elsewhere", 5, "/echo", "again")] {
        let (recorder, seen) = (Recorder::default(), Arc::default());
        let server = echo(Arc::clone(&seen)).await;
        let client = client(&recorder);
        let request = match sent {
            0 => client.get(format!("{}{path}", server.url())),
            // Only a body in memory can be sent twice.
            _ => client.post(format!("{}{path}", server.url())).body("again"),
        };
        let response = request.send().await.expect("a response");
        assert_eq!(response.url().path(), reached);
        assert_eq!(response.text().await.expect("a body"), text);
        let info = recorder.one().await;
        check(&info, Outcome::Ok, "");
        assert_eq!((info.stats().sent().bytes, info.stats().http_status()), (sent, Some(200)), "{path}");
        let seen = seen.lock().expect("no panic");
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0]["traceparent"], seen[1]["traceparent"]);
    }
}

#[tokio::test]
async fn statuses_and_empty_bodies_end_a_call_as_they_should() {
    for (method, path, outcome, error_type) in [
        ("GET", "/missing", Outcome::Error, "404"),
        ("GET", "/nothing", Outcome::Ok, ""),
        ("HEAD", "/items/7", Outcome::Ok, ""),
    ] {
        let recorder = Recorder::default();
        let server = echo(Arc::default()).await;
        let method = method.parse().expect("a method");
        let response = client(&recorder).request(method, format!("{}{path}", server.url())).send().await;
        drop(response.expect("a response").bytes().await.expect("a body"));
        check(&recorder.one().await, outcome, error_type);
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_finishes_once() {
    let recorder = Recorder::default();
    let client = client(&recorder);
    // Before its response.
    let server = Handler::start(|_, _| std::future::pending()).await;
    let request = client.get(server.url()).send();
    let call = tokio::spawn(async move { request.await.map(drop) });
    while server.handled() == 0 {
        tokio::task::yield_now().await;
    }
    call.abort();
    assert!(call.await.expect_err("aborted").is_cancelled());
    check(&recorder.finished(1).await[0], Outcome::Cancelled, "cancelled");

    // In the middle of its body.
    let server = Script::start(|mut wire, _| async move {
        wire.head().await;
        wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
        wire.drain().await;
    })
    .await;
    let mut response = client.get(server.url()).send().await.expect("a response");
    assert_eq!(response.chunk().await.expect("a piece").expect("a piece"), "half");
    drop(response);
    let infos = recorder.finished(2).await;
    check(&infos[1], Outcome::Cancelled, "cancelled");
    assert_eq!(infos[1].stats().received().bytes, 4);
    recorder.assert_each_finished_once();
}

#[tokio::test]
async fn a_call_that_nobody_wants_passes_as_it_is() {
    let seen = Arc::default();
    let server = echo(Arc::clone(&seen)).await;
    let tap = Hottap::builder().service("shop").start().expect("starts");
    let response =
        with(layer(&tap)).post(format!("{}/echo", server.url())).body("five!").send().await.expect("a response");
    assert_eq!(response.url().path(), "/echo");
    assert_eq!(response.text().await.expect("a body"), "five!");
    assert!(!seen.lock().expect("no panic")[0].contains_key("traceparent"), "no trace begins");
}

#[tokio::test]
async fn a_response_can_be_passed_on_as_the_body_of_a_request() {
    let recorder = Recorder::default();
    let tap = recorder.start_with("shop", Level::Base);
    let server = echo(Arc::default()).await;
    let client = with(layer(&tap));
    let response = client.get(format!("{}/items/7", server.url())).send().await.expect("a response");
    let body = Body::from(response);
    let response = client.post(format!("{}/echo", server.url())).body(body).send().await.expect("a response");
    let response: Response<Body> = response.into();
    assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "seven");
    let infos = recorder.finished(2).await;
    infos.iter().for_each(|info| check(info, Outcome::Ok, ""));
}
