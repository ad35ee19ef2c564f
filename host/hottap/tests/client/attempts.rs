//! A row for each attempt, for tracers that want them: between the start and the finish of the call, with a span of its own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hottap::client::Retry;
use hottap::rpc::{Outcome, RpcInfo};
use hottap::{CallContext, Hottap, Tracer};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio_stream::StreamExt;
use tower::ServiceExt;

use crate::counted::check;
use crate::script::{Handler, answer, get};

/// Keeps what has finished, attempts among it, in the order in which it did.
#[derive(Clone, Default)]
struct Rows(Arc<Mutex<Vec<RpcInfo>>>);

impl Tracer for Rows {
    fn start(&self, _: &mut CallContext) {}

    fn finish(&self, call: &CallContext) {
        self.0.lock().expect("no panic").push(call.info().clone());
    }

    fn attempts(&self) -> bool {
        true
    }
}

impl Rows {
    fn take(&self) -> Vec<RpcInfo> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }
}

#[tokio::test]
async fn each_attempt_has_a_row_and_a_span_that_goes_out_with_it() {
    let (rows, spans) = (Rows::default(), Arc::new(Mutex::new(Vec::new())));
    let log = spans.clone();
    let server = Handler::start(move |request, number| {
        let traceparent = request.headers()["traceparent"].to_str().expect("ASCII").to_owned();
        log.lock().expect("no panic").push(traceparent);
        async move { if number < 2 { answer(503, &[], "busy") } else { answer(200, &[], "ok") } }
    })
    .await;
    let tap = Hottap::builder().service("shop").tracer(rows.clone()).start().expect("starts");
    let retry = Retry::new(3).pauses(Duration::from_micros(1), Duration::from_micros(10));
    let client = tap.client(server.url()).retry(retry).build().expect("builds");
    assert_eq!(get(&client, "/").await.expect("a response").body(), "ok");

    let rows = rows.take();
    let [first, second, third, call] = &rows[..] else { panic!("{rows:#?}") };
    check(call, Outcome::Ok, "");
    assert_eq!((call.attempt_of(), call.attempts()), (None, 3));
    for (attempt, number) in [(first, 1), (second, 2), (third, 3)] {
        assert_eq!((attempt.attempt_of(), attempt.attempts()), (Some(call.id()), number));
        assert_eq!(attempt.trace().parent_span_id, call.trace().span_id);
        assert_eq!(attempt.peer().to_string(), server.address.to_string());
    }
    check(first, Outcome::Error, "503");
    check(third, Outcome::Ok, "");
    let sent: Vec<String> = [first, second, third]
        .map(|attempt| format!("00-{:032x}-{:016x}-03", attempt.trace().trace_id, attempt.trace().span_id))
        .to_vec();
    assert_eq!(*spans.lock().expect("no panic"), sent);
}

fn twice() -> Retry {
    Retry::new(2).pauses(Duration::from_micros(1), Duration::from_micros(10))
}

#[tokio::test]
async fn an_attempt_that_fails_with_an_error_or_is_dropped_ends_once_as_well() {
    let rows = Rows::default();
    let tap = Hottap::builder().service("shop").tracer(rows.clone()).start().expect("starts");
    let nobody = format!("http://{}", crate::broken::nobody().await);
    let client = tap.client(nobody).retry(twice()).build().expect("builds");
    get(&client, "/").await.expect_err("nobody listens");
    let failed = rows.take();
    assert_eq!(failed.len(), 3);
    failed.iter().for_each(|info| check(info, Outcome::Error, "connection_refused"));
    assert_eq!(failed[0].attempt_of(), Some(failed[2].id()));

    let server = Handler::start(|_, _| std::future::pending()).await;
    let client = tap.client(server.url()).retry(twice()).build().expect("builds");
    let call = tokio::spawn(async move { get(&client, "/").await.map(drop) });
    while server.handled() == 0 {
        tokio::task::yield_now().await;
    }
    call.abort();
    assert!(call.await.expect_err("aborted").is_cancelled());
    let dropped = rows.take();
    assert_eq!(dropped.len(), 2);
    dropped.iter().for_each(|info| check(info, Outcome::Cancelled, "cancelled"));
}

#[tokio::test]
async fn a_call_that_is_never_tried_again_is_its_own_attempt() {
    let rows = Rows::default();
    let server = Handler::start(|_, _| async { answer(200, &[], "ok") }).await;
    let tap = Hottap::builder().service("shop").tracer(rows.clone()).start().expect("starts");
    get(&tap.client(server.url()).build().expect("builds"), "/").await.expect("a response");
    let rows = rows.take();
    assert_eq!(rows.len(), 1, "{rows:#?}");
    assert_eq!((rows[0].attempt_of(), rows[0].attempts()), (None, 1));
}

#[tokio::test]
async fn an_attempt_of_grpc_that_is_dropped_before_its_trailers_is_cancelled_whatever_its_length() {
    let rows = Rows::default();
    let server = Handler::start(|_, _| async {
        let message = Frame::data(Bytes::from_static(b"\0\0\0\0\0"));
        let frames = tokio_stream::iter([Ok::<_, std::io::Error>(message)]).chain(tokio_stream::pending());
        let head = Response::builder().header("content-type", "application/grpc").header("content-length", "5");
        head.body(BoxBody::new(StreamBody::new(frames))).expect("a response")
    })
    .await;
    let tap = Hottap::builder().service("shop").tracer(rows.clone()).start().expect("starts");
    let client = tap.client(server.url()).http2_only().retry(twice()).build().expect("builds");
    let request = Request::post("/a.B/C").header("content-type", "application/grpc");
    let request = request.body(Full::new(Bytes::from_static(b"\0\0\0\0\0"))).expect("a request");
    let mut body = client.oneshot(request).await.expect("a head").into_body();
    assert_eq!(body.frame().await.expect("a message").expect("no error").into_data().expect("data").len(), 5);
    drop(body);
    let rows = rows.take();
    assert_eq!(rows.len(), 2);
    rows.iter().for_each(|info| check(info, Outcome::Cancelled, "cancelled"));
}
