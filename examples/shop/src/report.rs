//! What a run came to: the load generator's own count beside what every tracer did with it. Reads and prints values.

use std::collections::BTreeMap;

use anyhow::Context;
use hottap::otel::Counts;
use serde_json::{Map, Value, json};

use crate::load::Counted;

/// The last thing that the shop says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    counted: Counted,
    tracers: BTreeMap<String, Tracer>,
    destinations: BTreeMap<String, Destination>,
    /// What became of OpenTelemetry's spans, if any were made.
    spans: Option<Counts>,
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

/// Where tracers sent to, and what became of it, in payloads.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Destination {
    /// What went wrong last, if it goes wrong still.
    error: Option<String>,
    accepted: u64,
    delivered: u64,
    queued: u64,
    dropped: BTreeMap<String, u64>,
}

impl Report {
    /// Of the load generator's count, and of what Hottap says of its tracers (`/api/tracers`) and of where they send to
    /// (`/api/destinations`).
    ///
    /// # Errors
    /// Something that belongs to the accounting is not there.
    pub(crate) fn new(counted: Counted, tracers: &Value, destinations: &Value) -> anyhow::Result<Self> {
        let list = tracers["tracers"].as_array().context("Hottap's status has no list \"tracers\"")?;
        let mut report = Self {
            counted,
            tracers: BTreeMap::new(),
            destinations: BTreeMap::new(),
            spans: None,
            loads: 0,
            swaps: Vec::new(),
        };
        for value in list {
            let name = value["name"].as_str().context("a tracer has no name")?;
            report.read(name, value).with_context(|| format!("the status of tracer {name}"))?;
        }
        let list = destinations["destinations"].as_array().context("Hottap's status has no list \"destinations\"")?;
        for value in list {
            let name = value["name"].as_str().context("a destination has no name")?;
            let destination = Destination::read(value).with_context(|| format!("the status of destination {name}"))?;
            report.destinations.insert(name.to_owned(), destination);
        }
        Ok(report)
    }

    /// The same, with what became of OpenTelemetry's spans.
    pub(crate) fn with_spans(self, spans: Counts) -> Self {
        Self { spans: Some(spans), ..self }
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
        let destinations: Map<String, Value> =
            self.destinations.iter().map(|(name, destination)| (name.clone(), destination.json())).collect();
        let Counted { finished, failed, .. } = self.counted;
        let mut json = json!({
            "rpcs": finished, "failed": failed, "tracers": tracers, "destinations": destinations, "loads": self.loads,
            "swaps": self.swaps,
        });
        if let Some(Counts { ended, exported, rejected, failed, dropped, pending, .. }) = self.spans {
            json["spans"] = json!({
                "ended": ended, "exported": exported, "rejected": rejected, "failed": failed, "dropped": dropped,
                "pending": pending,
            });
        }
        json
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
        if let Some(spans) = &self.spans {
            lines.push(format!("  OpenTelemetry: {}", line_of(spans)));
        }
        if self.tracers.is_empty() && self.spans.is_none() {
            lines.push("  there was no tracer".to_owned());
        }
        for (name, destination) in &self.destinations {
            lines.push(format!("  destination {name}: {}", destination.line()));
            lines.extend(destination.error.iter().map(|error| format!("    {error}")));
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
        Ok(Self {
            error: value["last_error"]["message"].as_str().map(str::to_owned),
            finished: number(value, "finished")?,
            committed: number(value, "committed")?,
            pending: number(value, "pending")?,
            dropped: dropped(value)?,
            dead: number(value, "dead")?,
        })
    }

    fn json(&self) -> Value {
        let Self { finished, committed, pending, dropped, dead, .. } = self;
        json!({"finished": finished, "committed": committed, "pending": pending, "dropped": dropped, "dead": dead})
    }

    fn line(&self) -> String {
        let Self { finished, committed, pending, dropped, dead, .. } = self;
        let lost = lost(dropped);
        format!("{finished} finished = {committed} committed + {pending} pending + {lost} + {dead} dead")
    }
}

impl Destination {
    fn read(value: &Value) -> anyhow::Result<Self> {
        // An error that is over is in the log, and nothing to look at any more.
        let error = &value["last_error"];
        let ongoing = error["message"].as_str().filter(|_| value["state"] != "ok");
        let what_to_do = error["what_to_do"].as_str().unwrap_or_default();
        Ok(Self {
            error: ongoing.map(|message| format!("{message}; {what_to_do}")),
            accepted: number(value, "accepted")?,
            delivered: number(value, "delivered")?,
            queued: number(&value["queued"], "payloads")?,
            dropped: dropped(value)?,
        })
    }

    fn json(&self) -> Value {
        let Self { accepted, delivered, queued, dropped, .. } = self;
        json!({"accepted": accepted, "delivered": delivered, "queued": queued, "dropped": dropped})
    }

    fn line(&self) -> String {
        let Self { accepted, delivered, queued, dropped, .. } = self;
        format!("{accepted} payloads accepted = {delivered} delivered + {queued} queued + {}", lost(dropped))
    }
}

/// What was lost is said if anything was.
fn line_of(spans: &Counts) -> String {
    let Counts { ended, exported, rejected, failed, dropped, pending, .. } = spans;
    let mut line = format!("{ended} spans ended = {exported} exported + {pending} pending");
    for (lost, how) in [(rejected, "rejected by the collector"), (failed, "not delivered"), (dropped, "dropped")] {
        if *lost > 0 {
            line += &format!(" + {lost} {how}");
        }
    }
    line
}

/// What was dropped, by reason.
fn dropped(value: &Value) -> anyhow::Result<BTreeMap<String, u64>> {
    let counts = value["dropped"].as_object().context("has no object \"dropped\"")?;
    let count = |(reason, count): (&String, &Value)| {
        Ok((reason.clone(), count.as_u64().with_context(|| format!("dropped {reason:?} is no count"))?))
    };
    counts.iter().map(count).collect()
}

/// `9 dropped (8 by trap, 1 by queue_full)`.
fn lost(dropped: &BTreeMap<String, u64>) -> String {
    let lost: u64 = dropped.values().sum();
    if lost == 0 {
        return "0 dropped".to_owned();
    }
    let reasons: Vec<String> = dropped.iter().map(|(reason, count)| format!("{count} by {reason}")).collect();
    format!("{lost} dropped ({})", reasons.join(", "))
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

    fn destinations() -> Value {
        json!({"destinations": [
            {"name": "influx", "state": "ok", "accepted": 9, "delivered": 9, "queued": {"payloads": 0, "bytes": 0},
             "dropped": {}, "last_error": {"message": "no connection", "what_to_do": "start it", "at_unix_ms": 1}},
            {"name": "otlp", "state": "stopped", "accepted": 5, "delivered": 1, "queued": {"payloads": 1, "bytes": 70},
             "dropped": {"rejected": 3}, "last_error": {"message": "it answered 400", "what_to_do": "look", "at_unix_ms": 1}},
        ]})
    }

    #[test]
    fn the_report_has_the_load_generators_count_and_every_tracers() {
        let report = Report::new(COUNTED, &status(), &destinations()).expect("it is complete");
        assert_eq!(
            report.json(),
            json!({
                "rpcs": 20, "failed": 1, "loads": 3,
                "tracers": {
                    "red-metrics": {"finished": 20, "committed": 20, "pending": 0, "dropped": {}, "dead": 0},
                    "spin": {"finished": 9, "committed": 0, "pending": 0,
                             "dropped": {"trap": 8, "queue_full": 1}, "dead": 0},
                },
                "destinations": {
                    "influx": {"accepted": 9, "delivered": 9, "queued": 0, "dropped": {}},
                    "otlp": {"accepted": 5, "delivered": 1, "queued": 1, "dropped": {"rejected": 3}},
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
                "  destination influx: 9 payloads accepted = 9 delivered + 0 queued + 0 dropped",
                "  destination otlp: 5 payloads accepted = 1 delivered + 1 queued + 3 dropped (3 by rejected)",
                "    it answered 400; look",
                "  red-metrics: 3fa1 \u{2192} 77b0 in 42 ms",
            ]
        );
    }

    #[test]
    fn a_count_that_is_not_there_is_an_error_and_no_zero() {
        for key in ["finished", "committed", "pending", "dropped", "dead", "loads", "swaps", "name"] {
            let mut status = status();
            status["tracers"][1].as_object_mut().expect("a tracer").remove(key);
            let error = Report::new(COUNTED, &status, &destinations()).expect_err(key);
            assert!(format!("{error:#}").contains(key), "{error:#}");
        }
        for key in ["name", "accepted", "delivered", "queued", "dropped"] {
            let mut destinations = destinations();
            destinations["destinations"][1].as_object_mut().expect("a destination").remove(key);
            let error = Report::new(COUNTED, &status(), &destinations).expect_err(key);
            assert!(format!("{error:#}").contains(if key == "queued" { "payloads" } else { key }), "{error:#}");
        }
        assert!(Report::new(COUNTED, &json!([]), &destinations()).is_err());
        assert!(Report::new(COUNTED, &status(), &json!([])).is_err());
    }

    #[test]
    fn what_became_of_spans_is_said_if_there_were_any() {
        let nothing = (json!({"tracers": []}), json!({"destinations": []}));
        let report = Report::new(COUNTED, &nothing.0, &nothing.1).expect("it is complete");
        assert!(report.json().get("spans").is_none());
        let mut counts = Counts::default();
        (counts.ended, counts.exported) = (9, 9);
        assert_eq!(
            report.clone().with_spans(counts).lines()[1..],
            ["  OpenTelemetry: 9 spans ended = 9 exported + 0 pending"]
        );
        (counts.exported, counts.rejected, counts.failed, counts.dropped, counts.pending) = (1, 1, 2, 2, 3);
        let report = report.with_spans(counts);
        let expected = json!({"ended": 9, "exported": 1, "rejected": 1, "failed": 2, "dropped": 2, "pending": 3});
        assert_eq!(report.json()["spans"], expected);
        let line = "9 spans ended = 1 exported + 3 pending + 1 rejected by the collector + 2 not delivered + 2 dropped";
        assert_eq!(report.lines()[1..], [format!("  OpenTelemetry: {line}")]);
    }

    #[test]
    fn without_tracers_there_is_still_a_count() {
        let nothing = (json!({"tracers": []}), json!({"destinations": []}));
        let report = Report::new(COUNTED, &nothing.0, &nothing.1).expect("it is complete");
        assert_eq!((&report.json()["tracers"], &report.json()["destinations"]), (&json!({}), &json!({})));
        assert_eq!(report.lines().len(), 2);
    }
}
