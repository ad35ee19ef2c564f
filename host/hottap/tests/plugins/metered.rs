//! Starters that make the host or the processor work for them: each is named and suspended within a second, and no call
//! suffers for longer.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::house::House;

/// Time within which a starter over budget is named, at 300 calls a second and more.
const NAMED_WITHIN: Duration = Duration::from_secs(1);
/// More calls than are needed for it.
const MOST_CALLS: u64 = 3_000;

/// A starter that behaves for forty starts, then does this.
struct Starter {
    imports: &'static str,
    items: &'static str,
    start: &'static str,
}

const NOTHING: Starter = Starter { imports: "", items: "", start: "" };

/// Imports of the contract that starters misuse.
macro_rules! import {
    ("header") => {
        r#"(import "hottap:tracer/starting@0.1.0-draft" "header" (func $header (param i32 i32 i32)))"#
    };
    ("set-header") => {
        r#"(import "hottap:tracer/starting@0.1.0-draft" "set-header" (func $set (param i32 i32 i32 i32 i32)))"#
    };
    ("log") => {
        r#"(import "hottap:tracer/log@0.1.0-draft" "write" (func $write (param i32 i32 i32)))"#
    };
    ("counter") => {
        r#"(import "hottap:tracer/metrics@0.1.0-draft" "counter"
             (func $counter (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"#
    };
    ("add") => {
        r#"(import "hottap:tracer/metrics@0.1.0-draft" "add" (func $add (param i32 i32 i32 i32)))"#
    };
    ("send") => {
        r#"(import "hottap:tracer/outbox@0.1.0-draft" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32)))"#
    };
    ("save") => {
        r#"(import "hottap:tracer/state@0.1.0-draft" "save" (func $save (param i32 i32) (result i32)))"#
    };
    ("symbols") => {
        r#"(import "hottap:tracer/rpc@0.1.0-draft" "symbols" (func $symbols (param i32 i32 i32)))"#
    };
}

/// Does something five times.
macro_rules! five_times {
    ($body:literal) => {
        concat!(
            "(local.set $i (i32.const 5)) (loop $again ",
            $body,
            "(local.set $i (i32.sub (local.get $i) (i32.const 1))) (br_if $again (local.get $i)))"
        )
    };
}

/// Does something until it is stopped.
macro_rules! for_ever {
    ($body:literal) => {
        concat!("(loop $again ", $body, "(br $again))")
    };
}

impl Starter {
    fn module(&self) -> Vec<u8> {
        let text = include_str!("hostile/starter.wat")
            .replace(";; IMPORTS", self.imports)
            .replace(";; ITEMS", self.items)
            .replace(";; START", self.start);
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// Loads it beside a quiet starter, makes calls until its start is suspended, and returns what is said of it.
    #[track_caller]
    fn is_suspended_soon(&self, words: &str) {
        let house = House::new();
        house.drop_in("good.wasm", NOTHING.module());
        house.drop_in("bad.wasm", self.module());
        house.until_live("good");
        house.until_live("bad");
        let (mut began, mut made, mut longest) = (None, 0, Duration::ZERO);
        let bad = loop {
            let call = Instant::now();
            house.calls(1);
            longest = longest.max(call.elapsed());
            made += 1;
            let bad = house.tracer("bad");
            let start = &bad["start"];
            if start["calls"].as_u64() > Some(40) {
                began.get_or_insert_with(Instant::now);
            }
            if !start["suspended_ms"].is_null() {
                break bad;
            }
            assert!(made < MOST_CALLS, "it is not suspended: {bad:#}");
        };
        // The time to look at it is the test's, too.
        let took = began.map_or(Duration::ZERO, |began| began.elapsed());
        println!("suspended after {made} calls and {took:?}; the longest call took {longest:?}");
        assert!(took < NAMED_WITHIN + Duration::from_millis(made * 2), "{took:?} until it was suspended: {bad:#}");
        let message = bad["last_error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(words), "{words:?} is not in {message:?}");
        assert!(bad["last_error"]["meanwhile"].as_str().is_some_and(|text| text.contains("suspended")), "{bad:#}");
        house.calls(200);
        for name in ["good", "bad"] {
            assert_eq!(house.settled(name, made + 200)["committed"], made + 200, "no call is lost to anybody");
        }
    }
}

#[test]
fn names_of_megabytes_are_not_copied() {
    let header = Starter {
        imports: import!("header"),
        start: five_times!("(call $header (i32.const 65600) (i32.const 7000000) (i32.const 256))"),
        ..NOTHING
    };
    header.is_suspended_soon("trapped in start: too much data");
    let set = Starter {
        imports: import!("set-header"),
        start: "(call $set (i32.const 65600) (i32.const 20) (i32.const 65600) (i32.const 7000000) (i32.const 256))",
        ..NOTHING
    };
    set.is_suspended_soon("trapped in start: too much data");
    let save =
        Starter { imports: import!("save"), start: "(drop (call $save (i32.const 0) (i32.const 1000000)))", ..NOTHING };
    save.is_suspended_soon("trapped in start: too much data");
    let send = Starter {
        imports: import!("send"),
        start: "(call $send (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1000000)
                  (i32.const 256))",
        ..NOTHING
    };
    send.is_suspended_soon("trapped in start: too much data");
}

#[test]
fn each_byte_that_a_starter_hands_over_is_paid_for() {
    let header = Starter {
        imports: import!("header"),
        start: for_ever!("(call $header (i32.const 65600) (i32.const 65000) (i32.const 256))"),
        ..NOTHING
    };
    header.is_suspended_soon("ran out of time in start");
    let log = Starter {
        imports: import!("log"),
        start: for_ever!("(call $write (i32.const 3) (i32.const 65600) (i32.const 60000))"),
        ..NOTHING
    };
    log.is_suspended_soon("ran out of time in start");
    let counter = Starter {
        imports: import!("counter"),
        start: for_ever!(
            "(drop (call $counter (i32.const 65600) (i32.const 60000) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
               (i32.const 0) (i32.const 0)))"
        ),
        ..NOTHING
    };
    counter.is_suspended_soon("ran out of time in start");
    let symbols = Starter {
        imports: import!("symbols"),
        // 2 is the first of the fixed symbols.
        start: for_ever!(
            "(i32.store (i32.const 4) (i32.const 2)) (call $symbols (i32.const 0) (i32.const 15000) (i32.const 256))"
        ),
        ..NOTHING
    };
    symbols.is_suspended_soon("ran out of time in start");
}

#[test]
fn each_call_into_the_host_is_paid_for() {
    let add = Starter {
        imports: import!("add"),
        start: for_ever!("(call $add (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))"),
        ..NOTHING
    };
    add.is_suspended_soon("ran out of time in start");
    let header = Starter {
        imports: import!("header"),
        start: for_ever!("(call $header (i32.const 65600) (i32.const 2) (i32.const 256))"),
        ..NOTHING
    };
    header.is_suspended_soon("ran out of time in start");
}

#[test]
fn memory_that_is_filled_copied_or_grown_is_paid_for() {
    let fill = Starter { start: "(memory.fill (i32.const 70000) (i32.const 1) (i32.const 7000000))", ..NOTHING };
    fill.is_suspended_soon("ran out of time in start");
    let copy = Starter { start: "(memory.copy (i32.const 70000) (i32.const 3600000) (i32.const 3500000))", ..NOTHING };
    copy.is_suspended_soon("ran out of time in start");
    let grow = Starter { start: for_ever!("(drop (memory.grow (i32.const 1)))"), ..NOTHING };
    grow.is_suspended_soon("ran out of time in start");
}

/// Fuel counts instructions, and some of these take long: what counts then is the clock.
#[test]
fn a_starter_within_its_fuel_that_is_slow_is_suspended_by_the_clock() {
    // Reads that miss each cache: each start looks at some thousand lines of 7 MB, in no order.
    let misses = Starter {
        items: "(global $at (mut i32) (i32.const 1))",
        start: "(local.set $i (i32.const 30000))
                (loop $again
                  (global.set $at (i32.add (i32.mul (global.get $at) (i32.const 1664525)) (i32.const 1013904223)))
                  (i32.store (i32.rem_u (i32.shr_u (global.get $at) (i32.const 3)) (i32.const 7000000)) (global.get $at))
                  (local.set $i (i32.sub (local.get $i) (i32.const 1)))
                  (br_if $again (local.get $i)))",
        ..NOTHING
    };
    misses.is_suspended_soon("start");
}

/// Only each 32nd start was once measured: a tracer that was quick on those went on for ever.
#[test]
fn a_starter_that_is_quick_on_each_32nd_start_is_suspended() {
    let sly = Starter {
        start: "(if (i32.and (global.get $starts) (i32.const 31)) (then
                  (local.set $i (i32.const 150000))
                  (loop $again
                    (local.set $i (i32.sub (local.get $i) (i32.const 1)))
                    (br_if $again (local.get $i)))))",
        ..NOTHING
    };
    sly.is_suspended_soon("start takes");
}

#[test]
fn a_starter_that_reads_and_sets_a_few_headers_goes_on() {
    let modest = Starter {
        imports: concat!(import!("header"), import!("set-header")),
        start: "(call $header (i32.const 65600) (i32.const 2) (i32.const 256))
                (call $set (i32.const 65600) (i32.const 2) (i32.const 65600) (i32.const 100) (i32.const 256))",
        ..NOTHING
    };
    let house = House::new();
    house.drop_in("modest.wasm", modest.module());
    house.until_live("modest");
    house.calls(2_000);
    let modest = house.settled("modest", 2_000);
    assert_eq!(modest["start"]["misses"], 0, "{modest:#}");
    assert!(modest["start"]["suspended_ms"].is_null() && modest["last_error"].is_null(), "{modest:#}");
}

/// Its starter's `init` spins as soon as the tracer has saved something, and its starts trap: so instances are made for
/// ever. That is done of its own share.
#[test]
fn a_starter_whose_init_spins_costs_no_other_tracer_its_calls() {
    let spins = wat::parse_str(include_str!("hostile/spins_in_later_init.wat")).expect("valid");
    let house = House::new();
    house.drop_in("good.wasm", NOTHING.module());
    house.drop_in("bad.wasm", spins);
    house.until_live("good");
    house.until_live("bad");
    // When these are committed, it has saved something.
    let mut made = 30;
    house.calls(made);
    house.settled("bad", made);
    let began = Instant::now();
    let cpu = |tracer: &Value| Duration::from_nanos(tracer["cpu_ns"].as_u64().unwrap_or_default());
    // Its share is a quarter of the time, and at first a tenth of a second; each try may take as much, and some more.
    while began.elapsed() < Duration::from_secs(4) {
        house.calls(10);
        made += 10;
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let bad = house.settled("bad", made);
    let may = began.elapsed().mul_f64(0.25) + Duration::from_millis(400);
    assert!(cpu(&bad) < may, "{:?} of {:?}: {bad:#}", cpu(&bad), began.elapsed());
    let message = bad["last_error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("ran out of time in init: it used more than 100ms"), "{bad:#}");
    for tracer in [bad, house.settled("good", made)] {
        assert_eq!(tracer["committed"], made, "{tracer:#}");
    }
}
