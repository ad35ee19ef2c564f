//! Payloads from a tracer to a destination, by the operator's leave and not without it.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::house::House;
use crate::peers::until;

/// Points of the tracer influxdb that are in a file.
fn points(house: &House, file: &str) -> usize {
    fs::read_to_string(house.outside().join(file)).map_or(0, |text| text.lines().count())
}

fn file(house: &House, name: &str) -> String {
    format!("url = \"file://{}\"", house.outside().join(name).display())
}

/// The tracer influxdb, with a point for each call.
fn influxdb(house: &House) {
    let module = fixtures::guest("influxdb.wasm");
    house.drop_in("influxdb.toml", "destinations = [\"influx\"]\n[config]\npoints = true\n");
    house.drop_in("influxdb.wasm", module);
    house.until_live("influxdb");
}

#[test]
fn a_tracer_waits_visibly_until_the_operator_has_defined_its_destination() {
    let house = House::new();
    influxdb(&house);
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
    influxdb(&house);
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
    let module = fixtures::guest("influxdb.wasm");
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
    influxdb(&house);
    house.configure(&format!("[destinations.influx]\n{}\ntracers = [\"influxdb\"]\n", file(&house, "points")));
    house.until("influxdb", "granted the destination", |tracer| tracer["destinations"]["influx"] == "granted");
    house.calls(5_000);
    assert!(house.tap.shutdown(std::time::Duration::from_secs(60)));
    assert_eq!(points(&house, "points"), 5_000);
}

/// A socket that takes datagrams as fast as it can.
struct Receiver {
    address: SocketAddr,
    datagrams: mpsc::Receiver<Vec<u8>>,
    received: u64,
}

impl Receiver {
    fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let address = socket.local_addr().expect("an address");
        let (tell, datagrams) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(bytes) = socket.recv(&mut buffer) {
                if tell.send(buffer[..bytes].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { address, datagrams, received: 0 }
    }

    /// Datagrams that found the socket's buffer full: the last column of its line in /proc/net/udp.
    fn lost(&self) -> u64 {
        let port = format!(":{:04X}", self.address.port());
        let all = fs::read_to_string("/proc/net/udp").expect("Linux");
        let line = all.lines().find(|line| line.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&port)));
        line.and_then(|line| line.split_whitespace().last()?.parse().ok()).expect("the socket's line")
    }

    /// The datagrams that have come since the last time, once all that were sent so far are received or lost.
    fn until(&mut self, sent: u64) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        until("every datagram is received or lost", || {
            datagrams.extend(self.datagrams.try_iter());
            let received = self.received + datagrams.len() as u64;
            assert!(received + self.lost() <= sent, "more came than was sent");
            (received + self.lost() == sent).then_some(())
        });
        self.received += datagrams.len() as u64;
        datagrams
    }
}

/// The lines of a datagram, each of them a whole point.
#[track_caller]
fn whole_points(datagram: &[u8]) -> u64 {
    let text = std::str::from_utf8(datagram).expect("text");
    let lines = text.strip_suffix('\n').expect("it ends with a line");
    for line in lines.split('\n') {
        let [name, fields, time] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("no point: {line}") };
        assert!(name.starts_with("rpc,instance=") && name.contains(",side=server"), "{line}");
        assert!(fields.starts_with("duration_ns=") && fields.ends_with('i'), "{line}");
        assert!(time.len() == 19 && time.parse::<u64>().is_ok(), "{line}");
    }
    lines.split('\n').count() as u64
}

#[test]
fn datagrams_hold_whole_lines_and_no_more_than_the_operator_says_at_that_moment() {
    const WAVES: u64 = 5;
    const CALLS: u64 = 4_000;
    let house = House::new();
    influxdb(&house);
    let mut receiver = Receiver::start();
    let address = receiver.address;
    let configure = |more: &str, max_payload: usize| {
        let udp = format!("url = \"udp://{address}\"\n{more}");
        house.configure(&format!("[destinations.influx]\n{udp}\ntracers = [\"influxdb\"]\n"));
        house.until_destination("influx", "configured", |influx| influx["max_payload"] == max_payload);
    };
    let (mut calls, mut committed) = (0, 0);
    for (more, max_payload, reason) in [
        ("", 1_432, "the default"),
        ("max_payload = \"512B\"", 512, "as the operator says"),
        ("max_payload = \"1MiB\"", 65_507, "no datagram is larger"),
    ] {
        configure(more, max_payload);
        let lost = receiver.lost();
        let mut tracer = Value::Null;
        for _ in 0..WAVES {
            house.calls(CALLS);
            calls += CALLS;
            tracer = house.settled("influxdb", calls);
        }
        // On a busy machine calls may be beyond the tracer's share; those that were committed are all that count here.
        let expected = tracer["committed"].as_u64().expect("a count") - committed;
        committed += expected;
        let influx = house.until_destination("influx", "empty", |influx| influx["queued"]["payloads"] == 0);
        assert_eq!((&influx["refused"], &influx["dropped"]), (&json!({}), &json!({})), "{influx:#}");
        let datagrams = receiver.until(influx["delivered"].as_u64().expect("a count"));
        let points: u64 = datagrams.iter().map(|datagram| whole_points(datagram)).sum();
        let largest = datagrams.iter().map(Vec::len).max().unwrap_or_default();
        assert!(largest <= max_payload && largest > max_payload / 2, "{reason}: {largest}");
        match receiver.lost() - lost {
            0 => assert_eq!(points, expected, "{reason}"),
            lost => assert!(points < expected, "{reason}: {points} of {expected}, and {lost} datagrams lost"),
        }
    }
    assert_eq!(house.metric("influxdb_points_total{tracer=\"influxdb\"}"), Some(committed as f64));
    assert!(committed > 0, "nothing was sent");

    // No line is so short: each is dropped whole, and it is said where and what to do.
    configure("max_payload = \"64B\"", 64);
    house.calls(100);
    house.settled("influxdb", calls + 100);
    let influx = house.destination("influx");
    assert_eq!(influx["refused"], json!({ "too_large": 100 }), "{influx:#}");
    let refusal = &influx["refusals"]["too_large"];
    assert!(refusal["message"].as_str().is_some_and(|text| text.contains("larger than `max_payload`, 64 bytes")));
    assert!(refusal["what_to_do"].as_str().is_some_and(|text| text.contains("raise `max_payload`")), "{refusal:#}");
    for metric in [
        "hottap_destination_refused_total{destination=\"influx\",reason=\"too_large\"}",
        "hottap_tracer_payloads_refused_total{tracer=\"influxdb\",reason=\"too_large\"}",
        "influxdb_points_refused_total{tracer=\"influxdb\",reason=\"too_large\"}",
    ] {
        assert_eq!(house.metric(metric), Some(100.0), "{metric}: {}", house.tap.metrics());
    }
}
