//! What is said of one file: for people as a few lines, for programs as one JSON object; nothing is looked at here.

use std::io::{self, Write};

use serde::Serialize;

use crate::Verdict;
use crate::screen::{Screen, Tone, human_bytes};
use hottap_core::plain;
use hottap_plugins::metrics::Defined;
use hottap_plugins::plugin::Access;

/// The findings on one file. Every text in it is one plain line. The keys are a promise to scripts: they are always
/// there, null where nothing is known, and none changes its meaning.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) path: String,
    pub(super) name: Option<String>,
    pub(super) verdict: &'static str,
    pub(super) error: Option<Problem>,
    pub(super) manifest: Option<String>,
    pub(super) enabled: Option<bool>,
    pub(super) generation: Option<String>,
    pub(super) sha256: Option<String>,
    pub(super) bytes: Option<u64>,
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
    pub(super) starter: Option<bool>,
    pub(super) streams: Option<bool>,
    pub(super) level: Option<&'static str>,
    pub(super) period_ms: Option<u64>,
    pub(super) compile_ms: Option<f64>,
    pub(super) trial_ms: Option<f64>,
    pub(super) memory_bytes: Option<u64>,
    pub(super) metrics: Option<Vec<Defined>>,
    pub(super) metric_errors: Option<std::collections::BTreeMap<&'static str, u64>>,
    pub(super) refused_metrics: Option<Vec<Problem>>,
    pub(super) destinations: Option<Vec<Destination>>,
    pub(super) log: Option<Vec<Logged>>,
}

/// The reason why a tracer would not go live, or would not get one of its metrics.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) advice: String,
}

/// A destination that the manifest names, or that the tracer sent to when it was tried.
#[derive(Debug, Serialize)]
pub(super) struct Destination {
    pub(super) name: String,
    /// Whether the tracer may use it; null without the operator's configuration.
    pub(super) access: Option<Access>,
}

/// A line of the tracer's log.
#[derive(Debug, Serialize)]
pub(super) struct Logged {
    pub(super) severity: &'static str,
    pub(super) message: String,
}

impl Report {
    pub(super) fn set_verdict(&mut self, verdict: Verdict) {
        self.verdict = match verdict {
            Verdict::Good => "ok",
            Verdict::Bad => "refused",
            Verdict::Unreadable => "unreadable",
        };
    }

    /// One line.
    pub(super) fn print_json(&self, to: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *to, self)?;
        writeln!(to)
    }

    /// The verdict, and below it what is known.
    pub(super) fn print(&self, to: &mut impl Write, screen: Screen) -> io::Result<()> {
        let tone = if self.error.is_none() { Tone::Good } else { Tone::Bad };
        writeln!(to, "{}  {}", screen.paint(tone, self.verdict), plain::message(&self.path))?;
        let mut fact = |key: &str, value: &str| {
            let key = screen.paint(Tone::Quiet, &format!("{key:<12}"));
            writeln!(to, "  {key} {}", plain::message(value))
        };
        if let Some(problem) = &self.error {
            fact("why", &problem.message)?;
            fact("what to do", &problem.advice)?;
        }
        if let Some(bytes) = self.bytes {
            let compiled = self.compile_ms.map(|ms| format!(", compiled in {ms:.0} ms")).unwrap_or_default();
            let memory = self.memory_bytes.map(|bytes| format!(", {} of memory", human_bytes(bytes)));
            fact("size", &format!("{}{compiled}{}", human_bytes(bytes), memory.unwrap_or_default()))?;
        }
        if let Some(sha256) = &self.sha256 {
            fact("sha256", sha256)?;
        }
        match (&self.manifest, self.enabled) {
            (Some(manifest), Some(false)) => {
                fact("manifest", &format!("{manifest}: enabled = false, so a service would not load it"))?;
            }
            (Some(manifest), _) => fact("manifest", manifest)?,
            (None, _) => {}
        }
        self.print_wishes(&mut fact)
    }

    /// What the tracer asked for and did when it was tried.
    fn print_wishes(&self, fact: &mut impl FnMut(&str, &str) -> io::Result<()>) -> io::Result<()> {
        if let (Some(level), Some(period)) = (self.level, self.period_ms) {
            let capped = if level == "base" { "" } else { " (services that allow less give it less)" };
            fact("asks for", &format!("level {level}{capped}, a flush every {period} ms"))?;
        }
        if self.starter == Some(true) {
            fact("starter", "yes: it is called when calls start, on their own time")?;
        }
        if self.streams == Some(true) {
            fact("streams", "yes: it is called with the messages of calls that are still open")?;
        }
        for metric in self.metrics.iter().flatten() {
            let unit = if metric.unit.is_empty() { "" } else { " in " };
            let by = if metric.labels.is_empty() { "" } else { " by " };
            let labels = metric.labels.join(", ");
            fact("metric", &format!("{}: {}{unit}{}{by}{labels}", metric.name, metric.kind, metric.unit))?;
        }
        for Problem { message, advice } in self.refused_metrics.iter().flatten() {
            fact("refused", &format!("{message}; {advice}"))?;
        }
        for (reason, count) in self.metric_errors.iter().flatten() {
            fact("metric error", &format!("{reason}, {count} times: a service counts it and goes on"))?;
        }
        let tracer = self.name.as_deref().unwrap_or_default();
        for Destination { name, access } in self.destinations.iter().flatten() {
            let state = match access {
                Some(Access::Granted) => "granted".to_owned(),
                Some(Access::NotGranted) => format!("not granted: the operator has to add \"{tracer}\" to its tracers"),
                Some(Access::Undefined) | None => {
                    format!("the operator has to define it in hottap.toml, with tracers = [\"{tracer}\"]")
                }
            };
            fact("destination", &format!("{name}: {state}"))?;
        }
        for line in self.log.iter().flatten() {
            fact("logged", &format!("{}: {}", line.severity, line.message))?;
        }
        Ok(())
    }
}
