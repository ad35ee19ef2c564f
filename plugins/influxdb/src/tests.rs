//! What the tracer sends for calls, seen through the harness and read back as a server would.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hottap_guest::testing::{Harness, TestCall};
use hottap_guest::{Cause, Outcome, Protocol};
use serde_json::json;

use super::Influxdb;
use super::parse::{self, Point, Value};

fn harness(config: serde_json::Value) -> Harness<Influxdb> {
    Harness::<Influxdb>::setup()
        .config(config)
        .identity("service.name", "checkout")
        .identity("service.instance.id", "pod-7")
        .destination("influx")
        .start()
}

fn points(host: &Harness<Influxdb>) -> Vec<Point> {
    host.outbox().iter().flat_map(|payload| parse::payload(&payload.bytes)).collect()
}

/// Numbers that look random and are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn text(&mut self) -> String {
        let alphabet = [',', '=', ' ', '\\', '"', '\n', '\t', '#', 'a', 'ß', '→', '/', '\u{7f}'];
        (0..self.below(9)).filter_map(|_| alphabet.get(self.below(13) as usize)).collect()
    }
}

/// What is read back of a text: the documented losses and no others.
fn readable(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let taken_for_escape =
        |next: Option<&char>| next.is_none_or(|next| matches!(next, '\\' | ',' | '=' | ' ') || next.is_control());
    let read = chars.iter().enumerate().map(|(i, &c)| match c {
        '\\' if taken_for_escape(chars.get(i + 1)) => '/',
        c if c.is_control() => ' ',
        c => c,
    });
    read.collect()
}

#[test]
fn calls_of_an_interval_are_a_point_for_each_kind() {
    let mut host = harness(json!({}));
    let place = || TestCall::server("shop.v1.Checkout/Place");
    host.finish([
        place().nanos(3_000_000).sent(10, 1, 10).received(100, 1, 100),
        place().nanos(5_000_000).sent(20, 1, 20).received(200, 1, 200),
        place().nanos(9_000_000_000).sent(40, 1, 40),
        place().nanos(7).rpc_status(Some(14)).error("UNAVAILABLE", "no stock"),
        TestCall::client("GET /users/{id}").http_status(Some(404)),
    ]);
    host.flush();
    let points = points(&host);
    assert_eq!(points.len(), 3);
    let ok = points.iter().find(|point| point.tag("status") == "OK").expect("three succeeded");
    assert_eq!(ok.measurement, "rpc");
    let tags = [
        ("instance", "pod-7"),
        ("method", "shop.v1.Checkout/Place"),
        ("service", "checkout"),
        ("side", "server"),
        ("status", "OK"),
    ];
    assert_eq!(ok.tags, tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    let sums =
        ["count", "errors", "duration_sum_ns", "duration_min_ns", "duration_max_ns", "sent_bytes", "received_bytes"];
    assert_eq!(sums.map(|field| ok.integer(field)), [3, 0, 9_008_000_000, 3_000_000, 9_000_000_000, 70, 300]);
    let buckets = ["le_100us", "le_2500us", "le_5ms", "le_5s", "le_10s"];
    assert_eq!(
        buckets.map(|field| ok.integer(field)),
        [0, 0, 2, 2, 3],
        "cumulative, and a bound belongs to its bucket"
    );

    let failed = points.iter().find(|point| point.tag("error_type") == "UNAVAILABLE").expect("one failed");
    assert_eq!([failed.integer("count"), failed.integer("errors"), failed.integer("le_100us")], [1, 1, 1]);
    let http = points.iter().find(|point| point.tag("side") == "client").expect("one was made");
    assert_eq!([http.tag("method"), http.tag("status")], ["GET /users/{id}", "404"]);
    let payload = &host.outbox()[0];
    assert_eq!((&*payload.destination, &*payload.content_type), ("influx", "text/plain; charset=utf-8"));
}

#[test]
fn an_interval_begins_with_nothing_and_one_without_calls_sends_nothing() {
    let mut host = harness(json!({}));
    host.finish([TestCall::server("a.B/C").nanos(5)]);
    host.flush();
    host.flush();
    assert_eq!(host.outbox().len(), 1);
    host.finish([TestCall::server("a.B/C").nanos(7)]);
    host.flush();
    let points = points(&host);
    assert_eq!(points.len(), 2);
    assert_eq!(points[1].integer("duration_min_ns"), 7);
    assert_eq!([points[1].integer("count"), points[1].integer("duration_sum_ns")], [1, 7]);
    assert_eq!(points[1].time - points[0].time, 2_000_000_000);
}

#[test]
fn every_call_is_in_the_sums_whatever_the_number_of_series() {
    let mut host = harness(json!({}));
    for round in 0..3 {
        host.finish((0..9000).map(|i| TestCall::server(&format!("a.B/M{}", (i * 7 + round) % 9000)).nanos(1)));
    }
    host.flush();
    let points = points(&host);
    assert_eq!(points.iter().map(|point| point.integer("count")).sum::<i64>(), 27_000);
    let distinct: BTreeSet<_> = points.iter().map(Point::identity).collect();
    assert_eq!(distinct.len(), points.len(), "no point overwrites another");
    assert!(points.iter().all(|point| point.time >= 1_767_225_600_000_000_000), "no point is from another century");
    assert!(host.outbox().len() > 1 && host.outbox().iter().all(|payload| payload.bytes.len() <= 256 * 1024));
    assert_eq!(host.counter("influxdb.points", &[]), Some(points.len() as f64));
}

#[test]
fn a_call_is_a_point_at_the_time_when_it_finished() {
    let mut host = harness(json!({"points": true, "measurement": "calls", "tags": {"region": "eu west", "none": ""}}));
    let call = TestCall::server("a.B/C").started(1_800_000_000_000_000_000).nanos(250).sent(3, 4, 1).received(5, 6, 1);
    host.finish([call]);
    host.flush();
    let points = points(&host);
    assert_eq!(points.len(), 1);
    assert_eq!((points[0].measurement.as_str(), points[0].time), ("calls", 1_800_000_000_000_000_250));
    assert_eq!((points[0].tag("region"), points[0].tags.contains_key("none")), ("eu west", false));
    let fields = ["duration_ns", "sent_bytes", "received_bytes", "sent_messages", "received_messages"];
    assert_eq!(fields.map(|field| points[0].integer(field)), [250, 3, 5, 4, 6]);
    assert_eq!(points[0].fields.len(), fields.len());
}

#[test]
fn texts_of_a_call_are_fields_if_they_are_asked_for() {
    let mut host = harness(json!({"points": true, "texts": true}));
    host.finish([
        TestCall::server("a.B/C").trace_id(0xab).peer("10.0.0.7:1").error("INTERNAL", "he said \"no\\\"\nand left"),
        TestCall::server("a.B/C"),
    ]);
    host.flush();
    let points = points(&host);
    let text = |field: &str| points[0].fields.get(field).cloned();
    assert_eq!(text("trace_id"), Some(Value::Text("000000000000000000000000000000ab".to_owned())));
    assert_eq!(text("peer"), Some(Value::Text("10.0.0.7:1".to_owned())));
    assert_eq!(text("error_message"), Some(Value::Text("he said \"no\\\" and left".to_owned())));
    assert!(!points[1].fields.contains_key("peer") && !points[1].fields.contains_key("error_message"));
}

#[test]
fn no_point_overwrites_another_even_across_a_trap() {
    let mut host = harness(json!({"points": true}));
    let mut random = Random(1);
    // Many calls at few times, out of order, of few kinds.
    let mut calls = |count: usize| -> Vec<TestCall> {
        let call = |_| {
            let method = ["a.B/C", "a.B/D"][random.below(2) as usize];
            TestCall::server(method).started(1_767_225_600_000_000_000 + random.below(50)).nanos(random.below(3))
        };
        (0..count).map(call).collect()
    };
    host.finish(calls(1000));
    host.flush();
    host.trap();
    host.finish(calls(1000));
    host.flush();
    let points = points(&host);
    let distinct: BTreeSet<_> = points.iter().map(Point::identity).collect();
    assert_eq!((points.len(), distinct.len()), (2000, 2000));
    let last = points.iter().map(|point| point.time - 1_767_225_600_000_000_000).max();
    assert!(last <= Some(2000 + 52), "moved no farther than it must be: {last:?}");
}

#[test]
fn a_time_that_is_free_is_not_changed() {
    let mut host = harness(json!({"points": true}));
    let times: Vec<u64> = (0..500).map(|i| 1_767_225_600_000_000_000 + i * 17).collect();
    host.finish(times.iter().map(|&started| TestCall::server("a.B/C").started(started).nanos(3)));
    host.flush();
    let read: Vec<i64> = points(&host).iter().map(|point| point.time).collect();
    assert_eq!(read, times.iter().map(|&started| started as i64 + 3).collect::<Vec<_>>());
}

#[test]
fn tags_are_in_the_order_of_their_names() {
    let mut host = harness(json!({"tags": {"a": "1", "nn": "2", "z z": "3"}}));
    host.finish([TestCall::server("a.B/C").error("UNAVAILABLE", "")]);
    host.flush();
    let payload = host.outbox()[0].bytes.clone();
    let line = String::from_utf8(payload).expect("UTF-8");
    let series = line.split_once(" count=").expect("fields follow").0;
    let keys: Vec<&str> = series.split(',').skip(1).filter_map(|tag| tag.split_once('=')).map(|(key, _)| key).collect();
    assert!(keys.is_sorted() && keys.len() == 9, "{keys:?}");
}

#[test]
fn whatever_texts_there_are_a_server_reads_them_back() {
    let mut random = Random(7);
    for round in 0..300 {
        let (measurement, method, error, key, value, peer) =
            (random.text(), random.text(), random.text(), random.text(), random.text(), random.text());
        // What is configured has no line breaks; see `a_wrong_config_says_what_to_do`.
        let one_line = |text: String| text.replace(char::is_control, "");
        let (measurement, key, value) =
            (one_line(format!("m{measurement}")), one_line(format!("k{key}")), one_line(value));
        let mut host = harness(json!({
            "points": true, "texts": true, "measurement": measurement, "tags": BTreeMap::from([(&key, &value)]),
        }));
        host.finish([TestCall::server(&method).peer(&peer).error(&error, &value).protocol(Protocol::Grpc)]);
        host.flush();
        let points = points(&host);
        assert_eq!(points.len(), 1, "round {round}");
        assert_eq!(points[0].measurement, readable(&measurement), "round {round}");
        let read = [&method, &error, &value].map(|text| readable(text));
        let tags = ["method", "error_type", &readable(&key)].map(|key| points[0].tag(key).to_owned());
        assert_eq!(tags, read, "round {round}");
        let blank = |text: &str| text.replace(char::is_control, " ");
        let expected = (!peer.is_empty()).then(|| Value::Text(blank(&peer)));
        assert_eq!(points[0].fields.get("peer").cloned(), expected, "round {round}");
    }
}

#[test]
fn payloads_end_with_a_line_and_stay_below_their_bound() {
    let mut host = harness(json!({"points": true}));
    host.finish((0..10_000).map(|i| TestCall::server("shop.v1.Checkout/Place").nanos(i)));
    host.flush();
    let payloads = host.outbox();
    assert!(payloads.len() > 2 && payloads.iter().all(|payload| payload.bytes.len() <= 256 * 1024));
    let full = payloads.len() - 1;
    assert!(payloads[..full].iter().all(|payload| payload.bytes.len() > 255 * 1024), "they are not cut too early");
    assert_eq!(points(&host).len(), 10_000);
}

#[test]
fn points_to_a_destination_of_datagrams_are_whole() {
    for config in [json!({"points": true}), json!({})] {
        let setup = Harness::<Influxdb>::setup().config(&config).identity("service.name", "checkout");
        let mut host = setup.destination_of("influx", 1_432).start();
        host.finish((0..3_000).map(|i| TestCall::server(&format!("shop.v1.Checkout/Place{}", i % 50)).nanos(i)));
        host.flush();
        assert!(host.outbox().iter().all(|payload| payload.bytes.len() <= 1_432));
        assert_eq!(points(&host).len() as f64, host.counter("influxdb.points", &[]).unwrap_or_default());
        assert_eq!(host.counter("influxdb.points.refused", &[]), None);
    }
}

#[test]
fn points_that_are_refused_are_counted() {
    let mut host = harness(json!({"points": true}));
    host.set_outbox_full(true);
    host.finish((0..5).map(|_| TestCall::server("a.B/C")));
    host.flush_after(Duration::from_secs(1), Cause::Shutdown);
    assert_eq!(host.counter("influxdb.points.refused", &[("reason", "full")]), Some(5.0));
    assert_eq!(host.counter("influxdb.points", &[]), None);
    assert_eq!(host.log().len(), 1);
}

#[test]
fn a_wrong_config_says_what_to_do() {
    for (config, expected) in [
        (json!({"measurment": "x"}), "unknown field `measurment`"),
        (json!({"measurement": ""}), "`measurement` must have 1 to 256 bytes"),
        (json!({"measurement": "#rpc"}), "must not begin with `#`"),
        (json!({"texts": true}), "`texts` needs `points = true`"),
        (json!({"tags": {"method": "x"}}), "`tags.method` is a name that every point has already"),
        (json!({"tags": {"time": "x"}}), "`tags.time`"),
        (json!({"tags": {"": "x"}}), "has no name"),
        (json!({"tags": {" ": "x"}}), "has no name"),
        (json!({"tags": {"_region": "x"}}), "`tags._region` must not begin with `_`"),
        (json!({"tags": {"_time": "x"}}), "`tags._time` must not begin with `_`"),
        (json!({"tags": {"a\nb": "x"}}), "`tags.a\\nb` has a line break"),
        (json!({"tags": {"region": "eu\r\nrpc x=1"}}), "the value of `tags.region` has a line break"),
        (json!({"tags": {"a/,b": "x", "a\\,b": "y"}}), "are one name as line protocol writes them"),
        (json!({"tags": {"x".repeat(1100): "", format!("{}y", "x".repeat(1100)): ""}}), "are one name"),
        (json!({"measurement": "_internal"}), "`measurement` must not begin with `_`"),
        (json!({"measurement": "  "}), "`measurement` is blank"),
        (json!({"measurement": "rpc\n"}), "`measurement` has a line break"),
        (json!({"tags": {"long": "x".repeat(5000)}}), "more than 4096 bytes"),
        (json!({"bounds_ms": [5, 1]}), "`bounds_ms` must be rising"),
        (json!({"bounds_ms": [-1]}), "`bounds_ms` must be rising"),
    ] {
        let refused = Harness::<Influxdb>::setup().config(&config).try_start().map(|_| ());
        let error = refused.expect_err("it is wrong").to_string();
        assert!(error.contains(expected) && error.starts_with("the manifest's [config]: "), "{config}: {error}");
    }
    let slow = harness(json!({"interval_ms": 10_000, "bounds_ms": []}));
    assert_eq!(slow.settings().flush_every, Duration::from_secs(10));
}

#[test]
fn a_tag_with_the_name_of_a_field_is_refused_whatever_the_mode() {
    let modes = [json!({}), json!({"points": true, "texts": true}), json!({"bounds_ms": [0.000_001, 7, 60_000]})];
    let mut names = BTreeSet::new();
    for config in &modes {
        let mut host = harness(config.clone());
        host.finish([TestCall::server("a.B/C").peer("10.0.0.7:1").error("INTERNAL", "no")]);
        host.flush();
        names.extend(points(&host).into_iter().flat_map(|point| point.fields.into_keys()));
    }
    assert!(names.len() > 30 && names.contains("le_1ns") && names.contains("error_message"), "{names:?}");
    for (name, mut config) in names.iter().flat_map(|name| modes.clone().map(|config| (name, config))) {
        config["tags"] = json!({ name: "x" });
        let refused = Harness::<Influxdb>::setup().config(&config).try_start().map(|_| ());
        let error = refused.expect_err(name).to_string();
        assert!(error.contains(&format!("`tags.{name}` is the name of a field")), "{error}");
    }
    for name in ["le_", "le_ms", "le_5", "le_5min", "level", "counts", "Time", "peers", "le_5ms_"] {
        harness(json!({ "tags": { name: "x" } }));
    }
}

#[test]
fn a_call_that_was_given_up_has_no_status_tag() {
    let mut host = harness(json!({}));
    host.finish([TestCall::client("a.B/C").rpc_status(None).outcome(Outcome::Cancelled).error("cancelled", "")]);
    host.flush();
    let points = points(&host);
    assert_eq!((points[0].tags.contains_key("status"), points[0].tag("error_type")), (false, "cancelled"));
}

#[test]
fn only_what_counts_as_an_error_has_an_error_type() {
    let dropped = |call: TestCall| call.outcome(Outcome::Cancelled).error("cancelled", "dropped before it ended");
    for (call, error, reason) in [
        (dropped(TestCall::client("GET /files/a")), "", "a client wants no more of a response"),
        (dropped(TestCall::client("GET /files/a")).http_status(None), "", "or none at all"),
        (dropped(TestCall::server("GET /files/a")), "cancelled", "a response did not get out"),
        (dropped(TestCall::client("a.B/C")).rpc_status(None), "cancelled", "a call without a status"),
        (dropped(TestCall::server("a.B/C")).rpc_status(None), "", "the caller went away"),
        (TestCall::client("a.B/C").rpc_status(Some(5)).error("NOT_FOUND", ""), "NOT_FOUND", "the client's error"),
        (TestCall::server("a.B/C").rpc_status(Some(5)).error("NOT_FOUND", ""), "", "not the server's"),
        (TestCall::client("GET /files/a").error("body", "too short"), "body", "a part of a response"),
    ] {
        for in_points in [false, true] {
            let mut host = harness(json!({"points": in_points}));
            host.finish([call.clone()]);
            host.flush();
            let points = points(&host);
            assert_eq!(points[0].tag("error_type"), error, "{reason}");
            if !in_points {
                assert_eq!(points[0].integer("errors"), i64::from(!error.is_empty()), "{reason}");
            }
        }
    }
}

#[test]
fn only_what_points_are_made_of_is_pulled() {
    let mut host = harness(json!({}));
    host.finish((0..600).map(|i| TestCall::server("a.B/C").nanos(i)));
    host.flush();
    let nine = [
        "durations",
        "error_types",
        "http_statuses",
        "methods",
        "protocols",
        "received_bytes",
        "rpc_statuses",
        "sent_bytes",
        "sides",
    ];
    assert_eq!(host.columns_pulled(), nine);
    assert_eq!(host.symbol_questions(), 1);
}
