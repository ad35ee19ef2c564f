//! Guests that trap, spin, take memory, and misuse what they are handed.

use super::case::Becomes::{Either, Fails, Refused};
use super::case::{Case, Put};
use super::guest::{Guest, QUIET, imports, wat};

/// Milliseconds until the deadline of `init` is over, by which it is known that it spins: 2 s of CPU time, which the
/// loader, at low priority, has after some more.
pub(super) const INIT: u64 = 6_000;
/// Milliseconds until two flushes have come: one that takes long is tried again with more time, and the error that is
/// looked at is that of the second.
const FLUSH: u64 = 4_500;
/// Milliseconds in which the calls have come that something goes wrong with.
const CALLS: u64 = 500;

/// Milliseconds in which a breaker has seen enough of a start.
pub(super) const CALLS_AND_BREAKER: u64 = 1_000;

/// A guest's case: what goes wrong with its calls is known once they have come.
pub(super) fn case(kind: &'static str, name: &str, guest: Guest, becomes: super::case::Becomes) -> Case {
    Case::new(kind, name, Put::Module(guest.module()), becomes).known_after(CALLS)
}

/// Traps of every kind that the engine has, in every function.
pub(super) fn traps() -> Vec<Case> {
    let finish = |name: &str, finish: &'static str, items: &'static str| {
        case("traps", name, Guest { finish, items, ..QUIET }, Fails(&["trapped in finish"]))
    };
    vec![
        finish("unreachable", "unreachable", ""),
        finish("division", "(drop (i32.div_u (i32.const 1) (i32.const 0)))", ""),
        finish("overflow", "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", ""),
        finish("conversion", "(drop (i32.trunc_f64_s (f64.const nan)))", ""),
        finish("memory", "(drop (i32.load (i32.const -4)))", ""),
        finish("table", "(drop (table.get $t (i32.const 9)))", "(table $t 1 funcref)"),
        finish("null-call", "(call_indirect $t (i32.const 0))", "(table $t 1 funcref)"),
        finish(
            "wrong-call",
            "(call_indirect $t (param i32) (i32.const 1) (i32.const 0))",
            "(table $t 1 funcref) (elem (i32.const 0) $nothing) (func $nothing)",
        ),
        finish("stack", "(call $deeper)", "(func $deeper (call $deeper) (call $deeper))"),
        finish("fill", "(memory.fill (i32.const 262140) (i32.const 0) (i32.const 100))", ""),
        case("traps", "flush", Guest { flush: "unreachable", ..QUIET }, Fails(&["trapped in flush"]))
            .known_after(FLUSH),
        case("traps", "init", Guest { init: "unreachable", ..QUIET }, Refused(&["trapped in init"])),
        case("traps", "progress", Guest { progress: "unreachable", ..QUIET }, Fails(&["trapped in progress"]))
            .known_after(FLUSH),
        case(
            "traps",
            "now-and-then",
            Guest {
                finish: "(if (i32.eqz (i32.rem_u (global.get $finishes) (i32.const 5))) (then unreachable))",
                ..QUIET
            },
            Fails(&["trapped in finish"]),
        ),
    ]
}

/// Loops without end, in every function.
pub(super) fn spins() -> Vec<Case> {
    const SPIN: &str = "(loop $for_ever (br $for_ever))";
    let refused = Refused(&["ran out of time"]);
    let start_section = format!("{}{}", r#"(module (func $go (loop $for_ever (br $for_ever))) (start $go)"#, TRACER);
    let post_return = wat(&format!(
        r#"(module (func (export "cabi_post_hottap:tracer/tracer@0.1.0-draft#init") (param i32)
            (loop $for_ever (br $for_ever)) unreachable){TRACER}"#
    ));
    let start = "(if (i32.gt_u (global.get $starts) (i32.const 4)) (then (loop $for_ever (br $for_ever))))";
    vec![
        case("spins", "init", Guest { init: SPIN, ..QUIET }, refused).known_after(INIT),
        case("spins", "finish", Guest { finish: SPIN, ..QUIET }, Fails(&["ran out of time in finish"])),
        case("spins", "flush", Guest { flush: SPIN, ..QUIET }, Fails(&["ran out of time in flush"])).known_after(FLUSH),
        case("spins", "progress", Guest { progress: SPIN, ..QUIET }, Fails(&["ran out of time in progress"]))
            .known_after(FLUSH),
        case("spins", "start", Guest { start, ..QUIET }, Fails(&["ran out of time in start", "start"])),
        case("spins", "realloc", Guest { realloc: "(loop $for_ever (br $for_ever)) unreachable", ..QUIET }, refused)
            .known_after(INIT),
        Case::new("spins", "start-section", Put::Module(wat(&start_section)), refused).known_after(INIT),
        Case::new("spins", "post-return", Put::Module(post_return), refused).known_after(INIT),
        case(
            "spins",
            "later-in-init",
            Guest {
                // A new instance is made a second after the first one, at an odd moment or at an even one.
                init: "(if (i64.eqz (i64.rem_u (i64.div_u (local.get 5) (i64.const 1000000000)) (i64.const 2)))
                    (then (loop $for_ever (br $for_ever))))",
                finish: "unreachable",
                ..QUIET
            },
            Either,
        )
        .known_after(INIT),
    ]
}

/// The end of a module that does nothing: what a tracer has to have.
const TRACER: &str = r#"
    (memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "hottap:tracer/tracer@0.1.0-draft#init") (param i32 i32 i32 i32 i32 i64) (result i32) (i32.const 8))
    (func (export "hottap:tracer/tracer@0.1.0-draft#finish") (param i32))
    (func (export "hottap:tracer/tracer@0.1.0-draft#flush") (param i32 i64 i64)))"#;

/// Memory and tables beyond every limit, and addresses that are none.
pub(super) fn memory() -> Vec<Case> {
    const GROW: &str = "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    const GROW_TABLE: &str = "(loop $again
        (br_if $again (i32.ne (table.grow $t (ref.null func) (i32.const 10000)) (i32.const -1)))) unreachable";
    let out = |name: &str, guest: Guest, becomes| case("memory", name, guest, becomes);
    let log = |name: &str, finish: &'static str| {
        out(name, Guest { imports: imports::LOG, finish, ..QUIET }, Fails(&["trapped in finish", "ran out of"]))
    };
    vec![
        out("init", Guest { init: GROW, ..QUIET }, Refused(&["ran out of memory in init"])),
        out("finish", Guest { finish: GROW, ..QUIET }, Fails(&["ran out of memory in finish"])),
        out("flush", Guest { flush: GROW, ..QUIET }, Fails(&["ran out of memory in flush"])).known_after(FLUSH),
        out(
            "table",
            Guest { finish: GROW_TABLE, items: "(table $t 1 funcref)", ..QUIET },
            Fails(&["ran out of table"]),
        ),
        out("first-table", Guest { items: "(table 10000000 funcref)", ..QUIET }, Refused(&["ran out of table"])),
        out("realloc-nowhere", Guest { realloc: "(i32.const -16)", ..QUIET }, Refused(&["init", "realloc"])),
        out("realloc-crooked", Guest { realloc: "(i32.add (local.get $place) (i32.const 3))", ..QUIET }, Either),
        out("init-nowhere", Guest { init: "(return (i32.const -8))", ..QUIET }, Refused(&["trapped in init"])),
        out(
            "init-crooked",
            Guest { init: "(return (i32.const 9))", ..QUIET },
            Refused(&["trapped in init", "aligned"]),
        ),
        log("text-of-4-gib", "(call $log (i32.const 3) (i32.const 0) (i32.const -1))"),
        log("text-nowhere", "(call $log (i32.const 3) (i32.const -2) (i32.const 8))"),
        log(
            "text-of-20-mib",
            "(drop (memory.grow (i32.const 400))) (call $log (i32.const 3) (i32.const 0) (i32.const 20971520))",
        ),
    ]
}

/// Handles that are used twice, never, or after their time.
pub(super) fn handles() -> Vec<Case> {
    let fails = |name: &str, imports: &'static str, items, finish: &'static str, flush: &'static str| {
        let guest = Guest { imports, items, finish, flush, ..QUIET };
        case("handles", name, guest, Fails(&["trapped in"])).known_after(FLUSH)
    };
    vec![
        fails("dropped-twice", "", "", "(call $drop (local.get $batch))", ""),
        fails("not-dropped", "", "", "(return)", ""),
        fails("another", "", "", "(call $drop (i32.const 77))", ""),
        fails(
            "dropped-and-used",
            imports::IDS,
            "",
            "(call $drop (local.get $batch)) (call $ids (local.get $batch) (i32.const 16))",
            "",
        ),
        fails(
            "kept-for-later",
            imports::IDS,
            "(global $kept (mut i32) (i32.const 0))",
            "(global.set $kept (local.get $batch))",
            "(call $ids (global.get $kept) (i32.const 16))",
        ),
        fails(
            "unknown-columns",
            imports::COLUMNS,
            "",
            "(call $columns (local.get $batch) (i64.const -1) (i32.const 16))",
            "",
        ),
        fails("result-nowhere", imports::IDS, "", "(call $ids (local.get $batch) (i32.const -4))", ""),
    ]
}

/// Rows at which a guest fails while it takes all others.
pub(super) fn rows() -> Vec<Case> {
    let at = |name: &str, finish: &'static str| {
        case("rows", name, Guest { imports: imports::IDS, finish, ..QUIET }, Fails(&["trapped in finish"]))
            .known_after(1_000)
    };
    vec![
        // Ids are handed over as a list of 64-bit numbers: address at 16, count at 20.
        at(
            "poison",
            "(call $ids (local.get $batch) (i32.const 16))
            (loop $again
              (if (i32.load (i32.const 20))
                (then
                  (i32.store (i32.const 20) (i32.sub (i32.load (i32.const 20)) (i32.const 1)))
                  (if (i64.eqz (i64.rem_u
                      (i64.load (i32.add (i32.load (i32.const 16)) (i32.mul (i32.load (i32.const 20)) (i32.const 8))))
                      (i64.const 1000)))
                    (then unreachable))
                  (br $again))))",
        ),
        at(
            "every-400th",
            "(call $ids (local.get $batch) (i32.const 16))
            (global.set $calls (i32.add (global.get $calls) (i32.load (i32.const 20))))
            (if (i32.gt_u (global.get $calls) (i32.const 400)) (then unreachable))",
        ),
        at(
            "large-batches",
            "(call $ids (local.get $batch) (i32.const 16))
            (if (i32.gt_u (i32.load (i32.const 20)) (i32.const 3)) (then unreachable))",
        ),
    ]
}
