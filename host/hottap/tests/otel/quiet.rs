//! Export where the application exports the spans of `tracing`, too: it makes none of its own.

use opentelemetry::trace::TracerProvider;
use tracing::Metadata;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;

use crate::apart;
use crate::collector::{Collector, Manner};
use crate::export::{ON_DEMAND, assert_counts, at, calls, set_up};

#[test]
fn an_export_makes_no_spans_to_export() {
    if apart::run("quiet::an_export_makes_no_spans_to_export") {
        return;
    }
    let collector = Collector::start(Manner::Takes);
    let endpoint = at(collector.address);
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ON_DEMAND];
    let otel = set_up(&variables).expect("is set up");
    // The collector's own HTTP/2 is in this process, too.
    let of_export = |_: &Metadata<'_>, _: &Context<'_, Registry>| {
        std::thread::current().name().is_some_and(|name| name.starts_with("hottap-otlp"))
    };
    let spans = tracing_opentelemetry::layer().with_tracer(otel.tracer_provider().tracer("application"));
    Registry::default().with(spans.with_filter(dynamic_filter_fn(of_export))).init();
    calls(&otel, 1);
    for _ in 0..3 {
        assert!(otel.flush(), "{:?}", otel.counts());
    }
    assert_counts(&otel, &[("ended", 1), ("exported", 1)]);
}
