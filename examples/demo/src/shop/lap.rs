//! Histograms of the load generator as values: laps that are added up, and their quantiles.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::Value;

/// The measurements of the load generator between two moments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lap {
    /// Every RPC.
    pub(crate) all: Histogram,
    /// The RPCs that are not slow by design.
    pub(crate) prompt: Histogram,
}

/// RPCs by how long they took: for each bucket its greatest value in microseconds, and the RPCs in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Histogram(BTreeMap<u64, u64>);

impl Lap {
    /// The shop's answer to `lap`.
    ///
    /// # Errors
    /// A histogram is missing.
    pub(crate) fn read(answer: &Value) -> anyhow::Result<Self> {
        let histogram = |key: &str| Histogram::read(&answer[key]).with_context(|| format!("\"lap\" has no {key:?}"));
        Ok(Self { all: histogram("latencies_us")?, prompt: histogram("prompt_latencies_us")? })
    }

    /// Adds another lap.
    pub(crate) fn add(&mut self, other: &Self) {
        self.all.add(&other.all);
        self.prompt.add(&other.prompt);
    }
}

impl Histogram {
    fn read(value: &Value) -> Option<Self> {
        let bucket = |value: &Value| Some((value[0].as_u64()?, value[1].as_u64()?));
        value.as_array()?.iter().map(bucket).collect::<Option<_>>().map(Self)
    }

    fn add(&mut self, other: &Self) {
        for (micros, rpcs) in &other.0 {
            *self.0.entry(*micros).or_default() += rpcs;
        }
    }

    /// The time in microseconds within which 99 % of the RPCs ended; 0 if there were none.
    pub(crate) fn p99(&self) -> u64 {
        let rank = (self.0.values().sum::<u64>() * 99).div_ceil(100);
        let mut below = 0;
        let reached = self.0.iter().find(|(_, rpcs)| {
            below += **rpcs;
            below >= rank
        });
        reached.map_or(0, |(micros, _)| *micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laps_are_added_up_and_have_one_quantile() {
        let lap = |all: &[(u64, u64)]| {
            let all: Vec<Value> = all.iter().map(|(micros, rpcs)| serde_json::json!([micros, rpcs])).collect();
            Lap::read(&serde_json::json!({"latencies_us": all, "prompt_latencies_us": [[7, 1]]})).expect("complete")
        };
        let mut sum = lap(&[(100, 98), (900, 1)]);
        assert_eq!((sum.all.p99(), sum.prompt.p99()), (900, 7));
        sum.add(&lap(&[(50, 101)]));
        assert_eq!((sum.all.p99(), sum.all.0.values().sum::<u64>()), (100, 200));
        assert_eq!(Histogram::default().p99(), 0);
        assert!(Lap::read(&serde_json::json!({"latencies_us": [[1, "2"]]})).is_err());
    }
}
