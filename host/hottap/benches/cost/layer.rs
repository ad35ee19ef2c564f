//! What the server layer adds to a bare tower service: CPU time of the whole process, that of the collector and the
//! workers included, and against what Rust users pick today. No network, no runtime: futures are polled by hand.
//!
//! Requests are made beforehand. Each side's background work is waited for before the next side begins.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower::Service;

use crate::figure::Figure;
use crate::live::Live;
use crate::rounds::interleave;
use crate::service::{Bare, Message, requests, rpc};
use crate::{allocations, clock, peer};

pub(crate) const UNWANTED: &[&str] = &["unwanted RPC through the layer", "unwanted RPC with a traceparent"];
pub(crate) const AGAINST_TRACING: &[&str] =
    &["layer against TraceLayer", "layer against TraceLayer as it comes", "layer per RPC, the RPC's thread alone"];
pub(crate) const AT_A_RATE: &[&str] = &["layer at 2,000 RPC/s", "TraceLayer at 2,000 RPC/s"];
pub(crate) const ALLOCATIONS: &[&str] = &["allocations per RPC added by the layer"];

/// RPCs of one side in one round; less than the queue of OpenTelemetry's batch processor holds.
const BURST: usize = 1_500;
/// The collector's longest delay, and some time for the workers.
const SETTLE: Duration = Duration::from_millis(30);

fn serve<S, B>(service: &mut S, requests: Vec<Request<Message>>)
where
    S: Service<Request<Message>, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    for request in requests {
        rpc(service, request);
    }
}

/// CPU time of this thread per RPC.
fn on_thread<S, B>(service: &mut S, traceparent: bool) -> f64
where
    S: Service<Request<Message>, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    let requests = requests(BURST, traceparent);
    let before = clock::thread();
    serve(service, requests);
    (clock::thread() - before) / BURST as f64
}

/// CPU time of the process per RPC, until `settled` returns.
fn in_process<S, B>(service: &mut S, settled: impl Fn()) -> f64
where
    S: Service<Request<Message>, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    let requests = requests(BURST, false);
    let before = clock::process();
    serve(service, requests);
    settled();
    (clock::process() - before) / BURST as f64
}

/// A plugin is live, and wants other methods. Also where the caller's trace has to be handed on.
pub(crate) fn unwanted() -> Result<Vec<Figure>, String> {
    let live = Live::with_manifest(1, "[scope]\nmethods = [\"elsewhere.*\"]\n")?;
    let mut ours = live.tap.server_layer().layer(Bare);
    let mut traced = ours.clone();
    let rounds = interleave(
        201,
        &mut [
            &mut || on_thread(&mut ours, false),
            &mut || on_thread(&mut Bare, false),
            &mut || on_thread(&mut traced, true),
            &mut || on_thread(&mut Bare, true),
        ],
    );
    Ok(vec![
        Figure::new(UNWANTED[0], rounds.beyond(0, 1), "ns").at_most(20.0).of(rounds.cost(0), rounds.cost(1)),
        Figure::new(UNWANTED[1], rounds.beyond(2, 3), "ns").of(rounds.cost(2), rounds.cost(3)),
    ])
}

/// red-metrics is live: what it adds, against one lean span per RPC, and against `TraceLayer` as it comes.
pub(crate) fn against_tracing() -> Result<Vec<Figure>, String> {
    let live = Live::start(1)?;
    let spans = installed()?;
    let exported = || spans.force_flush().expect("it exports nowhere");
    let mut ours = live.tap.server_layer().layer(Bare);
    let mut own_thread = ours.clone();
    let (mut lean, mut defaults) = (peer::lean(), peer::defaults());
    let rounds = interleave(
        41,
        &mut [
            &mut || in_process(&mut Bare, || {}),
            &mut || in_process(&mut ours, || std::thread::sleep(SETTLE)),
            &mut || in_process(&mut lean, exported),
            &mut || in_process(&mut defaults, exported),
            &mut || {
                let cost = on_thread(&mut own_thread, false);
                std::thread::sleep(SETTLE);
                cost
            },
        ],
    );
    live.nothing_dropped()?;
    let (ours, lean, defaults) = (rounds.beyond(1, 0), rounds.beyond(2, 0), rounds.beyond(3, 0));
    let own_thread = rounds.beyond(4, 0);
    Ok(vec![
        Figure::new(AGAINST_TRACING[0], rounds.added_ratio(1, 2, 0), "ratio").at_most(0.1).of(ours, lean),
        Figure::new(AGAINST_TRACING[1], rounds.added_ratio(1, 3, 0), "ratio").of(ours, defaults),
        Figure::new(AGAINST_TRACING[2], own_thread, "ns").of(rounds.cost(4), rounds.cost(0)),
    ])
}

/// A moderate load, where threads sleep and wake for a few calls each time. What they add then.
pub(crate) fn at_a_rate() -> Result<Vec<Figure>, String> {
    const SLICE: Duration = Duration::from_millis(400);
    const EVERY: Duration = Duration::from_millis(1);
    const EACH: usize = 2;

    fn slice<S, B>(service: &mut S) -> f64
    where
        S: Service<Request<Message>, Response = Response<B>>,
        B: Body<Data = Bytes>,
    {
        let ticks = SLICE.as_millis() / EVERY.as_millis();
        let mut requests = requests(ticks as usize * EACH, false).into_iter();
        let (began, before) = (Instant::now(), clock::process());
        for tick in 1.. {
            let due: Vec<_> = requests.by_ref().take(EACH).collect();
            if due.is_empty() {
                break;
            }
            serve(service, due);
            std::thread::sleep((began + tick * EVERY).saturating_duration_since(Instant::now()));
        }
        (clock::process() - before) / (ticks as f64 * EACH as f64)
    }

    let live = Live::start(1)?;
    let _spans = installed()?;
    let mut ours = live.tap.server_layer().layer(Bare);
    let mut lean = peer::lean();
    let idle = || std::thread::sleep(Duration::from_millis(1_100));
    let rounds = interleave(
        15,
        &mut [
            // Until the collector sleeps and the ticker stands still, which would else count as the others'.
            &mut || (idle(), slice(&mut Bare)).1,
            &mut || slice(&mut lean),
            &mut || slice(&mut ours),
        ],
    );
    live.nothing_dropped()?;
    Ok(vec![
        Figure::new(AT_A_RATE[0], rounds.beyond(2, 0), "ns").of(rounds.cost(2), rounds.cost(0)),
        Figure::new(AT_A_RATE[1], rounds.beyond(1, 0), "ns").of(rounds.cost(1), rounds.cost(0)),
    ])
}

/// Allocations of the RPC's thread; shown, not bounded: the call's own state has to live somewhere.
pub(crate) fn allocations() -> Result<Vec<Figure>, String> {
    let live = Live::start(1)?;
    let mut ours = live.tap.server_layer().layer(Bare);
    let rounds = interleave(
        15,
        &mut [
            &mut || {
                let requests = requests(BURST, false);
                let count = allocations::during(|| serve(&mut ours, requests));
                std::thread::sleep(SETTLE);
                count as f64 / BURST as f64
            },
            &mut || {
                let requests = requests(BURST, false);
                allocations::during(|| serve(&mut Bare, requests)) as f64 / BURST as f64
            },
        ],
    );
    let figure = Figure::new(ALLOCATIONS[0], rounds.beyond(0, 1), "count");
    Ok(vec![figure.of(rounds.cost(0), rounds.cost(1))])
}

/// The peer's subscriber is the process's, so it is installed once.
fn installed() -> Result<opentelemetry_sdk::trace::SdkTracerProvider, String> {
    static PROVIDER: std::sync::OnceLock<Result<opentelemetry_sdk::trace::SdkTracerProvider, String>> =
        std::sync::OnceLock::new();
    PROVIDER.get_or_init(peer::install).clone()
}
