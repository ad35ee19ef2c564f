//! What became of spans as metrics, by OpenTelemetry's conventions for SDKs (in development there).

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use super::account::Account;
use super::settings::BatchSettings;

/// Adds them to a meter. As long as there is one of them each export has something to send, without which the SDK would
/// not call the exporter.
pub(super) fn observe(meter: &Meter, account: &Arc<Account>, settings: BatchSettings) {
    let failed = |reason| KeyValue::new("error.type", reason);
    let kept = account.clone();
    meter
        .u64_observable_counter("otel.sdk.exporter.span.exported")
        .with_unit("{span}")
        .with_description("Spans whose export has finished, well or not.")
        .with_callback(move |observer| {
            let counts = kept.counts();
            observer.observe(counts.exported, &[]);
            observer.observe(counts.rejected, &[failed("rejected")]);
            observer.observe(counts.failed, &[failed("_OTHER")]);
        })
        .build();
    let kept = account.clone();
    meter
        .u64_observable_counter("otel.sdk.processor.span.processed")
        .with_unit("{span}")
        .with_description("Spans that the processor is done with, well or not.")
        .with_callback(move |observer| {
            let counts = kept.counts();
            observer.observe(counts.exported + counts.rejected + counts.failed, &[]);
            observer.observe(counts.dropped, &[failed("queue_full")]);
        })
        .build();
    let kept = account.clone();
    meter
        .i64_observable_up_down_counter("otel.sdk.processor.span.queue.size")
        .with_unit("{span}")
        .with_description("Spans that wait, or are being sent.")
        .with_callback(move |observer| observer.observe(i64::try_from(kept.counts().pending).unwrap_or(i64::MAX), &[]))
        .build();
    let capacity = i64::try_from(settings.queue).unwrap_or(i64::MAX);
    meter
        .i64_observable_up_down_counter("otel.sdk.processor.span.queue.capacity")
        .with_unit("{span}")
        .with_description("Spans that can wait; more are dropped.")
        .with_callback(move |observer| observer.observe(capacity, &[]))
        .build();
}
