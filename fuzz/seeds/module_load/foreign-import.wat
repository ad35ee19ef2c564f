;; A tracer as a core module.
(module
  (import "env\0a\1b" "f" (func))
  (memory (export "memory") 1)
  
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "hottap:tracer/tracer@0.1.0-draft#init") (param i32 i32 i32 i32 i32 i64) (result i32) (i32.const 8))
  (func (export "hottap:tracer/tracer@0.1.0-draft#finish") (param i32) )
  (func (export "hottap:tracer/tracer@0.1.0-draft#flush") (param i32 i64 i64) ))
