//! The exporter of metrics, the SDK's and those of other sources: each export is tried until the collector has it or its time
//! is over.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics as OfResource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use prost::Message;

use super::account::MetricAccount;
use super::answer::Verdict;
use super::backoff::Backoff;
use super::collector::Collector;
use super::haste::Haste;
use super::parts::parts;
use super::settings::MetricSettings;
use super::sources::Sources;
use super::trouble::Trouble;

pub(super) struct Exporter {
    collector: Mutex<Collector>,
    settings: MetricSettings,
    sources: Sources,
    account: Arc<MetricAccount>,
    haste: Arc<Haste>,
    trouble: Trouble,
}

impl Exporter {
    pub(super) fn new(
        collector: Collector,
        settings: MetricSettings,
        sources: Sources,
        account: Arc<MetricAccount>,
        haste: Arc<Haste>,
    ) -> Self {
        let trouble = Trouble::new("metrics", collector.place());
        Self { collector: Mutex::new(collector), settings, sources, account, haste, trouble }
    }

    /// Sends one message after the other. Whoever does not answer to one does not get to see the others. Tells how many
    /// points were refused.
    fn deliver(&self, own: ExportMetricsServiceRequest) -> Result<u64, String> {
        let until = Instant::now() + self.settings.timeout;
        let mut rejected = self.send(&own, until)?;
        // Of the same resource.
        let resource = own.resource_metrics.into_iter().next().unwrap_or_default();
        let (scopes, ended) = self.sources.scopes();
        for scope_metrics in parts(scopes) {
            let part = OfResource { scope_metrics, ..resource.clone() };
            rejected += self.send(&ExportMetricsServiceRequest { resource_metrics: vec![part] }, until)?;
        }
        self.sources.forget(&ended);
        Ok(rejected)
    }

    /// Tries until the message is taken, refused, or its time is over: what is left out of a delta is lost.
    fn send(&self, message: &ExportMetricsServiceRequest, until: Instant) -> Result<u64, String> {
        let mut collector = self.collector.lock().unwrap_or_else(PoisonError::into_inner);
        let packed = collector.pack(&message.encode_to_vec());
        let mut backoff = Backoff::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let (reason, after) = match collector.send(&packed, left) {
                Verdict::Taken { rejected: 0, .. } => return Ok(0),
                Verdict::Taken { rejected, reason } => {
                    self.trouble.is(&reason, 0);
                    return Ok(rejected);
                }
                Verdict::Never { reason } => return Err(reason),
                Verdict::Later { reason, after } => (reason, after),
            };
            let wait = backoff.next(after);
            if Instant::now() + wait >= until || self.haste.is_on() {
                return Err(reason);
            }
            self.trouble.is(&reason, 0);
            self.haste.pause(wait);
        }
    }
}

impl PushMetricExporter for Exporter {
    /// Blocks: it is called on the reader's own thread. What fails is told here, and counted: the SDK would write a line of
    /// its own about each time.
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        if self.haste.is_over() {
            self.haste.exported(false);
            return Ok(());
        }
        self.account.began();
        let delivered = self.deliver(ExportMetricsServiceRequest::from(metrics));
        self.haste.exported(delivered == Ok(0));
        match delivered {
            Ok(rejected) => {
                self.account.delivered(rejected);
                if rejected == 0 {
                    self.trouble.is_over();
                }
            }
            Err(reason) => {
                self.trouble.is(&reason, 1);
                self.account.failed();
            }
        }
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: std::time::Duration) -> OTelSdkResult {
        self.haste.end();
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        self.settings.temporality
    }
}
