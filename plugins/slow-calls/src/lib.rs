//! Calls that took too long, one JSON object for each, to the log or to a destination; it keeps no statistics of others.
//!
#![doc = include_str!("../README.md")]

mod record;
mod sink;
#[cfg(test)]
mod tests;
mod thresholds;

use std::collections::BTreeMap;
use std::fmt;

use hottap_guest::metrics::{Counter, CounterSeries};
use hottap_guest::{Batch, Config, Error, Field, Flush, Level, Tracer, export};
use serde::Deserialize;

use record::Who;
use sink::Sink;
use thresholds::Thresholds;

export!(SlowCalls);

/// What an operator can set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    threshold_ms: f64,
    methods: BTreeMap<String, f64>,
    events: bool,
    destination: Option<String>,
    max_per_flush: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { threshold_ms: 100.0, methods: BTreeMap::new(), events: true, destination: None, max_per_flush: 100 }
    }
}

/// The tracer.
pub struct SlowCalls {
    thresholds: Thresholds,
    who: Who,
    sink: Sink,
    /// Calls that may still be told of in this interval.
    left: u32,
    max_per_flush: u32,
    slow: Counter,
    omitted: CounterSeries,
}

impl Tracer for SlowCalls {
    fn new(config: Config) -> Result<Self, Error> {
        let Settings { threshold_ms, methods, events, destination, max_per_flush } = config.parse()?;
        let thresholds = Thresholds::new(threshold_ms, &methods)?;
        if events {
            config.level(Level::Detailed);
        }
        let omitted = Counter::define("slow_calls.omitted")
            .unit("{call}")
            .help("Slow calls beyond what is told of in an interval.")
            .build();
        Ok(Self {
            thresholds,
            who: Who::new(config.service_name(), config.instance_id()),
            sink: Sink::new(destination.as_deref()),
            left: max_per_flush,
            max_per_flush,
            slow: Counter::define("slow_calls.calls")
                .unit("{call}")
                .help("Calls that took longer than their threshold.")
                .labels(["side", "method"])
                .build(),
            omitted: omitted.with(&[]),
        })
    }

    fn finish(&mut self, batch: &Batch) {
        let [methods, nanos] = batch.columns([Field::Method, Field::Duration]);
        for (index, (&method, &nanos)) in methods.iter().zip(nanos).enumerate() {
            // The text of a method is asked for once, and only of those that have calls at all.
            let name = || batch.methods().get(index).map_or("", |method| method.as_str());
            let threshold = self.thresholds.of(method, name);
            if nanos <= threshold {
                continue;
            }
            let Some(call) = batch.call(index) else { continue };
            self.slow.with(&[call.side().as_str(), call.method()]).increment();
            if self.left == 0 {
                self.omitted.increment();
                continue;
            }
            self.left -= 1;
            self.sink.write(&self.who.json(call, threshold, self.sink.max_line()));
        }
    }

    fn flush(&mut self, at: Flush) {
        self.left = self.max_per_flush;
        self.thresholds.forget_idle(at.elapsed);
        self.sink.flush();
    }
}

impl fmt::Debug for SlowCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlowCalls")
            .field("thresholds", &self.thresholds)
            .field("sink", &self.sink)
            .finish_non_exhaustive()
    }
}
