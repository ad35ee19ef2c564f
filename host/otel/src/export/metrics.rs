//! The exporter of metrics, the SDK's and those of other sources: each export is tried until the collector has it or its time
//! is over.

use hottap_core::lock::lock;
use std::mem::take;
use std::sync::{Arc, Mutex};
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
use super::parts::{Part, parts, room, share};
use super::settings::MetricSettings;
use super::sources::Sources;
use super::trouble::Trouble;
use hottap_core::panics::{Place, caught};

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

    /// Sends one message after the other: each has its share of the time, and the others go out whatever becomes of it. True
    /// if everything was taken. Why a message did not arrive, if one did not.
    fn deliver(&self, metrics: &ResourceMetrics) -> Result<bool, String> {
        let until = Instant::now() + self.settings.timeout;
        let mut own = ExportMetricsServiceRequest::from(metrics);
        let scopes =
            own.resource_metrics.iter_mut().flat_map(|of_resource| take(&mut of_resource.scope_metrics)).collect();
        let (others, ended) = self.sources.scopes();
        let most = room(&own);
        let (scopes, others) = (parts(scopes, most), parts(others, most));
        // Of the same resource.
        let resource = own.resource_metrics.into_iter().next().unwrap_or_default();
        let (first_other, all) = (scopes.len(), scopes.len() + others.len());
        let (mut is_whole, mut have_arrived, mut failure) = (true, true, None);
        for (index, Part { scopes: scope_metrics, count }) in scopes.into_iter().chain(others).enumerate() {
            let message = ExportMetricsServiceRequest {
                resource_metrics: vec![OfResource { scope_metrics, ..resource.clone() }],
            };
            let now = Instant::now();
            let left = self.haste.limit(until).saturating_duration_since(now);
            match self.send(&message, count, now + share(left, all - index)) {
                Ok(rejected) => is_whole &= rejected == 0,
                Err(reason) => {
                    have_arrived &= index < first_other;
                    failure.get_or_insert(reason);
                }
            }
        }
        if have_arrived {
            self.sources.forget(&ended);
        }
        failure.map_or(Ok(is_whole), Err)
    }

    /// Tries until the message is taken, refused, or its time is over: what is left out of a delta is lost. Tells how many of
    /// so many points were refused.
    fn send(&self, message: &ExportMetricsServiceRequest, points: usize, until: Instant) -> Result<u64, String> {
        if until <= Instant::now() {
            // Not even worth encoding.
            return Err("there is no time left".to_owned());
        }
        let mut collector = lock(&self.collector);
        let packed = collector.pack(&message.encode_to_vec());
        let mut backoff = Backoff::default();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let (reason, after) = match collector.send(&packed, left) {
                Verdict::Taken { rejected: 0, words } => {
                    self.trouble.says(&words);
                    return Ok(0);
                }
                Verdict::Taken { rejected, words } => {
                    self.trouble.is_partial(&words, 0);
                    let rejected = rejected.min(points as u64);
                    self.account.rejected(rejected);
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
        // A panic would end the SDK's thread, and with it all exports.
        let delivered = caught(Place::Otlp, || self.deliver(metrics)).unwrap_or_else(|panic| Err(panic.to_string()));
        self.haste.exported(delivered == Ok(true));
        match delivered {
            Ok(is_whole) => {
                self.account.delivered();
                if is_whole {
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
