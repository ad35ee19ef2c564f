//! What the RPC's own thread pays, from the start of a call to its row: CPU time of that thread alone.
//!
//! In it: the guard, the scope decision, the row, and waking the collector when it has to be. Not in it: what the
//! collector and the workers do (see `rows`), and what a layer does around the guard (see `layer`). Calls come in bursts
//! with pauses between them, some 100,000 a second: without pauses it would be how fast the collector's thread gets a
//! core that is measured. At the end nothing may have been dropped.

use std::hint::black_box;
use std::time::Duration;

use hottap::Hottap;
use hottap::rpc::{Protocol, Side, Streaming, Traffic};

use crate::clock;
use crate::figure::Figure;
use crate::live::Live;
use crate::rounds::interleave;
use crate::sdk::Sdk;

pub(crate) const AGAINST_SDK: &[&str] = &["call against the OpenTelemetry SDK", "call"];
pub(crate) const TWO_THREADS: &[&str] = &["call on two threads", "call on two threads against the SDK"];
pub(crate) const FURTHER_PLUGIN: &[&str] = &["each further plugin"];
pub(crate) const START: &[&str] = &["start in a plugin"];
pub(crate) const HOST_CALL: &[&str] = &["host call in a start"];
pub(crate) const UNWANTED: &[&str] = &["unwanted call at the guard"];

const METHODS: [&str; 4] =
    ["shop.v1.Checkout/Place", "shop.v1.Checkout/Watch", "shop.v1.Inventory/Reserve", "shop.v1.Pricing/Quote"];
/// Calls of one side in one round: as many as a shard has room for without growing. The collector is woken twice.
const BURST: usize = 512;
/// Gives the collector and the workers time to work off a burst.
const PAUSE: Duration = Duration::from_millis(4);
const ROUNDS: usize = 301;

/// Start and finish of one call, with all that a base-level tracer reads of it.
#[inline]
fn call(tap: &Hottap, method: &str) {
    if let Some(mut call) = tap.start_call(Side::Server, black_box(method)) {
        call.set_protocol(Protocol::Grpc);
        call.set_streaming(Streaming::Unary);
        call.set_http_status(200);
        call.set_rpc_status(0);
        let (sent, received) = (black_box(120), black_box(48));
        call.set_traffic(
            Traffic { bytes: sent, messages: 1, last_bytes: sent },
            Traffic { bytes: received, messages: 1, last_bytes: received },
        );
        call.finish();
    }
}

/// CPU time of this thread per call.
fn burst(mut call: impl FnMut(&'static str)) -> f64 {
    let before = clock::thread();
    for i in 0..BURST {
        call(METHODS[i % METHODS.len()]);
    }
    (clock::thread() - before) / BURST as f64
}

fn burst_of(live: &Live) -> impl FnMut() -> f64 {
    let tap = live.tap.clone();
    move || {
        let cost = burst(|method| call(&tap, method));
        std::thread::sleep(PAUSE);
        cost
    }
}

/// One plugin at base level, against a span and a histogram of the SDK.
pub(crate) fn against_sdk() -> Result<Vec<Figure>, String> {
    let live = Live::start(1)?;
    let sdk = Sdk::new();
    let rounds = interleave(ROUNDS, &mut [&mut burst_of(&live), &mut || burst(|method| sdk.call(method))]);
    live.nothing_dropped()?;
    let (ours, peer) = (rounds.cost(0), rounds.cost(1));
    Ok(vec![
        Figure::new(AGAINST_SDK[0], rounds.ratio(0, 1), "ratio").at_most(1.0 / 3.0).of(ours, peer),
        Figure::new(AGAINST_SDK[1], ours, "ns"),
    ])
}

/// The same from two threads at once: is there anything that they contend for? The mean of both threads.
pub(crate) fn two_threads() -> Result<Vec<Figure>, String> {
    let live = Live::start(1)?;
    let sdk = Sdk::new();
    let both = |run: &(dyn Fn() -> f64 + Sync)| {
        std::thread::scope(|scope| {
            let other = scope.spawn(|| (run(), run()).1);
            let own = (run(), run()).1;
            (own + other.join().unwrap_or(f64::NAN)) / 2.0
        })
    };
    let tap = &live.tap;
    let mut ours = || {
        let cost = both(&|| burst(|method| call(tap, method)));
        std::thread::sleep(2 * PAUSE);
        cost
    };
    let mut peer = || both(&|| burst(|method| sdk.call(method)));
    let rounds = interleave(ROUNDS, &mut [&mut ours, &mut peer]);
    live.nothing_dropped()?;
    let (ours, peer) = (rounds.cost(0), rounds.cost(1));
    Ok(vec![
        Figure::new(TWO_THREADS[0], ours, "ns"),
        Figure::new(TWO_THREADS[1], rounds.ratio(0, 1), "ratio").of(ours, peer),
    ])
}

/// Eight plugins against one: what each of the seven adds to the thread that writes the row for all of them.
pub(crate) fn further_plugin() -> Result<Vec<Figure>, String> {
    let (one, eight) = (Live::start(1)?, Live::start(8)?);
    let mut eight_burst = burst_of(&eight);
    let mut slowly = || {
        let cost = eight_burst();
        // The workers have eight times as much to do.
        std::thread::sleep(PAUSE);
        cost
    };
    let rounds = interleave(ROUNDS, &mut [&mut slowly, &mut burst_of(&one)]);
    one.nothing_dropped()?;
    eight.nothing_dropped()?;
    let figure = Figure::new(FURTHER_PLUGIN[0], rounds.beyond(0, 1) / 7.0, "ns");
    Ok(vec![figure.at_most(3.0).of(rounds.cost(0), rounds.cost(1))])
}

/// A plugin that acts at the start of calls, against one that does not.
pub(crate) fn start() -> Result<Vec<Figure>, String> {
    let (starts, none) = (Live::of("rpc-span", 1, "")?, Live::start(1)?);
    let rounds = interleave(ROUNDS, &mut [&mut burst_of(&starts), &mut burst_of(&none)]);
    starts.nothing_dropped()?;
    starts.all_started()?;
    let figure = Figure::new(START[0], rounds.beyond(0, 1), "ns");
    Ok(vec![figure.at_most(200.0).of(rounds.cost(0), rounds.cost(1))])
}

/// A start that asks for a header, against one that does not: the crossing, the header's name and what is taken for them
/// from the starter's fuel.
pub(crate) fn host_call() -> Result<Vec<Figure>, String> {
    let starter = |body: &str| {
        let text = include_str!("starter.wat").replace(";; START", body);
        let module = wat::parse_str(text).map_err(|error| error.to_string())?;
        Live::module("starter", &module)
    };
    let asks = starter("(call $header (i32.const 16) (i32.const 2) (i32.const 32))")?;
    let idle = starter("")?;
    let rounds = interleave(ROUNDS, &mut [&mut burst_of(&asks), &mut burst_of(&idle)]);
    for live in [&asks, &idle] {
        live.nothing_dropped()?;
        live.all_started()?;
    }
    let figure = Figure::new(HOST_CALL[0], rounds.beyond(0, 1), "ns");
    Ok(vec![figure.at_most(250.0).of(rounds.cost(0), rounds.cost(1))])
}

/// A plugin is live, and wants other methods: the call is asked about and not started.
pub(crate) fn unwanted() -> Result<Vec<Figure>, String> {
    let live = Live::with_manifest(1, "[scope]\nmethods = [\"elsewhere.*\"]\n")?;
    // No row is written, so nobody has to be given time.
    let mut ours = || burst(|method| call(&live.tap, method));
    let mut bare = || burst(|method| _ = black_box(method));
    let rounds = interleave(ROUNDS, &mut [&mut ours, &mut bare]);
    let figure = Figure::new(UNWANTED[0], rounds.beyond(0, 1), "ns");
    Ok(vec![figure.at_most(20.0).of(rounds.cost(0), rounds.cost(1))])
}
