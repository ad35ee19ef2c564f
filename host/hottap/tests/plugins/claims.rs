//! Names of metrics: the tracer that was live first keeps them, and those of the semantic conventions have their kind.

use serde_json::{Value, json};

use crate::house::House;
use crate::log;

/// A tracer that defines this metric in each flush, as hostile ones do, and records one in it.
fn claimer(kind: &str, name: &str, unit: &str) -> Vec<u8> {
    let (bounds, record) = match kind {
        "histogram" => (
            "(i32.const 0) (i32.const 0)",
            "(call $merge (local.get $series) (i32.const 3072) (i32.const 1) (f64.const 1))",
        ),
        _ => ("", "(call $add (i32.const 4096) (i32.const 1) (i32.const 3080) (i32.const 1))"),
    };
    let wat = include_str!("claimer.wat")
        .replace("NAMELEN", &name.len().to_string())
        .replace("UNITLEN", &unit.len().to_string())
        .replace("NAME", name)
        .replace("UNIT", unit)
        .replace("$KIND", &format!("${kind}"))
        .replace("BOUNDS", bounds)
        .replace("RECORD", record);
    wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}\n{wat}"))
}

/// Waits until a metric of a tracer was refused for this reason, and returns what is said of it.
#[track_caller]
fn refused(house: &House, tracer: &str, reason: &str) -> String {
    let status = house.until(tracer, "refused a metric", |tracer| tracer["metric_errors"][reason].as_u64() > Some(0));
    let notices = status["notices"].as_array().expect("a list");
    let notice = notices.iter().find(|notice| notice["message"].to_string().contains("is refused"));
    let notice = notice.unwrap_or_else(|| panic!("nobody is told: {status:#}"));
    let counted = format!("hottap_tracer_metric_errors_total{{tracer=\"{tracer}\",reason=\"{reason}\"}}");
    assert!(house.metric(&counted) > Some(0.0));
    let message = notice["message"].as_str().expect("a text").to_owned();
    let tracer = format!("tracer=\"{tracer}\"");
    let lines = log::lines();
    let told =
        lines.lines().filter(|line| line.starts_with("WARN") && line.contains(&tracer) && line.contains(&message));
    assert_eq!(told.count(), 1, "the log tells it once");
    message
}

fn gauge_of(tracer: &str) -> String {
    format!("orders{{tracer=\"{tracer}\"}}")
}

#[test]
fn a_metric_of_the_conventions_is_not_taken_over_by_a_tracer_that_sorts_first() {
    log::listen();
    let house = House::new();
    house.drop_in("a-steal.wasm", claimer("gauge", "rpc.client.call.duration", "s"));
    house.until_live("a-steal");
    house.calls(1);
    let message = refused(&house, "a-steal", "convention");
    assert!(message.contains("define it as a histogram in s, and the tracer as a gauge in s"), "{message}");
    for (tracer, name) in [
        ("b-steal", "rpc_client_call_duration_seconds_count"),
        ("c-steal", "rpc/client/call-duration.seconds_sum"),
        ("d-steal", "RPC.Client.Call.Duration"),
    ] {
        house.drop_in(&format!("{tracer}.wasm"), claimer("gauge", name, ""));
        house.until_live(tracer);
        refused(&house, tracer, "convention");
    }
    house.drop_in("red.wasm", claimer("histogram", "rpc.client.call.duration", "s"));
    house.until_live("red");
    let count = "rpc_client_call_duration_seconds_count{tracer=\"red\"}";
    house.until("red", "on the page", |_| house.metric(count) > Some(0.0));
    let page = house.tap.metrics();
    let of_thieves = |line: &&str| line.contains("-steal\"") && !line.starts_with("hottap_");
    assert_eq!(page.lines().filter(of_thieves).collect::<Vec<_>>(), [""; 0]);
    assert_eq!(house.tracer("red")["notices"], json!([]));
}

#[test]
fn red_metrics_keeps_its_families_beside_a_thief() {
    let module = fixtures::guest("red-metrics.wasm");
    let house = House::new();
    house.drop_in("m-steal.wasm", claimer("gauge", "rpc.server.call.duration", "s"));
    house.until_live("m-steal");
    house.drop_in("red-metrics.wasm", module);
    house.until_live("red-metrics");
    house.calls(100);
    house.settled("red-metrics", 100);
    let page = house.tap.metrics();
    let counted =
        page.lines().find(|line| line.starts_with("rpc_server_call_duration_seconds_count{tracer=\"red-metrics\""));
    assert!(counted.is_some_and(|line| line.ends_with(" 100")), "{counted:?}");
    assert!(page.contains("# TYPE rpc_server_call_duration_seconds histogram\n"));
    assert!(!page.contains("rpc_server_call_duration_seconds_red_metrics"));
}

#[test]
fn the_tracer_that_was_live_first_keeps_a_name_across_its_swaps() {
    log::listen();
    let house = House::new();
    // The first is the last by name.
    house.drop_in("z-first.wasm", claimer("gauge", "orders", ""));
    house.until_live("z-first");
    house.until("z-first", "on the page", |_| house.metric(&gauge_of("z-first")).is_some());
    house.drop_in("a-second.wasm", claimer("counter", "orders", ""));
    house.until_live("a-second");
    let message = refused(&house, "a-second", "taken");
    assert!(message.contains("the tracer z-first was live before and has orders"), "{message}");
    // A swap keeps it: also one whose next generation is made while the other one asks for it in each flush.
    let before = house.tracer("z-first")["generation"].clone();
    house.drop_in("z-first.toml", "[config]\nx = 1\n");
    house.until("z-first", "swapped", |tracer| tracer["generation"] != before);
    house.until("z-first", "counted on", |_| house.metric(&gauge_of("z-first")) > Some(2.0));
    let page = house.tap.metrics();
    assert!(page.contains("# TYPE orders gauge\n") && !page.contains("orders_total"), "{page}");
    // One that agrees shares it.
    house.drop_in("third.wasm", claimer("gauge", "orders", ""));
    house.until_live("third");
    house.until("third", "on the page", |_| house.metric(&gauge_of("third")).is_some());
    assert_eq!(house.tracer("third")["metric_errors"], json!({}));
    // Its author gives it a name of its own.
    house.drop_in("a-second.wasm", claimer("counter", "orders.seen", ""));
    let mended = house.until("a-second", "mended", |tracer| tracer["notices"] == json!([]));
    assert_eq!(mended["last_error"], Value::Null);
    house.until("a-second", "on the page", |_| house.metric("orders_seen_total{tracer=\"a-second\"}").is_some());
}
