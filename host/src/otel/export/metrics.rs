//! The exporter of metrics: the SDK's and those of other sources. What fails is not tried again: the next export says more.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics as OfResource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use prost::Message;

use super::answer::Verdict;
use super::collector::Collector;
use super::parts::parts;
use super::sources::Sources;
use super::trouble::Trouble;

pub(super) struct Exporter {
    collector: Mutex<Collector>,
    sources: Sources,
    trouble: Trouble,
}

impl Exporter {
    pub(super) fn new(collector: Collector, sources: Sources) -> Self {
        let trouble = Trouble::new("metrics", collector.place());
        Self { collector: Mutex::new(collector), sources, trouble }
    }

    fn send(&self, request: &ExportMetricsServiceRequest) -> OTelSdkResult {
        let message = Bytes::from(request.encode_to_vec());
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
}

impl PushMetricExporter for Exporter {
    /// Blocks: it is called on the reader's own thread.
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let request = ExportMetricsServiceRequest::from(metrics);
        // Whoever does not answer to one message does not get to see the others.
        self.send(&request)?;
        let Some(own) = request.resource_metrics.into_iter().next() else { return Ok(()) };
        let resource = OfResource { scope_metrics: Vec::new(), ..own };
        parts(self.sources.scopes()).into_iter().try_for_each(|scope_metrics| {
            let part = OfResource { scope_metrics, ..resource.clone() };
            self.send(&ExportMetricsServiceRequest { resource_metrics: vec![part] })
        })
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
