//! Starters: what they do for a call, and what bad ones do not do to it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hottap::RequestBody;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::Empty;
use serde_json::Value;
use tower::{ServiceExt, service_fn};

use crate::guests::{QUIET, Wat};
use crate::house::House;

/// An instance takes its first three starts, which are those of the canary, and none after them.
macro_rules! after_three {
    ($body:literal) => {
        concat!("(if (i32.gt_u (global.get $starts) (i32.const 3)) (then ", $body, "))")
    };
}

const TRAPS: Wat = Wat { start: after_three!("unreachable"), ..QUIET };
const SPINS: Wat = Wat { start: after_three!("(loop $for_ever (br $for_ever))"), ..QUIET };
const RECURSES: Wat = Wat {
    start: after_three!("(drop (call $down (i32.const 0)))"),
    items: "(func $down (param i32) (result i32) (i32.add (local.get 0) (call $down (local.get 0))))",
    ..QUIET
};
/// Few instructions that take long: counting them would not stop it in time.
const COPIES: Wat = Wat {
    start: after_three!(
        "(drop (memory.grow (i32.const 100)))
         (loop $for_ever (memory.fill (i32.const 0) (i32.const 1) (i32.const 6000000)) (br $for_ever))"
    ),
    ..QUIET
};
const EATS_MEMORY: Wat = Wat {
    start: after_three!("(if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable))"),
    ..QUIET
};
const WELL: Wat = Wat { start: "(drop (local.get 0))", ..QUIET };

/// How often a tracer was to start a call: on a machine that has no time for the test, the calls' budget may be over
/// before the last starter's turn, and that is counted too.
fn asked(tracer: &Value) -> u64 {
    let skipped = tracer["start"]["skipped"].as_object().into_iter().flatten();
    start(tracer, "calls") + skipped.filter_map(|(_, calls)| calls.as_u64()).sum::<u64>()
}

fn start(tracer: &Value, what: &str) -> u64 {
    tracer.pointer(&format!("/start/{what}")).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {what}: {tracer:#}"))
}

/// Makes calls until the bad tracer's start is suspended, and some more. No call is lost to anybody.
#[track_caller]
fn misses_three_times_and_no_more(bad: &Wat, error: &str) {
    let house = House::new();
    house.drop_in("bad.wasm", bad.component());
    house.drop_in("good.wasm", WELL.component());
    house.until_live("bad");
    house.until_live("good");
    let mut made = 0;
    while start(&house.tracer("bad"), "skipped/suspended") == 0 {
        house.calls(1);
        made += 1;
        assert!(made < 1_000, "it is not suspended: {:#}", house.tracer("bad"));
    }
    house.calls(1_000);
    made += 1_000;
    let (bad, good) = (house.settled("bad", made), house.settled("good", made));
    assert_eq!((bad["committed"].as_u64(), good["committed"].as_u64()), (Some(made), Some(made)));
    assert_eq!(start(&bad, "misses"), 3, "{bad:#}");
    assert!(start(&bad, "suspended_ms") > 0, "{bad:#}");
    let message = bad["last_error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains(error) && message.contains("in start"), "{message}");
    assert!(bad["last_error"]["meanwhile"].as_str().is_some_and(|text| text.contains("suspended")), "{bad:#}");
    // All starters share one budget: the good one goes without its start where the bad one used it up.
    let began = start(&good, "calls") + start(&good, "skipped/budget");
    assert_eq!((start(&good, "misses"), began), (0, made), "{good:#}");
    // Three of them to the bad one; a machine that has no time for the test takes a few more.
    assert!(start(&good, "skipped/budget") < made / 10, "{good:#}");
}

#[test]
fn a_start_that_traps_is_suspended_after_three_misses() {
    misses_three_times_and_no_more(&TRAPS, "unreachable");
}

#[test]
fn a_start_that_spins_is_suspended_after_three_misses() {
    misses_three_times_and_no_more(&SPINS, "ran out of time");
}

#[test]
fn a_start_that_recurses_is_suspended_after_three_misses() {
    misses_three_times_and_no_more(&RECURSES, "call stack exhausted");
}

#[test]
fn a_start_of_few_and_long_instructions_is_suspended_after_three_misses() {
    misses_three_times_and_no_more(&COPIES, "ran out of time");
}

#[test]
fn a_start_that_eats_memory_is_suspended_after_three_misses() {
    misses_three_times_and_no_more(&EATS_MEMORY, "ran out of memory");
}

#[test]
fn a_start_that_fails_on_the_canary_is_refused() {
    let house = House::new();
    house.drop_in("bad.wasm", Wat { start: "unreachable", ..QUIET }.component());
    let bad = house.until("bad", "refused", |tracer| tracer["state"] == "refused");
    assert!(bad["last_error"]["message"].as_str().is_some_and(|text| text.contains("trapped in start")), "{bad:#}");
}

#[test]
fn a_fifth_starter_is_refused_by_name() {
    let house = House::new();
    for name in ["a", "b", "c", "d"] {
        house.drop_in(&format!("{name}.wasm"), WELL.component());
        house.until_live(name);
    }
    house.drop_in("e.wasm", WELL.component());
    let fifth = house.until("e", "refused", |tracer| tracer["state"] == "refused");
    let message = fifth["last_error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("e.wasm: 4 live plugins act at the start"), "{message}");
    house.drop_in("e.wasm", QUIET.component());
    house.until_live("e");
    house.calls(10);
    for name in ["a", "b", "c", "d"] {
        assert_eq!(asked(&house.settled(name, 10)), 10);
    }
    assert!(house.settled("e", 10)["start"].is_null());
}

#[test]
fn a_starter_that_is_replaced_goes_on_counting() {
    let house = House::new();
    house.drop_in("a.wasm", WELL.component());
    let first = house.until_live("a");
    house.calls(10);
    house.settled("a", 10);
    house.drop_in("a.toml", "[config]\n");
    house.until("a", "swapped", |tracer| tracer["generation"] != first["generation"]);
    house.calls(5);
    assert_eq!(asked(&house.settled("a", 15)), 15);
}

/// Sends one request with these headers through a client layer and one through a server layer; gives the headers that
/// arrived inside of each.
fn exchange(house: &House, headers: &[(&'static str, &'static str)]) -> Vec<HeaderMap> {
    let arrived = Arc::new(Mutex::new(Vec::new()));
    let request = || {
        let mut request =
            Request::post("http://shop/shop.v1.Checkout/Place").body(Empty::<Bytes>::new()).expect("valid");
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        request.headers_mut().extend(headers);
        request
    };
    let inside = service_fn(|request: Request<RequestBody<Empty<Bytes>>>| {
        arrived.lock().expect("not poisoned").push(request.headers().clone());
        async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        house.tap.client_layer().layer(inside).oneshot(request()).await.expect("succeeds");
        house.tap.server_layer().layer(inside).oneshot(request()).await.expect("succeeds");
    });
    std::mem::take(&mut *arrived.lock().expect("not poisoned"))
}

/// What the tracer herald says that it saw and set.
fn heralded(house: &House) -> Vec<String> {
    let page = house.tap.metrics();
    let lines = page.lines().filter_map(|line| line.strip_prefix("herald_calls_total{tracer=\"herald\","));
    lines.map(str::to_owned).collect()
}

#[test]
fn a_starter_sees_and_sets_headers_of_propagation_and_no_others() {
    let module = fixtures::guest("herald.wasm");
    let house = House::new();
    house.drop_in("herald.wasm", &module);
    house.until_live("herald");
    let sent = [
        ("b3", "0"),
        ("x-tenant", "a"),
        ("baggage", "user=42"),
        ("authorization", "Bearer secret"),
        ("cookie", "a=b"),
        ("te", "trailers"),
    ];
    let arrived = exchange(&house, &sent);
    house.settled("herald", 2);
    let added = |headers: &HeaderMap| -> Vec<String> {
        let mut names: Vec<String> = headers.keys().map(|name| name.as_str().to_owned()).collect();
        names.retain(|name| !sent.iter().any(|(sent, _)| sent == name));
        names.sort();
        names
    };
    assert_eq!(added(&arrived[0]), ["traceparent", "uber-trace-id", "x-b3-traceid"], "traceparent is the host's");
    assert_eq!(added(&arrived[1]), [""; 0], "a server sends no request");
    for (name, value) in sent {
        assert_eq!(arrived[0][name], value, "what the application sent is as it was");
    }
    // The finished calls got the tokens of their own starts.
    assert_eq!(
        heralded(&house),
        [
            "seen=\"b3 traceparent\",set=\"x-b3-traceid uber-trace-id\",many=\"0\"} 1",
            "seen=\"b3\",set=\"\",many=\"0\"} 1",
        ]
    );
}

#[test]
fn the_operator_grants_headers_and_no_more_than_eight() {
    let module = fixtures::guest("herald.wasm");
    let house = House::new();
    house.drop_in("herald.wasm", &module);
    let first = house.until_live("herald");
    let many: Vec<String> = (0..20).map(|i| format!("\"x-many-{i}\"")).collect();
    let right = format!(
        "[tracers.herald]\nsee_headers = [\"x-tenant\", \"baggage\"]\nset_headers = [\"x-audit-id\", {}]\n",
        many.join(", ")
    );
    house.configure(&right);
    house.until("herald", "loaded anew with its grants", |tracer| tracer["generation"] != first["generation"]);
    let arrived = exchange(&house, &[("x-tenant", "a"), ("baggage", "user=42"), ("authorization", "Bearer secret")]);
    house.settled("herald", 2);
    let set = arrived[0].keys().filter(|name| name.as_str().starts_with("x-many-")).count();
    assert_eq!((set, arrived[0].contains_key("x-audit-id")), (5, true), "with x-b3-traceid and uber-trace-id eight");
    let seen = heralded(&house);
    let granted = |line: &String| line.contains("x-tenant") && line.contains("baggage");
    assert!(seen.iter().all(|line| granted(line) && !line.contains("authorization")), "{seen:?}");

    // Not even the operator can let it see or set who somebody is: such a configuration is refused as a whole.
    for (right_key, wrong_key, key) in [
        ("see_headers = [", "see_headers = [\"authorization\", ", "`tracers.herald.see_headers`"),
        ("set_headers = [", "set_headers = [\"cookie\", ", "`tracers.herald.set_headers`"),
    ] {
        house.configure(&right.replace(right_key, wrong_key));
        let error = house.until_config_error(key);
        assert!(error.contains("never a tracer's") && error.contains("meanwhile nothing changes"), "{error}");
        exchange(&house, &[("x-tenant", "a"), ("authorization", "Bearer secret"), ("cookie", "a=b")]);
    }
    house.settled("herald", 6);
    let seen = heralded(&house);
    let secret = |line: &String| line.contains("authorization") || line.contains("cookie");
    assert!(seen.iter().all(|line| line.contains("x-tenant") && !secret(line)), "{seen:?}");
}

#[test]
fn a_starter_is_told_the_time_that_the_finished_call_has() {
    let module = fixtures::guest("herald.wasm");
    let house = House::new();
    house.drop_in("herald.wasm", &module);
    house.until_live("herald");
    exchange(&house, &[]);
    house.calls(100);
    let skipped = house.settled("herald", 102)["start"]["skipped"].clone();
    let started = start(&house.tracer("herald"), "calls");
    assert!(started > 50, "{skipped}");
    assert_eq!(house.metric("herald_same_start_total{tracer=\"herald\"}"), Some(started as f64), "{skipped}");
}

#[test]
fn what_a_starter_sends_goes_nowhere_and_takes_nobodys_space() {
    let module = fixtures::guest("herald.wasm");
    let house = House::new();
    let file = house.outside().join("records");
    house.configure(&format!(
        "[destinations.records]\nurl = \"file://{}\"\ntracers = [\"herald\"]\nqueue = \"64KiB\"\n",
        file.display()
    ));
    house.drop_in("herald.toml", "destinations = [\"records\"]\n");
    house.drop_in("herald.wasm", module);
    house.until("herald", "granted", |tracer| tracer["destinations"]["records"] == "granted");
    house.calls(500);
    let herald = house.settled("herald", 500);
    assert_eq!((asked(&herald), start(&herald, "misses")), (500, 0), "{herald:#}");
    let records = house.destination("records");
    assert_eq!((&records["accepted"], &records["queued"]["payloads"]), (&0.into(), &0.into()), "{records:#}");
    assert_eq!(records["refused"], serde_json::json!({}), "{records:#}");
}
