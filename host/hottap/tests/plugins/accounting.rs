//! Every finished call in a tracer's scope is accounted for, whatever the tracer does.

use std::time::Duration;

use hottap::rpc::Side;

use crate::guests::{QUIET, Wat};
use crate::house::{House, assert_balanced};

/// Traps from its hundredth batch on; the canary sees one.
const TRAPS_LATER: Wat =
    Wat { finish: "(if (i32.ge_u (global.get $calls) (i32.const 5)) (then unreachable))", ..QUIET };
const SPINS_LATER: Wat =
    Wat { finish: "(if (i32.ge_u (global.get $calls) (i32.const 3)) (then (loop (br 0))))", ..QUIET };
const TRAPS_IN_FLUSH_LATER: Wat =
    Wat { flush: "(if (i32.ge_u (global.get $calls) (i32.const 3)) (then unreachable))", ..QUIET };
const EATS_MEMORY_LATER: Wat = Wat {
    finish: "(if (i32.ge_u (global.get $calls) (i32.const 3))
               (then (loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable))",
    ..QUIET
};
const RECURSES_LATER: Wat = Wat {
    items: "(func $deep (param i64) (result i64) (i64.add (call $deep (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))",
    finish: "(if (i32.ge_u (global.get $calls) (i32.const 3)) (then (drop (call $deep (i64.const 0)))))",
    ..QUIET
};

#[test]
fn every_finished_call_is_committed_once() {
    let house = House::new();
    house.drop_in("quiet.wasm", QUIET.component());
    house.until_live("quiet");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| house.calls(5_000));
        }
    });
    let tracer = house.settled("quiet", 20_000);
    assert_eq!(tracer["committed"], 20_000);
    assert_eq!(house.metric("hottap_calls_committed_total{tracer=\"quiet\"}"), Some(20_000.0));
}

#[track_caller]
fn hurts_only_itself(guest: &Wat, says: &str) {
    let house = House::new();
    house.drop_in("bad.wasm", guest.component());
    house.drop_in("good.wasm", QUIET.component());
    house.until_live("bad");
    house.until_live("good");
    let mut made = 0;
    let bad = loop {
        house.calls(100);
        made += 100;
        let bad = house.tracer("bad");
        assert_balanced(&bad);
        if bad["traps"].as_u64().is_some_and(|traps| traps >= 2) {
            break bad;
        }
        assert!(made < 10_000_000, "it never trapped: {bad:#}");
        std::thread::park_timeout(Duration::from_millis(1));
    };
    let message = bad["last_error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains(says), "{message}");
    let what_to_do = bad["last_error"]["what_to_do"].as_str().unwrap_or_default();
    assert!(what_to_do.starts_with("mend the tracer"), "{what_to_do}");
    let good = house.settled("good", made);
    assert_eq!(good["committed"], made);
    assert!(house.tap.shutdown(Duration::from_secs(30)));
    let bad = house.tracer("bad");
    assert_balanced(&bad);
    assert_eq!((bad["finished"].as_u64(), bad["pending"].as_u64()), (Some(made), Some(0)), "{bad:#}");
}

#[test]
fn a_tracer_that_traps_hurts_only_itself() {
    hurts_only_itself(&TRAPS_LATER, "trapped in finish: wasm trap: wasm `unreachable` instruction executed");
}

#[test]
fn a_tracer_that_traps_in_flush_hurts_only_itself() {
    hurts_only_itself(&TRAPS_IN_FLUSH_LATER, "trapped in flush");
}

#[test]
fn a_tracer_that_spins_hurts_only_itself() {
    hurts_only_itself(&SPINS_LATER, "ran out of time in finish");
}

#[test]
fn a_tracer_that_eats_memory_hurts_only_itself() {
    hurts_only_itself(&EATS_MEMORY_LATER, "ran out of memory in finish");
}

#[test]
fn a_tracer_that_recurses_hurts_only_itself() {
    hurts_only_itself(&RECURSES_LATER, "call stack exhausted");
}

#[test]
fn a_call_that_no_plugin_wants_has_no_guard() {
    let house = House::new();
    assert!(house.tap.start_call(Side::Server, "house.v1.House/Call").is_none());
    house.drop_in("quiet.toml", "[scope]\nsides = [\"client\"]\n");
    house.drop_in("quiet.wasm", QUIET.component());
    house.until_live("quiet");
    assert!(house.tap.start_call(Side::Server, "house.v1.House/Call").is_none());
    assert!(house.tap.start_call(Side::Client, "house.v1.House/Call").is_some());
}

#[test]
fn scopes_choose_the_calls_of_each_plugin() {
    let house = House::new();
    house.drop_in("failed.toml", "[scope]\noutcomes = [\"error\"]\n");
    house.drop_in("failed.wasm", QUIET.component());
    house.drop_in("one.toml", "[scope]\nmethods = [\"house.v1.House/One\"]\nsides = [\"server\"]\n");
    house.drop_in("one.wasm", QUIET.component());
    house.drop_in("all.wasm", QUIET.component());
    for name in ["failed", "one", "all"] {
        house.until_live(name);
    }
    for i in 0..1_000 {
        house.call(Side::Server, "house.v1.House/One", if i % 10 == 0 { 14 } else { 0 });
        house.call(Side::Client, "house.v1.House/One", 0);
        house.call(Side::Server, "house.v1.House/Two", 0);
    }
    assert_eq!(house.settled("all", 3_000)["committed"], 3_000);
    assert_eq!(house.settled("failed", 100)["committed"], 100);
    assert_eq!(house.settled("one", 1_000)["committed"], 1_000);
}

#[test]
fn every_term_is_on_the_page_of_metrics_from_the_start() {
    let house = House::new();
    house.configure("[destinations.out]\nurl = \"stdout:\"\ntracers = [\"quiet\"]\n");
    house.drop_in("quiet.wasm", Wat { progress: "(call $drop-moments (local.get 0))", ..QUIET }.component());
    house.until_live("quiet");
    house.until_destination("out", "there", |out| !out.is_null());
    let zero = |series: &str| assert_eq!(house.metric(series), Some(0.0), "{series}");
    for term in ["finished_total", "committed_total", "pending", "dead_total"] {
        zero(&format!("hottap_calls_{term}{{tracer=\"quiet\"}}"));
    }
    for term in ["observed_total", "committed_total", "pending"] {
        zero(&format!("hottap_moments_{term}{{tracer=\"quiet\"}}"));
    }
    for reason in ["buffer_full", "queue_full", "cpu_share", "trap", "quarantined", "shutdown", "swap"] {
        for what in ["calls", "moments"] {
            zero(&format!("hottap_{what}_dropped_total{{tracer=\"quiet\",reason=\"{reason}\"}}"));
        }
    }
    for reason in ["not_allowed", "full", "too_large"] {
        zero(&format!("hottap_tracer_payloads_refused_total{{tracer=\"quiet\",reason=\"{reason}\"}}"));
    }
    zero("hottap_tracer_error{tracer=\"quiet\"}");
    for term in ["accepted_total", "delivered_total", "queued", "retries_total", "error"] {
        zero(&format!("hottap_destination_{term}{{destination=\"out\"}}"));
    }
    for reason in ["rejected", "expired", "too_large", "removed", "shutdown"] {
        zero(&format!("hottap_destination_dropped_total{{destination=\"out\",reason=\"{reason}\"}}"));
    }
    for reason in ["not_granted", "full", "too_large"] {
        zero(&format!("hottap_destination_refused_total{{destination=\"out\",reason=\"{reason}\"}}"));
    }
}

#[test]
fn shutdown_commits_what_was_gathered() {
    let house = House::new();
    house.drop_in("quiet.wasm", QUIET.component());
    house.until_live("quiet");
    house.calls(777);
    assert!(house.tap.shutdown(Duration::from_secs(30)));
    let tracer = house.tracer("quiet");
    assert_eq!((tracer["committed"].as_u64(), tracer["pending"].as_u64()), (Some(777), Some(0)), "{tracer:#}");
    assert!(house.tap.start_call(Side::Server, "house.v1.House/Call").is_none());
    assert!(house.tap.shutdown(Duration::ZERO), "a second shutdown has nothing to do");
}
