//! Payloads from a tracer to a destination, by the operator's leave and not without it.

use std::fs;

use crate::guests::built;
use crate::house::House;

/// Points of the tracer influxdb that are in a file.
fn points(house: &House, file: &str) -> usize {
    fs::read_to_string(house.outside().join(file)).map_or(0, |text| text.lines().count())
}

fn file(house: &House, name: &str) -> String {
    format!("url = \"file://{}\"", house.outside().join(name).display())
}

/// The tracer influxdb, with a point for each call.
fn influxdb(house: &House, test: &str) -> bool {
    let Some(module) = built(test, "influxdb.wasm") else { return false };
    house.drop_in("influxdb.toml", "destinations = [\"influx\"]\n[config]\npoints = true\n");
    house.drop_in("influxdb.wasm", module);
    house.until_live("influxdb");
    true
}

#[test]
fn a_tracer_waits_visibly_until_the_operator_has_defined_its_destination() {
    let house = House::new();
    if !influxdb(&house, "a_tracer_waits_visibly_until_the_operator_has_defined_its_destination") {
        return;
    }
    assert_eq!(house.tracer("influxdb")["destinations"]["influx"], "undefined");
    house.calls(10);
    house.settled("influxdb", 10);

    house.configure(&format!("[destinations.influx]\n{}\ntracers = [\"somebody-else\"]\n", file(&house, "points")));
    house.until("influxdb", "refused the destination", |tracer| tracer["destinations"]["influx"] == "not_granted");
    house.calls(10);
    house.settled("influxdb", 20);
    assert_eq!(points(&house, "points"), 0, "what it may not use gets nothing");

    house.configure(&format!("[destinations.influx]\n{}\ntracers = [\"influxdb\"]\n", file(&house, "points")));
    house.until("influxdb", "granted the destination", |tracer| tracer["destinations"]["influx"] == "granted");
    house.calls(1_000);
    house.settled("influxdb", 1_020);
    let influx = house.until_destination("influx", "empty", |influx| {
        influx["queued"]["payloads"] == 0 && influx["delivered"].as_u64() > Some(0)
    });
    assert_eq!(influx["dropped"], serde_json::json!({}), "{influx:#}");
    assert_eq!(points(&house, "points"), 1_000, "a line for each call since it may");
    assert_eq!(house.metric("hottap_destination_accepted_total{destination=\"influx\"}"), influx["accepted"].as_f64());
}

#[test]
fn a_configuration_that_is_wrong_is_named_and_the_one_before_stays() {
    let house = House::new();
    if !influxdb(&house, "a_configuration_that_is_wrong_is_named_and_the_one_before_stays") {
        return;
    }
    let right = format!("[destinations.influx]\n{}\ntracers = [\"influxdb\"]\n", file(&house, "points"));
    house.configure(&right);
    house.until("influxdb", "granted the destination", |tracer| tracer["destinations"]["influx"] == "granted");
    house.configure(&right.replace("tracers", "tracer"));
    let error = house.until_config_error("did you mean `destinations.influx.tracers`?");
    assert!(error.contains("hottap.toml"), "{error}");
    house.calls(10);
    house.settled("influxdb", 10);
    house.until_destination("influx", "served", |influx| influx["delivered"].as_u64() > Some(0));
    assert_eq!(points(&house, "points"), 10);
}

#[test]
fn a_manifest_defines_destinations_only_where_the_operator_trusts_the_plugin_dir() {
    let test = "a_manifest_defines_destinations_only_where_the_operator_trusts_the_plugin_dir";
    let Some(module) = built(test, "influxdb.wasm") else { return };
    let house = House::new();
    let manifest = format!("[destinations.influx]\n{}\n[config]\npoints = true\n", file(&house, "points"));
    house.drop_in("influxdb.toml", manifest);
    house.drop_in("influxdb.wasm", module);
    let refused = house.until("influxdb", "refused", |tracer| tracer["state"] == "refused");
    let message = refused["last_error"]["message"].as_str().unwrap_or_default();
    let what_to_do = refused["last_error"]["what_to_do"].as_str().unwrap_or_default();
    assert!(message.contains("only the operator may"), "{message}");
    assert!(what_to_do.contains("trust_plugin_dir = true"), "{what_to_do}");
    house.configure("trust_plugin_dir = true\n");
    house.until_live("influxdb");
    house.calls(10);
    house.settled("influxdb", 10);
    house.until_destination("influx", "served", |influx| influx["delivered"].as_u64() > Some(0));
    assert_eq!(points(&house, "points"), 10);
    house.remove("influxdb.wasm");
    house.until_destination("influx", "removed", |influx| influx["state"] == "removed");
}

#[test]
fn what_was_committed_before_the_end_is_delivered() {
    let house = House::new();
    if !influxdb(&house, "what_was_committed_before_the_end_is_delivered") {
        return;
    }
    house.configure(&format!("[destinations.influx]\n{}\ntracers = [\"influxdb\"]\n", file(&house, "points")));
    house.until("influxdb", "granted the destination", |tracer| tracer["destinations"]["influx"] == "granted");
    house.calls(5_000);
    assert!(house.tap.shutdown(std::time::Duration::from_secs(60)));
    assert_eq!(points(&house, "points"), 5_000);
}
