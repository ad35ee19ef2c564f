//! The run from the first RPC to the report: it lets the load run, carries out commands, and ends everything in order.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use hottap::Hottap;
use hottap::otel::{Counts, Otel};
use tokio::sync::mpsc::{self, Receiver};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at, sleep_until};

use crate::args::Settings;
use crate::control::{self, Command};
use crate::load::{Load, TICK};
use crate::report::Report;
use crate::screen::Screen;
use crate::shop::Shop;
use crate::signals;

/// How long servers may take to close; their calls have finished before.
const DRAIN: Duration = Duration::from_secs(5);
/// How long tracers may take to digest what they were handed, and to flush: milliseconds, unless one of them is sick, and
/// then waiting longer would not help it.
const FLUSH: Duration = Duration::from_secs(5);
/// How often there is a line.
const LINE: Duration = Duration::from_secs(1);
/// Stands for never: a timer needs a moment.
const NEVER: Duration = Duration::from_secs(86_400 * 365 * 10);

/// Runs the shop under load until it is told to end, and reports.
///
/// # Errors
/// The services do not start or end, or nobody reads stdout.
pub(crate) async fn run(settings: &Settings, tap: &Hottap, otel: Option<Otel>) -> anyhow::Result<()> {
    let mut screen = Screen::new(settings.json);
    let stop = signals::listen()?;
    // Not from a terminal: whoever runs this in the background of a shell would see it stopped at the first read.
    let commands = if settings.json { control::listen()? } else { mpsc::channel(1).1 };
    let mut shop = Shop::open(tap).await?;
    let front = match &settings.front {
        Some(address) => Some(shop.open_front(tap, address).await?),
        None => None,
    };
    let mut load = Load::new(shop.client(tap)?, settings.rate)?;
    welcome(settings, tap, front, &screen)?;

    drive(&mut load, &mut screen, settings.length, commands, stop).await?;
    let counted = load.hold().await;
    // The last part of a second; it belongs to the whole.
    load.second();
    shop.close(DRAIN).await?;
    flush(tap).await?;
    let mut report = Report::new(counted, &tap.tracers(), &tap.destinations())?;
    if let Some(otel) = otel {
        report = report.with_spans(deliver(otel).await?);
    }
    screen.report(&report, load.quantiles(), load.behind())
}

/// Lets the load run until somebody or the clock ends it.
async fn drive(
    load: &mut Load,
    screen: &mut Screen,
    length: Option<Duration>,
    mut commands: Receiver<Result<Command, String>>,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut over = std::pin::pin!(sleep_until(began + length.unwrap_or(NEVER)));
    let mut ticks = interval(TICK);
    // The pace knows what is due; ticks that were missed need not be made up for.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut seconds = interval_at(began + LINE, LINE);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            // An error means that nobody can tell it to end any more; then the clock does.
            Ok(()) = stop.changed() => return Ok(()),
            Some(command) = commands.recv() => {
                match command {
                    Ok(Command::Count) => screen.answer(Ok(load.count()))?,
                    Ok(Command::Hold) => screen.answer(Ok(load.hold().await))?,
                    Ok(Command::Go) => screen.answer(Ok(load.go().await))?,
                    Ok(Command::Lap) => screen.lap(&load.lap())?,
                    Err(words) => screen.answer(Err(words))?,
                }
            }
            // Before the end, which may come at the same moment.
            _ = seconds.tick() => screen.second(&load.second())?,
            () = &mut over => return Ok(()),
            _ = ticks.tick() => load.start_due(),
        }
    }
}

fn welcome(settings: &Settings, tap: &Hottap, front: Option<SocketAddr>, screen: &Screen) -> anyhow::Result<()> {
    screen.line(&format!("checkout, inventory and pricing serve; the load is {} RPC/s", settings.rate))?;
    match &settings.plugins {
        Some(dir) => screen.line(&format!("tracers: put NAME.wasm into {}", dir.display()))?,
        None => screen.line("tracers: none; --plugins DIR says where they are to be put")?,
    }
    if settings.otel {
        screen.line("OpenTelemetry: spans and metrics of all calls go to where the variables OTEL_* say")?;
    }
    if let Some(address) = tap.admin_address() {
        screen.line(&format!("see: curl -s {address}/metrics, curl -s {address}/api/tracers"))?;
    }
    if let Some(address) = front {
        screen.line(&format!("place an order yourself: curl -s -X POST {address}/place"))?;
    }
    screen.line("")
}

/// Hands the tracers all that is left, and waits until they have committed it.
async fn flush(tap: &Hottap) -> anyhow::Result<()> {
    let tap = tap.clone();
    let all = tokio::task::spawn_blocking(move || tap.shutdown(FLUSH)).await.context("shutting Hottap down")?;
    if !all {
        tracing::warn!("some tracers did not flush within {} s; the report says what is pending", FLUSH.as_secs());
    }
    Ok(())
}

/// Sends the spans and metrics that are left, and says what became of all spans.
async fn deliver(otel: Otel) -> anyhow::Result<Counts> {
    let deliver = move || (otel.shutdown(FLUSH), otel.counts());
    let (all, counts) = tokio::task::spawn_blocking(deliver).await.context("shutting OpenTelemetry down")?;
    if !all {
        tracing::warn!("the collector did not take all spans and metrics; the report says what became of the spans");
    }
    Ok(counts)
}
