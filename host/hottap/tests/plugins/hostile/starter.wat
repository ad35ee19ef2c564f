;; A core module with a starter. The words in capitals are replaced; `$starts` counts the starts of the instance.
(module
  (import "hottap:tracer/rpc@0.1.0-draft" "[resource-drop]batch" (func $drop (param i32)))
  ;; IMPORTS
  (memory (export "memory") 16 1024)
  (global $starts (mut i32) (i32.const 0))
  ;; ITEMS
  ;; Everything that is allocated stands in the same place: nothing here reads what it was given.
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
  (func (export "hottap:tracer/tracer@0.1.0-draft#init") (param $role i32) (param i32 i32 i32 i32 i64) (result i32)
    (i32.store (i32.const 64) (i32.const 0))
    (if (i32.eq (local.get $role) (i32.const 1)) (then (drop (memory.grow (i32.const 104)))))
    (i32.const 64))
  (func (export "hottap:tracer/tracer@0.1.0-draft#finish") (param i32) (call $drop (local.get 0)))
  (func (export "hottap:tracer/tracer@0.1.0-draft#flush") (param i32 i64 i64))
  (func (export "hottap:tracer/starter@0.1.0-draft#start")
    (param i64 i32 i32 i32 i32 i64 i64 i64 i64 i64 i64 i32) (result i64)
    (local $i i32)
    (global.set $starts (i32.add (global.get $starts) (i32.const 1)))
    (if (i32.gt_u (global.get $starts) (i32.const 40)) (then
      ;; START
    ))
    (i64.const 1)))
