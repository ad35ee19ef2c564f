//! Hostile guests as text: a core module that passes the canary, and does what it is meant to do afterwards.

/// The parts of a guest that differ.
#[derive(Clone, Copy)]
pub(super) struct Guest {
    pub(super) imports: &'static str,
    pub(super) items: &'static str,
    pub(super) init: &'static str,
    /// The body of `finish` for each batch after the canary's.
    pub(super) finish: &'static str,
    /// The body of each `flush` after the canary's.
    pub(super) flush: &'static str,
    /// What it does at the start of calls; "" is a guest without a starter.
    pub(super) start: &'static str,
    /// The body of `progress` after the canary's; "" is a guest that does not follow streams.
    pub(super) progress: &'static str,
    /// The answer of `cabi_realloc`; `$place` is the right one.
    pub(super) realloc: &'static str,
}

/// A guest that takes everything and does nothing.
pub(super) const QUIET: Guest = Guest {
    imports: "",
    items: "",
    init: "",
    finish: "",
    flush: "",
    start: "",
    progress: "",
    realloc: "(local.get $place)",
};

/// The imports of the contract, to be chosen from.
pub(super) mod imports {
    pub(in super::super) const LOG: &str =
        r#"(import "hottap:tracer/log@0.1.0-draft" "write" (func $log (param i32 i32 i32)))"#;
    pub(in super::super) const COUNTER: &str = r#"(import "hottap:tracer/metrics@0.1.0-draft" "counter"
        (func $counter (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"#;
    pub(in super::super) const GAUGE: &str = r#"(import "hottap:tracer/metrics@0.1.0-draft" "gauge"
        (func $gauge (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"#;
    pub(in super::super) const SERIES: &str = r#"(import "hottap:tracer/metrics@0.1.0-draft" "counter"
        (func $counter (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (import "hottap:tracer/metrics@0.1.0-draft" "series-of" (func $series-of (param i32 i32 i32) (result i32)))"#;
    pub(in super::super) const HISTOGRAM: &str = r#"(import "hottap:tracer/metrics@0.1.0-draft" "histogram"
        (func $histogram (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"#;
    pub(in super::super) const ADD: &str =
        r#"(import "hottap:tracer/metrics@0.1.0-draft" "add" (func $add (param i32 i32 i32 i32)))"#;
    pub(in super::super) const SEND: &str =
        r#"(import "hottap:tracer/outbox@0.1.0-draft" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32)))"#;
    pub(in super::super) const SAVE: &str =
        r#"(import "hottap:tracer/state@0.1.0-draft" "save" (func $save (param i32 i32) (result i32)))"#;
    pub(in super::super) const SYMBOLS: &str =
        r#"(import "hottap:tracer/rpc@0.1.0-draft" "symbols" (func $symbols (param i32 i32 i32)))"#;
    pub(in super::super) const COLUMNS: &str =
        r#"(import "hottap:tracer/rpc@0.1.0-draft" "[method]batch.columns" (func $columns (param i32 i64 i32)))"#;
    pub(in super::super) const IDS: &str =
        r#"(import "hottap:tracer/rpc@0.1.0-draft" "[method]batch.ids" (func $ids (param i32 i32)))"#;
    pub(in super::super) const HEADER: &str =
        r#"(import "hottap:tracer/starting@0.1.0-draft" "header" (func $header (param i32 i32 i32)))"#;
    pub(in super::super) const SET_HEADER: &str =
        r#"(import "hottap:tracer/starting@0.1.0-draft" "set-header" (func $set-header (param i32 i32 i32 i32 i32)))"#;
}

impl Guest {
    /// The module.
    pub(super) fn module(&self) -> Vec<u8> {
        let Self { imports, items, init, finish, flush, start, progress, realloc } = self;
        let starter = match *start {
            "" => String::new(),
            body => format!(
                r#"(func (export "hottap:tracer/starter@0.1.0-draft#start")
                    (param i64 i32 i32 i32 i32 i64 i64 i64 i64 i64 i64 i32) (result i64)
                  (global.set $starts (i32.add (global.get $starts) (i32.const 1)))
                  {body}
                  (i64.const 7))"#
            ),
        };
        let (follow_import, follow) = match *progress {
            "" => ("", String::new()),
            body => (
                r#"(import "hottap:tracer/progress@0.1.0-draft" "[resource-drop]moments" (func $drop-moments (param i32)))"#,
                format!(
                    r#"(func (export "hottap:tracer/streams@0.1.0-draft#progress") (param $moments i32)
                      (global.set $pieces (i32.add (global.get $pieces) (i32.const 1)))
                      (if (i32.gt_u (global.get $pieces) (i32.const 1)) (then {body}))
                      (call $drop-moments (local.get $moments)))"#
                ),
            ),
        };
        wat(&format!(
            r#"(module
              (import "hottap:tracer/rpc@0.1.0-draft" "[resource-drop]batch" (func $drop (param i32)))
              {follow_import}
              {imports}
              (memory (export "memory") 4)
              (data (i32.const 64) "x.calls")
              (global $finishes (mut i32) (i32.const 0))
              (global $flushes (mut i32) (i32.const 0))
              (global $starts (mut i32) (i32.const 0))
              (global $pieces (mut i32) (i32.const 0))
              (global $calls (mut i32) (i32.const 0))
              (global $heap (mut i32) (i32.const 65536))
              {items}
              (func (export "cabi_realloc") (param $old i32) (param $was i32) (param $align i32) (param $size i32)
                  (result i32)
                (local $place i32)
                (local.set $place (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
                (if (i32.gt_u (i32.add (local.get $place) (local.get $size)) (i32.mul (memory.size) (i32.const 65536)))
                  (then (drop (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16)))))))
                (global.set $heap (i32.add (local.get $place) (local.get $size)))
                {realloc})
              (func (export "hottap:tracer/tracer@0.1.0-draft#init")
                  (param $role i32) (param i32 i32 i32 i32 i64) (result i32)
                {init}
                (i32.const 8))
              (func (export "hottap:tracer/tracer@0.1.0-draft#finish") (param $batch i32)
                (global.set $finishes (i32.add (global.get $finishes) (i32.const 1)))
                (global.set $heap (i32.const 65536))
                (if (i32.gt_u (global.get $finishes) (i32.const 1)) (then {finish}))
                (call $drop (local.get $batch)))
              (func (export "hottap:tracer/tracer@0.1.0-draft#flush") (param i32 i64 i64)
                (global.set $flushes (i32.add (global.get $flushes) (i32.const 1)))
                (global.set $heap (i32.const 65536))
                (if (i32.gt_u (global.get $flushes) (i32.const 1)) (then {flush})))
              {starter}
              {follow})"#
        ))
    }
}

/// Text as bytes.
#[track_caller]
pub(super) fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}
