//! Which calls are told of, and what is told, seen through the harness.

use std::time::Duration;

use hottap_guest::log::Severity;
use hottap_guest::testing::{Harness, TestCall};
use hottap_guest::{Event, EventStatus, Level};
use serde_json::{Value as Json, json};

use super::SlowCalls;

fn harness(config: &Json) -> Harness<SlowCalls> {
    Harness::<SlowCalls>::setup().config(config).identity("service.name", "checkout").destination("slow").start()
}

fn logged(host: &Harness<SlowCalls>) -> Vec<Json> {
    host.log().iter().map(|line| serde_json::from_str(&line.message).expect("a line is JSON")).collect()
}

fn slow(millis: u64) -> TestCall {
    TestCall::server("shop.v1.Checkout/Place").duration(Duration::from_millis(millis))
}

#[test]
fn a_slow_call_is_a_line_in_the_log_with_its_events() {
    let mut host = harness(&json!({}));
    assert_eq!(host.settings().level, Level::Detailed);
    let call = slow(101)
        .started(7)
        .peer("10.0.0.7:41234")
        .rpc_status(Some(4))
        .error("DEADLINE_EXCEEDED", "too \"late\"\nsorry")
        .trace_id(0xab)
        .span(0xcd, 0)
        .sent(3, 1, 3)
        .received(4, 1, 4)
        .tag("tenant", "acme")
        .event(Event::READ_START, Duration::from_micros(1500))
        .custom_event("cart.loaded", Duration::from_millis(90))
        .event_info(EventStatus::Warn, "3 items")
        .events_elided(2);
    host.finish([slow(100), call, slow(1)]);
    host.flush();
    let expected = json!({
        "service": "checkout",
        "side": "server",
        "method": "shop.v1.Checkout/Place",
        "duration_ms": 101.0,
        "threshold_ms": 100.0,
        "outcome": "error",
        "status": "DEADLINE_EXCEEDED",
        "error_type": "DEADLINE_EXCEEDED",
        "error_message": "too \"late\"\nsorry",
        "peer": "10.0.0.7:41234",
        "started_unix_nanos": 7,
        "trace_id": "000000000000000000000000000000ab",
        "span_id": "00000000000000cd",
        "sent_bytes": 3,
        "received_bytes": 4,
        "tags": [["tenant", "acme"]],
        "events": [
            {"kind": "read_start", "at_ms": 1.5},
            {"kind": "cart.loaded", "at_ms": 90.0, "status": "warn", "info": "3 items"},
        ],
        "events_elided": 2,
    });
    assert_eq!(logged(&host), [expected]);
    assert_eq!(host.log()[0].severity, Severity::Warn);
    let labels = [("side", "server"), ("method", "shop.v1.Checkout/Place")];
    assert_eq!(host.counter("slow_calls.calls", &labels), Some(1.0));
}

#[test]
fn methods_have_thresholds_of_their_own() {
    let mut host = harness(&json!({"threshold_ms": 0.5, "events": false, "methods": {"shop.v1.Reports/*": 5000}}));
    assert_eq!(host.settings().level, Level::Base);
    let report = |millis| TestCall::client("shop.v1.Reports/Day").duration(Duration::from_millis(millis));
    host.finish([report(4999), slow(1), report(5001)]);
    host.flush();
    let told: Vec<_> = logged(&host).iter().map(|line| line["threshold_ms"].clone()).collect();
    assert_eq!(told, [json!(0.5), json!(5000.0)]);
}

#[test]
fn with_a_destination_lines_go_there_and_not_to_the_log() {
    let mut host = harness(&json!({"destination": "slow"}));
    host.finish([slow(500), slow(600)]);
    host.flush();
    host.flush();
    assert_eq!((host.log().len(), host.outbox().len()), (0, 1));
    let payload = &host.outbox()[0];
    assert_eq!((&*payload.destination, &*payload.content_type), ("slow", "application/x-ndjson"));
    let text = std::str::from_utf8(&payload.bytes).expect("JSON is UTF-8");
    let lines: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    assert_eq!([&lines[0]["duration_ms"], &lines[1]["duration_ms"]], [&json!(500.0), &json!(600.0)]);
    assert_eq!(host.counter("slow_calls.lines", &[]), Some(2.0));
}

#[test]
fn what_is_beyond_the_bound_of_an_interval_is_counted() {
    let mut host = harness(&json!({"max_per_flush": 3}));
    host.finish((0..10).map(|_| slow(200)));
    host.flush();
    assert_eq!((host.log().len(), host.counter("slow_calls.omitted", &[])), (3, Some(7.0)));
    host.finish((0..2).map(|_| slow(200)));
    host.flush();
    assert_eq!((host.log().len(), host.counter("slow_calls.omitted", &[])), (5, Some(7.0)));
    assert_eq!(host.counter("slow_calls.calls", &[]), Some(12.0), "every slow call is counted");
}

#[test]
fn a_line_in_the_log_is_whole_whatever_is_told_of_the_call() {
    let mut long = slow(200).error("panic", &"\u{1}\u{85}".repeat(9000)).peer(&"p".repeat(9000));
    for i in 0..32 {
        long = long
            .custom_event(&format!("a.rather.long.kind.of.event.{i}.{}", "x".repeat(200)), Duration::from_millis(i))
            .event_info(EventStatus::Error, &"words ".repeat(100))
            .tag(&format!("key-{i}"), &"v".repeat(900));
    }
    let middling = (0..32).fold(slow(200), |call, i| {
        call.event(Event::STREAM_RECV, Duration::from_millis(i)).event_info(EventStatus::Info, &"w".repeat(90))
    });
    let mut host = harness(&json!({}));
    host.finish([long.clone(), middling]);
    host.flush();
    let lines = logged(&host);
    assert!(host.log().iter().all(|line| line.message.len() <= 4096));
    assert_eq!(lines[0]["method"], "shop.v1.Checkout/Place");
    assert_eq!(lines[0]["events_elided"], 32);
    assert_eq!(lines[1]["events"].as_array().map(Vec::len), Some(32), "words are left out before events");

    let mut host = harness(&json!({"destination": "slow"}));
    host.finish([long]);
    host.flush();
    assert!(host.outbox()[0].bytes.len() <= 32 * 1024 + 1);
}

#[test]
fn a_line_to_a_destination_of_datagrams_leaves_out_what_does_not_fit() {
    let long = (0..32).fold(slow(200).peer("10.0.0.7:41234"), |call, i| {
        call.event(Event::STREAM_RECV, Duration::from_millis(i)).tag(&format!("key-{i}"), &"v".repeat(90))
    });
    let setup = Harness::<SlowCalls>::setup().config(json!({"destination": "slow"}));
    let mut host = setup.destination_of("slow", 1_432).start();
    host.finish([long, slow(200), slow(300)]);
    host.flush();
    let lines: Vec<Json> = host
        .outbox()
        .iter()
        .flat_map(|payload| payload.bytes.strip_suffix(b"\n").expect("whole lines").split(|byte| *byte == b'\n'))
        .map(|line| serde_json::from_slice(line).expect("a line is JSON"))
        .collect();
    assert!(host.outbox().iter().all(|payload| payload.bytes.len() <= 1_432));
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["events_elided"], 32, "it is shorter, and whole");
    assert_eq!(host.counter("slow_calls.lines.refused", &[]), None);
}

#[test]
fn calls_that_are_not_slow_cost_two_columns() {
    let mut host = harness(&json!({}));
    host.finish((0..600).map(|_| slow(1)));
    host.flush();
    assert_eq!(host.columns_pulled(), ["durations", "methods"]);
    assert_eq!(host.symbol_questions(), 0);
}

#[test]
fn a_wrong_config_says_what_to_do() {
    for (config, expected) in [
        (json!({"threshold": 5}), "the manifest's [config]: unknown field `threshold`"),
        (
            json!({"threshold_ms": -5}),
            "the manifest's [config]: `threshold_ms` must be a number of milliseconds, 0 or more",
        ),
    ] {
        let refused = Harness::<SlowCalls>::setup().config(&config).try_start().map(|_| ());
        assert!(refused.expect_err("it is wrong").to_string().starts_with(expected), "{config}");
    }
}
