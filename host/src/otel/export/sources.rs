//! Metrics of others that are sent with those of the SDK: to the same collector, in the same moment, of the same resource.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use opentelemetry_proto::tonic::metrics::v1::ScopeMetrics;

/// Who has metrics of its own.
pub(crate) trait Source: Send + Sync {
    /// All of them, as they are now.
    fn scopes(&self) -> Vec<ScopeMetrics>;
}

/// All who have.
#[derive(Clone, Default)]
pub(crate) struct Sources(Arc<Mutex<Vec<Arc<dyn Source>>>>);

impl Sources {
    /// Its metrics are sent from now on. One that nobody else holds any more is sent once more, and then forgotten.
    #[cfg(feature = "plugins")]
    pub(crate) fn add(&self, source: Arc<dyn Source>) {
        self.list().push(source);
    }

    pub(super) fn scopes(&self) -> Vec<ScopeMetrics> {
        let all = self.list().clone();
        // One is the list's, one is ours.
        let (ended, live): (Vec<_>, Vec<_>) = all.iter().partition(|source| Arc::strong_count(source) <= 2);
        let scopes = ended.iter().chain(&live).flat_map(|source| source.scopes()).collect();
        if !ended.is_empty() {
            self.list().retain(|source| !ended.iter().any(|ended| Arc::ptr_eq(ended, source)));
        }
        scopes
    }

    fn list(&self) -> MutexGuard<'_, Vec<Arc<dyn Source>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}
