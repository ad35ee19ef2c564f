//! Spans of attempts, for who tries a call more than once.

use hottap::Hottap;
use hottap::rpc::{Protocol, Side};
use opentelemetry::trace::SpanKind;

use crate::spans::{Spans, assert_attributes, assert_child, assert_root};

#[test]
fn each_attempt_is_a_child_of_its_call() {
    let spans = Spans::new();
    let tap = Hottap::builder().tracer(spans.tracer()).start().expect("starts");
    let mut call = tap.start_call(Side::Client, "shop.v1.Inventory/Reserve").expect("wanted");
    call.set_protocol(Protocol::Grpc);
    for (number, status) in [(1, 14), (2, 0)] {
        let mut attempt = call.attempt(number).expect("attempts are wanted");
        attempt.set_protocol(Protocol::Grpc);
        attempt.set_rpc_status(status);
        attempt.finish();
    }
    call.set_rpc_status(0);
    call.finish();
    let ended = spans.ended();
    let [first, second, whole] = &ended[..] else { panic!("three spans: {ended:#?}") };
    assert_root(whole);
    for (attempt, number, status) in [(first, "1", "UNAVAILABLE"), (second, "2", "OK")] {
        assert_child(attempt, whole);
        assert!(!attempt.parent_span_is_remote && attempt.span_kind == SpanKind::Client);
        assert_attributes(attempt, &[("hottap.attempt", number), ("rpc.response.status_code", status)]);
        assert_attributes(attempt, &[("rpc.method", "shop.v1.Inventory/Reserve"), ("http.request.method", "")]);
    }
    assert_attributes(whole, &[("rpc.response.status_code", "OK"), ("error.type", "")]);
}

#[test]
fn attempts_have_no_spans_if_nobody_wants_them() {
    let spans = Spans::new();
    let tap = Hottap::builder().tracer(spans.tracer().without_attempts()).start().expect("starts");
    let call = tap.start_call(Side::Client, "shop.v1.Inventory/Reserve").expect("wanted");
    assert!(call.attempt(1).is_none());
}
