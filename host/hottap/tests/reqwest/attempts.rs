//! Attempts that a retrying middleware makes: within one call, a call each, or rows of the call.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hottap::rpc::{Outcome, RpcInfo};
use hottap::{CallContext, Hottap, Tracer};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;

use crate::script::{Handler, answer};
use crate::{check, layer, plain};

/// Keeps what has finished, attempts among it if wanted, in the order in which it did.
#[derive(Clone, Default)]
struct Rows {
    wanted: bool,
    rows: Arc<Mutex<Vec<RpcInfo>>>,
}

impl Tracer for Rows {
    fn start(&self, _: &mut CallContext) {}

    fn finish(&self, call: &CallContext) {
        self.rows.lock().expect("no panic").push(call.info().clone());
    }

    fn attempts(&self) -> bool {
        self.wanted
    }
}

impl Rows {
    fn take(&self) -> Vec<RpcInfo> {
        std::mem::take(&mut self.rows.lock().expect("no panic"))
    }

    fn tap(&self) -> Hottap {
        Hottap::builder().service("shop").tracer(self.clone()).start().expect("starts")
    }
}

fn retries(count: u32) -> RetryTransientMiddleware<ExponentialBackoff> {
    let pauses = (Duration::from_micros(1), Duration::from_micros(10));
    let policy = ExponentialBackoff::builder().retry_bounds(pauses.0, pauses.1).build_with_max_retries(count);
    RetryTransientMiddleware::new_with_policy(policy)
}

/// A server that is busy two times, and the traces that it was asked with.
async fn busy() -> (Handler, Arc<Mutex<Vec<String>>>) {
    let traces = Arc::<Mutex<Vec<String>>>::default();
    let log = traces.clone();
    let server = Handler::start(move |request, number| {
        log.lock().expect("no panic").push(request.headers()["traceparent"].to_str().expect("ASCII").to_owned());
        async move { if number < 2 { answer(503, &[], "busy") } else { answer(200, &[], "ok") } }
    })
    .await;
    (server, traces)
}

async fn get(client: &ClientWithMiddleware, server: &Handler) {
    let response = client.get(server.url()).send().await.expect("a response");
    assert_eq!(response.text().await.expect("a body"), "ok");
}

fn traceparent(info: &RpcInfo) -> String {
    format!("00-{:032x}-{:016x}-03", info.trace().trace_id, info.trace().span_id)
}

#[tokio::test]
async fn a_layer_outside_of_retries_sees_one_call() {
    let (rows, (server, traces)) = (Rows { wanted: true, ..Rows::default() }, busy().await);
    let client = ClientBuilder::new(plain()).with(layer(&rows.tap())).with(retries(3)).build();
    get(&client, &server).await;
    let rows = rows.take();
    let [call] = &rows[..] else { panic!("{rows:#?}") };
    check(call, Outcome::Ok, "");
    assert_eq!(*traces.lock().expect("no panic"), vec![traceparent(call); 3]);
}

#[tokio::test]
async fn a_layer_inside_of_retries_sees_a_call_for_each_attempt() {
    let (rows, (server, traces)) = (Rows::default(), busy().await);
    let client = ClientBuilder::new(plain()).with(retries(3)).with(layer(&rows.tap())).build();
    get(&client, &server).await;
    let rows = rows.take();
    let [first, second, third] = &rows[..] else { panic!("{rows:#?}") };
    check(first, Outcome::Error, "503");
    check(third, Outcome::Ok, "");
    assert_eq!(*traces.lock().expect("no panic"), [first, second, third].map(traceparent));
    assert!([first, second, third].iter().all(|call| call.attempt_of().is_none()), "none is an attempt of another");
}

#[tokio::test]
async fn a_layer_on_both_sides_sees_a_call_with_its_attempts() {
    let (rows, (server, traces)) = (Rows { wanted: true, ..Rows::default() }, busy().await);
    let layer = layer(&rows.tap());
    let client = ClientBuilder::new(plain()).with(layer.clone()).with(retries(3)).with(layer).build();
    get(&client, &server).await;
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
    assert_eq!(*traces.lock().expect("no panic"), [first, second, third].map(traceparent));
}

#[tokio::test]
async fn attempts_are_counted_where_no_tracer_wants_rows_of_them() {
    let (rows, (server, traces)) = (Rows::default(), busy().await);
    let layer = layer(&rows.tap());
    let client = ClientBuilder::new(plain()).with(layer.clone()).with(retries(3)).with(layer).build();
    get(&client, &server).await;
    let rows = rows.take();
    let [call] = &rows[..] else { panic!("{rows:#?}") };
    assert_eq!(call.attempts(), 3);
    assert_eq!(*traces.lock().expect("no panic"), vec![traceparent(call); 3]);
}

#[tokio::test]
async fn an_error_is_told_as_its_last_attempt_whatever_the_retrying_middleware_makes_of_it() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("bound");
    let server = Handler::start(|_, _| std::future::pending()).await;
    for (url, count, outcome, error_type) in [
        (format!("http://{nobody}/?token=hunter2"), 2, Outcome::Error, "connection_refused"),
        (format!("http://{nobody}/?token=hunter2"), 0, Outcome::Error, "connection_refused"),
        (format!("{}/?token=hunter2", server.url()), 0, Outcome::TimedOut, "DEADLINE_EXCEEDED"),
        (format!("{}/?token=hunter2", server.url()), 1, Outcome::TimedOut, "DEADLINE_EXCEEDED"),
    ] {
        let rows = Rows { wanted: true, ..Rows::default() };
        let layer = layer(&rows.tap());
        let client = ClientBuilder::new(plain()).with(layer.clone()).with(retries(count)).with(layer).build();
        client.get(&url).timeout(Duration::from_millis(50)).send().await.expect_err("nobody answers");
        let rows = rows.take();
        assert_eq!(rows.len(), count as usize + 2, "each attempt, and the call");
        for row in &rows {
            check(row, outcome, error_type);
            assert!(!row.stats().error_message().contains("hunter2"), "{}", row.stats().error_message());
        }
    }
}

#[tokio::test]
async fn an_attempt_that_is_dropped_finishes_once() {
    let rows = Rows { wanted: true, ..Rows::default() };
    let server = Handler::start(|_, _| std::future::pending()).await;
    let layer = layer(&rows.tap());
    let client = ClientBuilder::new(plain()).with(layer.clone()).with(retries(3)).with(layer).build();
    let request = client.get(server.url()).send();
    let call = tokio::spawn(async move { request.await.map(drop) });
    while server.handled() == 0 {
        tokio::task::yield_now().await;
    }
    call.abort();
    assert!(call.await.expect_err("aborted").is_cancelled());
    let rows = rows.take();
    assert_eq!(rows.len(), 2, "the attempt and the call");
    rows.iter().for_each(|row| check(row, Outcome::Cancelled, "cancelled"));
}
