//! Sixty-four tracers that spin, trap or cannot be made anew, beside one in good health.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::guests::{INIT_OK, QUIET, Wat};
use crate::house::{House, assert_balanced};

/// Bad tracers; with the good one they stay below the 128 that may be live.
const BAD: usize = 64;
/// Calls a second beside them.
const RATE: u32 = 2_000;
const FOR: Duration = Duration::from_secs(8);
/// The longest time between two commits that passes: the flush comes each second, and a machine that does other things
/// beside may take as long again.
const LONGEST: Duration = Duration::from_secs(3);

const KINDS: [Wat; 5] = [
    Wat { finish: "(if (i32.gt_u (global.get $calls) (i32.const 1)) (then (loop (br 0))))", ..QUIET },
    Wat { finish: "(if (i32.gt_u (global.get $calls) (i32.const 1)) (then unreachable))", ..QUIET },
    Wat { flush: "(if (i32.gt_u (global.get $calls) (i32.const 1)) (then (loop (br 0))))", ..QUIET },
    // Memory is kept by no instance, so `init` looks at the time: from some seconds after the load on it spins.
    Wat { init: "", finish: "(if (i32.gt_u (global.get $calls) (i32.const 2)) (then unreachable))", ..QUIET },
    Wat {
        finish: "(if (i32.gt_u (global.get $calls) (i32.const 1))
                   (then (loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable))",
        ..QUIET
    },
];

#[test]
fn sixty_four_bad_tracers_cost_a_good_one_nothing() {
    let red_metrics = fixtures::guest("red-metrics.wasm");
    let house = House::new();
    let until = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_nanos();
    let spins_in_init = format!(
        "(if (i64.gt_u (local.get 5) (i64.const {})) (then (loop (br 0)))) {INIT_OK}",
        until + Duration::from_secs(20).as_nanos()
    );
    house.drop_in("red-metrics.wasm", red_metrics);
    house.until_live("red-metrics");
    for i in 0..BAD {
        let kind = &KINDS[i % KINDS.len()];
        let init = if kind.init.is_empty() { spins_in_init.clone().leak() } else { kind.init };
        house.drop_in(&format!("bad-{i:02}.wasm"), Wat { init, ..*kind }.component());
    }
    for i in 0..BAD {
        house.until_live(&format!("bad-{i:02}"));
    }

    let (is_over, mut made) = (AtomicBool::new(false), 0);
    let longest = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let (mut longest, mut committed, mut since) = (Duration::ZERO, 0, Instant::now());
            while !is_over.load(Ordering::Relaxed) {
                let tracer = house.tracer("red-metrics");
                assert_balanced(&tracer);
                if tracer["committed"].as_u64() > Some(committed) {
                    committed = tracer["committed"].as_u64().unwrap_or_default();
                    longest = longest.max(since.elapsed());
                    since = Instant::now();
                }
                std::thread::park_timeout(Duration::from_millis(20));
            }
            longest.max(since.elapsed())
        });
        let began = Instant::now();
        while began.elapsed() < FOR {
            let due = (began.elapsed().as_secs_f64() * f64::from(RATE)) as u64;
            house.calls(due - made);
            made = due;
            std::thread::park_timeout(Duration::from_millis(1));
        }
        is_over.store(true, Ordering::Relaxed);
        watch.join().expect("it watched")
    });
    println!("{made} calls; the longest time between two commits was {longest:?}");
    assert!(longest < LONGEST, "{longest:?} without a commit");

    // The end comes in time, and the good one loses nothing.
    let began = Instant::now();
    house.tap.shutdown(Duration::from_secs(2));
    println!("shut down in {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let good = house.tracer("red-metrics");
    assert_eq!(
        (&good["committed"], &good["dropped"], &good["traps"]),
        (&json!(made), &json!({}), &json!(0)),
        "{good:#}"
    );
    for i in 0..BAD {
        let bad = house.tracer(&format!("bad-{i:02}"));
        assert_balanced(&bad);
        assert_eq!((&bad["finished"], &bad["pending"]), (&json!(made), &json!(0)), "{bad:#}");
        assert!(!bad["last_error"].is_null(), "{bad:#}");
    }
}
