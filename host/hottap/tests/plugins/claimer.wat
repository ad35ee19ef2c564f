;; A tracer that defines one metric and sets or counts one in each flush. The test puts in the metric's name and unit as
;; NAME and UNIT, with their lengths, and DEFINE: what calls $counter, $gauge or $histogram.
(module
  (import "hottap:tracer/rpc@0.1.0-draft" "[resource-drop]batch" (func $drop (param i32)))
  (import "hottap:tracer/metrics@0.1.0-draft" "counter" (func $counter (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "hottap:tracer/metrics@0.1.0-draft" "gauge" (func $gauge (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "hottap:tracer/metrics@0.1.0-draft" "histogram"
    (func $histogram (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "hottap:tracer/metrics@0.1.0-draft" "series-of" (func $series-of (param i32 i32 i32) (result i32)))
  (import "hottap:tracer/metrics@0.1.0-draft" "add" (func $add (param i32 i32 i32 i32)))
  (import "hottap:tracer/metrics@0.1.0-draft" "merge" (func $merge (param i32 i32 i32 f64)))
  (memory (export "memory") 2)
  (data (i32.const 1024) "NAME")
  (data (i32.const 2048) "UNIT")
  ;; One observation in the only bucket, and the number one.
  (data (i32.const 3072) "\01\00\00\00\00\00\00\00")
  (data (i32.const 3080) "\00\00\00\00\00\00\f0\3f")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
  (func (export "hottap:tracer/tracer@0.1.0-draft#init") (param i32 i32 i32 i32 i32 i64) (result i32) (i32.const 8))
  (func (export "hottap:tracer/tracer@0.1.0-draft#finish") (param i32) (call $drop (local.get 0)))
  (func (export "hottap:tracer/tracer@0.1.0-draft#flush") (param i32 i64 i64)
    (local $series i32)
    (local.set $series (call $series-of (call $KIND
      (i32.const 1024) (i32.const NAMELEN) (i32.const 2048) (i32.const UNITLEN)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) BOUNDS) (i32.const 0) (i32.const 0)))
    (i32.store (i32.const 4096) (local.get $series))
    RECORD))
