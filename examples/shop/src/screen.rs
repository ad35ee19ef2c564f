//! What the shop prints: lines for whoever looks on, or JSON for a program that does.

use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use crate::load::{Counted, Lap, Quantiles, Second, Taken};
use crate::report::Report;

/// Stdout, in one of two languages.
pub(crate) struct Screen {
    json: bool,
    seconds: u64,
}

impl Screen {
    /// JSON, or lines.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, seconds: 0 }
    }

    /// A line for whoever looks on.
    ///
    /// # Errors
    /// Nobody does any more. So for all that print.
    pub(crate) fn line(&self, line: &str) -> anyhow::Result<()> {
        if self.json { Ok(()) } else { print(line) }
    }

    /// What happened in the last second. With JSON only that the load falls behind is told, to stderr.
    pub(crate) fn second(&mut self, second: &Second) -> anyhow::Result<()> {
        self.seconds += 1;
        if self.json {
            if second.behind > 0 {
                tracing::warn!(rpcs = second.behind, "the load falls behind its rate; a lower --rate would be kept");
            }
            return Ok(());
        }
        print(&line_of(self.seconds, second))
    }

    /// The answer to a command.
    pub(crate) fn answer(&self, answer: Result<Counted, String>) -> anyhow::Result<()> {
        print(&match answer {
            Ok(counted) => json!({"rpcs": counted.finished, "failed": counted.failed}).to_string(),
            Err(words) => json!({"error": words}).to_string(),
        })
    }

    /// The answer to `lap`: the histograms as they are, so that several laps can be added up.
    pub(crate) fn lap(&self, lap: &Lap) -> anyhow::Result<()> {
        let buckets = |taken: &Taken| taken.buckets().map(|(micros, rpcs)| json!([micros, rpcs])).collect::<Vec<_>>();
        let Lap { counted, latencies, prompt } = lap;
        let answer = json!({
            "rpcs": counted.finished, "failed": counted.failed,
            "latencies_us": buckets(latencies), "prompt_latencies_us": buckets(prompt),
        });
        print(&answer.to_string())
    }

    /// The end.
    pub(crate) fn report(&self, report: &Report, quantiles: Option<Quantiles>, behind: u64) -> anyhow::Result<()> {
        if self.json {
            return print(&Value::to_string(&report.json()));
        }
        let mut text = format!("\n{}", report.lines().join("\n"));
        if let Some(Quantiles { p50, p99 }) = quantiles {
            let _ = write!(text, "\nhalf of the RPCs took up to {}, 99 % up to {}", millis(p50), millis(p99));
        }
        if behind > 0 {
            let _ = write!(text, "\n{behind} RPCs were due and not made: the machine did not keep up with --rate");
        }
        print(&text)
    }
}

fn line_of(seconds: u64, second: &Second) -> String {
    let Second { rate, failed_by_design, failed, behind, quantiles } = *second;
    let mut line = format!("{seconds:5} s {rate:8.0} RPC/s {failed_by_design:5} failed by design {failed:5} failed");
    if let Some(Quantiles { p50, p99 }) = quantiles {
        let _ = write!(line, "   p50 {:>8}   p99 {:>8}", millis(p50), millis(p99));
    }
    if behind > 0 {
        let _ = write!(line, "   {behind} behind");
    }
    line
}

fn millis(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1_000.0)
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).context("nobody reads stdout")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_a_line_and_says_if_the_load_falls_behind() {
        let quantiles = Quantiles { p50: Duration::from_micros(412), p99: Duration::from_micros(33_000) };
        let second = Second { rate: 1_999.6, failed_by_design: 41, failed: 0, behind: 0, quantiles: Some(quantiles) };
        assert_eq!(
            line_of(7, &second),
            "    7 s     2000 RPC/s    41 failed by design     0 failed   p50  0.41 ms   p99 33.00 ms"
        );
        let second = Second { behind: 12, quantiles: None, ..second };
        assert_eq!(line_of(7, &second), "    7 s     2000 RPC/s    41 failed by design     0 failed   12 behind");
    }
}
