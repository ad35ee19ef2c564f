//! Plugins and OpenTelemetry's export, each of which knows nothing of the other.

use std::any::Any;
use std::sync::Arc;

use hottap_core::tracer::Core;
use hottap_otel::{Accounts, Otel, ScopeMetrics, Source, Sources};
use hottap_plugins::plugin::Reporter;

/// The exporter that a Hottap shows and feeds.
pub(crate) struct Exporter {
    accounts: Arc<Accounts>,
    /// None if it sends no metrics.
    sources: Option<Sources>,
}

impl Exporter {
    pub(crate) fn of(otel: &Otel) -> Self {
        Self { accounts: Arc::new(otel.accounts()), sources: otel.sources.clone() }
    }

    /// Shows the exporter's losses with the metrics of the host, and sends the metrics of plugins and host with its own.
    /// Both for as long as the returned values are kept.
    pub(crate) fn show(self, core: &Core, report: &Arc<Reporter>) -> Vec<Arc<dyn Any + Send + Sync>> {
        core.metric_sources.add(&self.accounts);
        let mut kept: Vec<Arc<dyn Any + Send + Sync>> = vec![self.accounts];
        if let Some(sources) = self.sources {
            let scopes = Arc::new(HostScopes(report.clone()));
            sources.add(scopes.clone());
            kept.push(scopes);
        }
        kept
    }
}

/// The metrics of one Hottap, as a source of the exporter.
struct HostScopes(Arc<Reporter>);

impl Source for HostScopes {
    fn scopes(&self) -> Vec<ScopeMetrics> {
        self.0.scopes()
    }
}
