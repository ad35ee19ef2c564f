//! The peer of the guard: a call recorded with the OpenTelemetry SDK for Rust, as its documentation shows it.
//!
//! One span with a processor that throws it away, and one observation of a histogram that is never exported: what the
//! RPC's thread pays, without any export. All attributes are borrowed texts, which is the cheapest that the SDK takes.

use std::time::{Duration, Instant};

use opentelemetry::metrics::{Histogram, MeterProvider as _};
use opentelemetry::trace::{Span as _, SpanKind, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, Span, SpanData, SpanProcessor};

/// The bounds of `rpc.server.call.duration`, which red-metrics has too.
const BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// An SDK that is set up once.
pub(crate) struct Sdk {
    tracer: SdkTracer,
    duration: Histogram<f64>,
    _providers: (SdkTracerProvider, SdkMeterProvider),
}

impl Sdk {
    pub(crate) fn new() -> Self {
        let spans = SdkTracerProvider::builder().with_span_processor(Nowhere).with_sampler(Sampler::AlwaysOn).build();
        let reader = PeriodicReader::builder(Nowhere).with_interval(Duration::from_secs(3_600)).build();
        let metrics = SdkMeterProvider::builder().with_reader(reader).build();
        let duration = metrics
            .meter("bench")
            .f64_histogram("rpc.server.call.duration")
            .with_unit("s")
            .with_boundaries(BOUNDS.to_vec())
            .build();
        Self { tracer: spans.tracer("bench"), duration, _providers: (spans, metrics) }
    }

    /// Start and finish of one call that goes well.
    pub(crate) fn call(&self, method: &'static str) {
        let began = Instant::now();
        let mut span = self
            .tracer
            .span_builder(method)
            .with_kind(SpanKind::Server)
            .with_attributes([
                KeyValue::new("rpc.system.name", "grpc"),
                KeyValue::new("rpc.method", method),
                KeyValue::new("server.address", "bench"),
            ])
            .start(&self.tracer);
        span.set_attribute(KeyValue::new("rpc.response.status_code", "OK"));
        self.duration.record(
            began.elapsed().as_secs_f64(),
            &[
                KeyValue::new("rpc.system.name", "grpc"),
                KeyValue::new("rpc.method", method),
                KeyValue::new("server.address", "bench"),
                KeyValue::new("rpc.response.status_code", "OK"),
            ],
        );
        span.end();
    }
}

/// Takes everything and keeps nothing.
#[derive(Debug)]
struct Nowhere;

impl SpanProcessor for Nowhere {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        std::hint::black_box(&span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl PushMetricExporter for Nowhere {
    async fn export(&self, _: &ResourceMetrics) -> OTelSdkResult {
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
