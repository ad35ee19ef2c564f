//! What plugins record goes out over OTLP with the service's own metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use hottap::Hottap;
use hottap::otel::Otel;
use hottap::rpc::Side;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::collector::{Collector, Manner};
use crate::house::House;
use crate::peers::until;

fn set_up(collector: &Collector) -> Otel {
    let endpoint = format!("http://{}", collector.address);
    Otel::with_variables(move |name| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(endpoint.clone()),
        "OTEL_RESOURCE_ATTRIBUTES" => Some("service.name=checkout,zone=b".to_owned()),
        // Only when the test says so.
        "OTEL_METRIC_EXPORT_INTERVAL" | "OTEL_BSP_SCHEDULE_DELAY" => Some("3600000".to_owned()),
        _ => None,
    })
    .expect("valid")
}

fn words(attributes: &[KeyValue]) -> String {
    let mut pairs: Vec<_> = attributes
        .iter()
        .map(|pair| match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
            Some(Value::StringValue(value)) => format!("{}={value}", pair.key),
            other => panic!("{other:?}"),
        })
        .collect();
    pairs.sort_unstable();
    pairs.join(" ")
}

/// The newest value of each series (of a histogram: its count), by scope, metric and attributes; and all resources.
fn received(collector: &Collector) -> (BTreeMap<String, f64>, Vec<Resource>) {
    let (mut values, mut resources) = (BTreeMap::new(), Vec::new());
    let messages = collector.metrics();
    for of_resource in messages.into_iter().flat_map(|message| message.resource_metrics) {
        resources.extend(of_resource.resource);
        for scope in of_resource.scope_metrics {
            let name = scope.scope.expect("a scope").name;
            for metric in scope.metrics {
                let mut put = |attributes: &[KeyValue], value| {
                    values.insert(format!("{name}: {} {}", metric.name, words(attributes)), value);
                };
                let number = |value| match value {
                    Some(number_data_point::Value::AsDouble(value)) => value,
                    Some(number_data_point::Value::AsInt(value)) => value as f64,
                    None => panic!("no value"),
                };
                match metric.data.expect("data") {
                    Data::Sum(sum) => sum.data_points.iter().for_each(|p| put(&p.attributes, number(p.value))),
                    Data::Gauge(gauge) => gauge.data_points.iter().for_each(|p| put(&p.attributes, number(p.value))),
                    Data::Histogram(all) => all.data_points.iter().for_each(|p| put(&p.attributes, p.count as f64)),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    (values, resources)
}

#[test]
fn what_plugins_record_goes_to_the_collector_of_the_service() {
    let module = fixtures::guest("red-metrics.wasm");
    let collector = Collector::start(Manner::Takes);
    let otel = set_up(&collector);
    let house = House::with(Hottap::builder().otel(&otel).tracer(otel.spans()).tracer(otel.metrics()));
    house.drop_in("red-metrics.wasm", module);
    house.until_live("red-metrics");
    for i in 0..1_000 {
        house.call(Side::Server, "shop.v1.Checkout/Place", if i % 20 == 0 { 14 } else { 0 });
    }
    assert_eq!(house.settled("red-metrics", 1_000)["committed"], 1_000);
    // Spans and metrics go at the same time; the second time the metrics know what became of the spans.
    assert!(otel.flush() && otel.flush());

    let (values, resources) = received(&collector);
    let value = |key: &str| values.get(key).copied();
    let placed = "rpc.method=shop.v1.Checkout/Place rpc.response.status_code=OK rpc.system.name=grpc";
    let of_plugin = format!("red-metrics: rpc.server.call.duration {placed} tracer=red-metrics");
    let of_sdk = format!("hottap: rpc.server.call.duration {placed}");
    assert_eq!(value(&of_plugin), Some(950.0), "{values:#?}");
    assert_eq!(value(&of_sdk), Some(950.0), "{values:#?}");
    assert_eq!(value("hottap: hottap_calls_committed_total tracer=red-metrics"), Some(1_000.0), "{values:#?}");
    assert_eq!(value("hottap: otel.sdk.exporter.span.exported "), Some(1_000.0), "{values:#?}");
    assert!(resources.len() > 1 && resources.iter().all(|resource| *resource == resources[0]), "{resources:#?}");
    assert!(words(&resources[0].attributes).contains("service.name=checkout"));
    // The spans are on the page of metrics, too.
    assert_eq!(house.metric("hottap_otel_spans_exported_total"), Some(1_000.0));
    assert_eq!(house.metric("hottap_otel_spans_lost_total{reason=\"failed\"}"), Some(0.0));
    assert_eq!(house.metric("hottap_otel_metric_exports_total{result=\"exported\"}"), Some(2.0));

    // What came last is sent when the service ends, even if Hottap is gone by then.
    house.call(Side::Server, "shop.v1.Checkout/Place", 0);
    drop(house);
    assert!(otel.shutdown(Duration::from_secs(20)));
    assert_eq!(received(&collector).0.get(&of_plugin), Some(&951.0));
}

#[test]
fn without_metrics_of_the_service_those_of_the_host_go_out_all_the_same() {
    let collector = Collector::start(Manner::Takes);
    let otel = set_up(&collector);
    let house = House::with(Hottap::builder().otel(&otel));
    assert!(otel.flush());
    let (values, _) = received(&collector);
    assert_eq!(values.get("hottap: hottap_native_panics_total "), Some(&0.0), "{values:#?}");
    drop(house);
    assert!(otel.shutdown(Duration::from_secs(20)));
}

#[test]
fn a_plugins_span_and_the_native_one_are_one_span() {
    let module = fixtures::guest("rpc-span.wasm");
    let collector = Collector::start(Manner::Takes);
    let otel = set_up(&collector);
    let house = House::with(Hottap::builder().tracer(otel.spans()));
    let url = format!("http://{}/v1/traces", collector.address);
    house.configure(&format!("[destinations.otlp]\nurl = {url:?}\ntracers = [\"rpc-span\"]\n"));
    house.drop_in("rpc-span.toml", "destinations = [\"otlp\"]\n[scope]\nsides = [\"server\", \"client\"]\n");
    house.drop_in("rpc-span.wasm", module);
    house.until("rpc-span", "allowed to send", |tracer| {
        tracer["state"] == "live" && tracer["destinations"]["otlp"] == "granted"
    });
    for _ in 0..100 {
        house.call(Side::Server, "shop.v1.Checkout/Place", 0);
        house.call(Side::Client, "shop.v1.Pricing/Quote", 0);
    }
    assert!(otel.flush());
    let ids = |of: fn(&str) -> bool| {
        let requests = collector.traces().into_iter().flat_map(|request| request.resource_spans);
        let spans = requests.flat_map(|spans| spans.scope_spans).flat_map(|scope| scope.spans);
        let mut ids: Vec<_> = spans
            .filter(|span| of(&span.name))
            .map(|span| (span.trace_id, span.span_id, span.parent_span_id, span.start_time_unix_nano))
            .collect();
        ids.sort_unstable();
        ids
    };
    let native = ids(|name| name.starts_with("shop.v1."));
    assert_eq!(native.len(), 200);
    let plugins = || ids(|name| matches!(name, "RPC call" | "RPC handle"));
    until("all spans of the plugin have arrived", || (plugins().len() == 200).then_some(()));
    assert_eq!(plugins(), native);
    assert!(otel.shutdown(Duration::from_secs(20)));
}
