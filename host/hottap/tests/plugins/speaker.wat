;; A tracer that gives the host a text which is not plain, in each of the ways in which it can. The test puts in the text,
;; as TEXT with its length LENGTH, and the bodies INIT and FINISH.
(module
  (import "hottap:tracer/rpc@0.1.0-draft" "[resource-drop]batch" (func $drop (param i32)))
  (import "hottap:tracer/log@0.1.0-draft" "write" (func $log (param i32 i32 i32)))
  (memory (export "memory") 4)
  (data (i32.const 1024) "TEXT")
  (global $batches (mut i32) (i32.const 0))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
  (func $traps (@name "TEXT") unreachable)
  (func $refuses
    (i32.store8 (i32.const 8) (i32.const 1))
    (i32.store (i32.const 12) (i32.const 1024))
    (i32.store (i32.const 16) (i32.const LENGTH)))
  (func $says (param $severity i32) (call $log (local.get $severity) (i32.const 1024) (i32.const LENGTH)))
  (func $floods (call $log (i32.const 5) (i32.const 131072) (i32.const 60000)))
  (func (export "hottap:tracer/tracer@0.1.0-draft#init") (param i32 i32 i32 i32 i32 i64) (result i32)
    INIT
    (i32.const 8))
  (func (export "hottap:tracer/tracer@0.1.0-draft#finish") (param i32)
    (call $drop (local.get 0))
    (global.set $batches (i32.add (global.get $batches) (i32.const 1)))
    ;; The canary sees one batch.
    (if (i32.gt_u (global.get $batches) (i32.const 1)) (then FINISH)))
  (func (export "hottap:tracer/tracer@0.1.0-draft#flush") (param i32 i64 i64)))
