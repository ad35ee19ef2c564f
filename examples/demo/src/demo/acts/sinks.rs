//! The acts with tracers that send: what arrives at the demo's own listener is shown.

use std::path::Path;

use super::super::trace;
use super::{Acts, LIVE};

/// Points for InfluxDB.
const INFLUXDB: &str = "influxdb";
/// Twice a second, and without buckets, so that lines are short.
const INFLUXDB_MANIFEST: &str = "\
destinations = [\"influx\"]
[config]
interval_ms = 500
bounds_ms = []
";
/// How many lines are shown.
const LINES_SHOWN: usize = 4;

/// Spans as OTLP.
const RPC_SPAN: &str = "rpc-span";
/// One trace in a hundred is some twenty a second; they bear the names of their methods.
const RPC_SPAN_MANIFEST: &str = "\
destinations = [\"otlp\"]
[config]
ratio = 0.01
method_names = true
";

impl Acts<'_> {
    /// InfluxDB's tracer, and some of the lines that it sends.
    pub(super) fn points(&mut self, module: &Path) -> anyhow::Result<()> {
        if self.interrupt.requested() {
            return Ok(());
        }
        self.screen.event(format_args!("\n{INFLUXDB}.wasm is dropped in: every call as line protocol"));
        self.manifest(INFLUXDB, INFLUXDB_MANIFEST)?;
        self.place(module, INFLUXDB, "")?;
        let receiver = self.receiver;
        let (lines, _) = self.shop.wait(LIVE, "send points", |_| {
            let lines = receiver.lines();
            Ok((lines.len() >= LINES_SHOWN).then_some(lines))
        })?;
        self.screen.event("the operator's destination \"influx\" received, among others:");
        for line in lines.iter().take(LINES_SHOWN) {
            self.screen.event(format_args!("    {line}"));
        }
        Ok(())
    }

    /// The tracer of Kitex's tracing example, and one trace that it sends.
    pub(super) fn spans(&mut self, module: &Path) -> anyhow::Result<()> {
        if self.interrupt.requested() {
            return Ok(());
        }
        self.screen.event(format_args!("\n{RPC_SPAN}.wasm is dropped in: a span from each call's start to its finish"));
        self.manifest(RPC_SPAN, RPC_SPAN_MANIFEST)?;
        self.place(module, RPC_SPAN, "")?;
        let receiver = self.receiver;
        let (tree, _) = self.shop.wait(LIVE, "send a whole trace", |_| {
            let spans = receiver.spans();
            Ok(trace::first_whole(&spans).map(|trace| trace::tree(&trace)))
        })?;
        self.screen.event("the operator's destination \"otlp\" received, among others, this trace:");
        for line in tree {
            self.screen.event(format_args!("    {line}"));
        }
        Ok(())
    }
}
