//! What the tracer sends for calls, seen through the harness and read by OpenTelemetry's own messages.

use std::collections::BTreeMap;
use std::time::Duration;

use hottap_guest::testing::{Harness, StarterHarness, TestCall};
use hottap_guest::{Event, EventStatus, Level, Outcome, Protocol, Side};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;
use serde_json::{Value as Json, json};

use super::{OpensSpan, RpcSpan};

fn harness(config: &Json) -> Harness<RpcSpan> {
    Harness::<RpcSpan>::setup()
        .config(config)
        .identity("service.name", "checkout")
        .identity("service.instance.id", "pod-7")
        .destination("otlp")
        .start()
}

fn requests(host: &Harness<RpcSpan>) -> Vec<ExportTraceServiceRequest> {
    let decode = |bytes: &Vec<u8>| ExportTraceServiceRequest::decode(&**bytes).expect("a payload is a request");
    host.outbox().iter().map(|payload| decode(&payload.bytes)).collect()
}

fn spans(host: &Harness<RpcSpan>) -> Vec<Span> {
    let resources = requests(host).into_iter().flat_map(|request| request.resource_spans);
    resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

fn attributes(of: &[KeyValue]) -> BTreeMap<&str, String> {
    let text = |value: &KeyValue| match value.value.as_ref().and_then(|any| any.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    let all: BTreeMap<_, _> = of.iter().map(|attribute| (attribute.key.as_str(), text(attribute))).collect();
    assert_eq!(all.len(), of.len(), "no key twice");
    all
}

/// Starts calls and finishes them.
fn run(config: &Json, calls: impl IntoIterator<Item = TestCall>) -> Harness<RpcSpan> {
    let mut starter = StarterHarness::<OpensSpan>::setup().config(config).start();
    let started: Vec<TestCall> = calls.into_iter().map(|call| starter.call(call).into_call()).collect();
    let mut host = harness(config);
    host.finish(started);
    host.flush();
    host
}

#[test]
fn a_call_is_a_span_under_its_parent() {
    let call = TestCall::client("shop.v1.Pricing/Quote")
        .trace_id(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10)
        .span(0x1112_1314_1516_1718, 0x2122_2324_2526_2728)
        .started(1_800_000_000_000_000_000)
        .nanos(250)
        .peer("10.0.0.7:41234")
        .sent(300, 1, 300)
        .received(70_000, 1, 70_000);
    let host = run(&json!({}), [call]);
    let payload = &host.outbox()[0];
    assert_eq!((&*payload.destination, &*payload.content_type), ("otlp", "application/x-protobuf"));
    let requests = requests(&host);
    let resource = &requests[0].resource_spans[0];
    let service = attributes(&resource.resource.as_ref().expect("there is one").attributes);
    let expected = [("service.instance.id", "pod-7"), ("service.name", "checkout")];
    assert_eq!(service, expected.map(|(key, value)| (key, value.to_owned())).into());
    let scope = resource.scope_spans[0].scope.as_ref().expect("there is one");
    assert_eq!((&*scope.name, &*scope.version), ("hottap", env!("CARGO_PKG_VERSION")));

    let spans = spans(&host);
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(span.trace_id, (1..=16).collect::<Vec<u8>>());
    assert_eq!(span.span_id, (0x11..=0x18).collect::<Vec<u8>>());
    assert_eq!(span.parent_span_id, (0x21..=0x28).collect::<Vec<u8>>());
    assert_eq!((&*span.name, span.kind, span.flags), ("RPC call", SpanKind::Client as i32, 0x101));
    assert_eq!(span.start_time_unix_nano, 1_800_000_000_000_000_000);
    assert_eq!(span.end_time_unix_nano, 1_800_000_000_000_000_250);
    assert_eq!(span.status, None, "success is not said");
    let expected = [
        ("rpc.method", "shop.v1.Pricing/Quote"),
        ("rpc.request.size", "300"),
        ("rpc.response.size", "70000"),
        ("rpc.response.status_code", "OK"),
        ("rpc.system.name", "grpc"),
        ("server.address", "10.0.0.7"),
        ("server.port", "41234"),
    ];
    assert_eq!(attributes(&span.attributes), expected.map(|(key, value)| (key, value.to_owned())).into());
}

#[test]
fn a_failure_has_a_type_a_status_and_words() {
    let call = TestCall::server("shop.v1.Pricing/Quote")
        .rpc_status(Some(14))
        .error("UNAVAILABLE", "no price today")
        .peer("[::1]:80")
        .sent(1, 1, 1)
        .received(2, 1, 2)
        .business_status(-3)
        .tag("tenant", "acme");
    let host = run(
        &json!({"method_names": true}),
        [call, TestCall::server("a.B/C").outcome(Outcome::Panicked).error("panic", "")],
    );
    let spans = spans(&host);
    assert_eq!(
        (&*spans[0].name, spans[0].kind, spans[0].flags),
        ("shop.v1.Pricing/Quote", SpanKind::Server as i32, 0x101)
    );
    assert!(spans[0].parent_span_id.is_empty(), "it is a root");
    let status = spans[0].status.as_ref().expect("it failed");
    assert_eq!((status.code(), &*status.message), (StatusCode::Error, "no price today"));
    let attributes = attributes(&spans[0].attributes);
    for (key, expected) in [
        ("error.type", "UNAVAILABLE"),
        ("rpc.response.status_code", "UNAVAILABLE"),
        ("network.peer.address", "::1"),
        ("network.peer.port", "80"),
        ("rpc.request.size", "2"),
        ("rpc.response.size", "1"),
        ("rpc.business_status", "-3"),
        ("tenant", "acme"),
    ] {
        assert_eq!(attributes.get(key).map(String::as_str), Some(expected), "{key}");
    }
    assert_eq!(spans[1].status.as_ref().map(|status| (status.code(), &*status.message)), Some((StatusCode::Error, "")));
}

#[test]
fn what_its_caller_did_wrong_is_no_failure_of_a_server() {
    let asked = |call: TestCall| call.rpc_status(Some(5)).error("NOT_FOUND", "no such order");
    let host = run(&json!({}), [asked(TestCall::server("a.B/C").span(2, 1)), asked(TestCall::client("a.B/C"))]);
    let spans = spans(&host);
    let told =
        |span: &Span| (span.status.is_some(), attributes(&span.attributes).get("error.type").cloned(), span.flags);
    assert_eq!(told(&spans[0]), (false, None, 0x301), "a server's, whose parent is in another process");
    assert_eq!(told(&spans[1]), (true, Some("NOT_FOUND".to_owned()), 0x101), "a client's");
}

#[test]
fn a_response_that_a_client_drops_unread_is_no_failure() {
    let dropped = |call: TestCall| call.outcome(Outcome::Cancelled).error("cancelled", "dropped before it ended");
    let host = run(&json!({}), [dropped(TestCall::client("GET /files/a")), dropped(TestCall::server("GET /files/a"))]);
    let spans = spans(&host);
    let told = |span: &Span| (span.status.is_some(), attributes(&span.attributes).contains_key("error.type"));
    assert_eq!(
        spans.iter().map(told).collect::<Vec<_>>(),
        [(false, false), (true, true)],
        "the server's response did not get out"
    );
}

#[test]
fn a_plain_request_has_the_attributes_of_http() {
    let host = run(&json!({}), [TestCall::server("GET /users/{id}").http_status(Some(404))]);
    let spans = spans(&host);
    assert_eq!(spans[0].name, "RPC handle");
    let attributes = attributes(&spans[0].attributes);
    let keys = ["http.request.method", "http.route", "http.response.status_code", "http.request.body.size"];
    assert_eq!(
        keys.map(|key| attributes.get(key).map(String::as_str)),
        [Some("GET"), Some("/users/{id}"), Some("404"), Some("0")]
    );
    assert!(!attributes.contains_key("rpc.system.name"));
}

#[test]
fn a_call_inside_the_process_has_no_attributes_of_a_protocol() {
    let call = TestCall::new(Side::Endpoint, "place_order").error("Refused", "sold out").tag("customer", "acme");
    let host = run(&json!({}), [call]);
    let spans = spans(&host);
    assert_eq!((&*spans[0].name, spans[0].kind), ("RPC endpoint", SpanKind::Internal as i32));
    let expected = [("customer", "acme"), ("endpoint.method", "place_order"), ("error.type", "Refused")];
    assert_eq!(attributes(&spans[0].attributes), expected.map(|(key, value)| (key, value.to_owned())).into());
}

#[test]
fn every_tag_that_a_call_can_carry_is_an_attribute() {
    const MOST: usize = 3 * 32;
    let keys: Vec<String> = (0..MOST + 4).map(|i| format!("tag.{i}")).collect();
    let call = keys.iter().fold(TestCall::server("a.B/C"), |call, key| call.tag(key, "x"));
    let spans = spans(&run(&json!({}), [call]));
    let attributes = attributes(&spans[0].attributes);
    for (i, key) in keys.iter().enumerate() {
        assert_eq!(attributes.contains_key(&**key), i < MOST, "{key}");
    }
}

#[test]
fn events_are_the_spans_if_they_are_asked_for() {
    let call = || {
        TestCall::server("a.B/C")
            .started(1000)
            .event(Event::RPC_START, Duration::ZERO)
            .event(Event::READ_START, Duration::from_nanos(5))
            .custom_event("cart.loaded", Duration::from_nanos(7))
            .event_info(EventStatus::Warn, "3 items")
            .event(Event::RPC_FINISH, Duration::from_nanos(9))
            .events_elided(4)
    };
    let host = run(&json!({"events": true}), [call()]);
    assert_eq!(host.settings().level, Level::Detailed);
    let spans = spans(&host);
    let events: Vec<_> = spans[0].events.iter().map(|event| (event.time_unix_nano, &*event.name)).collect();
    assert_eq!(events, [(1005, "read_start"), (1007, "cart.loaded")]);
    let words = attributes(&spans[0].events[1].attributes);
    assert_eq!(words, [("event.info", "3 items".to_owned()), ("event.status", "warn".to_owned())].into());
    assert_eq!(spans[0].dropped_events_count, 4);

    let host = run(&json!({}), [call()]);
    assert_eq!(host.settings().level, Level::Base);
    assert!(self::spans(&host)[0].events.is_empty());
}

#[test]
fn only_sampled_spans_are_sent_whether_start_was_called_or_skipped() {
    let call = |sampled| TestCall::client("a.B/C").trace_id(u128::MAX).sampled(sampled);
    for (config, sampled, expected) in [
        (json!({}), true, 1),
        (json!({}), false, 0),
        (json!({"ratio": 0.0}), true, 0),
        (json!({"ratio": 0.99}), true, 0),
    ] {
        let host = run(&config, [call(sampled)]);
        assert_eq!(spans(&host).len(), expected, "{config} {sampled}");
        let mut skipped = harness(&config);
        skipped.finish([call(sampled)]);
        skipped.flush();
        assert_eq!(spans(&skipped).len(), expected, "{config} {sampled}, skipped");
    }
    let mut other_way = harness(&json!({}));
    let mut starter = StarterHarness::<OpensSpan>::start();
    let decided = starter.call(call(true)).into_call();
    other_way.finish([decided.sampled(false)]);
    other_way.flush();
    assert_eq!(spans(&other_way).len(), 1, "what was decided at the start holds");
}

#[test]
fn b3_headers_tell_of_the_span() {
    let call = || TestCall::client("a.B/C").trace_id(0xab).span(0xcd, 0xef);
    let set = |config: Json, call: TestCall| {
        let started = StarterHarness::<OpensSpan>::setup().config(config).start().call(call);
        started.headers_set().iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>()
    };
    let trace = "000000000000000000000000000000ab";
    assert_eq!(set(json!({}), call()), [""; 0]);
    assert_eq!(set(json!({"b3": "single"}), call()), [format!("b3: {trace}-00000000000000cd-1-00000000000000ef")]);
    let root = call().span(0xcd, 0).sampled(false);
    assert_eq!(set(json!({"b3": "single"}), root), [format!("b3: {trace}-00000000000000cd-0")]);
    assert_eq!(
        set(json!({"b3": "multi"}), call()),
        [
            format!("x-b3-traceid: {trace}"),
            "x-b3-spanid: 00000000000000cd".to_owned(),
            "x-b3-sampled: 1".to_owned(),
            "x-b3-parentspanid: 00000000000000ef".to_owned()
        ]
    );
    let server = TestCall::new(Side::Server, "a.B/C");
    assert_eq!(set(json!({"b3": "single"}), server), [""; 0], "nothing leaves");

    let host = run(&json!({"b3": "single"}), [call(), call().header("b3", "0")]);
    assert_eq!(host.counter("rpc_span.b3.not_set", &[]), Some(1.0));
    assert_eq!(spans(&host).len(), 2);
}

#[test]
fn requests_are_bounded_and_no_span_is_lost_between_them() {
    let mut host = harness(&json!({}));
    host.finish((1..=2000).map(|i| TestCall::server("a.B/C").span(i, 0)));
    host.finish((2001..=2100).map(|i| TestCall::server("a.B/C").span(i, 0).error("panic", &"x".repeat(9000))));
    host.flush();
    assert!(host.outbox().len() >= 4);
    assert!(host.outbox().iter().all(|payload| payload.bytes.len() < 512 * 1024));
    let ids: Vec<u64> = spans(&host)
        .iter()
        .map(|span| u64::from_be_bytes(span.span_id.clone().try_into().expect("a span id has eight bytes")))
        .collect();
    assert_eq!(ids, (1..=2100).collect::<Vec<_>>());
    assert_eq!(host.counter("rpc_span.spans", &[]), Some(2100.0));
}

#[test]
fn requests_are_no_larger_than_the_destination_takes() {
    const MAX_PAYLOAD: u32 = 4_096;
    let setup = Harness::<RpcSpan>::setup().config(json!({})).identity("service.name", "checkout");
    let mut host = setup.destination_of("otlp", MAX_PAYLOAD).start();
    host.finish((1..=300).map(|i| TestCall::server("a.B/C").span(i, 0)));
    // A span that no request can hold: its tags have more bytes.
    host.finish([(0..8).fold(TestCall::server("a.B/C"), |call, i| call.tag(&format!("key{i}"), &"x".repeat(900)))]);
    host.flush();
    let largest = host.outbox().iter().map(|payload| payload.bytes.len()).max().unwrap_or_default();
    assert!((3_500..=MAX_PAYLOAD as usize).contains(&largest), "{largest}");
    assert_eq!(spans(&host).len(), 300);
    assert_eq!(host.counter("rpc_span.spans", &[]), Some(300.0));
    assert_eq!(host.counter("rpc_span.spans.refused", &[("reason", "too_large")]), Some(1.0));
}

#[test]
fn spans_that_are_refused_are_counted() {
    let mut host = harness(&json!({"destination": "elsewhere"}));
    host.finish((0..5).map(|_| TestCall::server("a.B/C")));
    host.flush();
    host.flush();
    assert_eq!(host.counter("rpc_span.spans.refused", &[("reason", "not_allowed")]), Some(5.0));
    assert_eq!((host.outbox().len(), host.log().len()), (0, 1));
}

#[test]
fn a_service_without_a_name_has_the_name_that_sdks_give_it() {
    let mut host = Harness::<RpcSpan>::setup().destination("otlp").start();
    host.finish([TestCall::server("a.B/C").protocol(Protocol::Thrift)]);
    host.flush();
    let requests = requests(&host);
    let resource = requests[0].resource_spans[0].resource.clone().expect("there is one");
    assert_eq!(attributes(&resource.attributes), [("service.name", "unknown_service".to_owned())].into());
}

#[test]
fn a_wrong_config_says_what_to_do() {
    for (config, expected) in [
        (json!({"ratio": 2}), "the manifest's [config]: `ratio` must be between 0 and 1"),
        (
            json!({"b3": "yes"}),
            "the manifest's [config]: `b3`: unknown variant `yes`, expected one of `off`, `single`, `multi`",
        ),
    ] {
        let tracer = Harness::<RpcSpan>::setup().config(&config).try_start().map(|_| ());
        let starter = StarterHarness::<OpensSpan>::setup().config(&config).try_start().map(|_| ());
        for refused in [tracer, starter] {
            assert_eq!(refused.expect_err("it is wrong").to_string(), expected);
        }
    }
}
