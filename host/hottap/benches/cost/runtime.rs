//! RPCs over Hottap's own server and client against the same RPCs over tonic's own server and channel: CPU time of the
//! whole process, both sides, kernel, collector and workers included; and how fast they go.
//!
//! The RPCs are those of `loopback`: client and server share one thread, 16 are under way at any time.

use std::cell::RefCell;
use std::time::Duration;

use hottap::Hottap;
use hottap::client::Client;
use tokio::runtime::Runtime;

use crate::figure::Figure;
use crate::live::Live;
use crate::loopback::{Echo, connect, turn};
use crate::rounds::interleave;

pub(crate) const RUNTIME: &[&str] = &[
    "runtimes against tonic, no tracer",
    "runtimes against tonic, red-metrics",
    "throughput against tonic, no tracer",
    "throughput against tonic, red-metrics",
    "99th percentile against tonic, no tracer",
    "99th percentile against tonic, red-metrics",
];

const ROUNDS: usize = 10;

/// What was seen of one side beside its cost.
#[derive(Default)]
struct Seen(RefCell<Vec<(f64, f64)>>);

impl Seen {
    /// RPCs per second, and the time in seconds within which 99 of 100 were done.
    fn note(&self, mut took: Vec<Duration>, all: Duration) {
        took.sort_unstable();
        let slow = took.get(took.len() * 99 / 100).map_or(f64::NAN, Duration::as_secs_f64);
        self.0.borrow_mut().push((took.len() as f64 / all.as_secs_f64(), slow));
    }

    /// Medians of the rounds that count.
    fn medians(&self) -> (f64, f64) {
        let seen = self.0.borrow();
        let counted = seen.get(seen.len().saturating_sub(ROUNDS)..).unwrap_or_default();
        let median = |value: fn(&(f64, f64)) -> f64| {
            let mut values: Vec<f64> = counted.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
        };
        (median(|seen| seen.0), median(|seen| seen.1))
    }
}

/// A server of the runtime, and a client of it.
fn open(runtime: &Runtime, tap: &Hottap) -> Result<Client, String> {
    let bound = runtime.block_on(tap.server().bind("127.0.0.1:0")).map_err(|error| error.to_string())?;
    let address = bound.local_addr().ok_or("the server has no address")?;
    runtime.spawn(bound.serve(Echo));
    tap.client(format!("http://{address}")).build().map_err(|error| error.to_string())
}

/// tonic bare, and the runtimes with nobody and with red-metrics behind them.
pub(crate) fn against_tonic() -> Result<Vec<Figure>, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let nobody = Hottap::builder().service("bench").start().map_err(|error| error.to_string())?;
    let live = Live::start(1)?;
    let tonic = connect(&runtime, None)?;
    let (bare, traced) = (open(&runtime, &nobody)?, open(&runtime, &live.tap)?);
    let seen: [Seen; 3] = Default::default();
    let rounds = interleave(
        ROUNDS,
        &mut [
            &mut || turn(&runtime, &tonic, &mut |took, all| seen[0].note(took, all)),
            &mut || turn(&runtime, &bare, &mut |took, all| seen[1].note(took, all)),
            &mut || turn(&runtime, &traced, &mut |took, all| seen[2].note(took, all)),
        ],
    );
    live.nothing_dropped()?;
    let cost = |side: usize, target: f64| {
        Figure::new(RUNTIME[side - 1], rounds.ratio(side, 0), "ratio")
            .at_most(target)
            .of(rounds.cost(side), rounds.cost(0))
    };
    let medians = seen.each_ref().map(Seen::medians);
    let rate = |side: usize| {
        let (ours, tonics) = (medians[side].0, medians[0].0);
        Figure::new(RUNTIME[side + 1], ours / tonics, "ratio").of(ours, tonics)
    };
    let slow = |side: usize| {
        let (ours, tonics) = (medians[side].1 * 1e9, medians[0].1 * 1e9);
        Figure::new(RUNTIME[side + 3], ours / tonics, "ratio").of(ours, tonics)
    };
    Ok(vec![cost(1, 1.0), cost(2, 1.03), rate(1), rate(2), slow(1), slow(2)])
}
