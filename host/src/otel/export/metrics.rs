//! The exporter of metrics: each export is a message of its own, and one that fails is not tried again: the next says more.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use prost::Message;

use super::answer::Verdict;
use super::collector::Collector;
use super::trouble::Trouble;

pub(super) struct Exporter {
    collector: Mutex<Collector>,
    trouble: Trouble,
}

impl Exporter {
    pub(super) fn new(collector: Collector) -> Self {
        let trouble = Trouble::new("metrics", collector.place());
        Self { collector: Mutex::new(collector), trouble }
    }
}

impl PushMetricExporter for Exporter {
    /// Blocks: it is called on the reader's own thread.
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let message = Bytes::from(ExportMetricsServiceRequest::from(metrics).encode_to_vec());
        let verdict = self.collector.lock().unwrap_or_else(PoisonError::into_inner).send(&message, Duration::MAX);
        match verdict {
            Verdict::Taken { .. } => {
                self.trouble.is_over();
                Ok(())
            }
            Verdict::Later { reason, .. } | Verdict::Never { reason } => {
                self.trouble.is(&reason, 1);
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
        Temporality::Cumulative
    }
}
