//! The report of a run of the shop, and whether its counts add up. Reads and judges values, and runs nothing.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::{Map, Value, json};

/// The tracer that has to see every RPC of the load.
pub(crate) const COUNTED: &str = "red-metrics";

/// The last line of the shop, and of the demo with `--json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// RPCs that the load generator counted itself.
    pub(crate) rpcs: u64,
    /// RPCs that should not have failed.
    pub(crate) failed: u64,
    /// By name, summed over all generations.
    pub(crate) tracers: BTreeMap<String, Counts>,
    /// By name: what tracers sent to each.
    pub(crate) destinations: BTreeMap<String, Payloads>,
    /// Generations that went live.
    pub(crate) loads: u64,
    /// Generations that replaced another.
    pub(crate) swaps: Vec<Swap>,
}

/// Where a tracer's finished calls are: `finished` is what the other terms have to add up to, each counted by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) finished: u64,
    pub(crate) committed: u64,
    pub(crate) pending: u64,
    pub(crate) dropped: BTreeMap<String, u64>,
    pub(crate) dead: u64,
}

/// Where the payloads for a destination are: `accepted` is what the other terms have to add up to, each counted by
/// itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Payloads {
    pub(crate) accepted: u64,
    pub(crate) delivered: u64,
    pub(crate) queued: u64,
    pub(crate) dropped: BTreeMap<String, u64>,
}

/// One generation took over from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Swap {
    pub(crate) tracer: String,
    pub(crate) from: String,
    pub(crate) to: String,
    /// From the change of the file to the new generation being live, in milliseconds.
    pub(crate) ms: u64,
}

impl Report {
    /// Reads the line.
    ///
    /// # Errors
    /// It is no JSON, or a count is missing.
    pub(crate) fn parse(line: &str) -> anyhow::Result<Self> {
        let value: Value = serde_json::from_str(line).context("the report is no JSON")?;
        let mut tracers = BTreeMap::new();
        for (name, counts) in object(&value, "tracers")? {
            let counts = Counts::read(counts).with_context(|| format!("tracer {name}"))?;
            tracers.insert(name.clone(), counts);
        }
        let mut destinations = BTreeMap::new();
        for (name, payloads) in object(&value, "destinations")? {
            let payloads = Payloads::read(payloads).with_context(|| format!("destination {name}"))?;
            destinations.insert(name.clone(), payloads);
        }
        let swaps = value["swaps"].as_array().context("the report has no list \"swaps\"")?;
        Ok(Self {
            rpcs: number(&value, "rpcs")?,
            failed: number(&value, "failed")?,
            tracers,
            destinations,
            loads: number(&value, "loads")?,
            swaps: swaps.iter().map(Swap::read).collect::<anyhow::Result<_>>()?,
        })
    }

    /// One line of JSON.
    pub(crate) fn json(&self) -> Value {
        let tracers: Map<String, Value> =
            self.tracers.iter().map(|(name, counts)| (name.clone(), counts.json())).collect();
        let destinations: Map<String, Value> =
            self.destinations.iter().map(|(name, payloads)| (name.clone(), payloads.json())).collect();
        let swaps: Vec<Value> = self.swaps.iter().map(Swap::json).collect();
        json!({
            "rpcs": self.rpcs, "failed": self.failed, "tracers": tracers, "destinations": destinations,
            "loads": self.loads, "swaps": swaps,
        })
    }

    /// Everything that does not add up, in words; empty is good.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.rpcs == 0 {
            complaints.push("the load generator made no RPC".to_owned());
        }
        if self.failed != 0 {
            complaints.push(format!("{} RPCs failed that should not have", self.failed));
        }
        for (name, counts) in &self.tracers {
            let accounted = counts.accounted();
            if counts.finished != accounted {
                complaints.push(format!(
                    "{name}: {} finished, but committed + pending + dropped + dead is {accounted}",
                    counts.finished
                ));
            }
        }
        for (name, payloads) in &self.destinations {
            complaints.extend(payloads.complaints(name));
        }
        // A tracer that spins may not get to its last batches; the one that is well must, to the last call.
        let Some(counted) = self.tracers.get(COUNTED) else {
            complaints.push(format!("{COUNTED} is not in the report"));
            return complaints;
        };
        if counted.pending != 0 {
            complaints.push(format!("{COUNTED}: {} pending after the drain", counted.pending));
        }
        if counted.committed != self.rpcs {
            let committed = counted.committed;
            complaints.push(format!("{COUNTED} committed {committed} calls, the load generator counted {}", self.rpcs));
        }
        complaints
    }
}

impl Counts {
    /// The calls that are somewhere.
    pub(crate) fn accounted(&self) -> u64 {
        self.committed + self.pending + self.dropped.values().sum::<u64>() + self.dead
    }

    /// Of an object with the terms as keys: one of the report's, or a tracer of `/api/tracers`.
    ///
    /// # Errors
    /// A count is missing.
    pub(crate) fn read(value: &Value) -> anyhow::Result<Self> {
        Ok(Self {
            finished: number(value, "finished")?,
            committed: number(value, "committed")?,
            pending: number(value, "pending")?,
            dropped: dropped(value)?,
            dead: number(value, "dead")?,
        })
    }

    fn json(&self) -> Value {
        let Self { finished, committed, pending, dropped, dead } = self;
        json!({"finished": finished, "committed": committed, "pending": pending, "dropped": dropped, "dead": dead})
    }
}

impl Swap {
    fn read(value: &Value) -> anyhow::Result<Self> {
        let text = |key: &str| {
            let text = value[key].as_str().with_context(|| format!("a swap has no text {key:?}"))?;
            anyhow::Ok(text.to_owned())
        };
        // Somebody may measure in fractions; whole milliseconds are what is promised.
        let ms = value["ms"].as_f64().context("a swap has no number \"ms\"")?;
        Ok(Self { tracer: text("tracer")?, from: text("from")?, to: text("to")?, ms: ms.round() as u64 })
    }

    fn json(&self) -> Value {
        json!({"tracer": self.tracer, "from": self.from, "to": self.to, "ms": self.ms})
    }
}

impl Payloads {
    /// The payloads that are somewhere.
    pub(crate) fn accounted(&self) -> u64 {
        self.delivered + self.queued + self.dropped.values().sum::<u64>()
    }

    /// The demo's receiver is always there, and takes all that the tracers send.
    fn complaints(&self, name: &str) -> Vec<String> {
        let Self { accepted, queued, dropped, .. } = self;
        let lost: u64 = dropped.values().sum();
        let mut complaints = Vec::new();
        let accounted = self.accounted();
        if *accepted != accounted {
            complaints.push(format!(
                "destination {name}: {accepted} accepted, but delivered + queued + dropped is {accounted}"
            ));
        }
        if *queued != 0 {
            complaints.push(format!("destination {name}: {queued} queued after the drain"));
        }
        if lost != 0 {
            complaints.push(format!("destination {name}: {lost} dropped"));
        }
        complaints
    }

    fn read(value: &Value) -> anyhow::Result<Self> {
        Ok(Self {
            accepted: number(value, "accepted")?,
            delivered: number(value, "delivered")?,
            queued: number(value, "queued")?,
            dropped: dropped(value)?,
        })
    }

    fn json(&self) -> Value {
        let Self { accepted, delivered, queued, dropped } = self;
        json!({"accepted": accepted, "delivered": delivered, "queued": queued, "dropped": dropped})
    }
}

/// What was dropped, by reason.
fn dropped(value: &Value) -> anyhow::Result<BTreeMap<String, u64>> {
    let count = |(reason, count): (&String, &Value)| {
        Ok((reason.clone(), count.as_u64().with_context(|| format!("dropped {reason:?} is no count"))?))
    };
    object(value, "dropped")?.iter().map(count).collect()
}

fn number(value: &Value, key: &str) -> anyhow::Result<u64> {
    value[key].as_u64().with_context(|| format!("the report has no count {key:?}"))
}

fn object<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a Map<String, Value>> {
    value[key].as_object().with_context(|| format!("the report has no object {key:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"rpcs":20,"failed":0,"loads":4,"tracers":{
        "red-metrics":{"finished":20,"committed":20,"pending":0,"dropped":{},"dead":0},
        "spin":{"finished":9,"committed":0,"pending":0,"dropped":{"trap":8,"queue":1},"dead":0}},
        "destinations":{"influx":{"accepted":7,"delivered":7,"queued":0,"dropped":{}}},
        "swaps":[{"tracer":"red-metrics","from":"3fa1","to":"77b0","ms":41}]}"#;

    fn good() -> Report {
        Report::parse(GOOD).expect("it is good")
    }

    #[track_caller]
    fn complains(change: impl FnOnce(&mut Report), expected: &str) {
        let mut report = good();
        change(&mut report);
        assert_eq!(report.complaints(), [expected]);
    }

    #[test]
    fn a_report_reads_as_it_is_written() {
        let report = good();
        assert_eq!(Report::parse(&report.json().to_string()).ok(), Some(report.clone()));
        assert_eq!(report.complaints(), Vec::<String>::new());
    }

    #[test]
    fn counts_that_do_not_add_up_are_named() {
        complains(|report| report.failed = 2, "2 RPCs failed that should not have");
        complains(|report| report.rpcs = 21, "red-metrics committed 20 calls, the load generator counted 21");
        complains(
            |report| {
                report.tracers.entry("spin".into()).and_modify(|spin| spin.finished = 10);
            },
            "spin: 10 finished, but committed + pending + dropped + dead is 9",
        );
        complains(
            |report| {
                report.tracers.entry(COUNTED.into()).and_modify(|red| (red.finished, red.pending) = (21, 1));
            },
            "red-metrics: 1 pending after the drain",
        );
        let influx = |change: fn(&mut Payloads)| {
            move |report: &mut Report| {
                report.destinations.entry("influx".into()).and_modify(change);
            }
        };
        complains(
            influx(|influx| influx.accepted = 8),
            "destination influx: 8 accepted, but delivered + queued + dropped is 7",
        );
        complains(
            influx(|influx| (influx.accepted, influx.queued) = (8, 1)),
            "destination influx: 1 queued after the drain",
        );
        complains(
            influx(|influx| {
                influx.accepted = 9;
                influx.dropped.insert("rejected".into(), 2);
            }),
            "destination influx: 2 dropped",
        );
        complains(
            |report| {
                report.tracers.remove(COUNTED);
            },
            "red-metrics is not in the report",
        );
    }

    #[test]
    fn a_missing_count_is_an_error_and_no_zero() {
        for key in ["rpcs", "failed", "tracers", "destinations", "loads", "swaps", "dead", "accepted"] {
            let error = Report::parse(&GOOD.replace(key, "other")).expect_err(key);
            assert!(format!("{error:#}").contains(&format!("{key:?}")), "{error:#}");
        }
        assert!(Report::parse("thread panicked").is_err());
    }
}
