//! The host's own metrics: what it knows of plugins, of destinations and of itself. What is counted by reason has a
//! sample for each reason from the start, so that a rate is known of the first one.

use std::collections::BTreeMap;

use super::status::TracerStatus;
use crate::metrics::{Families, Kind, Samples};
use crate::outbox::{DestinationState, Refused};
use crate::plugin::operator::ConfigHealth;
use hottap_core::collect::MomentTerms;
use hottap_core::host_metrics::{MetricFamily, MetricKind};
use hottap_core::rpc::Symbol;

/// What became of the calls of each plugin, and what it takes.
pub(super) fn tracers(all: &[TracerStatus], writer: &mut impl Families) {
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
        for reason in Refused::REASONS {
            let payloads = tracer.payloads_refused.get(reason).copied().unwrap_or(0);
            refused.sample([("tracer", tracer.name.as_str()), ("reason", reason)], payloads as f64);
        }
    }
    moments(all, writer);
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
}

/// Writes the metrics of the operator's configuration: whether it has an error, and when it last took effect.
pub(super) fn config(health: ConfigHealth, writer: &mut impl Families) {
    let help = "1 if the operator's configuration cannot be used as it stands: the one before stays in effect.";
    let error = writer.family("hottap_config_error", Kind::Gauge, help);
    error.sample([], f64::from(u8::from(health.has_error)));
    let name = "hottap_config_last_reload_success_timestamp_seconds";
    let help = "The Unix time at which the operator's configuration last took effect; 0 if it never did.";
    let loaded = writer.family(name, Kind::Gauge, help);
    loaded.sample([], health.loaded_at.unwrap_or(0) as f64 / 1e3);
}

/// Writes whether the plugin dir has a problem.
pub(super) fn plugin_dir(has_error: bool, writer: &mut impl Families) {
    let help =
        "1 if the plugin dir is missing, cannot be read, or was just replaced: the live plugins stay live for a while.";
    let error = writer.family("hottap_plugin_dir_error", Kind::Gauge, help);
    error.sample([], f64::from(u8::from(has_error)));
}

/// Writes the actions that operators took over the admin API, by action and result.
pub(super) fn actions(
    is_paused: bool,
    counts: impl Iterator<Item = (&'static str, &'static str, u64)>,
    writer: &mut impl Families,
) {
    let help = "1 if operators have paused all tracers.";
    writer.family("hottap_paused", Kind::Gauge, help).sample([], f64::from(u8::from(is_paused)));
    let help = "Actions that were asked of the admin API, by action and result.";
    let actions = writer.family("hottap_admin_actions_total", Kind::Counter, help);
    counts.for_each(|(action, result, count)| actions.sample([("action", action), ("result", result)], count as f64));
}

/// What the host knows of itself.
pub(super) fn host(native_panics: u64, panics: impl Iterator<Item = (&'static str, u64)>, writer: &mut impl Families) {
    let counter = Kind::Counter;
    let symbols =
        writer.family("hottap_symbols_overflowed_total", counter, "Texts that found no room in the symbol table.");
    symbols.sample([], f64::from(Symbol::overflowed()));
    let native = writer.family("hottap_native_panics_total", counter, "Panics of native tracers.");
    native.sample([], native_panics as f64);
    let own = writer.family("hottap_panics_total", counter, "Panics of Hottap itself that were caught, by thread.");
    panics.for_each(|(thread, panics)| own.sample([("thread", thread)], panics as f64));
}

/// The messages of open streams, of those who follow them.
fn moments(all: &[TracerStatus], writer: &mut impl Families) {
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
pub(super) fn destinations(all: &[DestinationState], writer: &mut impl Families) {
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
    let refused = "Points, spans or lines that the destination refused in payloads that it took.";
    family("hottap_destination_items_refused_total", counter, refused, &|d| d.items_refused as f64);
    family("hottap_destination_queued", Kind::Gauge, "Payloads that wait for the destination.", &|d| {
        d.queued.payloads as f64
    });
    family("hottap_destination_queued_bytes", Kind::Gauge, "Bytes that wait for the destination.", &|d| {
        d.queued.bytes as f64
    });
    family("hottap_destination_retries_total", counter, "Tries beyond the first of each payload.", &|d| {
        d.retries as f64
    });
    family("hottap_destination_error", Kind::Gauge, "1 if the destination fails, or waits for the operator.", &|d| {
        f64::from(u8::from(matches!(d.state, "failing" | "waiting")))
    });
    type Counts = BTreeMap<&'static str, u64>;
    let mut by_reason = |name: &str, help: &str, all_reasons: &[&'static str], of: fn(&DestinationState) -> &Counts| {
        let family = writer.family(name, counter, help);
        for destination in all {
            for reason in all_reasons {
                let labels = [("destination", destination.name.as_str()), ("reason", *reason)];
                family.sample(labels, of(destination).get(reason).copied().unwrap_or(0) as f64);
            }
        }
    };
    let (dropped, refused) = (&DestinationState::DROPPED, &DestinationState::REFUSED);
    let help = "Accepted payloads that were lost, by reason.";
    by_reason("hottap_destination_dropped_total", help, dropped, |d| &d.dropped);
    let help = "Payloads that were not accepted, by reason.";
    by_reason("hottap_destination_refused_total", help, refused, |d| &d.refused);
}

/// The metrics of the parts beside the plugins: servers, exporters.
pub(super) fn others(families: &[MetricFamily], writer: &mut impl Families) {
    for MetricFamily { name, kind, help, samples } in families {
        let kind = match kind {
            MetricKind::Counter => Kind::Counter,
            MetricKind::Gauge => Kind::Gauge,
        };
        let family = writer.family(name, kind, help);
        for (labels, value) in samples {
            let labels: Vec<(&str, &str)> = labels.iter().map(|(label, value)| (*label, value.as_str())).collect();
            family.sample(labels, *value);
        }
    }
}
