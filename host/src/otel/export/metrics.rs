//! The exporter of metrics: each export is a message of its own, tried until the collector has it or its time is over.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use prost::Message;

use super::account::MetricAccount;
use super::answer::Verdict;
use super::backoff::Backoff;
use super::collector::Collector;
use super::haste::Haste;
use super::settings::MetricSettings;
use super::trouble::Trouble;

pub(super) struct Exporter {
    collector: Mutex<Collector>,
    settings: MetricSettings,
    account: Arc<MetricAccount>,
    haste: Arc<Haste>,
    trouble: Trouble,
}

impl Exporter {
    pub(super) fn new(
        collector: Collector,
        settings: MetricSettings,
        account: Arc<MetricAccount>,
        haste: Arc<Haste>,
    ) -> Self {
        let trouble = Trouble::new("metrics", collector.place());
        Self { collector: Mutex::new(collector), settings, account, haste, trouble }
    }

    /// Tries until the message is taken, refused, or its time is over: what is left out of a delta is lost.
    fn deliver(&self, message: &[u8]) -> Result<u64, String> {
        let mut collector = self.collector.lock().unwrap_or_else(PoisonError::into_inner);
        let packed = collector.pack(message);
        let until = Instant::now() + self.settings.timeout;
        let mut backoff = Backoff::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let (reason, after) = match collector.send(&packed, left) {
                Verdict::Taken { rejected } => return Ok(rejected),
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
    /// Blocks: it is called on the reader's own thread.
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.account.began();
        match self.deliver(&ExportMetricsServiceRequest::from(metrics).encode_to_vec()) {
            Ok(rejected) => {
                self.trouble.is_over();
                self.account.delivered(rejected);
                match rejected {
                    0 => Ok(()),
                    _ => Err(OTelSdkError::InternalFailure(format!("the collector refused {rejected} data points"))),
                }
            }
            Err(reason) => {
                self.trouble.is(&reason, 1);
                self.account.failed();
                Err(OTelSdkError::InternalFailure(reason))
            }
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        self.settings.temporality
    }
}
