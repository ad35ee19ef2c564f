//! What is too long for one message of OTLP, and what becomes of the rest when a message does not arrive.

use std::time::Duration;

use hottap::otel::Otel;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, metric::Data};

use crate::collector::{Collector, Manner};
use crate::export::{ON_DEMAND, assert_counts, calls, until};
use crate::specification::{GRPC, METRICS, assert_metric_counts, otel};

/// What servers of gRPC take by default.
const ROOM: Manner = Manner::TakesUpTo(4 << 20);

/// A counter's points that were taken.
fn points(collector: &Collector, name: &str) -> Vec<NumberDataPoint> {
    let metrics = collector.metrics().into_iter().flat_map(|request| request.resource_metrics);
    let metrics = metrics.flat_map(|resource| resource.scope_metrics).flat_map(|scope| scope.metrics);
    metrics
        .filter(|metric| metric.name == name)
        .flat_map(|metric| match metric.data {
            Some(Data::Sum(sum)) => sum.data_points,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_batch_that_is_too_long_for_a_collector_goes_in_parts() {
    let collector = Collector::start(ROOM);
    let otel = otel(&collector, &[GRPC]);
    let tracer = otel.tracer_provider().tracer("test");
    for number in 0..9 {
        let mut span = tracer.start(number.to_string());
        // One that nobody takes, whatever it is sent with.
        span.set_attribute(KeyValue::new("long", "x".repeat(if number == 3 { 5 << 20 } else { 1 << 20 })));
        span.end();
    }
    assert!(!otel.shutdown(Duration::from_secs(10)));
    let mut spans = collector.spans();
    spans.sort_unstable();
    assert_eq!(spans, ["0", "1", "2", "4", "5", "6", "7", "8"]);
    assert_counts(&otel, &[("ended", 9), ("exported", 8), ("failed", 1)]);
}

#[test]
fn metrics_that_are_too_long_for_a_collector_go_in_parts() {
    let collector = Collector::start(ROOM);
    let otel = otel(&collector, &[GRPC, METRICS, ("OTEL_TRACES_EXPORTER", "none")]);
    let meter = otel.meter_provider().meter("test");
    // Metrics of 3 MiB each.
    for name in ["first", "second", "third"] {
        let counter = meter.u64_counter(name).build();
        for number in 1..=1_500 {
            counter.add(1, &[KeyValue::new("number", number), KeyValue::new("long", "x".repeat(2_000))]);
        }
    }
    // One of 6 MiB.
    let counter = meter.u64_counter("fourth").build();
    for number in 1..=1_500 {
        counter.add(1, &[KeyValue::new("number", number), KeyValue::new("long", "x".repeat(4_000))]);
    }
    assert!(otel.flush());
    assert_metric_counts(&otel, [1, 1, 0, 0]);
    for name in ["first", "second", "third", "fourth"] {
        assert_eq!(points(&collector, name).len(), 1_500, "{name}");
    }
    assert!(otel.shutdown(Duration::from_secs(10)));
}

#[test]
fn a_message_that_is_refused_does_not_keep_the_others_from_being_sent() {
    let collector = Collector::start(ROOM);
    let otel = otel(&collector, &[GRPC, METRICS, ("OTEL_TRACES_EXPORTER", "none")]);
    let meter = otel.meter_provider().meter("test");
    let counter = meter.u64_counter("first").build();
    counter.add(1, &[]);
    // Nobody takes this point.
    counter.add(1, &[KeyValue::new("long", "x".repeat(5 << 20))]);
    meter.u64_counter("last").build().add(1, &[]);
    assert!(!otel.flush());
    assert_metric_counts(&otel, [1, 0, 1, 0]);
    assert_eq!((points(&collector, "first").len(), points(&collector, "last").len()), (1, 1));
}

/// A span and a counter that are longer than a message, and then two that are not.
fn record_long_and_short(otel: &Otel) {
    let tracer = otel.tracer_provider().tracer("test");
    let meter = otel.meter_provider().meter("test");
    for (name, bytes) in [("long", 5 << 20), ("short", 1)] {
        let mut span = tracer.start(name);
        span.set_attribute(KeyValue::new("text", "x".repeat(bytes)));
        span.end();
        meter.u64_counter(name).build().add(1, &[KeyValue::new("text", "x".repeat(bytes))]);
    }
}

#[test]
fn a_message_that_is_tried_again_leaves_the_others_their_time() {
    let collector = Collector::start(Manner::IsBusyFrom(4 << 20));
    let variables = [GRPC, METRICS, ("OTEL_METRIC_EXPORT_TIMEOUT", "2000"), ("OTEL_METRIC_EXPORT_INTERVAL", "100")];
    let otel = otel(&collector, &[&variables[..], &[("OTEL_BSP_EXPORT_TIMEOUT", "2000")]].concat());
    record_long_and_short(&otel);
    until(|| collector.spans() == ["short"] && otel.counts().failed == 1);
    until(|| otel.metric_counts().failed >= 1 && !points(&collector, "short").is_empty());
    otel.shutdown(Duration::from_secs(10));
}

#[test]
fn no_more_is_counted_as_refused_than_was_sent() {
    let collector = Collector::start(Manner::Refuses(i64::MAX));
    let otel = otel(&collector, &[METRICS]);
    calls(&otel, 2);
    assert!(!otel.flush());
    let counts = otel.metric_counts();
    assert!((1..100).contains(&counts.rejected_points), "{counts:?}");
    assert_counts(&otel, &[("ended", 2), ("rejected", 2)]);
}

#[test]
fn at_a_shutdown_each_message_has_its_share_of_what_time_there_is() {
    // Whatever is long is never answered.
    let collector = Collector::start(Manner::HangsFrom(4 << 20));
    let otel = otel(&collector, &[METRICS, ON_DEMAND]);
    record_long_and_short(&otel);
    assert!(!otel.shutdown(Duration::from_secs(4)));
    assert_eq!(points(&collector, "short").len(), 1);
    assert_eq!(collector.spans(), ["short"]);
    assert_counts(&otel, &[("ended", 2), ("exported", 1), ("failed", 1)]);
    assert_metric_counts(&otel, [1, 0, 1, 0]);
}
