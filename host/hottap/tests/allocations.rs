//! A call allocates nothing on its own thread, from its start to its row, nor does a message on an open stream; what the
//! collector allocates is not counted.

#[path = "../benches/cost/allocations.rs"]
mod allocations;
#[path = "plugins/guests.rs"]
#[expect(dead_code, reason = "only guests that do nothing are wanted here")]
mod guests;
#[path = "plugins/stream.rs"]
#[expect(dead_code, reason = "streams are left open here")]
mod stream;

use std::time::{Duration, Instant};

use hottap::Hottap;
use hottap::rpc::{Protocol, Side, Streaming, Traffic};

const METHODS: [&str; 3] = ["shop.v1.Checkout/Place", "shop.v1.Pricing/Quote", "GET /orders/{id}"];
/// Calls before somebody looks whether the collector has taken them: fewer than a new buffer has room for.
const BURST: u64 = 200;
const BURSTS: u64 = 50;
/// Compiling the guest on a busy machine takes its time; nothing waits longer than it must.
const PATIENCE: Duration = Duration::from_secs(60);

fn burst(tap: &Hottap) {
    for i in 0..BURST {
        let side = if i % 2 == 0 { Side::Server } else { Side::Client };
        let Some(mut call) = tap.start_call(side, METHODS[i as usize % METHODS.len()]) else {
            panic!("a tracer that wants every call is live");
        };
        call.set_protocol(Protocol::Grpc);
        call.set_streaming(Streaming::Unary);
        call.set_http_status(200);
        call.set_rpc_status(0);
        call.set_traffic(Traffic { bytes: i, messages: 1, last_bytes: i }, Traffic::default());
        call.finish();
    }
}

/// Waits until what `/api/tracers` says of the tracer is as wanted.
fn until(tap: &Hottap, wanted: impl Fn(&serde_json::Value) -> bool) {
    let began = Instant::now();
    while !wanted(&tap.tracers()["tracers"][0]) {
        assert!(began.elapsed() < PATIENCE, "{:#}", tap.tracers());
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

#[test]
fn a_call_allocates_nothing_on_its_own_thread() {
    let plugins = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(plugins.path().join("quiet.wasm"), guests::QUIET.component()).expect("written");
    let tap = Hottap::builder().service("house").plugin_dir(plugins.path()).start().expect("Hottap starts");
    until(&tap, |tracer| tracer["state"] == "live");

    let mut counts = Vec::with_capacity(BURSTS as usize);
    for round in 1..=2 * BURSTS {
        let count = allocations::during(|| burst(&tap));
        // In the first half methods are learned and buffers are made.
        if round > BURSTS {
            counts.push(count);
        }
        until(&tap, |tracer| tracer["finished"] == round * BURST);
    }
    assert_eq!(counts, vec![0; BURSTS as usize]);
    until(&tap, |tracer| tracer["committed"] == 2 * BURSTS * BURST);
}

/// Moves messages on an open stream; the tracer follows it or does not.
#[track_caller]
fn messages_allocate_nothing(guest: &guests::Wat, follows: bool) {
    let plugins = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(plugins.path().join("guest.wasm"), guest.component()).expect("written");
    let tap = Hottap::builder().service("house").plugin_dir(plugins.path()).start().expect("Hottap starts");
    until(&tap, |tracer| tracer["state"] == "live");

    let mut stream = stream::OpenStream::grpc(&tap, METHODS[0], 1 << 40);
    let mut counts = Vec::with_capacity(BURSTS as usize);
    for round in 1..=2 * BURSTS {
        let count = allocations::during(|| stream.messages(BURST));
        if round > BURSTS {
            counts.push(count);
        }
        until(&tap, |tracer| !follows || tracer["moments"]["observed"] == round * BURST);
    }
    // A buffer that comes from the collector for the first time grows once; in the steady state there is none.
    counts.sort_unstable();
    let (most, few) = counts.split_at(counts.len() * 9 / 10);
    assert_eq!(most, vec![0; most.len()], "and then {few:?}");
    if !follows {
        assert_eq!(few, vec![0; few.len()]);
    }
}

#[test]
fn a_message_allocates_nothing_where_nobody_follows_streams() {
    messages_allocate_nothing(&guests::QUIET, false);
}

#[test]
fn a_followed_message_allocates_nothing_in_the_steady_state() {
    let follows = guests::Wat { progress: "(call $drop-moments (local.get 0))", ..guests::QUIET };
    messages_allocate_nothing(&follows, true);
}
