//! The acts of the demo in their order: what is dropped into the plugin dir when, and what is shown of it.

mod order;
mod sinks;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::receiver::Receiver;
use super::screen::{Load, Row, Screen, human, short};
use crate::files;
use crate::interrupt::Interrupt;
use crate::shop::report::{COUNTED, Counts, Payloads, Report};
use crate::shop::{COUNTED_SCOPE, Shop, Tracer};

/// The tracer that spins for ever.
const SPIN: &str = "spin";

/// A tracer is live within milliseconds of its file; a machine that takes this long is overloaded.
const LIVE: Duration = Duration::from_secs(60);
/// How often the table is drawn.
const MOMENT: Duration = Duration::from_secs(1);
/// How often Ctrl-C is looked at.
const BLINK: Duration = Duration::from_millis(50);
/// How many of a tracer's series are shown: enough to see what they are.
const SERIES_SHOWN: usize = 4;

/// The end, and the next thing to do.
const YOUR_TURN: &str = "
Your turn. In one terminal:
  cargo run -p shop -- --plugins target/plugins --admin 127.0.0.1:9600
Edit examples/first-tracer/src/lib.rs, run this in another, see it live:
  cargo xtask guests first-tracer --out target/plugins && curl -s 127.0.0.1:9600/api/tracers";

/// Where the modules lie.
pub(super) struct Modules {
    pub(super) red: PathBuf,
    pub(super) extra: PathBuf,
    pub(super) influxdb: PathBuf,
    pub(super) rpc_span: PathBuf,
    pub(super) spin: PathBuf,
}

/// One performance.
pub(super) struct Acts<'a> {
    pub(super) shop: &'a mut Shop,
    pub(super) screen: &'a mut Screen,
    pub(super) plugins: &'a Path,
    /// Where the tracers send to.
    pub(super) receiver: &'a Receiver,
    pub(super) interrupt: &'a Interrupt,
    /// How long the load is to run.
    pub(super) length: Duration,
    began: Instant,
    last: Option<(Instant, u64)>,
}

impl<'a> Acts<'a> {
    /// Begins the clock.
    pub(super) fn new(
        shop: &'a mut Shop,
        screen: &'a mut Screen,
        plugins: &'a Path,
        receiver: &'a Receiver,
        interrupt: &'a Interrupt,
        length: Duration,
    ) -> Self {
        Self { shop, screen, plugins, receiver, interrupt, length, began: Instant::now(), last: None }
    }

    /// All acts. `traced` is called when the first call has been traced.
    ///
    /// # Errors
    /// The shop is gone, or something that was waited for did not happen. Ctrl-C is no error: it ends early.
    pub(super) fn play(&mut self, modules: &Modules, traced: impl FnOnce(&mut Screen)) -> anyhow::Result<()> {
        self.watch_until(self.length / 12)?;
        self.first_tracer(&modules.red, traced)?;
        self.watch_until(self.length * 3 / 12)?;
        self.swap(&modules.extra, "a build with one more column")?;
        self.watch_until(self.length * 4 / 12)?;
        self.swap(&modules.red, "the build from before")?;
        self.watch_until(self.length * 5 / 12)?;
        self.points(&modules.influxdb)?;
        self.watch_until(self.length * 6 / 12)?;
        self.spans(&modules.rpc_span)?;
        self.watch_until(self.length * 8 / 12)?;
        self.order_by_hand(&modules.red)?;
        self.watch_until(self.length * 9 / 12)?;
        self.spinning_tracer(&modules.spin)?;
        self.watch_until(self.length)
    }

    /// The load pauses for the moment between two counts: the load generator's begins where the tracer's does, and
    /// they can be compared to the last call. Nothing but the comparison needs the pause; the swaps go without.
    fn first_tracer(&mut self, module: &Path, traced: impl FnOnce(&mut Screen)) -> anyhow::Result<()> {
        if self.interrupt.requested() {
            return Ok(());
        }
        self.shop.hold()?;
        self.screen.event(format_args!("\n{COUNTED}.wasm is dropped into the plugin dir"));
        self.manifest(COUNTED, COUNTED_SCOPE)?;
        let generation = self.place(module, COUNTED, "")?;
        self.shop.go()?;
        self.last = Some((Instant::now(), 0));
        self.shop.wait(LIVE, "trace a call", |shop| {
            let tracers = shop.tracers()?;
            Ok(named(&tracers, COUNTED).is_some_and(|tracer| tracer.calls > 0).then_some(()))
        })?;
        traced(self.screen);
        let prefix = format!("tracer=\"{COUNTED}\"");
        let (series, _) = self.shop.wait(LIVE, "show the first numbers", |shop| {
            let series = first_numbers(&shop.metrics()?, &prefix);
            Ok((!series.is_empty()).then_some(series))
        })?;
        self.screen.event(format_args!("generation {} has its first numbers, in GET /metrics:", short(&generation)));
        for line in series {
            self.screen.event(format_args!("    {line}"));
        }
        Ok(())
    }

    fn swap(&mut self, module: &Path, what: &str) -> anyhow::Result<()> {
        if self.interrupt.requested() {
            return Ok(());
        }
        let tracers = self.shop.tracers()?;
        let before = named(&tracers, COUNTED).map(|tracer| tracer.generation.clone()).unwrap_or_default();
        self.screen.event(format_args!("\n{COUNTED}.wasm is replaced by {what}, under load"));
        self.place(module, COUNTED, &before).map(drop)
    }

    /// Writes the manifest that will stand beside a tracer.
    fn manifest(&self, name: &str, manifest: &str) -> anyhow::Result<()> {
        let file = self.plugins.join(format!("{name}.toml"));
        std::fs::write(&file, manifest).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Puts the module in the tracer's place, and waits until a generation other than `before` is live.
    fn place(&mut self, module: &Path, name: &str, before: &str) -> anyhow::Result<String> {
        files::place(module, &self.plugins.join(format!("{name}.wasm")))?;
        let (generation, took) = self.shop.wait(LIVE, "load the tracer", |shop| {
            let tracers = shop.tracers()?;
            let live = named(&tracers, name).filter(|tracer| tracer.is_live() && tracer.generation != before);
            Ok(live.map(|tracer| tracer.generation.clone()))
        })?;
        show_log(self.shop, self.screen);
        self.screen.event(format_args!("generation {} is live after {}", short(&generation), milliseconds(took)));
        Ok(generation)
    }

    fn spinning_tracer(&mut self, module: &Path) -> anyhow::Result<()> {
        if self.interrupt.requested() {
            return Ok(());
        }
        let before = self.shop.count()?;
        self.screen.event(format_args!("\n{SPIN}.wasm is dropped in: a tracer that never returns from `finish`"));
        files::place(module, &self.plugins.join(format!("{SPIN}.wasm")))?;
        let (error, took) = self.shop.wait(LIVE, "name the tracer that spins", |shop| {
            let tracers = shop.tracers()?;
            Ok(named(&tracers, SPIN).and_then(|tracer| tracer.error.clone()))
        })?;
        let after = self.shop.count()?;
        show_log(self.shop, self.screen);
        // The log above has the whole of it.
        let short = error.split(';').next().unwrap_or_default();
        self.screen.event(format_args!("it is named after {}: {short}", milliseconds(took)));
        self.screen.event(format_args!(
            "the shop does not care: {} RPCs meanwhile, {} failed that should not have",
            after.rpcs.saturating_sub(before.rpcs),
            after.failed
        ));
        Ok(())
    }

    /// Draws a table a second until so much of the demo has passed, or Ctrl-C.
    fn watch_until(&mut self, passed: Duration) -> anyhow::Result<()> {
        while self.began.elapsed() < passed && !self.interrupt.requested() {
            let next = (Instant::now() + MOMENT).min(self.began + passed);
            while Instant::now() < next && !self.interrupt.requested() {
                std::thread::sleep(BLINK.min(next.saturating_duration_since(Instant::now())));
                show_log(self.shop, self.screen);
            }
            self.moment()?;
        }
        Ok(())
    }

    fn moment(&mut self) -> anyhow::Result<()> {
        let (counted, now) = (self.shop.count()?, Instant::now());
        let (then, before) = self.last.unwrap_or((self.began, 0));
        let rpcs = counted.rpcs.saturating_sub(before) as f64;
        let load = Load {
            second: self.began.elapsed().as_secs(),
            rpcs_per_second: rpcs / now.duration_since(then).as_secs_f64().max(f64::EPSILON),
            failed: counted.failed,
        };
        self.last = Some((now, counted.rpcs));
        let rows: Vec<Row> = self.shop.tracers()?.into_iter().map(row).collect();
        self.screen.table(load, &rows);
        Ok(())
    }
}

/// The service's own log, as its operator would see it.
pub(super) fn show_log(shop: &Shop, screen: &mut Screen) {
    for line in shop.log() {
        screen.event(format_args!("    {line}"));
    }
}

/// Writes what stays on the screen.
pub(super) fn epilogue(screen: &mut Screen, report: &Report) {
    counts(screen, report);
    if !report.swaps.is_empty() {
        screen.event("generations replaced under load:");
    }
    for swap in &report.swaps {
        let (from, to) = (short(&swap.from), short(&swap.to));
        screen.event(format_args!("  {}: {from} \u{2192} {to} in {} ms", swap.tracer, swap.ms));
    }
    screen.event(YOUR_TURN);
}

/// Where all calls and payloads are.
pub(crate) fn counts(screen: &mut Screen, report: &Report) {
    screen.event(format_args!("{} RPCs by the load generator's own count", report.rpcs));
    screen.event(format_args!(
        "calls, each in one place; {COUNTED} sees what the load generator counts, others also the calls between services:"
    ));
    for (name, counts) in &report.tracers {
        let Counts { finished, committed, pending, dropped, dead } = counts;
        let lost = lost(dropped);
        screen.event(format_args!(
            "  {name}: {finished} finished = {committed} committed + {pending} pending + {lost} + {dead} dead"
        ));
    }
    if !report.destinations.is_empty() {
        screen.event("payloads that tracers sent, by destination, each in one place:");
    }
    for (name, payloads) in &report.destinations {
        let Payloads { accepted, delivered, queued, dropped } = payloads;
        let lost = lost(dropped);
        screen.event(format_args!("  {name}: {accepted} accepted = {delivered} delivered + {queued} queued + {lost}"));
    }
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

fn named<'a>(tracers: &'a [Tracer], name: &str) -> Option<&'a Tracer> {
    tracers.iter().find(|tracer| tracer.name == name)
}

fn row(tracer: Tracer) -> Row {
    let Tracer { name, state, generation, calls, ns_per_call, .. } = tracer;
    Row { tracer: name, state, generation, calls, ns_per_call }
}

/// The counts of the tracer's own histograms in an exposition, the greatest first; buckets would fill the screen.
fn first_numbers(exposition: &str, label: &str) -> Vec<String> {
    let own = exposition.lines().filter(|line| line.contains(label) && line.contains("_count{"));
    let mut counts: Vec<(u64, &str)> =
        own.filter_map(|line| Some((line.rsplit_once(' ')?.1.parse().ok()?, line))).collect();
    counts.sort_by(|left, right| right.cmp(left));
    counts.into_iter().take(SERIES_SHOWN).map(|(_, line)| line.to_owned()).collect()
}

fn milliseconds(took: Duration) -> String {
    match took.as_millis() {
        0..1000 => format!("{} ms", took.as_millis()),
        _ => human(took),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_are_the_tracers_own_counts() {
        let exposition = "\
# TYPE rpc_client_call_duration_seconds histogram
rpc_client_call_duration_seconds_bucket{tracer=\"red-metrics\",le=\"0.005\"} 3
rpc_client_call_duration_seconds_count{tracer=\"red-metrics\",rpc_method=\"a\"} 4
rpc_client_call_duration_seconds_count{tracer=\"red-metrics\",rpc_method=\"b\"} 17
rpc_client_call_duration_seconds_count{tracer=\"other\",rpc_method=\"a\"} 9
rpc_client_call_duration_seconds_sum{tracer=\"red-metrics\",rpc_method=\"a\"} 0.2
hottap_calls_finished_total{tracer=\"red-metrics\"} 4
";
        assert_eq!(
            first_numbers(exposition, "tracer=\"red-metrics\""),
            [
                "rpc_client_call_duration_seconds_count{tracer=\"red-metrics\",rpc_method=\"b\"} 17",
                "rpc_client_call_duration_seconds_count{tracer=\"red-metrics\",rpc_method=\"a\"} 4",
            ]
        );
    }

    #[test]
    fn short_times_are_in_milliseconds() {
        assert_eq!(milliseconds(Duration::from_micros(41_700)), "41 ms");
        assert_eq!(milliseconds(Duration::from_millis(2_300)), "2.3 s");
    }
}
