//! What the admin API and the metrics say of every plugin.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Serialize;

use super::books::{Book, Books};
use super::name::Name;
use super::operator::{Access, Operator};
use super::plugins::Plugins;
use super::starts::StartStatus;
use crate::admin::Report;
use crate::collect::{MomentTerms, Terms};
use crate::metrics::{Kind, Registry, Writer};
use crate::outbox::DestinationState;
use crate::rpc::Symbol;
use crate::tracer::Core;

/// One plugin, as `/api/tracers` shows it. Times are in milliseconds since the Unix epoch.
#[derive(Serialize)]
pub(crate) struct TracerStatus {
    name: String,
    kind: &'static str,
    state: &'static str,
    generation: Option<String>,
    since_unix_ms: u64,
    level: &'static str,
    #[serde(flatten)]
    terms: Terms,
    /// The messages of open streams, if it follows them.
    #[serde(skip_serializing_if = "Option::is_none")]
    moments: Option<MomentTerms>,
    calls: u64,
    batches: u64,
    /// Nanoseconds of CPU that the plugin's worker used per call; null before the first.
    ns_per_call: Option<f64>,
    cpu_ns: u64,
    queued: u64,
    memory_bytes: u64,
    series: usize,
    /// What the tracer did wrong with its metrics, and how often.
    metric_errors: BTreeMap<&'static str, u64>,
    traps: u64,
    loads: u64,
    swaps: Vec<SwapStatus>,
    /// Destinations that its manifest names, and whether it can use them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    destinations: BTreeMap<String, Access>,
    /// Payloads that it could not hand over, by reason: they are in no destination's books.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    payloads_refused: BTreeMap<&'static str, u64>,
    /// What it does at the start of calls, if it does anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<StartStatus>,
    last_error: Option<ErrorStatus>,
}

#[derive(Serialize)]
struct SwapStatus {
    from: String,
    to: String,
    ms: f64,
}

#[derive(Serialize)]
struct ErrorStatus {
    /// What went wrong, and what to do.
    message: String,
    /// What happens meanwhile.
    meanwhile: String,
    at_unix_ms: u64,
}

impl TracerStatus {
    fn new(name: &Name, book: &Book, registry: &Registry, operator: &Operator) -> Self {
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
            level: match current.level {
                crate::rpc::Level::Base => "base",
                crate::rpc::Level::Detailed => "detailed",
            },
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

/// Answers the admin API.
pub(crate) struct Reporter {
    core: Arc<Core>,
    registry: Arc<Registry>,
    /// None if there is no plugin dir.
    plugins: Option<(Arc<Books>, Arc<Operator>)>,
}

impl Reporter {
    pub(crate) fn new(core: Arc<Core>, registry: Arc<Registry>, plugins: Option<&Plugins>) -> Self {
        Self { core, registry, plugins: plugins.map(|plugins| (plugins.books.clone(), plugins.operator.clone())) }
    }

    fn plugins(&self) -> Vec<TracerStatus> {
        let Some((books, operator)) = &self.plugins else { return Vec::new() };
        let status = |(name, book): &(Name, Arc<Book>)| TracerStatus::new(name, book, &self.registry, operator);
        books.all().iter().map(status).collect()
    }
}

impl Report for Reporter {
    fn metrics(&self) -> String {
        let mut writer = Writer::default();
        write(&self.plugins(), self.core.natives.panics(), &mut writer);
        let operator = self.plugins.as_ref().map(|(_, operator)| operator.outbox.states());
        write_destinations(&operator.unwrap_or_default(), &mut writer);
        #[cfg(feature = "server")]
        super::connections::write(&self.core.servers.snapshot(), &mut writer);
        self.registry.write(&mut writer, self.core.clock.now() / 1_000_000);
        writer.finish()
    }

    fn tracers(&self) -> serde_json::Value {
        serde_json::json!({ "tracers": self.plugins() })
    }

    fn destinations(&self) -> serde_json::Value {
        match &self.plugins {
            Some((_, operator)) => serde_json::json!(operator.status()),
            None => serde_json::json!({ "destinations": [] }),
        }
    }

    fn healthy(&self) -> Result<(), String> {
        Ok(())
    }
}

/// The host's own metrics.
fn write(all: &[TracerStatus], native_panics: u64, writer: &mut Writer) {
    let mut gauge = |name: &str, kind: Kind, help: &str, value: &dyn Fn(&TracerStatus) -> f64| {
        let family = writer.family(name, kind, help);
        for tracer in all {
            family.sample([("tracer", tracer.name.as_str())], value(tracer));
        }
    };
    let counter = Kind::Counter;
    gauge("hottap_calls_finished_total", counter, "Finished calls in the tracer's scope.", &|t| {
        t.terms.finished as f64
    });
    gauge("hottap_calls_committed_total", counter, "Calls whose flush was committed.", &|t| t.terms.committed as f64);
    gauge("hottap_calls_dead_total", counter, "Calls put aside that the tracer cannot digest.", &|t| {
        t.terms.dead as f64
    });
    gauge("hottap_calls_pending", Kind::Gauge, "Calls that wait for the tracer or its next flush.", &|t| {
        t.terms.pending as f64
    });
    gauge("hottap_tracer_cpu_seconds_total", counter, "CPU time spent on the tracer.", &|t| t.cpu_ns as f64 / 1e9);
    gauge("hottap_tracer_memory_bytes", Kind::Gauge, "Linear memory that the tracer holds.", &|t| {
        t.memory_bytes as f64
    });
    gauge("hottap_tracer_traps_total", counter, "Instances of the tracer that ended in a trap.", &|t| t.traps as f64);
    gauge("hottap_tracer_loads_total", counter, "Generations of the tracer that went live.", &|t| t.loads as f64);
    gauge("hottap_tracer_live", Kind::Gauge, "1 if the tracer is live.", &|t| f64::from(u8::from(t.state == "live")));
    gauge("hottap_tracer_error", Kind::Gauge, "1 if the tracer has an error to look at.", &|t| {
        f64::from(u8::from(t.last_error.is_some()))
    });
    let dropped = writer.family("hottap_calls_dropped_total", counter, "Calls that the tracer lost, by reason.");
    for tracer in all {
        for (reason, calls) in tracer.terms.dropped.iter() {
            dropped.sample([("tracer", tracer.name.as_str()), ("reason", reason)], calls as f64);
        }
    }
    let refused = writer.family(
        "hottap_tracer_payloads_refused_total",
        counter,
        "Payloads that the tracer could not hand over to a destination, by reason.",
    );
    for tracer in all {
        for (reason, payloads) in &tracer.payloads_refused {
            refused.sample([("tracer", tracer.name.as_str()), ("reason", *reason)], *payloads as f64);
        }
    }
    write_moments(all, writer);
    let starting = || all.iter().filter_map(|tracer| Some((tracer.name.as_str(), tracer.start.as_ref()?)));
    let starts = writer.family("hottap_starts_total", counter, "Calls that the tracer's start was called for.");
    starting().for_each(|(tracer, start)| starts.sample([("tracer", tracer)], start.calls as f64));
    let misses =
        writer.family("hottap_start_misses_total", counter, "Starts of the tracer that trapped or ran out of time.");
    starting().for_each(|(tracer, start)| misses.sample([("tracer", tracer)], start.misses as f64));
    let skipped = writer.family("hottap_starts_skipped_total", counter, "Calls that were not started, by reason.");
    for (tracer, start) in starting() {
        for (reason, calls) in start.skipped.iter() {
            skipped.sample([("tracer", tracer), ("reason", reason)], calls as f64);
        }
    }
    let symbols =
        writer.family("hottap_symbols_overflowed_total", counter, "Texts that found no room in the symbol table.");
    symbols.sample([], f64::from(Symbol::overflowed()));
    let panics = writer.family("hottap_native_panics_total", counter, "Panics of native tracers.");
    panics.sample([], native_panics as f64);
}

/// The messages of open streams, of those who follow them.
fn write_moments(all: &[TracerStatus], writer: &mut Writer) {
    let following = || all.iter().filter_map(|tracer| Some((tracer.name.as_str(), tracer.moments.as_ref()?)));
    let mut family = |name: &str, kind: Kind, help: &str, value: &dyn Fn(&MomentTerms) -> u64| {
        let family = writer.family(name, kind, help);
        following().for_each(|(tracer, terms)| family.sample([("tracer", tracer)], value(terms) as f64));
    };
    let counter = Kind::Counter;
    family("hottap_moments_observed_total", counter, "Messages of open streams in the tracer's scope.", &|terms| {
        terms.observed
    });
    family("hottap_moments_committed_total", counter, "Messages whose flush was committed.", &|terms| terms.committed);
    family("hottap_moments_pending", Kind::Gauge, "Messages that wait for the tracer or its next flush.", &|terms| {
        terms.pending
    });
    let dropped = writer.family("hottap_moments_dropped_total", counter, "Messages that the tracer lost, by reason.");
    for (tracer, terms) in following() {
        for (reason, moments) in terms.dropped.iter() {
            dropped.sample([("tracer", tracer), ("reason", reason)], moments as f64);
        }
    }
}

/// Where payloads go, and what became of them.
fn write_destinations(all: &[DestinationState], writer: &mut Writer) {
    let mut family = |name: &str, kind: Kind, help: &str, value: &dyn Fn(&DestinationState) -> f64| {
        let family = writer.family(name, kind, help);
        for destination in all {
            family.sample([("destination", destination.name.as_str())], value(destination));
        }
    };
    let counter = Kind::Counter;
    family("hottap_destination_accepted_total", counter, "Payloads that were committed to the destination.", &|d| {
        d.accepted as f64
    });
    family("hottap_destination_delivered_total", counter, "Payloads that the destination took.", &|d| {
        d.delivered as f64
    });
    family("hottap_destination_queued", Kind::Gauge, "Payloads that wait for the destination.", &|d| {
        d.queued.payloads as f64
    });
    family("hottap_destination_queued_bytes", Kind::Gauge, "Bytes that wait for the destination.", &|d| {
        d.queued.bytes as f64
    });
    family("hottap_destination_retries_total", counter, "Tries beyond the first of each payload.", &|d| {
        d.retries as f64
    });
    let mut reasons = |name: &str, help: &str, counts: &dyn Fn(&DestinationState) -> &BTreeMap<&'static str, u64>| {
        let family = writer.family(name, counter, help);
        for destination in all {
            for (reason, payloads) in counts(destination) {
                let labels = [("destination", destination.name.as_str()), ("reason", *reason)];
                family.sample(labels, *payloads as f64);
            }
        }
    };
    reasons("hottap_destination_dropped_total", "Accepted payloads that were lost, by reason.", &|d| &d.dropped);
    reasons("hottap_destination_refused_total", "Payloads that were not accepted, by reason.", &|d| &d.refused);
}
