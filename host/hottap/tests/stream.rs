//! A stream of a million messages: a process of its own, because it looks at the process's memory.

#![cfg(test)]

#[path = "plugins/guests.rs"]
#[expect(dead_code, reason = "only a guest that follows streams is wanted here")]
mod guests;
#[path = "plugins/stream.rs"]
mod stream;

use std::time::{Duration, Instant};

use guests::{QUIET, Wat};
use hottap::Hottap;
use serde_json::Value;
use stream::{OpenStream, SIZE};

const MESSAGES: u64 = 1_000_000;
/// Compiling the guest on a busy machine takes its time; nothing waits longer than it must.
const PATIENCE: Duration = Duration::from_secs(120);

/// Bytes of memory that the process holds.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number of pages");
    pages * 4096
}

/// Waits until what `/api/tracers` says of the tracer is as wanted.
#[track_caller]
fn until(tap: &Hottap, wanted: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let tracer = tap.tracers()["tracers"][0].clone();
        if wanted(&tracer) {
            return tracer;
        }
        assert!(began.elapsed() < PATIENCE, "{tracer:#}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// A Hottap with a tracer that follows streams.
fn following(guest: &Wat) -> (Hottap, tempfile::TempDir) {
    let plugins = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(plugins.path().join("follows.wasm"), guest.component()).expect("written");
    let tap = Hottap::builder().service("stream").plugin_dir(plugins.path()).start().expect("Hottap starts");
    until(&tap, |tracer| tracer["state"] == "live");
    (tap, plugins)
}

/// Moves a million messages; the process's memory does not grow, and each message is on the tracer's books.
fn a_million_messages(tap: &Hottap) -> Value {
    let mut stream = OpenStream::grpc(tap, "stream.v1.Stream/Watch", MESSAGES);
    // Buffers and queues grow to what they are bounded by before the measuring begins.
    stream.messages(MESSAGES / 5);
    let before = resident();
    stream.messages(MESSAGES * 3 / 5);
    let after = resident();
    assert!(after < before + (16 << 20), "{} MiB became {} MiB", before >> 20, after >> 20);
    assert_eq!(tap.tracers()["tracers"][0]["finished"], 0, "the call is still open");
    stream.end();

    let tracer = until(tap, |tracer| {
        let moments = &tracer["moments"];
        moments["observed"] == MESSAGES && moments["pending"] == 0 && tracer["finished"] == 1 && tracer["pending"] == 0
    });
    let moments = &tracer["moments"];
    let dropped: u64 = moments["dropped"].as_object().expect("by reason").values().filter_map(Value::as_u64).sum();
    assert_eq!(moments["committed"].as_u64().map(|committed| committed + dropped), Some(MESSAGES), "{tracer:#}");
    println!("of {MESSAGES} messages of {SIZE} bytes, {} MiB and then {} MiB: {moments}", before >> 20, after >> 20);
    tracer
}

#[test]
fn a_stream_of_a_million_messages_is_one_row_and_leaves_memory_flat() {
    let takes = Wat { progress: "(call $drop-moments (local.get 0))", ..QUIET };
    let (tap, _plugins) = following(&takes);
    let tracer = a_million_messages(&tap);
    assert_eq!((tracer["committed"].as_u64(), tracer["traps"].as_u64()), (Some(1), Some(0)), "{tracer:#}");
    assert!(tracer["moments"]["committed"].as_u64() > Some(MESSAGES / 2), "{tracer:#}");
    drop(tap);

    // The same with one that is ended at every piece but its first: what it can't be handed waits, within bounds.
    let spins = Wat {
        progress: "(if (i32.gt_u (global.get $pieces) (i32.const 1)) (then (loop $for_ever (br $for_ever))))
            (call $drop-moments (local.get 0))",
        ..QUIET
    };
    let (tap, _plugins) = following(&spins);
    let tracer = a_million_messages(&tap);
    assert!(tracer["traps"].as_u64() > Some(0), "{tracer:#}");
}
