//! Guests that are written as text, most of them hostile.

/// What a handwritten guest does in its three functions, in WebAssembly text.
pub(crate) struct Wat {
    pub(crate) init: &'static str,
    pub(crate) finish: &'static str,
    pub(crate) flush: &'static str,
    /// What it does at the start of calls; "" is a guest without a starter.
    pub(crate) start: &'static str,
    /// What it does with the messages of open streams; "" is a guest that does not follow streams.
    pub(crate) progress: &'static str,
    /// More items of the core module.
    pub(crate) items: &'static str,
}

/// A guest that takes everything and does nothing.
pub(crate) const QUIET: Wat = Wat { init: INIT_OK, finish: "", flush: "", start: "", progress: "", items: "" };

/// `init` answers: well. Its result stands at address 8, where memory is zero.
pub(crate) const INIT_OK: &str = "i32.const 8";

/// `init` refuses with the text "not today".
pub(crate) const INIT_REFUSES: &str = "
    (i32.store8 (i32.const 8) (i32.const 1))
    (i32.store (i32.const 12) (i32.const 64))
    (i32.store (i32.const 16) (i32.const 9))
    i32.const 8";

impl Wat {
    /// A component, in the binary format.
    pub(crate) fn component(&self) -> Vec<u8> {
        self.component_of("0.1.0-draft", "")
    }

    /// A component for a version of the contract, with more imports.
    pub(crate) fn component_of(&self, version: &str, imports: &str) -> Vec<u8> {
        let Self { init, finish, flush, start, progress, items } = self;
        let (start, starter) = match *start {
            "" => (String::new(), String::new()),
            body => (
                format!(
                    r#"(global $starts (mut i32) (i32.const 0))
                    (func (export "start") (param i64 i32 i32 i32 i32 i64 i64 i64 i64 i64 i64 i32) (result i64)
                      (global.set $starts (i32.add (global.get $starts) (i32.const 1)))
                      {body}
                      (i64.const 7))"#
                ),
                format!(
                    r#"(func $start (param "id" u64) (param "side" u8) (param "method" u32) (param "callee" u32)
                      (param "protocol" u8) (param "started" u64) (param "deadline" u64) (param "trace-id-high" u64)
                      (param "trace-id-low" u64) (param "span-id" u64) (param "parent-span-id" u64)
                      (param "sampled" u8) (result u64) (canon lift (core func $core "start")))
                    (instance $starter (export "start" (func $start)))
                    (export "hottap:tracer/starter@{version}" (instance $starter))"#
                ),
            ),
        };
        let [following, follow, follow_with, streams] = match *progress {
            "" => [const { String::new() }; 4],
            body => [
                format!(
                    r#"(import "hottap:tracer/progress@{version}" (instance $progress
                      (export "moments" (type (sub resource)))))
                    (alias export $progress "moments" (type $moments))
                    (core func $drop-moments (canon resource.drop $moments))"#
                ),
                format!(
                    r#"(global $pieces (mut i32) (i32.const 0))
                    (func (export "progress") (param i32)
                      (global.set $pieces (i32.add (global.get $pieces) (i32.const 1)))
                      {body})"#
                ),
                r#"(export "drop-moments" (func $drop-moments))"#.to_owned(),
                format!(
                    r#"(func $follow (param "moments" (borrow $moments)) (canon lift (core func $core "progress")))
                    (instance $streams (export "progress" (func $follow)))
                    (export "hottap:tracer/streams@{version}" (instance $streams))"#
                ),
            ],
        };
        let follow_import =
            if follow.is_empty() { "" } else { r#"(import "" "drop-moments" (func $drop-moments (param i32)))"# };
        let text = format!(
            r#"(component
              (import "hottap:tracer/rpc@{version}" (instance $rpc (export "batch" (type (sub resource)))))
              (alias export $rpc "batch" (type $batch))
              {imports}
              {following}
              (core func $drop (canon resource.drop $batch))
              (core module $code
                (import "" "drop" (func $drop (param i32)))
                {follow_import}
                (memory (export "memory") 1)
                (data (i32.const 64) "not today")
                (global $calls (mut i32) (i32.const 0))
                (global $heap (mut i32) (i32.const 1024))
                {items}
                (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                  (local $at i32)
                  (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
                  (global.set $heap (i32.add (local.get $at) (local.get 3)))
                  (local.get $at))
                (func (export "init") (param i32 i32 i32 i32 i32 i64) (result i32) {init})
                (func (export "finish") (param i32)
                  (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
                  {finish}
                  (call $drop (local.get 0)))
                (func (export "flush") (param i32 i64 i64) {flush})
                {follow}
                {start})
              (core instance $core
                (instantiate $code (with "" (instance (export "drop" (func $drop)) {follow_with}))))
              (func $init (param "role" u8) (param "config" string)
                (param "identity" (list (tuple string string))) (param "now" u64) (result (result (error string)))
                (canon lift (core func $core "init") (memory (core memory $core "memory"))
                (realloc (core func $core "realloc"))))
              (func $finish (param "calls" (borrow $batch)) (canon lift (core func $core "finish")))
              (func $flush (param "cause" u8) (param "now" u64) (param "elapsed" u64)
                (canon lift (core func $core "flush")))
              (instance $tracer
                (export "init" (func $init)) (export "finish" (func $finish)) (export "flush" (func $flush)))
              (export "hottap:tracer/tracer@{version}" (instance $tracer))
              {streams}
              {starter})"#
        );
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }
}

/// A second line that looks like one of the log, a terminal's colours, text turned round, Unicode's end of a line, C1's
/// next line, and a character without a width.
pub(crate) const HOSTILE: &str =
    "so\n2026-11-30T00:00:00Z INFO live tracer=\"forged\" \u{1b}[31mred\u{202e}\u{2028}\u{85}\u{200b}end";
/// The template of its parts.
pub(crate) const PLAIN: &str =
    "so\\n2026-11-30T00:00:00Z INFO live tracer=\"forged\" \\u{1b}[31mred\\u{202e}\\u{2028}\\u{85}\\u{200b}end";

/// The tracer that speaks HOSTILE, as the bodies of its functions have it.
pub(crate) fn speaker(init: &str, finish: &str) -> Vec<u8> {
    let text: String = HOSTILE.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let wat = include_str!("speaker.wat")
        .replace("TEXT", &text)
        .replace("LENGTH", &HOSTILE.len().to_string())
        .replace("INIT", init)
        .replace("FINISH", finish);
    wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}\n{wat}"))
}
