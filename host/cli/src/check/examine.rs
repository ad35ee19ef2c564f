//! Looking at one plugin as the host's loader does, and noting what there was to see on the way.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::report::{Destination, Logged, Problem, Report};
use super::subject::{NoPlugin, Plugin, Subject};
use crate::Verdict;
use hottap_core::plain;
use hottap_plugins::metrics::RefusedMetric;
use hottap_plugins::plugin::{Access, Files, Generation, Given, Operator, Refusal, hex};
use hottap_plugins::wasm::{Engines, Guest, Identity, Interfaces, Line, Trial};

/// What tracers are looked at with: what a service has.
pub(super) struct Bench {
    pub(super) engines: Engines,
    pub(super) operator: Operator,
    /// Whether the operator's configuration was given: without it, nobody knows what is granted.
    pub(super) configured: bool,
}

/// Looks at one subject. Runs guests on this thread, which must have [`hottap_plugins::wasm::WORKER_STACK`].
pub(super) fn examine(subject: &Subject, bench: &Bench) -> (Verdict, Report) {
    let mut report = Report { path: shown(&subject.path), ..Report::default() };
    let (verdict, problem) = match &subject.found {
        Ok(plugin) => match load(plugin, bench, &mut report) {
            Ok(()) => (Verdict::Good, None),
            Err(refusal) => {
                let verdict = if matches!(refusal, Refusal::Read { .. }) { Verdict::Unreadable } else { Verdict::Bad };
                let (message, advice) = (plain::message(&refusal.to_string()), plain::message(&refusal.what_to_do()));
                (verdict, Some(Problem { message, advice }))
            }
        },
        Err(NoPlugin::PassedOver(message)) => {
            let advice = "rename it; until then a service passes over it, and lists it in /api/tracers".to_owned();
            (Verdict::Bad, Some(Problem { message: message.clone(), advice }))
        }
        Err(NoPlugin::Unreadable(message, advice)) => {
            (Verdict::Unreadable, Some(Problem { message: message.clone(), advice: advice.clone() }))
        }
    };
    report.set_verdict(verdict);
    report.error = problem;
    (verdict, report)
}

/// The loader's steps in the loader's order, except that a plugin that is switched off is looked at too: whoever asks
/// wants to know what would happen if it were switched on.
fn load(plugin: &Plugin, bench: &Bench, report: &mut Report) -> Result<(), Refusal> {
    report.name = Some(plugin.name.to_string());
    report.manifest = plugin.manifest.as_deref().map(shown);
    let files = Files::read(&plugin.folder, &plugin.name, plugin.manifest.is_some())?;
    report.enabled = Some(files.manifest.enabled);
    let grants = bench.operator.grants(&plugin.name);
    report.generation = Some(files.id(&grants).to_string());
    report.sha256 = Some(hex(&files.digest));
    report.bytes = Some(files.module.len() as u64);
    let interfaces = Interfaces::of(&files.module);
    report.starter = Some(interfaces.exports_of_contract("starter"));
    report.streams = Some(interfaces.exports_of_contract("streams"));
    report.imports = interfaces.imports.into_iter().collect();
    report.exports = interfaces.exports.into_iter().collect();
    files.check_digest()?;
    if !bench.operator.trusts_plugin_dir() {
        files.check_trust()?;
    }

    let began = Instant::now();
    let module = files.compile(&bench.engines)?;
    report.compile_ms = Some(milliseconds(began));
    let began = Instant::now();
    let given = Given { identity: Arc::new(identity()), grants, outbox: bench.operator.outbox.clone() };
    let (generation, mut canary) = files.try_out(module, given)?;
    report.trial_ms = Some(milliseconds(began));
    note(&generation, &mut *canary, bench, report);
    Ok(())
}

/// What a made-up service tells a tracer of itself.
fn identity() -> Identity {
    [("service.name", "hottap-check"), ("service.instance.id", "hottap-check")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

fn note(generation: &Generation, canary: &mut dyn Guest, bench: &Bench, report: &mut Report) {
    report.level = Some(generation.settings.level.as_str());
    report.period_ms = Some(u64::try_from(generation.settings.period.as_millis()).unwrap_or(u64::MAX));
    report.memory_bytes = Some(canary.memory() as u64);
    let Trial { metrics, metric_errors, refused_metrics, destinations, lines } = canary.trial();
    report.metrics = Some(metrics);
    let refused = refused_metrics.into_iter().map(|RefusedMetric { message, what_to_do }| Problem {
        message: plain::message(&message),
        advice: plain::message(&what_to_do),
    });
    report.refused_metrics = Some(refused.collect());
    report.metric_errors = Some(metric_errors.into_iter().collect());
    report.destinations = Some(access(generation, destinations, bench));
    report.log = Some(lines.into_iter().map(logged).collect());
}

/// The destinations that the manifest names and those that the tracer sent to, and whether it may.
fn access(generation: &Generation, sent_to: Vec<String>, bench: &Bench) -> Vec<Destination> {
    let manifest = &generation.manifest;
    let names: BTreeSet<String> = manifest.destinations.iter().cloned().chain(sent_to).collect();
    let names: Vec<String> = names.into_iter().collect();
    let known = bench.operator.access(&generation.name, &names);
    let destination = |(name, access): (String, Access)| {
        // What a trusted manifest defines counts as soon as its tracer is live, unless the operator has another one.
        let own = access == Access::Undefined && manifest.defines.contains_key(&name);
        let access = if own { Access::Granted } else { access };
        Destination { name: plain::message(&name), access: (bench.configured || own).then_some(access) }
    };
    known.into_iter().map(destination).collect()
}

fn logged(line: Line) -> Logged {
    let severity = match line.severity {
        0 | 1 => "trace",
        2 => "debug",
        3 => "info",
        4 => "warn",
        _ => "error",
    };
    Logged { severity, message: line.message }
}

fn milliseconds(since: Instant) -> f64 {
    // Microseconds are as fine as anybody wants to read.
    (since.elapsed().as_secs_f64() * 1e6).round() / 1e3
}

fn shown(path: &Path) -> String {
    plain::path(path)
}
