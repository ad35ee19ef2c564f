//! All series of all tracers, as they were last committed; what is not committed is in stages.

use hottap_core::lock::lock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use hashbrown::HashMap;

use super::claims::Claims;
use super::instrument::Definition;
use super::limits::{RegistryLimits, SeriesLimits};
use super::misuse::Misuses;
use super::refused::{Refusals, RefusedMetric};
use super::series::{LabelValues, Series};

/// What one tracer has in the registry, for its row in the admin API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Live series, without overflow series.
    pub(crate) series: usize,
    /// What it did wrong since its first instance: the reason and how often. Empty if nothing.
    pub(crate) errors: Vec<(&'static str, u64)>,
    /// Metrics of its newest instance that were refused for the sake of others.
    pub(crate) refused: Vec<RefusedMetric>,
}

/// The host's series, owned by (tracer's name, metric's name).
///
/// A name belongs to the tracer that was live first, and to others that define the same (see `Claims`).
///
/// Nobody removes a tracer from it: the series of a tracer that is gone stay until they have been idle for
/// `RegistryLimits::idle`, so that a tracer that is removed and added again, or replaced, goes on counting where it
/// was. Of a tracer without instances and without series nothing is kept.
///
/// Times are milliseconds of one monotonic clock that all callers share.
#[derive(Debug)]
pub struct Registry {
    owners: Mutex<BTreeMap<Arc<str>, Arc<Owner>>>,
    /// Bytes of a page with the series of all owners, about, without overflow series.
    page_bytes: AtomicUsize,
    limits: RegistryLimits,
    pub(super) claims: Arc<Claims>,
    /// The series are shown to readers; false for those of canaries and starters.
    is_read: bool,
    /// Owners so far.
    ranks: AtomicU64,
}

/// One tracer's series. Its lock is what makes a commit one act for every reader.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) tracer: Arc<str>,
    pub(super) misuses: Misuses,
    pub(super) refusals: Refusals,
    /// The place among all owners in the order in which their tracers were live first.
    pub(super) rank: u64,
    state: Mutex<OwnerState>,
}

/// What is behind an owner's lock.
#[derive(Debug, Default)]
pub(super) struct OwnerState {
    metrics: BTreeMap<Box<str>, Metric>,
    /// Series and their bytes on a page, about, both without overflow series.
    series: usize,
    page_bytes: usize,
    /// When to look for idle series next, in milliseconds.
    next_sweep: u64,
}

#[derive(Debug)]
pub(super) struct Metric {
    pub(super) definition: Arc<Definition>,
    series: HashMap<LabelValues, Arc<Series>, foldhash::fast::RandomState>,
    overflow: Option<Arc<Series>>,
}

impl Registry {
    pub fn new(limits: RegistryLimits) -> Self {
        Self {
            owners: Mutex::default(),
            page_bytes: AtomicUsize::new(0),
            limits,
            claims: Arc::default(),
            is_read: true,
            ranks: AtomicU64::new(0),
        }
    }

    /// A registry whose series are not read: what is wrong with them is counted and not logged.
    pub(crate) fn unread() -> Self {
        Self { is_read: false, ..Self::new(RegistryLimits::default()) }
    }

    pub(super) fn is_read(&self) -> bool {
        self.is_read
    }

    /// What a tracer has here; `None` if nothing is known of it.
    pub(crate) fn usage(&self, tracer: &str) -> Option<Usage> {
        let owner = self.owners().get(tracer).cloned()?;
        let series = owner.lock().series;
        Some(Usage { series, errors: owner.misuses.counts(), refused: owner.refusals.all() })
    }

    /// Where a tracer's series are, or will be.
    pub(super) fn owner(&self, tracer: Arc<str>) -> Arc<Owner> {
        let mut owners = self.owners();
        let owner = owners.entry(Arc::clone(&tracer)).or_insert_with(|| {
            Arc::new(Owner {
                tracer,
                misuses: Misuses::default(),
                refusals: Refusals::default(),
                rank: self.ranks.fetch_add(1, Ordering::Relaxed),
                state: Mutex::default(),
            })
        });
        Arc::clone(owner)
    }

    /// All owners, the first that was live first, after what is idle was forgotten.
    pub(super) fn swept(&self, now_ms: u64) -> Vec<Arc<Owner>> {
        let mut owners = self.owners();
        owners.retain(|_, owner| {
            let mut state = owner.lock();
            self.sweep(&mut state, now_ms);
            // Stages get their owner under the lock that is held here, so a count of one means that there is none.
            !state.metrics.is_empty() || Arc::strong_count(owner) > 1
        });
        let mut owners: Vec<_> = owners.values().cloned().collect();
        owners.sort_unstable_by_key(|owner| owner.rank);
        owners
    }

    /// Forgets an owner's idle series if it is time to look for them: a sixteenth of the idle time passes between two
    /// looks, so that commits don't pay for it.
    pub(super) fn sweep(&self, state: &mut OwnerState, now_ms: u64) {
        if now_ms < state.next_sweep {
            return;
        }
        let idle_ms = self.idle_ms();
        state.next_sweep = now_ms.saturating_add((idle_ms / 16).max(1));
        let (mut forgotten, mut freed) = (0, 0);
        state.metrics.retain(|_, metric| {
            metric.series.retain(|_, series| {
                let idle = series.is_idle(now_ms, idle_ms);
                if idle {
                    series.end();
                    forgotten += 1;
                    freed += metric.definition.page_bytes(series.labels());
                }
                !idle
            });
            if let Some(series) = metric.overflow.take_if(|series| series.is_idle(now_ms, idle_ms)) {
                series.end();
            }
            !metric.series.is_empty() || metric.overflow.is_some()
        });
        self.release(state, forgotten, freed);
    }

    /// The committed series of a metric with these labels (none: the overflow series), new if there was none; `None`
    /// if there is no room for a new one. A metric that was defined otherwise is replaced, and so are those of former
    /// instances whose names on a page it has now.
    pub(super) fn resolve(
        &self,
        state: &mut OwnerState,
        definition: &Arc<Definition>,
        labels: Option<&LabelValues>,
        limits: &SeriesLimits,
        now_ms: u64,
    ) -> Option<Arc<Series>> {
        let known = state.metrics.get(&definition.name);
        if known.is_none_or(|metric| !metric.definition.same_series(definition)) {
            self.replace(state, definition);
        }
        let cost = definition.page_bytes(labels);
        let room = state.series < limits.series && state.page_bytes.saturating_add(cost) <= limits.page_bytes;
        let metric = state.metrics.entry(definition.name.clone()).or_insert_with(|| Metric {
            definition: Arc::clone(definition),
            series: HashMap::default(),
            overflow: None,
        });
        // The same but for its help text: the newest stands.
        metric.definition = Arc::clone(definition);
        let new = || Arc::new(Series::new(labels.cloned(), definition.buckets(), now_ms));
        let Some(labels) = labels else {
            return Some(Arc::clone(metric.overflow.get_or_insert_with(new)));
        };
        if let Some(series) = metric.series.get(labels) {
            return Some(Arc::clone(series));
        }
        if !room {
            return None;
        }
        let taken = self.page_bytes.fetch_add(cost, Ordering::Relaxed);
        if taken.saturating_add(cost) > self.limits.page_bytes {
            self.page_bytes.fetch_sub(cost, Ordering::Relaxed);
            return None;
        }
        let series = new();
        metric.series.insert(Arc::clone(labels), Arc::clone(&series));
        state.series += 1;
        state.page_bytes += cost;
        Some(series)
    }

    /// Ends the metrics that cannot stand on a page beside this one.
    fn replace(&self, state: &mut OwnerState, definition: &Definition) {
        let replaced = state
            .metrics
            .extract_if(.., |name, metric| **name == *definition.name || metric.definition.overlaps(definition));
        let (mut ended, mut freed) = (0, 0);
        for (_, metric) in replaced {
            metric.series().for_each(|series| series.end());
            ended += metric.series.len();
            freed += metric.series.keys().map(|labels| metric.definition.page_bytes(Some(labels))).sum::<usize>();
        }
        self.release(state, ended, freed);
    }

    pub(super) fn idle_ms(&self) -> u64 {
        u64::try_from(self.limits.idle.as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn release(&self, state: &mut OwnerState, series: usize, page_bytes: usize) {
        state.series -= series;
        state.page_bytes -= page_bytes;
        self.page_bytes.fetch_sub(page_bytes, Ordering::Relaxed);
    }

    fn owners(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<Owner>>> {
        lock(&self.owners)
    }
}

impl Owner {
    /// Holds off every other commit and every reader of this tracer's series.
    pub(super) fn lock(&self) -> MutexGuard<'_, OwnerState> {
        lock(&self.state)
    }
}

impl OwnerState {
    pub(super) fn series(&self) -> usize {
        self.series
    }

    /// The metrics, by name.
    pub(super) fn metrics(&self) -> impl Iterator<Item = &Metric> {
        self.metrics.values()
    }
}

impl Metric {
    /// The series in no order, the overflow series among them.
    pub(super) fn series(&self) -> impl Iterator<Item = &Arc<Series>> {
        self.series.values().chain(&self.overflow)
    }
}
