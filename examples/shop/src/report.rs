//! What a run came to: the load generator's own count beside what every tracer did with it. Reads and prints values.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::{Map, Value, json};

use crate::load::Counted;

/// The last thing that the shop says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    counted: Counted,
    tracers: BTreeMap<String, Tracer>,
    loads: u64,
    swaps: Vec<Value>,
}

/// One tracer, over all its generations.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tracer {
    /// What went wrong last, and what to do.
    error: Option<String>,
    finished: u64,
    committed: u64,
    pending: u64,
    dropped: BTreeMap<String, u64>,
    dead: u64,
}

impl Report {
    /// Of the load generator's count, and of what Hottap says of its tracers (`/api/tracers`).
    ///
    /// # Errors
    /// Something that belongs to the accounting is not there.
    pub(crate) fn new(counted: Counted, status: &Value) -> anyhow::Result<Self> {
        let list = status["tracers"].as_array().context("Hottap's status has no list \"tracers\"")?;
        let mut report = Self { counted, tracers: BTreeMap::new(), loads: 0, swaps: Vec::new() };
        for value in list {
            let name = value["name"].as_str().context("a tracer has no name")?;
            report.read(name, value).with_context(|| format!("the status of tracer {name}"))?;
        }
        Ok(report)
    }

    fn read(&mut self, name: &str, value: &Value) -> anyhow::Result<()> {
        self.tracers.insert(name.to_owned(), Tracer::read(value)?);
        self.loads += number(value, "loads")?;
        for swap in value["swaps"].as_array().context("has no list \"swaps\"")? {
            let (from, to, ms) = (&swap["from"], &swap["to"], &swap["ms"]);
            self.swaps.push(json!({"tracer": name, "from": from, "to": to, "ms": ms}));
        }
        Ok(())
    }

    /// One object: what `cargo xtask demo` reads.
    pub(crate) fn json(&self) -> Value {
        let tracers: Map<String, Value> =
            self.tracers.iter().map(|(name, tracer)| (name.clone(), tracer.json())).collect();
        let Counted { finished, failed, .. } = self.counted;
        json!({"rpcs": finished, "failed": failed, "tracers": tracers, "loads": self.loads, "swaps": self.swaps})
    }

    /// For whoever looks on.
    pub(crate) fn lines(&self) -> Vec<String> {
        let Counted { finished, failed_by_design, failed, .. } = self.counted;
        let mut lines = vec![format!(
            "{finished} RPCs by the load generator's own count: {failed_by_design} failed by design, {failed} should not have"
        )];
        for (name, tracer) in &self.tracers {
            lines.push(format!("  {name}: {}", tracer.line()));
            lines.extend(tracer.error.iter().map(|error| format!("    {error}")));
        }
        if self.tracers.is_empty() {
            lines.push("  there was no tracer".to_owned());
        }
        for swap in &self.swaps {
            let text = |key: &str| swap[key].as_str().unwrap_or_default();
            let ms = swap["ms"].as_f64().unwrap_or_default();
            lines.push(format!("  {}: {} \u{2192} {} in {ms:.0} ms", text("tracer"), text("from"), text("to")));
        }
        lines
    }
}

impl Tracer {
    fn read(value: &Value) -> anyhow::Result<Self> {
        let mut dropped = BTreeMap::new();
        for (reason, calls) in value["dropped"].as_object().context("has no object \"dropped\"")? {
            dropped.insert(reason.clone(), calls.as_u64().with_context(|| format!("dropped {reason:?} is no count"))?);
        }
        Ok(Self {
            error: value["last_error"]["message"].as_str().map(str::to_owned),
            finished: number(value, "finished")?,
            committed: number(value, "committed")?,
            pending: number(value, "pending")?,
            dropped,
            dead: number(value, "dead")?,
        })
    }

    fn json(&self) -> Value {
        let Self { finished, committed, pending, dropped, dead, .. } = self;
        json!({"finished": finished, "committed": committed, "pending": pending, "dropped": dropped, "dead": dead})
    }

    fn line(&self) -> String {
        let Self { finished, committed, pending, dropped, dead, .. } = self;
        let lost: u64 = dropped.values().sum();
        let mut line = format!("{finished} finished = {committed} committed + {pending} pending + {lost} dropped");
        if lost > 0 {
            let reasons: Vec<String> = dropped.iter().map(|(reason, calls)| format!("{calls} by {reason}")).collect();
            line += &format!(" ({})", reasons.join(", "));
        }
        line + &format!(" + {dead} dead")
    }
}

fn number(value: &Value, key: &str) -> anyhow::Result<u64> {
    value[key].as_u64().with_context(|| format!("has no count {key:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTED: Counted = Counted { started: 20, finished: 20, failed_by_design: 3, failed: 1 };

    fn status() -> Value {
        json!({"tracers": [
            {"name": "red-metrics", "finished": 20, "committed": 20, "pending": 0, "dropped": {},
             "dead": 0, "loads": 2, "swaps": [{"from": "3fa1", "to": "77b0", "ms": 41.5}], "last_error": null},
            {"name": "spin", "finished": 9, "committed": 0, "pending": 0,
             "dropped": {"trap": 8, "queue_full": 1}, "dead": 0, "loads": 1, "swaps": [],
             "last_error": {"message": "used up its CPU time in finish", "meanwhile": "", "at_unix_ms": 1}},
        ]})
    }

    #[test]
    fn the_report_has_the_load_generators_count_and_every_tracers() {
        let report = Report::new(COUNTED, &status()).expect("it is complete");
        assert_eq!(
            report.json(),
            json!({
                "rpcs": 20, "failed": 1, "loads": 3,
                "tracers": {
                    "red-metrics": {"finished": 20, "committed": 20, "pending": 0, "dropped": {}, "dead": 0},
                    "spin": {"finished": 9, "committed": 0, "pending": 0,
                             "dropped": {"trap": 8, "queue_full": 1}, "dead": 0},
                },
                "swaps": [{"tracer": "red-metrics", "from": "3fa1", "to": "77b0", "ms": 41.5}],
            })
        );
        assert_eq!(
            report.lines(),
            [
                "20 RPCs by the load generator's own count: 3 failed by design, 1 should not have",
                "  red-metrics: 20 finished = 20 committed + 0 pending + 0 dropped + 0 dead",
                "  spin: 9 finished = 0 committed + 0 pending + 9 dropped (1 by queue_full, 8 by trap) + 0 dead",
                "    used up its CPU time in finish",
                "  red-metrics: 3fa1 \u{2192} 77b0 in 42 ms",
            ]
        );
    }

    #[test]
    fn a_count_that_is_not_there_is_an_error_and_no_zero() {
        for key in ["finished", "committed", "pending", "dropped", "dead", "loads", "swaps", "name"] {
            let mut status = status();
            status["tracers"][1].as_object_mut().expect("a tracer").remove(key);
            let error = Report::new(COUNTED, &status).expect_err(key);
            assert!(format!("{error:#}").contains(key), "{error:#}");
        }
        assert!(Report::new(COUNTED, &json!([])).is_err());
    }

    #[test]
    fn without_tracers_there_is_still_a_count() {
        let report = Report::new(COUNTED, &json!({"tracers": []})).expect("it is complete");
        assert_eq!(report.json()["tracers"], json!({}));
        assert_eq!(report.lines().len(), 2);
    }
}
