//! Calls inside of calls: what a handler's caller sent goes on with the calls that the handler makes.

use std::sync::{Arc, Mutex};

use hottap::Hottap;
use http::HeaderMap;
use tonic::Request;

use crate::counted::{Running, client};
use crate::echo::Echo;
use crate::recorder::Recorder;
use crate::script::{Handler, answer};
use crate::world::Client;

/// What the last of three saw of a call that the second made while it handled the first one's.
async fn passed_on(traced: bool, baggage: &'static str) -> (HeaderMap, Recorder, Recorder) {
    let (sent, served) = (Recorder::default(), Recorder::default());
    let seen = Arc::new(Mutex::new(None));
    let log = seen.clone();
    let last = Handler::start(move |request, _| {
        *log.lock().expect("no panic") = Some(request.headers().clone());
        async { answer(200, &[("content-type", "application/grpc"), ("grpc-status", "5")], "") }
    })
    .await;
    let tap =
        if traced { served.start("middle") } else { Hottap::builder().service("middle").start().expect("starts") };
    let downstream = Some(client(tap.client(last.url())));
    let middle = Running::start(&tap, Echo { downstream, ..Echo::default() }).await;
    let first = Client::new(&sent.start("first"), middle.address);
    let mut request = Request::new("call echo".into());
    request.metadata_mut().insert("baggage", baggage.parse().expect("ASCII"));
    request.set_timeout(std::time::Duration::from_secs(60));
    first.send("/test.Echo/Unary", request).await.expect_err("as the last one says");
    middle.stop().await;
    let seen = seen.lock().expect("no panic").take();
    (seen.expect("the last was called"), sent, served)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
}

#[tokio::test]
async fn trace_deadline_and_baggage_go_on_whether_the_call_is_traced_or_not() {
    for traced in [true, false] {
        let (headers, sent, served) = passed_on(traced, "user=42;ttl=1,region=eu").await;
        assert_eq!(text(&headers, "baggage"), "user=42;ttl=1,region=eu");
        let first = sent.one().await;
        let trace = format!("00-{:032x}-", first.trace().trace_id);
        assert!(text(&headers, "traceparent").starts_with(&trace), "{}", text(&headers, "traceparent"));
        assert!(text(&headers, "grpc-timeout").ends_with(['u', 'n']), "{}", text(&headers, "grpc-timeout"));
        if traced {
            let rows = served.finished(2).await;
            let (inner, handled) = (&rows[0], &rows[1]);
            assert_eq!(inner.trace().parent_span_id, handled.trace().span_id);
            assert_eq!((inner.from().service().as_str(), inner.to().service().as_str()), ("middle", "echo"));
            assert!(inner.config().deadline() <= handled.config().deadline());
            served.assert_each_finished_once();
        }
    }
}

#[tokio::test]
async fn baggage_beyond_the_bounds_stays_behind() {
    let too_many: &'static str = Box::leak(vec!["a=1"; 65].join(",").into_boxed_str());
    let (headers, ..) = passed_on(true, too_many).await;
    assert_eq!(text(&headers, "baggage"), vec!["a=1"; 64].join(","));
}
