//! Guests that ask the host for more than is good: floods, texts, metrics of others, time of the RPC.

use super::case::Becomes::{Either, Fails, Lives, Refused};
use super::case::Case;
use super::code::{CALLS_AND_BREAKER, INIT, case};
use super::guest::{Guest, QUIET, imports};

/// More of everything than a tracer needs.
pub(super) fn floods() -> Vec<Case> {
    // So many times in each batch.
    macro_rules! times {
        ($count:literal, $body:literal) => {
            concat!(
                "(global.set $calls (i32.const ",
                $count,
                ")) (loop $again ",
                $body,
                "(br_if $again (global.set $calls (i32.sub (global.get $calls) (i32.const 1))) (global.get $calls)))"
            )
        };
    }
    let flood = |name: &str, imports: &'static str, finish: &'static str| {
        case("floods", name, Guest { imports, finish, ..QUIET }, Lives)
    };
    vec![
        flood("log", imports::LOG, times!("200", "(call $log (i32.const 5) (i32.const 64) (i32.const 1000))")),
        flood(
            "metrics",
            imports::COUNTER,
            times!(
                "300",
                "(i32.store (i32.const 66) (i32.add (i32.const 0x61616161) (i32.rem_u (global.get $calls) (i32.const 26))))
                (i32.store8 (i32.const 67) (i32.add (i32.const 97) (i32.rem_u (i32.div_u (global.get $calls) (i32.const 26)) (i32.const 26))))
                (drop (call $counter (i32.const 64) (i32.const 7) (i32.const 0) (i32.const 0) (i32.const 0)
                  (i32.const 0) (i32.const 0) (i32.const 0)))"
            ),
        ),
        flood(
            "series",
            imports::SERIES,
            concat!(
                "(i32.store (i32.const 256) (i32.const 64)) (i32.store (i32.const 260) (i32.const 7))
                (i32.store (i32.const 264) (i32.const 512)) (i32.store (i32.const 268) (i32.const 8))
                (global.set $heap (call $counter (i32.const 64) (i32.const 7) (i32.const 0) (i32.const 0) (i32.const 0)
                  (i32.const 0) (i32.const 256) (i32.const 1)))",
                times!(
                    "500",
                    "(i32.store (i32.const 512) (i32.or (i32.const 0x20202020) (i32.and (global.get $calls) (i32.const 0x0f0f0f0f))))
                    (i32.store (i32.const 516) (i32.or (i32.const 0x40404040) (i32.and (global.get $finishes) (i32.const 0x0f0f0f0f))))
                    (drop (call $series-of (global.get $heap) (i32.const 264) (i32.const 1)))"
                )
            ),
        ),
        flood(
            "payloads",
            imports::SEND,
            times!(
                "20",
                "(call $send (i32.const 64) (i32.const 7) (i32.const 64) (i32.const 7) (i32.const 0) (i32.const 4096)
                  (i32.const 16))"
            ),
        ),
        flood(
            "state",
            imports::SAVE,
            "(if (i32.lt_u (memory.size) (i32.const 40)) (then (drop (memory.grow (i32.const 40)))))
            (drop (call $save (i32.const 0) (i32.const 2097152))) (drop (call $save (i32.const 0) (i32.const 1048576)))",
        ),
        case(
            "floods",
            "symbols",
            Guest {
                imports: imports::SYMBOLS,
                finish: "(drop (memory.grow (i32.const 8))) (call $symbols (i32.const 0) (i32.const 70000) (i32.const 16))",
                ..QUIET
            },
            Fails(&["asked for more than 65,536 texts"]),
        ),
        flood("refills", imports::IDS, times!("200", "(call $ids (local.get $batch) (i32.const 16)) (global.set $heap (i32.const 65536))")),
    ]
}

/// Guests that act at the start of calls, with which the RPC waits.
pub(super) fn starters() -> Vec<Case> {
    let named = Fails(&["start"]);
    let start = |name: &str, imports: &'static str, start: &'static str, becomes| {
        case("starters", name, Guest { imports, start, ..QUIET }, becomes).known_after(CALLS_AND_BREAKER)
    };
    vec![
        start("traps", "", "(if (i32.gt_u (global.get $starts) (i32.const 3)) (then unreachable))", named),
        start(
            "slow",
            "",
            "(global.set $calls (i32.const 100000))
            (loop $again
              (global.set $calls (i32.sub (global.get $calls) (i32.const 1))) (br_if $again (global.get $calls)))",
            named,
        ),
        start(
            "slow-now-and-then",
            imports::HEADER,
            "(if (i32.gt_u (global.get $starts) (i32.const 32)) (then
              (if (i32.rem_u (global.get $starts) (i32.const 32)) (then
                (if (i32.lt_u (memory.size) (i32.const 100)) (then (drop (memory.grow (i32.const 100)))))
                (call $header (i32.const 0) (i32.const 6000000) (i32.const 16))
                (call $header (i32.const 0) (i32.const 6000000) (i32.const 16))
                (call $header (i32.const 0) (i32.const 6000000) (i32.const 16))))))",
            named,
        ),
        start(
            "sets-too-many",
            imports::SET_HEADER,
            "(global.set $calls (i32.const 50))
            (loop $again
              (i32.store8 (i32.const 70) (i32.add (i32.const 97) (i32.rem_u (global.get $calls) (i32.const 26))))
              (call $set-header (i32.const 64) (i32.const 7) (i32.const 64) (i32.const 7) (i32.const 16))
              (global.set $calls (i32.sub (global.get $calls) (i32.const 1))) (br_if $again (global.get $calls)))",
            Either,
        ),
        start(
            "large-value",
            imports::SET_HEADER,
            "(call $set-header (i32.const 64) (i32.const 7) (i32.const 0) (i32.const 262144) (i32.const 16))",
            Either,
        ),
        start(
            "memory",
            "",
            "(if (i32.gt_u (global.get $starts) (i32.const 4)) (then
                (loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable))",
            named,
        ),
        case(
            "starters",
            "spins-in-init",
            Guest {
                init: "(if (local.get $role) (then (loop $for_ever (br $for_ever))))",
                start: "(drop (i32.const 0))",
                ..QUIET
            },
            Refused(&["ran out of time in init"]),
        )
        .known_after(INIT),
    ]
}

/// Texts that try to be more than one line, and metrics that try to be another tracer's.
pub(super) fn texts() -> Vec<Case> {
    let lives = |name: &str, imports: &'static str, items: &'static str, finish: &'static str| {
        case("texts", name, Guest { imports, items, finish, ..QUIET }, Lives)
    };
    const LINES: &str = r#"(data (i32.const 128) "two\0alines\1b[31m \e2\80\a8 \e2\80\ae \e2\81\a6 \c2\85")"#;
    vec![
        lives("log", imports::LOG, LINES, "(call $log (i32.const 4) (i32.const 128) (i32.const 29))"),
        lives(
            "metric",
            imports::COUNTER,
            LINES,
            "(drop (call $counter (i32.const 128) (i32.const 29) (i32.const 128) (i32.const 29) (i32.const 128)
              (i32.const 29) (i32.const 0) (i32.const 0)))",
        ),
        case(
            "texts",
            "refusal",
            Guest {
                items: LINES,
                init: "(i32.store8 (i32.const 8) (i32.const 1)) (i32.store (i32.const 12) (i32.const 128))
                (i32.store (i32.const 16) (i32.const 29))",
                ..QUIET
            },
            Refused(&["init refused: two"]),
        ),
        case(
            "texts",
            "last-words",
            Guest {
                imports: imports::LOG,
                items: LINES,
                finish: "(call $log (i32.const 5) (i32.const 128) (i32.const 29)) unreachable",
                ..QUIET
            },
            Fails(&["its last words: two"]),
        ),
        case(
            "texts",
            "no-utf8",
            Guest {
                imports: imports::LOG,
                items: r#"(data (i32.const 128) "\ff\fe\80")"#,
                finish: "(call $log (i32.const 4) (i32.const 128) (i32.const 3))",
                ..QUIET
            },
            Fails(&["utf-8", "UTF-8"]),
        ),
        case(
            "texts",
            "function",
            Guest {
                items: r#"(func $"forged\0aERROR a line\1b[31m\e2\80\a8" unreachable)"#,
                finish: r#"(call $"forged\0aERROR a line\1b[31m\e2\80\a8")"#,
                ..QUIET
            },
            Fails(&["trapped in finish"]),
        ),
        case(
            "texts",
            "import",
            Guest { imports: r#"(import "env\0a\1b[31m" "f" (func))"#, ..QUIET },
            Refused(&["imports env"]),
        ),
    ]
}

/// Metrics under names that belong to others.
pub(super) fn metrics() -> Vec<Case> {
    let define = |name: &str, imports: &'static str, items: &'static str, finish: &'static str| {
        case("metrics", name, Guest { imports, items, finish, ..QUIET }, Lives)
    };
    const STEAL: &str = r#"(data (i32.const 128) "rpc.client.call.duration") (data (i32.const 192) "s")"#;
    vec![
        define(
            "steals-a-family",
            imports::GAUGE,
            STEAL,
            "(drop (call $gauge (i32.const 128) (i32.const 24) (i32.const 192) (i32.const 1) (i32.const 0) (i32.const 0)
              (i32.const 0) (i32.const 0)))",
        ),
        define(
            "changes-the-bounds",
            imports::HISTOGRAM,
            STEAL,
            "(drop (call $histogram (i32.const 128) (i32.const 24) (i32.const 192) (i32.const 1) (i32.const 0)
              (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1)))",
        ),
        define(
            "takes-the-hosts-name",
            imports::COUNTER,
            r#"(data (i32.const 128) "hottap_calls_finished_total")"#,
            "(drop (call $counter (i32.const 128) (i32.const 27) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
              (i32.const 0) (i32.const 0)))",
        ),
        define(
            "takes-the-label-tracer",
            imports::COUNTER,
            r#"(data (i32.const 128) "tracer")"#,
            "(i32.store (i32.const 256) (i32.const 128)) (i32.store (i32.const 260) (i32.const 6))
            (drop (call $counter (i32.const 64) (i32.const 7) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
              (i32.const 256) (i32.const 1)))",
        ),
        define(
            "adds-to-anything",
            imports::ADD,
            "",
            "(call $add (i32.const 0) (i32.const 64) (i32.const 1024) (i32.const 7))
            (i32.store (i32.const 1024) (i32.const -1)) (call $add (i32.const 1024) (i32.const 1) (i32.const 1024) (i32.const 1))",
        ),
    ]
}
