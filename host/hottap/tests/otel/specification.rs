//! What the specification's variables say of export: compression, limits, temporality, and how often metrics are tried.

use std::time::{Duration, Instant};

use hottap::Hottap;
use hottap::otel::{MetricCounts, MetricTracer, Otel};
use hottap::rpc::Side;
use opentelemetry::trace::{Span, SpanContext, Tracer, TracerProvider};
use opentelemetry::{KeyValue, trace};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Histogram, metric::Data};

use crate::collector::{Collector, Manner};
use crate::export::{assert_counts, at, calls, set_up, until};

pub(crate) const GRPC: (&str, &str) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
const HTTP: (&str, &str) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
pub(crate) const METRICS: (&str, &str) = ("OTEL_METRICS_EXPORTER", "otlp");
/// `RetryInfo` of a tenth of a second.
const SOON: &str = "CAgaMwoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIHCgUQgMLXLw";

pub(crate) fn otel(collector: &Collector, more: &[(&str, &str)]) -> Otel {
    let endpoint = at(collector.address);
    set_up(&[&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())], more].concat()).expect("valid")
}

#[test]
fn what_is_sent_is_compressed_if_it_is_said_so() {
    for (protocol, header) in [(HTTP, "content-encoding"), (GRPC, "grpc-encoding")] {
        for (variable, value, spans_are, metrics_are) in [
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", true, true),
            ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip", false, true),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "none", false, false),
        ] {
            let collector = Collector::start(Manner::Takes);
            let otel = otel(&collector, &[protocol, METRICS, (variable, value)]);
            calls(&otel, 10);
            assert!(otel.shutdown(Duration::from_secs(10)), "{protocol:?} {variable}={value}");
            assert_eq!((collector.spans().len(), collector.metrics().len()), (10, 1));
            for (path, headers) in collector.heads() {
                let expected = if path.to_ascii_lowercase().contains("trace") { spans_are } else { metrics_are };
                let found = headers.get(header).map(|value| value.to_str().expect("ASCII"));
                assert_eq!(found, expected.then_some("gzip"), "{path} {variable}={value}");
            }
        }
    }
}

#[test]
fn a_collector_that_has_no_room_is_asked_again_only_if_it_says_when() {
    for (details, attempts) in [("", 1), (SOON, 2)] {
        let collector = Collector::start(Manner::IsFull(details));
        let otel = otel(&collector, &[GRPC]);
        calls(&otel, 1);
        until(|| collector.attempts() >= attempts);
        collector.behave(Manner::Takes);
        if attempts == 1 {
            until(|| otel.counts().failed == 1);
            assert_eq!(collector.attempts(), 1);
        } else {
            until(|| otel.counts().exported == 1);
        }
        otel.shutdown(Duration::from_secs(10));
        assert_counts(&otel, &[("ended", 1), (if attempts == 1 { "failed" } else { "exported" }, 1)]);
    }
}

/// The histograms of calls that were taken, one of each export.
fn histograms(collector: &Collector) -> Vec<Histogram> {
    let metrics = collector.metrics().into_iter().flat_map(|request| request.resource_metrics);
    let metrics = metrics.flat_map(|resource| resource.scope_metrics).flat_map(|scope| scope.metrics);
    metrics
        .filter(|metric| metric.name == "endpoint.call.duration")
        .map(|metric| match metric.data {
            Some(Data::Histogram(histogram)) => histogram,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn metrics_have_the_temporality_that_is_preferred() {
    let (cumulative, delta) = (AggregationTemporality::Cumulative, AggregationTemporality::Delta);
    for (value, expected, counts) in [
        ("", cumulative, [2, 5]),
        ("delta", delta, [2, 3]),
        ("LowMemory", delta, [2, 3]),
        ("cumulative", cumulative, [2, 5]),
    ] {
        let collector = Collector::start(Manner::Takes);
        let otel = otel(&collector, &[METRICS, ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", value)]);
        let tap = Hottap::builder().tracer(otel.metrics()).start().expect("starts");
        for count in [2, 3] {
            (0..count).for_each(|_| tap.start_call(Side::Endpoint, "place_order").expect("wanted").finish());
            assert!(otel.flush());
        }
        let found = histograms(&collector);
        assert!(found.iter().all(|histogram| histogram.aggregation_temporality() == expected), "{value:?}");
        assert_eq!(
            found.iter().map(|histogram| histogram.data_points[0].count).collect::<Vec<_>>(),
            counts,
            "{value:?}"
        );
        otel.shutdown(Duration::from_secs(10));
    }
}

/// Each term is its own, and together they are all.
#[track_caller]
pub(crate) fn assert_metric_counts(otel: &Otel, expected: [u64; 4]) {
    let counts = otel.metric_counts();
    let MetricCounts { exports, exported, failed, pending, rejected_points, .. } = counts;
    assert_eq!(exports, exported + failed + pending, "{counts:?}");
    assert_eq!([exports, exported, failed, rejected_points], expected, "{counts:?}");
}

#[test]
fn exports_of_metrics_are_counted() {
    let collector = Collector::start(Manner::Takes);
    let otel = otel(&collector, &[METRICS, ("OTEL_TRACES_EXPORTER", "none")]);
    assert!(otel.flush(), "what became of spans is always there");
    assert_metric_counts(&otel, [1, 1, 0, 0]);
    calls(&otel, 1);
    assert!(otel.flush());
    assert_metric_counts(&otel, [2, 2, 0, 0]);
    collector.behave(Manner::Refuses(1));
    assert!(!otel.flush(), "one point is refused");
    assert_metric_counts(&otel, [3, 3, 0, 1]);
    for manner in [Manner::Answers(404), Manner::Answers(503), Manner::Babbles] {
        collector.behave(manner);
        assert!(!otel.flush(), "{manner:?}");
    }
    assert_metric_counts(&otel, [6, 3, 3, 1]);
    collector.behave(Manner::Takes);
    assert!(otel.shutdown(Duration::from_secs(10)), "the last export is made at shutdown");
    assert_metric_counts(&otel, [7, 4, 3, 1]);
    assert!(!otel.flush(), "there is nobody any more");
    assert_metric_counts(&otel, [7, 4, 3, 1]);
}

#[test]
fn metrics_are_tried_again_until_their_time_is_over() {
    let collector = Collector::start(Manner::Answers(503));
    let quick = ("OTEL_METRIC_EXPORT_INTERVAL", "100");
    let delta = ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta");
    let patient = otel(&collector, &[METRICS, quick, delta]);
    calls(&patient, 3);
    let metrics_asked = || collector.heads().iter().filter(|(path, _)| path == "/v1/metrics").count();
    until(|| metrics_asked() >= 2);
    collector.behave(Manner::Takes);
    // Nothing of a delta is lost, whichever export it was in.
    let counted = || -> u64 {
        let points = histograms(&collector).into_iter().flat_map(|histogram| histogram.data_points);
        points.map(|point| point.count).sum()
    };
    until(|| counted() == 3);
    assert_eq!(patient.metric_counts().failed, 0);
    patient.shutdown(Duration::from_secs(10));

    let collector = Collector::start(Manner::Answers(503));
    let hurried = otel(&collector, &[METRICS, quick, ("OTEL_METRIC_EXPORT_TIMEOUT", "1")]);
    calls(&hurried, 1);
    until(|| hurried.metric_counts().failed >= 2);
    hurried.shutdown(Duration::from_secs(10));
}

#[test]
fn a_flush_does_not_wait_for_metrics_that_are_tried_again() {
    let collector = Collector::start(Manner::Answers(503));
    let quick = ("OTEL_METRIC_EXPORT_INTERVAL", "100");
    let otel =
        otel(&collector, &[METRICS, quick, ("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRIC_EXPORT_TIMEOUT", "0")]);
    calls(&otel, 1);
    // By the fifth attempt the pause would be eight seconds.
    until(|| collector.attempts() >= 3);
    let began = Instant::now();
    assert!(!otel.flush());
    assert!(!otel.shutdown(Duration::from_secs(10)));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn a_span_holds_no_more_than_its_limits() {
    let collector = Collector::start(Manner::Takes);
    let otel = otel(
        &collector,
        &[
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "3"),
            ("OTEL_SPAN_EVENT_COUNT_LIMIT", "2"),
            ("OTEL_SPAN_LINK_COUNT_LIMIT", "1"),
            ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "1"),
            ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "4"),
        ],
    );
    let attributes = || (0..9).map(|number| KeyValue::new(format!("key{number}"), "ÄÖÜäöü")).collect::<Vec<_>>();
    let mut span = otel.tracer_provider().tracer("test").start("full");
    span.set_attributes(attributes());
    let link = SpanContext::new(1.into(), 2.into(), trace::TraceFlags::SAMPLED, true, trace::TraceState::NONE);
    for _ in 0..5 {
        span.add_event("event", attributes());
        span.add_link(link.clone(), attributes());
    }
    span.end();
    assert!(otel.shutdown(Duration::from_secs(10)));
    let span = &collector.traces()[0].resource_spans[0].scope_spans[0].spans[0];
    assert_eq!((span.attributes.len(), span.dropped_attributes_count), (3, 6));
    assert_eq!((span.events.len(), span.dropped_events_count), (2, 3));
    assert_eq!((span.links.len(), span.dropped_links_count), (1, 4));
    assert_eq!((span.events[0].attributes.len(), span.links[0].attributes.len()), (1, 9));
    for attribute in span.attributes.iter().chain(&span.events[1].attributes).chain(&span.links[0].attributes) {
        let value = attribute.value.as_ref().and_then(|value| value.value.clone());
        assert_eq!(value, Some(Value::StringValue("ÄÖÜä".to_owned())));
    }
}

#[test]
fn a_metric_has_2000_series_and_one_for_all_others() {
    let collector = Collector::start(Manner::Takes);
    let otel = otel(&collector, &[METRICS]);
    let next = std::sync::atomic::AtomicI64::new(0);
    let by_number = move |_: &_| vec![KeyValue::new("number", next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))];
    let tracer = MetricTracer::new(otel.meter_provider()).attributes(by_number);
    let tap = Hottap::builder().tracer(tracer).start().expect("starts");
    for _ in 0..2_500 {
        tap.start_call(Side::Endpoint, "place_order").expect("wanted").finish();
    }
    assert!(otel.shutdown(Duration::from_secs(10)));
    let points = &histograms(&collector)[0].data_points;
    assert_eq!(points.len(), 2_001);
    assert_eq!(points.iter().map(|point| point.count).sum::<u64>(), 2_500, "all are counted");
    let overflow = |point: &&_| {
        let point: &opentelemetry_proto::tonic::metrics::v1::HistogramDataPoint = point;
        point.attributes.iter().any(|attribute| attribute.key == "otel.metric.overflow")
    };
    assert_eq!(points.iter().filter(overflow).map(|point| point.count).collect::<Vec<_>>(), [500]);
}
