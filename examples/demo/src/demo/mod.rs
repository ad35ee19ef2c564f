//! `cargo xtask demo`: a service under load whose tracers come, change, and misbehave while it runs.

mod acts;
mod otlp;
pub(crate) mod receiver;
pub(crate) mod screen;
mod trace;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};

use crate::files::{Places, shown};
use crate::interrupt::Interrupt;
use crate::shop::{Run, Shop};

pub(crate) use acts::counts;
use acts::{Acts, Modules};
use receiver::Receiver;
use screen::{Screen, human};

/// When the first command after the clone began, in seconds since the Unix epoch: CI sets it, so that the time to the
/// first traced RPC includes compiling xtask; else xtask does.
const BEGAN: &str = "HOTTAP_BEGAN";

/// Below the target directory: how many seconds the last demo took from [`BEGAN`] to its first traced RPC.
pub(crate) const FIRST_TRACED: &str = "demo/first-traced-rpc-seconds";

/// Runs it.
///
/// # Errors
/// Something does not compile, the shop fails, or a count does not add up.
pub(crate) fn command(places: &Places, interrupt: &Interrupt, seconds: u64, json: bool) -> anyhow::Result<()> {
    let began = std::env::var(BEGAN).ok().and_then(|began| began.parse().ok()).unwrap_or_else(unix_seconds);
    let modules = Modules {
        red: places.module("red-metrics")?,
        extra: places.module("red-metrics-extra")?,
        influxdb: places.module("influxdb")?,
        rpc_span: places.module("rpc-span")?,
        spin: places.module("spin")?,
    };
    let plugins = places.empty_plugin_dir("demo")?;
    // Outside the plugin dir: what is in there can name destinations, and define none.
    let receiver = Receiver::start()?;
    let config = places.target.join("demo/hottap.toml");
    std::fs::write(&config, receiver.config()).with_context(|| format!("cannot write {}", config.display()))?;

    interrupt.also_terminate()?;
    let mut screen = Screen::new(json);
    let mut shop = Shop::start(&places.shop, &plugins, &config, Run { seconds, rate: None, environment: &[] })?;
    let identity = shop.identity()?;
    screen.event(format_args!("the shop serves: {identity}"));
    screen.event(format_args!("its plugin dir is empty: {}", shown(&plugins)));
    screen.event(format_args!("its operator's configuration has two destinations: {}", shown(&config)));

    let length = Duration::from_secs(seconds);
    let note = places.target.join(FIRST_TRACED);
    let played = Acts::new(&mut shop, &mut screen, &plugins, &receiver, interrupt, length).play(&modules, |screen| {
        let took = Duration::from_secs_f64((unix_seconds() - began).max(0.0));
        screen.event(format_args!("first traced RPC {} after the first command, compiling included", human(took)));
        // For CI alone; whoever cannot write it has seen it.
        drop(std::fs::write(&note, format!("{:.1}\n", took.as_secs_f64())));
    });
    // At a terminal Ctrl-C goes to the shop as well, and it may be gone already; what it counted is still worth telling.
    let unchanged = if interrupt.requested() { None } else { played.and_then(|()| shop.identity().map(Some))? };
    let report = shop.stop(interrupt.requested())?;
    acts::show_log(&shop, &mut screen);
    let mut complaints = report.complaints();
    match unchanged {
        None => screen.event("\nended early"),
        Some(unchanged) if unchanged == identity => {
            screen.event(format_args!("\nthe shop was never restarted: {unchanged}"));
        }
        Some(other) => complaints.push(format!("the shop was restarted: {identity} before, {other} now")),
    }
    acts::epilogue(&mut screen, &report);
    if json {
        println!("{}", report.json());
    }
    if !complaints.is_empty() {
        bail!("the counts do not add up: {}", complaints.join("; "));
    }
    Ok(())
}

fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
