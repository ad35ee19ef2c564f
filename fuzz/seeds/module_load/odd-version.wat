;; A tracer of a version with a line in it.
(module
  
  (memory (export "memory") 1)
  
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "hottap:tracer/tracer@\01\0a.1.0-draft#init") (param i32 i32 i32 i32 i32 i64) (result i32) (i32.const 8))
  (func (export "hottap:tracer/tracer@\01\0a.1.0-draft#finish") (param i32) )
  (func (export "hottap:tracer/tracer@\01\0a.1.0-draft#flush") (param i32 i64 i64) ))
