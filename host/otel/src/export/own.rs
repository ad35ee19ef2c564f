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
            for (reason, spans) in kept.drops() {
                observer.observe(spans, &[failed(reason)]);
            }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;
    use std::time::Duration;

    use opentelemetry::metrics::MeterProvider;
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
    use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
    use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};

    use super::*;
    use crate::export::settings::Settings;
    use crate::export::variables::Variables;
    use hottap_core::lock::lock;

    /// The points of counters, by name and attributes.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<BTreeMap<String, u64>>>);

    impl PushMetricExporter for Kept {
        async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
            let mut kept = lock(&self.0);
            for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
                let AggregatedMetrics::U64(MetricData::Sum(sum)) = metric.data() else { continue };
                for point in sum.data_points() {
                    let attributes: Vec<_> = point.attributes().map(|pair| pair.value.to_string()).collect();
                    kept.insert([metric.name(), &attributes.concat()].join(" "), point.value());
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

    #[test]
    fn spans_that_were_dropped_have_their_reason() {
        let kept = Kept::default();
        let reader = PeriodicReader::builder(kept.clone()).with_interval(Duration::from_secs(3_600)).build();
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        let (account, settings) =
            (Arc::<Account>::default(), Settings::read(&Variables::new(&|_| None), None).expect("valid"));
        observe(&provider.meter("test"), &account, settings.batch);
        (0..12).for_each(|_| account.waits());
        account.delivered(6, 2);
        account.failed(1);
        account.timed_out(5);
        (0..3).for_each(|_| account.queue_full());
        (0..7).for_each(|_| account.shut_down());
        provider.force_flush().expect("flushes");
        let kept = lock(&kept.0);
        let expected = [
            ("exporter.span.exported ", 4),
            ("exporter.span.exported _OTHER", 1),
            ("exporter.span.exported rejected", 2),
            ("processor.span.processed ", 7),
            ("processor.span.processed already_shutdown", 7),
            ("processor.span.processed queue_full", 3),
            ("processor.span.processed timeout", 5),
        ];
        let expected = expected.map(|(name, value)| (format!("otel.sdk.{name}"), value));
        assert_eq!(*kept, BTreeMap::from(expected));
        assert_eq!((account.counts().dropped, account.counts().pending), (15, 0));
    }
}
