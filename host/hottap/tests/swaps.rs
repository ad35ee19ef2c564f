//! A thousand swaps: a process of its own, because it counts every live byte and every mapping of the process.

#![cfg(test)]

#[path = "plugins/guests.rs"]
#[expect(dead_code, reason = "two guests that differ are all that is wanted here")]
mod guests;
#[path = "swaps/live_bytes.rs"]
mod live_bytes;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use guests::{QUIET, Wat};
use hottap::Hottap;
use hottap::rpc::Side;
use serde_json::Value;
use tempfile::TempDir;

const SWAPS: u64 = 1_000;
/// Swaps before the counting begins: queues, spare buffers and lists of bounded length have filled up by then.
const WARM: u64 = 200;
/// Calls between two swaps, so that each generation has work to hand over.
const CALLS: u64 = 20;
/// Bytes that may be live more than before, for what may be under way at that moment; mostly the difference is 0. A
/// thousand generations that leave eight bytes behind each are found.
const BYTES: i64 = 8_000;
/// Mappings likewise: one left of each generation would be a thousand.
const MAPPINGS: i64 = 8;
/// Nothing waits longer than it must; a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Mappings of this process.
fn mappings() -> i64 {
    fs::read_to_string("/proc/self/maps").expect("Linux").lines().count() as i64
}

struct House {
    tap: Hottap,
    directory: TempDir,
}

impl House {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(directory.path().join("plugins")).expect("made");
        let plugins = directory.path().join("plugins");
        let tap = Hottap::builder().service("swaps").plugin_dir(plugins).start().expect("Hottap starts");
        Self { tap, directory }
    }

    /// Puts a module there by a rename, and waits until its generation is live.
    #[track_caller]
    fn swap(&self, bytes: &[u8], loads: u64) {
        let draft = self.directory.path().join("draft");
        fs::write(&draft, bytes).expect("written");
        fs::rename(&draft, self.directory.path().join("plugins/swapped.wasm")).expect("renamed");
        self.until(|tracer| tracer["state"] == "live" && tracer["loads"] == loads);
    }

    #[track_caller]
    fn until(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let tracer = self.tap.tracers().pointer_mut("/tracers/0").map(Value::take).unwrap_or_default();
            if wanted(&tracer) {
                return tracer;
            }
            assert!(began.elapsed() < PATIENCE, "{tracer:#}");
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Makes calls, and waits until they are committed, so that nothing is under way.
    #[track_caller]
    fn calls(&self, count: u64) {
        for _ in 0..count {
            if let Some(call) = self.tap.start_call(Side::Server, "swaps.v1.Swaps/Call") {
                call.finish();
            }
        }
    }

    /// Bytes and mappings that are live when all is committed.
    #[track_caller]
    fn live(&self, finished: u64) -> (i64, i64) {
        self.until(|tracer| tracer["finished"] == finished && tracer["pending"] == 0);
        (live_bytes::now(), mappings())
    }
}

/// Two modules that differ: one after the other is a swap each.
fn modules() -> [Vec<u8>; 2] {
    let other = Wat { flush: "(drop (i32.const 1))", ..QUIET };
    [QUIET.component(), other.component()]
}

#[test]
fn a_thousand_swaps_leave_no_live_bytes_and_no_mappings_behind() {
    assert!(Path::new("/proc/self/maps").exists(), "mappings are counted where /proc is");
    let house = House::new();
    let modules = modules();
    let mut swaps = 0;
    let mut swap = |count: u64| {
        for _ in 0..count {
            swaps += 1;
            house.swap(&modules[(swaps % 2) as usize], swaps);
            house.calls(CALLS);
        }
        house.live(swaps * CALLS)
    };
    let (bytes, mappings) = swap(WARM);
    let (bytes_then, mappings_then) = swap(SWAPS);
    println!("{bytes} bytes live and then {bytes_then}; {mappings} mappings and then {mappings_then}");
    assert!(bytes_then - bytes < BYTES, "{bytes} live bytes became {bytes_then}");
    assert!(mappings_then - mappings < MAPPINGS, "{mappings} mappings became {mappings_then}");
    let tracer = house.until(|tracer| tracer["loads"] == WARM + SWAPS);
    assert_eq!(tracer["committed"], (WARM + SWAPS) * CALLS, "{tracer:#}");
}
