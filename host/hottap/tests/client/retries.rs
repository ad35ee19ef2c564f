//! Calls that are tried again: what the server saw is what the row says, and nothing is done twice that must not be.

use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hottap::client::{ClientBuilder, ErrorKind, Retry};
use hottap::rpc::{EventKind, Level, Outcome, RpcInfo};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{Full, StreamBody};

use crate::broken::nobody;
use crate::counted::{self, World, check};
use crate::frame::frame;
use crate::recorder::Recorder;
use crate::script::{Handler, OK, Script, answer, get, send};

/// So short that no test waits.
fn retry(attempts: u16) -> Retry {
    Retry::new(attempts).pauses(Duration::from_micros(1), Duration::from_micros(10))
}

/// What was said of failed attempts.
fn failures(info: &RpcInfo) -> Vec<String> {
    let failed = info.stats().events().iter().filter(|event| event.kind == EventKind::ATTEMPT_FAILED);
    failed.map(|event| event.info.as_deref().unwrap_or_default().to_owned()).collect()
}

/// A server that is not available for the first so many requests.
async fn busy(times: usize) -> Handler {
    Handler::start(move |_, number| async move {
        if number < times { answer(503, &[], "busy") } else { answer(200, &[], "ok") }
    })
    .await
}

fn client(sent: &Recorder, server: &Handler, retry: Retry) -> hottap::client::Client {
    sent.start("shop").client(server.url()).retry(retry).build().expect("builds")
}

#[tokio::test]
async fn a_call_that_succeeds_at_last_is_one_row_with_all_its_attempts() {
    let (sent, server) = (Recorder::default(), busy(2).await);
    let response = get(&client(&sent, &server, retry(5)), "/").await.expect("a response");
    assert_eq!((response.status().as_u16(), &response.body()[..]), (200, &b"ok"[..]));
    let info = sent.one().await;
    check(&info, Outcome::Ok, "");
    assert_eq!((info.attempts(), server.handled()), (3, 3));
    assert_eq!(failures(&info), ["1: 503 Service Unavailable", "2: 503 Service Unavailable"]);
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn the_last_attempts_failure_is_the_calls() {
    let (sent, server) = (Recorder::default(), busy(usize::MAX).await);
    let response = get(&client(&sent, &server, retry(3)), "/").await.expect("a response");
    assert_eq!((response.status().as_u16(), &response.body()[..]), (503, &b"busy"[..]));
    let info = sent.one().await;
    check(&info, Outcome::Error, "503");
    assert_eq!((info.attempts(), server.handled(), failures(&info).len()), (3, 3, 3));
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn attempts_are_counted_at_the_base_level_too() {
    let (sent, server) = (Recorder::default(), busy(1).await);
    let tap = sent.start_with("shop", Level::Base);
    get(&tap.client(server.url()).retry(retry(3)).build().expect("builds"), "/").await.expect("a response");
    let info = sent.one().await;
    assert_eq!((info.attempts(), info.stats().events().len()), (2, 0));
}

#[tokio::test]
async fn by_default_nothing_is_tried_again() {
    let (sent, server) = (Recorder::default(), busy(1).await);
    let client = sent.start("shop").client(server.url()).build().expect("builds");
    assert_eq!(get(&client, "/").await.expect("a response").status(), 503);
    let info = sent.one().await;
    assert_eq!((info.attempts(), server.handled(), failures(&info).len()), (1, 1, 0));
}

#[tokio::test]
async fn what_may_have_been_done_is_tried_again_only_if_the_user_says_so() {
    let sent = Recorder::default();
    for (method, retry, expected) in [
        (Method::POST, retry(3), 1),
        (Method::POST, retry(3).any_method(), 2),
        (Method::PUT, retry(3), 2),
        (Method::PATCH, retry(3), 1),
    ] {
        let server = busy(1).await;
        let request = Request::builder().method(&method).uri("/").body(Full::new(Bytes::from("once"))).expect("one");
        send(&client(&sent, &server, retry), request).await.expect("a response");
        assert_eq!(server.handled(), expected, "{method}");
    }
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_as_often_as_is_said() {
    let sent = Recorder::default();
    let tap = sent.start("shop");
    let client = tap.client(format!("http://{}", nobody().await)).retry(retry(4)).build().expect("builds");
    let error = send(&client, Request::post("/").body(Full::default()).expect("one")).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let info = sent.one().await;
    check(&info, Outcome::Error, "connection_refused");
    assert_eq!((info.attempts(), failures(&info).len()), (4, 4));
    assert!(failures(&info)[0].starts_with("1: the connection was refused"), "{:?}", failures(&info));
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn without_a_connection_nothing_of_the_body_is_gone() {
    let (sent, server, asked) = (Recorder::default(), busy(0).await, Arc::new(AtomicUsize::new(0)));
    // At first the name is that of a machine where nobody listens.
    let resolver = move |_: String| {
        let last = if asked.fetch_add(1, Ordering::SeqCst) < 2 { 9 } else { 1 };
        std::future::ready(Ok(vec![Ipv4Addr::new(127, 0, 0, last).into()]))
    };
    let builder = sent.start("shop").client(format!("http://inventory:{}", server.address.port()));
    let client = builder.resolver(resolver).retry(retry(3).max_buffer(0)).build().expect("builds");
    let request = Request::post("/").body(Full::new(Bytes::from("it cannot be kept"))).expect("a request");
    assert_eq!(send(&client, request).await.expect("a response").body(), "ok");
    assert_eq!((sent.one().await.attempts(), server.handled()), (3, 1));
}

#[tokio::test]
async fn what_is_sent_again_is_what_was_sent_and_only_up_to_a_bound() {
    for (bound, expected) in [(99, 1), (100, 3)] {
        let (sent, seen) = (Recorder::default(), Arc::new(Mutex::new(Vec::new())));
        let log = seen.clone();
        let server = Handler::start(move |request, number| {
            log.lock().expect("no panic").push(request.into_body());
            async move { answer(if number < 2 { 503 } else { 200 }, &[], "") }
        })
        .await;
        let pieces = (0..10).map(|number| Ok::<_, io::Error>(format!("piece   {number}\n")));
        let body = axum::body::Body::from_stream(tokio_stream::iter(pieces));
        let request = Request::put("/").body(body).expect("a request");
        let client = client(&sent, &server, retry(5).max_buffer(bound));
        tower::ServiceExt::oneshot(client, request).await.expect("a response");
        let seen = seen.lock().expect("no panic").clone();
        assert_eq!(seen.len(), expected, "{bound}");
        assert!(seen.iter().all(|body| body.len() == 100 && body == &seen[0]), "{seen:?}");
        let info = sent.one().await;
        assert_eq!((usize::from(info.attempts()), info.stats().sent().bytes), (expected, 100));
        sent.assert_each_finished_once();
    }
}

#[tokio::test]
async fn a_budget_that_is_used_up_lets_calls_fail_at_once() {
    let (sent, server) = (Recorder::default(), busy(usize::MAX).await);
    let client = client(&sent, &server, retry(3).budget(0.5, 0));
    for _ in 0..20 {
        get(&client, "/").await.expect("a response");
    }
    // One retry for every two calls, however often they fail.
    assert_eq!(server.handled(), 30);
    let attempts: usize = sent.finished(20).await.iter().map(|info| usize::from(info.attempts())).sum();
    assert_eq!(attempts, 30);
}

#[tokio::test]
async fn a_peer_that_breaks_off_before_its_answer_is_tried_again_where_that_does_no_harm() {
    for (method, expected) in [(Method::GET, 2), (Method::POST, 1)] {
        let sent = Recorder::default();
        let server = Script::start(|mut wire, number| async move {
            wire.head().await;
            if number > 0 {
                wire.write(OK).await;
            }
        })
        .await;
        let client = sent.start("shop").client(server.url()).retry(retry(3)).build().expect("builds");
        let request = Request::builder().method(&method).uri("/").body(Full::default()).expect("a request");
        assert_eq!(send(&client, request).await.is_ok(), expected == 2, "{method}");
        assert_eq!((server.accepted(), sent.one().await.attempts()), (expected, expected as u16), "{method}");
        sent.assert_each_finished_once();
    }
}

#[tokio::test]
async fn a_stream_that_was_refused_unseen_is_tried_again_whatever_the_method() {
    let sent = Recorder::default();
    let server = Script::start(|mut wire, _| async move {
        wire.preface().await;
        wire.write(&frame(4, 0, 0, &[])).await;
        // RST_STREAM with REFUSED_STREAM twice, then a head with the status 200 and nothing behind it.
        for _ in 0..2 {
            let Some(stream) = wire.stream().await else { return };
            wire.write(&frame(3, 0, stream, &[0, 0, 0, 7])).await;
        }
        let Some(stream) = wire.stream().await else { return };
        wire.write(&frame(1, 5, stream, &[0x88])).await;
        wire.drain().await;
    })
    .await;
    let client = sent.start("shop").client(server.url()).http2_only().retry(retry(3)).build().expect("builds");
    let request = Request::post("/").body(Full::new(Bytes::from("once"))).expect("a request");
    assert_eq!(send(&client, request).await.expect("a response").status(), 200);
    let info = sent.one().await;
    check(&info, Outcome::Ok, "");
    assert_eq!((info.attempts(), server.accepted()), (3, 1));
    sent.assert_each_finished_once();
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_is_given_up_for_another() {
    let sent = Recorder::default();
    let server = Script::start(|mut wire, number| async move {
        wire.head().await;
        match number {
            0 => wire.drain().await,
            _ => wire.write(OK).await,
        }
    })
    .await;
    let builder = sent.start("shop").client(server.url()).attempt_timeout(Duration::from_secs(1));
    let client = builder.retry(retry(3)).build().expect("builds");
    assert_eq!(get(&client, "/").await.expect("a response").body(), "ok");
    let info = sent.one().await;
    assert_eq!(info.attempts(), 2);
    assert!(failures(&info)[0].starts_with("1: the attempt's time was over"), "{:?}", failures(&info));
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn no_pause_is_begun_that_the_deadline_does_not_leave_time_for() {
    let (sent, server) = (Recorder::default(), busy(usize::MAX).await);
    let hour = Duration::from_secs(3600);
    let builder = sent.start("shop").client(server.url()).timeout(Duration::from_secs(60));
    let client = builder.retry(Retry::new(3).pauses(hour, hour)).build().expect("builds");
    assert_eq!(get(&client, "/").await.expect("a response").status(), 503);
    assert_eq!((sent.one().await.attempts(), server.handled()), (1, 1));
}

#[tokio::test]
async fn what_the_server_says_of_when_is_heard() {
    let (sent, server) =
        (Recorder::default(), { Handler::start(|_, _| async { answer(429, &[("retry-after", "3600")], "") }).await });
    let builder = sent.start("shop").client(server.url()).timeout(Duration::from_secs(60));
    let client = builder.retry(retry(3)).build().expect("builds");
    assert_eq!(get(&client, "/").await.expect("a response").status(), 429);
    assert_eq!(server.handled(), 1, "an hour is longer than the call may take");
}

/// What a server of gRPC saw of the attempts before.
type Before = Arc<Mutex<Vec<Option<String>>>>;

/// A server of gRPC that says UNAVAILABLE twice, in its response's head or behind it.
async fn unavailable(in_trailers: bool) -> (Handler, Before) {
    let before = Before::default();
    let log = before.clone();
    let server = Handler::start(move |request, number| {
        let header = request.headers().get("grpc-previous-rpc-attempts");
        log.lock().expect("no panic").push(header.map(|value| value.to_str().expect("ASCII").to_owned()));
        async move {
            let status = if number < 2 { "14" } else { "0" };
            let message = Frame::data(Bytes::from_static(b"\0\0\0\0\x02ok"));
            let trailers =
                HeaderMap::from_iter([("grpc-status".parse().expect("a name"), HeaderValue::from_static(status))]);
            let head = [("content-type", "application/grpc")];
            let frames = match (number < 2, in_trailers) {
                (true, false) => return answer(200, &[head[0], ("grpc-status", "14"), ("grpc-message", "no%21")], ""),
                (true, true) => vec![Frame::trailers(trailers)],
                _ => vec![message, Frame::trailers(trailers)],
            };
            let body = StreamBody::new(tokio_stream::iter(frames.into_iter().map(Ok::<_, io::Error>)));
            answer(200, &head, "").map(|_| BoxBody::new(body))
        }
    })
    .await;
    (server, before)
}

#[tokio::test]
async fn a_call_of_grpc_that_nobody_was_available_for_is_tried_again() {
    for (in_trailers, words) in [(false, "1: UNAVAILABLE no!"), (true, "1: UNAVAILABLE ")] {
        let sent = Recorder::default();
        let (server, before) = unavailable(in_trailers).await;
        let client = counted::client(sent.start("shop").client(server.url()).retry(retry(3)));
        assert_eq!(client.unary("echo").await.expect("succeeds"), "ok");
        let expected = [None, Some("1".to_owned()), Some("2".to_owned())];
        assert_eq!(before.lock().expect("no panic")[..], expected);
        let info = sent.one().await;
        check(&info, Outcome::Ok, "");
        assert_eq!((info.attempts(), server.accepted()), (3, 1));
        assert_eq!(failures(&info)[0], words);
        assert_eq!((info.stats().sent().messages, info.stats().received().messages), (1, 1));
        sent.assert_each_finished_once();
    }
}

#[tokio::test]
async fn a_stream_that_waits_for_its_first_answer_is_not_held_up_by_retries() {
    let world = World::with(|builder: ClientBuilder| builder.retry(retry(3))).await;
    let (tell, told) = tokio::sync::mpsc::channel(1);
    let mut stream = world.client.chat(tokio_stream::wrappers::ReceiverStream::new(told)).await.expect("a head");
    for message in ["one", "two"] {
        tell.send(Bytes::from(message)).await.expect("is taken");
        assert_eq!(stream.message().await.expect("no error"), Some(Bytes::from(message)));
    }
    drop(tell);
    assert_eq!(stream.message().await.expect("no error"), None);
    check(&world.sent.one().await, Outcome::Ok, "");
    world.close().await;
}
