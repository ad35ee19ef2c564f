//! What the tracer records of calls, seen through the harness.

use std::time::Duration;

use hottap_guest::metrics::RPC_DURATION_BOUNDS;
use hottap_guest::testing::{Harness, TestCall};
use hottap_guest::{Outcome, Protocol, Side};

use super::RedMetrics;

#[test]
fn an_rpc_is_one_observation_in_seconds_with_the_conventions_labels() {
    let mut host = Harness::<RedMetrics>::start();
    host.finish([
        TestCall::server("shop.v1.Checkout/Place").duration(Duration::from_millis(5)),
        TestCall::server("shop.v1.Checkout/Place").duration(Duration::from_nanos(5_000_001)),
        TestCall::server("shop.v1.Checkout/Place").rpc_status(Some(14)).error("UNAVAILABLE", "no stock"),
        TestCall::client("shop.v1.Inventory/Reserve").duration(Duration::from_secs(20)),
    ]);
    assert_eq!(host.histogram("rpc.server.call.duration", &[]), None, "nothing counts before a flush");
    host.flush();

    let labels = [
        ("rpc.system.name", "grpc"),
        ("rpc.method", "shop.v1.Checkout/Place"),
        ("rpc.response.status_code", "OK"),
        ("error.type", ""),
    ];
    let ok = host.histogram("rpc.server.call.duration", &labels).expect("two calls succeeded");
    assert_eq!(ok.bounds, RPC_DURATION_BOUNDS);
    assert_eq!(ok.counts.get(..3), Some(&[1, 1, 0][..]), "a bound belongs to its bucket");
    assert_eq!(ok.sum, 0.010_000_001);

    let failed = [("rpc.response.status_code", "UNAVAILABLE"), ("error.type", "UNAVAILABLE")];
    assert_eq!(host.histogram("rpc.server.call.duration", &failed).map(|h| h.count()), Some(1));
    let client = host.histogram("rpc.client.call.duration", &[]).expect("one call was made");
    assert_eq!((client.count(), client.counts.last().copied(), client.sum), (1, Some(1), 20.0));
    assert!(host.metrics().all(|(_, unit)| unit == "s"));
    assert!(host.errors().is_empty(), "{:?}", host.errors());
}

#[test]
fn a_plain_request_is_an_http_metric_with_method_route_and_status() {
    let mut host = Harness::<RedMetrics>::start();
    host.finish([
        TestCall::server("GET /users/{id}"),
        TestCall::server("GET /users/{id}").http_status(Some(503)).error("503", ""),
        TestCall::client("POST /orders").http_status(None).outcome(Outcome::Cancelled).error("cancelled", ""),
        TestCall::server("_OTHER").protocol(Protocol::Http).rpc_status(None).http_status(Some(404)),
    ]);
    host.flush();
    assert_eq!(
        host.label_sets("http.server.request.duration"),
        [
            vec![
                ("http.request.method", "GET"),
                ("http.route", "/users/{id}"),
                ("http.response.status_code", "200"),
                ("error.type", "")
            ],
            vec![
                ("http.request.method", "GET"),
                ("http.route", "/users/{id}"),
                ("http.response.status_code", "503"),
                ("error.type", "503")
            ],
            vec![
                ("http.request.method", "_OTHER"),
                ("http.route", ""),
                ("http.response.status_code", "404"),
                ("error.type", "")
            ],
        ]
    );
    let cancelled = [("http.response.status_code", ""), ("error.type", "")];
    assert_eq!(host.histogram("http.client.request.duration", &cancelled).map(|h| h.count()), Some(1));
    assert_eq!(host.histogram("rpc.server.call.duration", &[]), None);
}

#[test]
fn calls_inside_the_process_are_a_metric_of_their_own() {
    let mut host = Harness::<RedMetrics>::start();
    host.finish([TestCall::new(Side::Endpoint, "catalog.Lookup/Find")]);
    host.flush();
    assert_eq!(
        host.histogram("endpoint.call.duration", &[("endpoint.method", "catalog.Lookup/Find")]).map(|h| h.count()),
        Some(1)
    );
}

#[test]
fn only_the_columns_that_labels_are_made_of_are_pulled() {
    let mut host = Harness::<RedMetrics>::start();
    host.finish((0..600).map(|i| TestCall::server("a.B/C").nanos(i)));
    host.flush();
    let extra = if super::CALLEE { vec!["callees"] } else { vec![] };
    let seven = ["durations", "error_types", "http_statuses", "methods", "protocols", "rpc_statuses", "sides"];
    assert_eq!(host.columns_pulled(), [extra, seven.to_vec()].concat());
    assert_eq!(host.histogram("rpc.server.call.duration", &[]).map(|h| h.count()), Some(600));
}

#[test]
fn the_texts_of_a_method_are_asked_for_once() {
    let mut host = Harness::<RedMetrics>::setup().batch_size(8).start();
    for _ in 0..10 {
        host.finish((0..80).map(|i| TestCall::server(if i % 2 == 0 { "a.B/C" } else { "a.B/D" })));
        host.flush();
    }
    assert_eq!(host.symbol_questions(), 1);
    assert_eq!(host.label_sets("rpc.server.call.duration").len(), 2);
}

#[test]
fn sums_are_exact_to_the_nanosecond() {
    let mut host = Harness::<RedMetrics>::start();
    let nanos = |i: u64| i * i * 7 + 1;
    host.finish((0..10_000).map(|i| TestCall::server("a.B/C").nanos(nanos(i))));
    host.flush();
    let expected = (0..10_000).map(nanos).sum::<u64>() as f64 / 1e9;
    assert_eq!(host.histogram("rpc.server.call.duration", &[]).map(|h| h.sum), Some(expected));
}

#[test]
fn methods_that_are_gone_leave_the_guests_memory() {
    let mut host = Harness::<RedMetrics>::start();
    host.finish((0..500).map(|i| TestCall::server(&format!("a.B/M{i}"))));
    host.flush();
    assert_eq!(host.tracer().series.len(), 500);
    for _ in 0..301 {
        host.finish([TestCall::server("a.B/M7")]);
        host.flush();
    }
    assert_eq!(host.tracer().series.len(), 1);
    host.finish([TestCall::server("a.B/M8")]);
    host.flush();
    assert_eq!(host.histogram("rpc.server.call.duration", &[("rpc.method", "a.B/M8")]).map(|h| h.count()), Some(2));
}

#[test]
#[cfg(feature = "extra-column")]
fn the_extra_column_is_the_service_that_was_called() {
    let mut host = Harness::<RedMetrics>::start();
    host.finish([
        TestCall::client("a.B/C").callee("inventory"),
        TestCall::client("a.B/C").callee("pricing"),
        TestCall::client("a.B/C").callee("pricing"),
    ]);
    host.flush();
    let of = |callee| host.histogram("rpc.client.call.duration", &[("callee", callee)]).map(|h| h.count());
    assert_eq!((of("inventory"), of("pricing")), (Some(1), Some(2)));
}
