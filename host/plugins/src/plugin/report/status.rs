//! What the admin API says of a plugin, and what its metrics are made of.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::metrics::Registry;
use crate::plugin::actions::Hold;
use crate::plugin::books::{Book, State, Usage};
use crate::plugin::name::Name;
use crate::plugin::notice::{Notice, Notices};
use crate::plugin::operator::{Access, Operator};
use crate::plugin::starts::StartStatus;
use hottap_core::collect::{MomentTerms, Terms};
use hottap_core::live::Scope;
use hottap_core::rpc::{Clock, Side, Timestamp};

/// One plugin, as `/api/tracers` shows it.
#[derive(Serialize)]
pub(crate) struct TracerStatus {
    pub(super) name: String,
    kind: &'static str,
    pub(super) state: &'static str,
    /// The word of operators over the admin API that is in force: `paused` or `disabled`, until they end it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<&'static str>,
    generation: Option<String>,
    /// The generation that was rolled back from. Its files are there, and are not loaded until they change or a reload is asked
    /// for.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected: Option<String>,
    /// The time at which the state was entered, for people and, in milliseconds since the Unix epoch, for programs.
    since: Timestamp,
    since_unix_ms: u64,
    /// The level of detail that it gets of calls, and the level that it asked for.
    level: &'static str,
    wanted_level: &'static str,
    /// Which calls it gets; null if none.
    scope: Option<ScopeStatus>,
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
    /// The points that are not as the tracer or its manifest asks for, though nothing is broken.
    notices: Vec<Notice>,
    pub(super) last_error: Option<ErrorStatus>,
}

/// Which calls a tracer gets, as its manifest says it.
#[derive(Serialize)]
struct ScopeStatus {
    #[serde(flatten)]
    scope: Scope,
    /// Patterns that have matched no call so far.
    matched_nothing: Vec<String>,
}

#[derive(Serialize)]
struct SwapStatus {
    from: String,
    to: String,
    ms: f64,
}

#[derive(Serialize)]
pub(super) struct ErrorStatus {
    /// The error in words.
    message: String,
    what_to_do: String,
    /// What happens meanwhile.
    meanwhile: String,
    at: Timestamp,
    at_unix_ms: u64,
}

/// The sources of a tracer's status, beside its book.
pub(super) struct Sources<'s> {
    pub(super) registry: &'s Registry,
    pub(super) operator: &'s Operator,
    /// The methods of which calls have ended, with the sides on which they did.
    pub(super) seen: &'s [(&'static str, [bool; Side::COUNT])],
    /// Operators have paused all tracers.
    pub(super) paused_all: bool,
}

/// Milliseconds for which calls may wait without a commit before a live tracer is shown as failing.
const FAILING_AFTER_MILLIS: u64 = 5_000;

/// Returns true if a live tracer has had calls for some time, and commits nothing.
fn is_failing(usage: &Usage) -> bool {
    let since = usage.waiting_since.load(Ordering::Relaxed);
    let patience = FAILING_AFTER_MILLIS.max(2 * usage.period_millis.load(Ordering::Relaxed));
    let clock = Clock::get();
    let now = clock.unix(clock.now()) / 1_000_000;
    since > 0 && now.saturating_sub(since) > patience
}

/// A number as people read it: to a tenth.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

impl TracerStatus {
    pub(super) fn new(name: &Name, book: &Book, sources: &Sources<'_>) -> Self {
        let Sources { registry, operator, seen, paused_all } = sources;
        let current = book.current().clone();
        let usage = &book.usage;
        let metrics = registry.usage(name.as_str());
        let calls = usage.calls.load(Ordering::Relaxed);
        let cpu_ns = usage.cpu_nanos.load(Ordering::Relaxed);
        let terms = book.account.terms();
        let destinations = operator.access(name, &current.destinations);
        let unmatched = current.scope.as_ref().map(|scope| scope.matched_nothing(seen)).unwrap_or_default();
        let telling = Notices { tracer: name, config: operator.path() };
        let mut notices = telling.destinations(&destinations);
        notices.extend(telling.level(current.wanted_level, current.level));
        notices.extend(telling.patterns(&unmatched));
        notices.extend(metrics.iter().flat_map(|metrics| &metrics.refused).cloned().map(Notice::from));
        let matched_nothing = unmatched.into_iter().map(|(_, pattern)| pattern).collect();
        Self {
            name: name.to_string(),
            kind: "plugin",
            state: match current.state.shown(*paused_all) {
                State::Live if is_failing(usage) => "failing",
                state => state.as_str(),
            },
            hold: current.hold.map(Hold::as_str),
            generation: current.generation.map(|id| id.to_string()),
            rejected: current.rejected.map(|id| id.to_string()),
            since: Timestamp(current.since),
            since_unix_ms: current.since,
            level: current.level.as_str(),
            wanted_level: current.wanted_level.as_str(),
            scope: current.scope.map(|scope| ScopeStatus { scope: (*scope).clone(), matched_nothing }),
            terms,
            // What an earlier generation has followed stays on the books.
            moments: (current.streams || terms.moments.observed > 0).then_some(terms.moments),
            calls,
            batches: usage.batches.load(Ordering::Relaxed),
            ns_per_call: (calls > 0).then(|| rounded(cpu_ns as f64 / calls as f64)),
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
                .map(|swap| SwapStatus {
                    from: swap.from.to_string(),
                    to: swap.to.to_string(),
                    ms: rounded(swap.millis),
                })
                .collect(),
            destinations,
            payloads_refused: operator.outbox.refused(name.as_str()),
            start: current.starts.map(|starts| starts.status()),
            notices,
            last_error: current.problem.map(|problem| ErrorStatus {
                message: problem.message,
                what_to_do: problem.what_to_do,
                meanwhile: problem.meanwhile,
                at: Timestamp(problem.at),
                at_unix_ms: problem.at,
            }),
        }
    }
}
