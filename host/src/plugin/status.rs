//! What the admin API says of a plugin, and what its metrics are made of.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde::Serialize;

use super::books::Book;
use super::name::Name;
use super::operator::{Access, Operator};
use super::starts::StartStatus;
use crate::collect::{MomentTerms, Terms};
use crate::metrics::Registry;

/// One plugin, as `/api/tracers` shows it. Times are in milliseconds since the Unix epoch.
#[derive(Serialize)]
pub(crate) struct TracerStatus {
    pub(super) name: String,
    kind: &'static str,
    pub(super) state: &'static str,
    generation: Option<String>,
    since_unix_ms: u64,
    level: &'static str,
    #[serde(flatten)]
    pub(super) terms: Terms,
    /// The messages of open streams, if it follows them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) moments: Option<MomentTerms>,
    calls: u64,
    batches: u64,
    /// Nanoseconds of CPU that the plugin's worker used per call; null before the first.
    ns_per_call: Option<f64>,
    pub(super) cpu_ns: u64,
    queued: u64,
    pub(super) memory_bytes: u64,
    series: usize,
    /// What the tracer did wrong with its metrics, and how often.
    metric_errors: BTreeMap<&'static str, u64>,
    pub(super) traps: u64,
    pub(super) loads: u64,
    swaps: Vec<SwapStatus>,
    /// Destinations that its manifest names, and whether it can use them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    destinations: BTreeMap<String, Access>,
    /// Payloads that it could not hand over, by reason: they are in no destination's books.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) payloads_refused: BTreeMap<&'static str, u64>,
    /// What it does at the start of calls, if it does anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) start: Option<StartStatus>,
    pub(super) last_error: Option<ErrorStatus>,
}

#[derive(Serialize)]
struct SwapStatus {
    from: String,
    to: String,
    ms: f64,
}

#[derive(Serialize)]
pub(super) struct ErrorStatus {
    /// What went wrong, and what to do.
    message: String,
    /// What happens meanwhile.
    meanwhile: String,
    at_unix_ms: u64,
}

impl TracerStatus {
    pub(super) fn new(name: &Name, book: &Book, registry: &Registry, operator: &Operator) -> Self {
        let current = book.current().clone();
        let usage = &book.usage;
        let metrics = registry.usage(name.as_str());
        let calls = usage.calls.load(Ordering::Relaxed);
        let cpu_ns = usage.cpu_nanos.load(Ordering::Relaxed);
        let terms = book.account.terms();
        Self {
            name: name.to_string(),
            kind: "plugin",
            state: current.state.as_str(),
            generation: current.generation.map(|id| id.to_string()),
            since_unix_ms: current.since,
            level: current.level.as_str(),
            terms,
            // What an earlier generation has followed stays on the books.
            moments: (current.streams || terms.moments.observed > 0).then_some(terms.moments),
            calls,
            batches: usage.batches.load(Ordering::Relaxed),
            ns_per_call: (calls > 0).then(|| cpu_ns as f64 / calls as f64),
            cpu_ns,
            queued: usage.queued.load(Ordering::Relaxed),
            memory_bytes: usage.memory.load(Ordering::Relaxed),
            series: metrics.as_ref().map_or(0, |metrics| metrics.series),
            metric_errors: metrics.map(|metrics| metrics.errors.into_iter().collect()).unwrap_or_default(),
            traps: usage.traps.load(Ordering::Relaxed),
            loads: current.loads,
            swaps: current
                .swaps
                .iter()
                .map(|swap| SwapStatus { from: swap.from.to_string(), to: swap.to.to_string(), ms: swap.millis })
                .collect(),
            destinations: operator.access(name, &current.destinations),
            payloads_refused: operator.outbox.refused(name.as_str()),
            start: current.starts.map(|starts| starts.status()),
            last_error: current.problem.map(|problem| ErrorStatus {
                message: problem.message,
                meanwhile: problem.meanwhile,
                at_unix_ms: problem.at,
            }),
        }
    }
}
