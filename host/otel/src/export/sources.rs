//! Metrics of others that are sent with those of the SDK: to the same collector, in the same moment, of the same resource.

use hottap_core::lock::lock;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

pub use opentelemetry_proto::tonic::metrics::v1::ScopeMetrics;

/// Who has metrics of its own.
pub trait Source: Send + Sync {
    /// All of them, as they are now.
    fn scopes(&self) -> Vec<ScopeMetrics>;
}

/// All who have.
#[derive(Clone, Default)]
pub struct Sources(Arc<Mutex<Vec<Arc<dyn Source>>>>);

impl Sources {
    /// Its metrics are sent from now on, until it is held by nobody else and they have arrived once more.
    pub fn add(&self, source: Arc<dyn Source>) {
        self.list().push(source);
    }

    /// What all of them have, and which of them nobody else holds any more: they have no more to say.
    pub(super) fn scopes(&self) -> (Vec<ScopeMetrics>, Vec<Arc<dyn Source>>) {
        let all = self.list().clone();
        // One is the list's, one is ours.
        let ended: Vec<_> = all.iter().filter(|source| Arc::strong_count(source) <= 2).cloned().collect();
        (all.iter().flat_map(|source| source.scopes()).collect(), ended)
    }

    /// Their last words have arrived.
    pub(super) fn forget(&self, ended: &[Arc<dyn Source>]) {
        self.list().retain(|source| !ended.iter().any(|ended| Arc::ptr_eq(ended, source)));
    }

    fn list(&self) -> MutexGuard<'_, Vec<Arc<dyn Source>>> {
        lock(&self.0)
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}
