//! Starters: what they do for a call, and what bad ones do not do to it.

use serde_json::Value;

use crate::guests::{QUIET, Wat};
use crate::house::House;

/// An instance takes its first two starts, and those of the canary, and none after them.
macro_rules! after_two {
    ($body:literal) => {
        concat!("(if (i32.gt_u (global.get $starts) (i32.const 2)) (then ", $body, "))")
    };
}

const TRAPS: Wat = Wat { start: after_two!("unreachable"), ..QUIET };
const SPINS: Wat = Wat { start: after_two!("(loop $for_ever (br $for_ever))"), ..QUIET };
const RECURSES: Wat = Wat {
    start: after_two!("(drop (call $down (i32.const 0)))"),
    items: "(func $down (param i32) (result i32) (i32.add (local.get 0) (call $down (local.get 0))))",
    ..QUIET
};
/// Few instructions that take long: counting them would not stop it in time.
const COPIES: Wat = Wat {
    start: after_two!(
        "(drop (memory.grow (i32.const 100)))
         (loop $for_ever (memory.fill (i32.const 0) (i32.const 1) (i32.const 6000000)) (br $for_ever))"
    ),
    ..QUIET
};
const EATS_MEMORY: Wat = Wat {
    start: after_two!("(if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable))"),
    ..QUIET
};
const WELL: Wat = Wat { start: "(drop (local.get 0))", ..QUIET };

fn start(tracer: &Value, what: &str) -> u64 {
    tracer.pointer(&format!("/start/{what}")).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {what}: {tracer:#}"))
}

/// Makes calls until the bad tracer's start is suspended, and some more. No call is lost to anybody.
#[track_caller]
fn misses_three_times_and_no_more(bad: &Wat, error: &str) {
    let house = House::new();
    house.drop_in("bad.wasm", bad.component());
    house.drop_in("good.wasm", WELL.component());
    house.until_live("bad");
    house.until_live("good");
    let mut made = 0;
    while start(&house.tracer("bad"), "skipped/suspended") == 0 {
        house.calls(1);
        made += 1;
        assert!(made < 1_000, "it is not suspended: {:#}", house.tracer("bad"));
    }
    house.calls(1_000);
    made += 1_000;
    let (bad, good) = (house.settled("bad", made), house.settled("good", made));
    assert_eq!((bad["committed"].as_u64(), good["committed"].as_u64()), (Some(made), Some(made)));
    assert_eq!(start(&bad, "misses"), 3, "{bad:#}");
    assert!(start(&bad, "suspended_ms") > 0, "{bad:#}");
    let message = bad["last_error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains(error) && message.contains("in start"), "{message}");
    assert!(bad["last_error"]["meanwhile"].as_str().is_some_and(|text| text.contains("suspended")), "{bad:#}");
    // All starters share one budget: the good one goes without its start where the bad one used it up.
    let began = start(&good, "calls") + start(&good, "skipped/budget");
    assert_eq!((start(&good, "misses"), began), (0, made), "{good:#}");
    assert!(start(&good, "skipped/budget") <= 3, "{good:#}");
}

#[test]
fn a_start_that_traps_is_suspended_after_three_misses() {
    misses_three_times_and_no_more(&TRAPS, "unreachable");
}

#[test]
fn a_start_that_spins_is_suspended_after_three_misses() {
    misses_three_times_and_no_more(&SPINS, "ran out of time");
}

#[test]
fn a_start_that_recurses_is_suspended_after_three_misses() {
    misses_three_times_and_no_more(&RECURSES, "call stack exhausted");
}

#[test]
fn a_start_of_few_and_long_instructions_is_suspended_after_three_misses() {
    misses_three_times_and_no_more(&COPIES, "ran out of time");
}

#[test]
fn a_start_that_eats_memory_is_suspended_after_three_misses() {
    misses_three_times_and_no_more(&EATS_MEMORY, "ran out of memory");
}

#[test]
fn a_start_that_fails_on_the_canary_is_refused() {
    let house = House::new();
    house.drop_in("bad.wasm", Wat { start: "unreachable", ..QUIET }.component());
    let bad = house.until("bad", "refused", |tracer| tracer["state"] == "refused");
    assert!(bad["last_error"]["message"].as_str().is_some_and(|text| text.contains("trapped in start")), "{bad:#}");
}

#[test]
fn a_fifth_starter_is_refused_by_name() {
    let house = House::new();
    for name in ["a", "b", "c", "d"] {
        house.drop_in(&format!("{name}.wasm"), WELL.component());
        house.until_live(name);
    }
    house.drop_in("e.wasm", WELL.component());
    let fifth = house.until("e", "refused", |tracer| tracer["state"] == "refused");
    let message = fifth["last_error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("e.wasm: 4 live plugins act at the start"), "{message}");
    house.drop_in("e.wasm", QUIET.component());
    house.until_live("e");
    house.calls(10);
    for name in ["a", "b", "c", "d"] {
        assert_eq!(start(&house.settled(name, 10), "calls"), 10);
    }
    assert!(house.settled("e", 10)["start"].is_null());
}

#[test]
fn a_starter_that_is_replaced_goes_on_counting() {
    let house = House::new();
    house.drop_in("a.wasm", WELL.component());
    let first = house.until_live("a");
    house.calls(10);
    house.settled("a", 10);
    house.drop_in("a.toml", "[config]\n");
    house.until("a", "swapped", |tracer| tracer["generation"] != first["generation"]);
    house.calls(5);
    assert_eq!(start(&house.settled("a", 15), "calls"), 15);
}
