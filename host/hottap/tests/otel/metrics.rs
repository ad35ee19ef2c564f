//! Metrics of calls: their names, bounds and attributes, and that sampling does not matter.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hottap::Hottap;
use hottap::otel::{BusinessErrors, Conventions, MetricTracer, Names};
use hottap::rpc::{Protocol, Side};
use opentelemetry::KeyValue;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::Sampler;

use crate::spans::Spans;

/// What a histogram holds: unit, bounds, and by its attributes how often.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Held {
    unit: String,
    bounds: Vec<f64>,
    pub(crate) counts: BTreeMap<String, u64>,
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<BTreeMap<String, Held>>>);

impl PushMetricExporter for Kept {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let mut kept = self.0.lock().expect("not poisoned");
        for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
            let AggregatedMetrics::F64(MetricData::Histogram(histogram)) = metric.data() else { panic!("{metric:?}") };
            let held = kept.entry(metric.name().to_owned()).or_default();
            held.unit = metric.unit().to_owned();
            for point in histogram.data_points() {
                held.bounds = point.bounds().collect();
                let mut pairs: Vec<_> = point.attributes().map(|pair| format!("{}={}", pair.key, pair.value)).collect();
                pairs.sort_unstable();
                held.counts.insert(pairs.join(" "), point.count());
            }
        }
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

/// A provider that keeps what it is given.
pub(crate) struct Metrics {
    kept: Kept,
    provider: SdkMeterProvider,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let kept = Kept::default();
        let reader = PeriodicReader::builder(kept.clone()).with_interval(Duration::from_secs(3_600)).build();
        Self { kept, provider: SdkMeterProvider::builder().with_reader(reader).build() }
    }

    pub(crate) fn provider(&self) -> &SdkMeterProvider {
        &self.provider
    }

    /// All that has come, by the names of the metrics.
    pub(crate) fn held(&self) -> BTreeMap<String, Held> {
        self.provider.force_flush().expect("flushes");
        self.kept.0.lock().expect("not poisoned").clone()
    }
}

/// All that the calls left.
fn metrics(with: impl FnOnce(MetricTracer) -> MetricTracer, calls: impl FnOnce(&Hottap)) -> BTreeMap<String, Held> {
    let metrics = Metrics::new();
    // Nothing is sampled.
    let spans = Spans::sampled(Sampler::AlwaysOff);
    let tracer = with(MetricTracer::new(metrics.provider()).conventions(Conventions::default()));
    let tap = Hottap::builder().tracer(spans.tracer()).tracer(tracer).start().expect("starts");
    calls(&tap);
    assert!(spans.ended().is_empty());
    metrics.held()
}

fn call(tap: &Hottap, side: Side, status: u16, business: i32) {
    let mut call = tap.start_call(side, "shop.v1.Checkout/Place").expect("wanted");
    call.set_protocol(Protocol::Grpc);
    call.set_peer(hottap::rpc::Peer::text("checkout:50051"));
    call.set_rpc_status(status);
    if status == 13 {
        call.fail(hottap::rpc::Outcome::Error, hottap::rpc::Symbol::intern("INTERNAL"), "it broke");
    }
    call.set_business_status(business, "sold out");
    call.finish();
}

#[test]
fn every_call_is_in_its_histogram_sampled_or_not() {
    let metrics = metrics(
        |tracer| tracer,
        |tap| {
            for _ in 0..3 {
                call(tap, Side::Server, 0, 0);
            }
            call(tap, Side::Server, 13, 0);
            call(tap, Side::Server, 0, 7);
            call(tap, Side::Client, 0, 0);
            tap.start_call(Side::Endpoint, "place_order").expect("wanted").finish();
            let mut http = tap.start_call(Side::Server, "GET /users/{id}").expect("wanted");
            http.set_http_status(404);
            http.finish();
        },
    );
    let names: Vec<_> = metrics.keys().map(String::as_str).collect();
    let expected = [
        "endpoint.call.duration",
        "http.server.request.duration",
        "rpc.client.call.duration",
        "rpc.server.call.duration",
    ];
    assert_eq!(names, expected);
    for held in metrics.values() {
        assert_eq!(held.unit, "s");
        assert_eq!(held.bounds, [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]);
    }
    let counts =
        |name: &str| metrics[name].counts.iter().map(|(key, count)| (key.as_str(), *count)).collect::<Vec<_>>();
    let place = "rpc.method=shop.v1.Checkout/Place";
    assert_eq!(
        counts("rpc.server.call.duration"),
        [
            (&*format!("error.type=INTERNAL {place} rpc.response.status_code=INTERNAL rpc.system.name=grpc"), 1),
            (&*format!("{place} rpc.response.status_code=OK rpc.system.name=grpc"), 4),
        ],
        "who calls is no attribute"
    );
    let whom = "server.address=checkout server.port=50051";
    assert_eq!(
        counts("rpc.client.call.duration"),
        [(&*format!("{place} rpc.response.status_code=OK rpc.system.name=grpc {whom}"), 1)]
    );
    assert_eq!(counts("endpoint.call.duration"), [("endpoint.method=place_order", 1)]);
    assert_eq!(
        counts("http.server.request.duration"),
        [("http.request.method=GET http.response.status_code=404 http.route=/users/{id}", 1)]
    );
}

#[test]
fn the_older_names_are_there_if_they_are_asked_for() {
    for (names, expected) in [
        (Names::Old, &["rpc.server.duration"][..]),
        (Names::Both, &["rpc.server.call.duration", "rpc.server.duration"]),
    ] {
        let conventions = Conventions::new(names, Names::Stable);
        let metrics = metrics(|tracer| tracer.conventions(conventions), |tap| call(tap, Side::Server, 0, 0));
        assert_eq!(metrics.keys().collect::<Vec<_>>(), expected);
        let old = &metrics["rpc.server.duration"];
        assert_eq!(old.unit, "ms");
        let attributes = "rpc.grpc.status_code=0 rpc.method=Place rpc.service=shop.v1.Checkout rpc.system=grpc";
        assert_eq!(old.counts.keys().collect::<Vec<_>>(), [attributes]);
    }
}

#[test]
fn a_business_status_and_the_applications_attributes_are_in_them_if_it_is_said_so() {
    let with = |tracer: MetricTracer| {
        tracer
            .business_errors(BusinessErrors::Error)
            .attributes(|info| vec![KeyValue::new("side", info.side().as_str())])
    };
    let metrics = metrics(with, |tap| call(tap, Side::Server, 0, 7));
    let key = metrics["rpc.server.call.duration"].counts.keys().next().expect("one");
    assert!(key.starts_with("error.type=business_error ") && key.ends_with(" side=server"), "{key}");
}
