;; A starter that does nothing but what stands for START. At 16 stands the name of a header.
(module
  (import "hottap:tracer/rpc@0.1.0-draft" "[resource-drop]batch" (func $drop (param i32)))
  (import "hottap:tracer/starting@0.1.0-draft" "header" (func $header (param i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "b3")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "hottap:tracer/tracer@0.1.0-draft#init") (param i32 i32 i32 i32 i32 i64) (result i32) (i32.const 8))
  (func (export "hottap:tracer/tracer@0.1.0-draft#finish") (param i32) (call $drop (local.get 0)))
  (func (export "hottap:tracer/tracer@0.1.0-draft#flush") (param i32 i64 i64))
  (func (export "hottap:tracer/starter@0.1.0-draft#start")
    (param i64 i32 i32 i32 i32 i64 i64 i64 i64 i64 i64 i32) (result i64)
    ;; START
    (i64.const 1)))
