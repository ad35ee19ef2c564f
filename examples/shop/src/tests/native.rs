//! What the native tracer makes of the shop's calls, in real collectors: spans, and metrics.

use std::collections::BTreeMap;

use hottap::Hottap;
use hottap::otel::Otel;
use serde_json::Value;

use super::peers::until;
use super::phoenix::Phoenix;
use super::rotel::{Rotel, Series};
use super::tree::{Span, drawn};
use super::{PATIENCE, orders};

/// Each call of a client is a span, and where it may be tried again each attempt another below it.
const ASKED_TWICE: &str = "\
client shop.v1.Checkout/Place OK
  server shop.v1.Checkout/Place OK
    client shop.v1.Inventory/Reserve OK
      server shop.v1.Inventory/Reserve OK
    client shop.v1.Pricing/Quote OK, 2 attempts
      client shop.v1.Pricing/Quote UNAVAILABLE, attempt 1
        server shop.v1.Pricing/Quote UNAVAILABLE
      client shop.v1.Pricing/Quote OK, attempt 2
        server shop.v1.Pricing/Quote OK
";

/// Places the orders, with spans and metrics going to where these variables say, and waits until all is delivered.
fn place(variables: &[(&str, &str)]) {
    // On a busy machine a collector takes its time, and each attempt may take as long as there is patience.
    let patient = [("OTEL_EXPORTER_OTLP_TIMEOUT", "60000"), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
    let find = |name: &str| {
        variables.iter().chain(&patient).find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    };
    let (otel, has_spans) = (Otel::with_variables(find), find("OTEL_TRACES_EXPORTER").is_none());
    let otel = otel.expect("valid");
    let builder = Hottap::builder().service("shop").tracer(otel.spans()).tracer(otel.metrics());
    let tap = builder.start().expect("it starts");
    orders::place(&tap);
    // A shutdown tries once; until then what fails is tried again.
    until("the collector has taken the spans", || {
        let counts = otel.counts();
        (counts.exported == counts.ended && (counts.ended > 0) == has_spans).then_some(())
    });
    assert!(otel.shutdown(PATIENCE), "all is delivered: {otel:?}");
    let counts = otel.counts();
    assert_eq!(counts.exported, counts.ended, "{counts:?}");
}

/// What a span has to say, whichever way it came.
#[track_caller]
fn check(span: &Span) {
    let (method, status) = (span.text("rpc.method"), span.text("rpc.response.status_code"));
    assert_eq!((span.name.as_str(), span.text("rpc.system.name")), (method, "grpc"), "{span:#?}");
    let is_client = span.side == Some("client");
    if is_client {
        assert_eq!(span.text("server.address"), "127.0.0.1", "{span:#?}");
        assert!(span.attributes.get("server.port").and_then(Value::as_u64) > Some(0), "{span:#?}");
    }
    // It is not the server's failure if something is out of stock.
    let failed = status == "UNAVAILABLE" || status == "FAILED_PRECONDITION" && is_client;
    if span.side.is_some() {
        assert_eq!((span.is_error, span.text("error.type")), (failed, if failed { status } else { "" }), "{span:#?}");
    }
}

/// Each service has a port of its own, which all who call it name.
#[track_caller]
fn check_ports(spans: &[Span]) {
    let mut ports: BTreeMap<&str, &Value> = BTreeMap::new();
    for span in spans {
        let Some(port) = span.attributes.get("server.port").filter(|_| span.side == Some("client")) else { continue };
        let known = ports.entry(span.text("rpc.method")).or_insert(port);
        assert_eq!(*known, port, "{span:#?}");
    }
    let [place, quote, reserve] = ports.values().collect::<Vec<_>>()[..] else { panic!("three services: {ports:?}") };
    assert!(place != quote && quote != reserve && reserve != place, "{ports:?}");
}

#[test]
#[ignore = "needs rotel"]
fn the_spans_of_an_order_are_one_tree_in_a_real_collector() {
    for protocol in ["http/protobuf", "grpc"] {
        let collector = Rotel::start("traces");
        place(&[
            ("OTEL_SERVICE_NAME", "shop"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint(protocol)),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_METRICS_EXPORTER", "none"),
        ]);
        let (services, spans): (Vec<String>, Vec<Span>) = collector.spans().into_iter().unzip();
        assert!(services.iter().all(|service| service == "shop"), "{protocol}: {services:?}");
        spans.iter().for_each(check);
        check_ports(&spans);
        assert_eq!(drawn(spans), [ASKED_TWICE, orders::OUT_OF_STOCK], "{protocol}");
    }
}

#[test]
#[ignore = "needs Phoenix"]
fn phoenix_keeps_the_spans_of_an_order_as_one_tree() {
    let phoenix = Phoenix::start();
    for (protocol, project) in [("http/protobuf", "shop-http"), ("grpc", "shop-grpc")] {
        place(&[
            ("OTEL_SERVICE_NAME", "shop"),
            // Phoenix keeps of the resource only this, and finds spans by it.
            ("OTEL_RESOURCE_ATTRIBUTES", &format!("openinference.project.name={project}")),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &phoenix.endpoint(protocol)),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_METRICS_EXPORTER", "none"),
        ]);
        let expected =
            [ASKED_TWICE, orders::OUT_OF_STOCK].map(|drawing| drawing.replace("client ", "").replace("server ", ""));
        let spans = phoenix.spans(project, expected.iter().map(|drawing| drawing.lines().count()).sum());
        spans.iter().for_each(check);
        assert_eq!(drawn(spans), expected, "{protocol}");
    }
}

#[test]
#[ignore = "needs rotel"]
fn the_durations_of_all_calls_arrive_at_a_real_collector() {
    let collector = Rotel::start("metrics");
    place(&[
        ("OTEL_SERVICE_NAME", "shop"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint("http/protobuf")),
        ("OTEL_TRACES_EXPORTER", "none"),
    ]);
    // No attempt is counted beside its call; who calls and which attempt it is would make a series of each.
    let expected = [
        "rpc.client.call.duration in s: shop.v1.Checkout/Place FAILED_PRECONDITION: 1 error",
        "rpc.client.call.duration in s: shop.v1.Checkout/Place OK: 1",
        "rpc.client.call.duration in s: shop.v1.Inventory/Reserve FAILED_PRECONDITION: 1 error",
        "rpc.client.call.duration in s: shop.v1.Inventory/Reserve OK: 1",
        "rpc.client.call.duration in s: shop.v1.Pricing/Quote OK: 1",
        "rpc.client.call.duration in s: shop.v1.Test/Last OK: 1",
        "rpc.server.call.duration in s: shop.v1.Checkout/Place FAILED_PRECONDITION: 1",
        "rpc.server.call.duration in s: shop.v1.Checkout/Place OK: 1",
        "rpc.server.call.duration in s: shop.v1.Inventory/Reserve FAILED_PRECONDITION: 1",
        "rpc.server.call.duration in s: shop.v1.Inventory/Reserve OK: 1",
        "rpc.server.call.duration in s: shop.v1.Pricing/Quote OK: 1",
        "rpc.server.call.duration in s: shop.v1.Pricing/Quote UNAVAILABLE: 1 error",
    ];
    let series = collector.histograms("rpc.", expected.len());
    let line = |Series { metric, attributes, count }: &Series| {
        let text = |key: &str| attributes.get(key).and_then(Value::as_str).unwrap_or_default();
        let (method, status, error) = (text("rpc.method"), text("rpc.response.status_code"), text("error.type"));
        assert_eq!(text("rpc.system.name"), "grpc", "{attributes:#?}");
        if metric.starts_with("rpc.client.") && method != orders::LAST {
            assert_eq!(text("server.address"), "127.0.0.1", "{attributes:#?}");
            assert!(attributes.get("server.port").is_some_and(Value::is_i64), "{attributes:#?}");
        }
        assert!(error.is_empty() || error == status, "{attributes:#?}");
        for key in ["hottap.attempt", "hottap.attempts", "network.peer.address", "network.peer.port"] {
            assert!(!attributes.contains_key(key), "{attributes:#?}");
        }
        format!("{metric}: {method} {status}: {count}{}", if error.is_empty() { "" } else { " error" })
    };
    let mut lines: Vec<String> = series.iter().map(line).collect();
    lines.sort();
    lines.dedup();
    assert_eq!(lines, expected);
}
