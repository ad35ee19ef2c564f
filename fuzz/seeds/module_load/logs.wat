;; A tracer as a core module.
(module
  (import "hottap:tracer/log@0.1.0-draft" "write" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "hottap:tracer/tracer@0.1.0-draft#init") (param i32 i32 i32 i32 i32 i64) (result i32) (i32.const 8))
  (func (export "hottap:tracer/tracer@0.1.0-draft#finish") (param i32) )
  (func (export "hottap:tracer/tracer@0.1.0-draft#flush") (param i32 i64 i64) (call $log (i32.const 5) (i32.const 64) (i32.const -1))))
