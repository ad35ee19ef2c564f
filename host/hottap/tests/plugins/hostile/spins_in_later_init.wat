;; Saves something at each flush. An instance that starts spins in `init` if it finds that; one that was made before traps
;; after forty starts.
(module
  (import "hottap:tracer/rpc@0.1.0-draft" "[resource-drop]batch" (func $drop (param i32)))
  (import "hottap:tracer/state@0.1.0-draft" "save" (func $save (param i32 i32) (result i32)))
  (import "hottap:tracer/state@0.1.0-draft" "saved" (func $saved (param i32)))
  (memory (export "memory") 16)
  (global $starts (mut i32) (i32.const 0))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
  (func (export "hottap:tracer/tracer@0.1.0-draft#init") (param $role i32) (param i32 i32 i32 i32 i64) (result i32)
    (i32.store (i32.const 64) (i32.const 0))
    (if (i32.eq (local.get $role) (i32.const 1)) (then
      (call $saved (i32.const 128))
      (if (i32.load (i32.const 128)) (then (loop $for_ever (br $for_ever))))))
    (i32.const 64))
  (func (export "hottap:tracer/tracer@0.1.0-draft#finish") (param i32) (call $drop (local.get 0)))
  (func (export "hottap:tracer/tracer@0.1.0-draft#flush") (param i32 i64 i64)
    (drop (call $save (i32.const 0) (i32.const 8))))
  (func (export "hottap:tracer/starter@0.1.0-draft#start")
    (param i64 i32 i32 i32 i32 i64 i64 i64 i64 i64 i64 i32) (result i64)
    (global.set $starts (i32.add (global.get $starts) (i32.const 1)))
    (if (i32.gt_u (global.get $starts) (i32.const 40)) (then unreachable))
    (i64.const 1)))
