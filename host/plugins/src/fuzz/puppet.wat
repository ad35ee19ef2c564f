;; A tracer that does as its input says, which it finds as its saved state.
;;
;; The input is a list of instructions: a byte that says which import is called, and what the import is given. Texts and
;; lists are pieces of the memory in which the input itself lies. 255 ends a phase: what follows is for `finish`, and
;; then for `flush`. An instruction with its highest bit set takes addresses and lengths as they are, in memory or not.
(module
  (import "hottap:tracer/rpc@0.1.0-draft" "[resource-drop]batch" (func $drop (param i32)))
  (import "hottap:tracer/rpc@0.1.0-draft" "symbols" (func $symbols (param i32 i32 i32)))
  (import "hottap:tracer/rpc@0.1.0-draft" "[method]batch.columns" (func $columns (param i32 i64 i32)))
  (import "hottap:tracer/rpc@0.1.0-draft" "[method]batch.texts" (func $texts (param i32 i32 i32 i32)))
  (import "hottap:tracer/rpc@0.1.0-draft" "[method]batch.info" (func $info (param i32 i32 i32)))
  (import "hottap:tracer/metrics@0.1.0-draft" "counter"
    (func $counter (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "hottap:tracer/metrics@0.1.0-draft" "gauge"
    (func $gauge (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "hottap:tracer/metrics@0.1.0-draft" "histogram"
    (func $histogram (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "hottap:tracer/metrics@0.1.0-draft" "series-of" (func $series-of (param i32 i32 i32) (result i32)))
  (import "hottap:tracer/metrics@0.1.0-draft" "add" (func $add (param i32 i32 i32 i32)))
  (import "hottap:tracer/metrics@0.1.0-draft" "set" (func $set (param i32 i32 i32 i32)))
  (import "hottap:tracer/metrics@0.1.0-draft" "merge" (func $merge (param i32 i32 i32 f64)))
  (import "hottap:tracer/outbox@0.1.0-draft" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32)))
  (import "hottap:tracer/outbox@0.1.0-draft" "max-payload" (func $max-payload (param i32 i32 i32)))
  (import "hottap:tracer/log@0.1.0-draft" "write" (func $log (param i32 i32 i32)))
  (import "hottap:tracer/state@0.1.0-draft" "save" (func $save (param i32 i32) (result i32)))
  (import "hottap:tracer/state@0.1.0-draft" "saved" (func $saved (param i32)))
  (import "hottap:tracer/setup@0.1.0-draft" "level" (func $level (param i32)))
  (import "hottap:tracer/setup@0.1.0-draft" "every" (func $every (param i32)))
  (import "hottap:tracer/setup@0.1.0-draft" "attempts" (func $attempts))

  ;; 0: results of imports. 1024: pairs of address and length, for lists of texts. 2048: series that were made.
  ;; 3072: numbers to add. 4096: where the host puts what it returns, the input first.
  (memory (export "memory") 4)
  (data (i32.const 3072) "\00\00\00\00\00\00\f0\3f\00\00\00\00\00\00\00\c0\00\00\00\00\00\00\f0\7f\00\00\00\00\00\00\f8\7f")
  (global $heap (mut i32) (i32.const 4096))
  (global $at (mut i32) (i32.const 0))
  (global $end (mut i32) (i32.const 0))
  (global $wild (mut i32) (i32.const 0))
  (global $made (mut i32) (i32.const 0))
  (global $batch (mut i32) (i32.const 0))

  (func (export "cabi_realloc") (param $old i32) (param i32) (param $align i32) (param $size i32) (result i32)
    (local $place i32)
    (local.set $place (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $place) (local.get $size)))
    (local.get $place))

  (func $byte (result i32)
    (if (i32.ge_u (global.get $at) (global.get $end)) (then (return (i32.const 0))))
    (global.set $at (i32.add (global.get $at) (i32.const 1)))
    (i32.load8_u (i32.sub (global.get $at) (i32.const 1))))

  (func $word (result i32)
    (i32.or
      (i32.or (call $byte) (i32.shl (call $byte) (i32.const 8)))
      (i32.or (i32.shl (call $byte) (i32.const 16)) (i32.shl (call $byte) (i32.const 24)))))

  ;; An address among the first 16 KiB of the input, or any.
  (func $place (result i32)
    (if (result i32) (global.get $wild)
      (then (call $word))
      (else
        (i32.add (i32.const 4096)
          (i32.and (i32.or (call $byte) (i32.shl (call $byte) (i32.const 8))) (i32.const 0x3fff))))))

  (func $length (result i32)
    (if (result i32) (global.get $wild) (then (call $word)) (else (call $byte))))

  ;; Lists of texts: so many pairs at 1024, 32 at most.
  (func $pairs (result i32)
    (local $count i32) (local $i i32)
    (if (global.get $wild) (then (return (call $word))))
    (local.set $count (i32.and (call $byte) (i32.const 31)))
    (block $full
      (loop $next
        (br_if $full (i32.ge_u (local.get $i) (local.get $count)))
        (i32.store (i32.add (i32.const 1024) (i32.mul (local.get $i) (i32.const 8))) (call $place))
        (i32.store (i32.add (i32.const 1028) (i32.mul (local.get $i) (i32.const 8))) (call $byte))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (local.get $count))

  (func $keep (param $series i32)
    (i32.store (i32.add (i32.const 2048) (i32.mul (i32.and (global.get $made) (i32.const 255)) (i32.const 4)))
      (local.get $series))
    (global.set $made (i32.add (global.get $made) (i32.const 1))))

  ;; Carries out instructions up to the end of the phase. An instruction without a number of its own ends it, too.
  (func $play
    (local $which i32)
    (loop $again
      (if (i32.ge_u (global.get $at) (global.get $end)) (then (return)))
      (local.set $which (call $byte))
      (if (i32.eq (local.get $which) (i32.const 255)) (then (return)))
      (global.set $wild (i32.shr_u (local.get $which) (i32.const 7)))
      (block $trap (block $i18 (block $i17 (block $i16 (block $i15 (block $i14 (block $i13 (block $i12 (block $i11
      (block $i10 (block $i9 (block $i8 (block $i7 (block $i6 (block $i5 (block $i4 (block $i3 (block $i2 (block $i1
      (block $i0
        (br_table $i0 $i1 $i2 $i3 $i4 $i5 $i6 $i7 $i8 $i9 $i10 $i11 $i12 $i13 $i14 $i15 $i16 $i17 $i18 $trap
          (i32.and (local.get $which) (i32.const 127))))
        (call $log (call $byte) (call $place) (call $length)) (br $again))
        (call $keep (call $counter (call $place) (call $length) (call $place) (call $length)
          (call $place) (call $length) (i32.const 1024) (call $pairs))) (br $again))
        (call $keep (call $gauge (call $place) (call $length) (call $place) (call $length)
          (call $place) (call $length) (i32.const 1024) (call $pairs))) (br $again))
        (call $keep (call $histogram (call $place) (call $length) (call $place) (call $length)
          (call $place) (call $length) (i32.const 1024) (call $pairs)
          (i32.and (call $place) (i32.const -8)) (call $length))) (br $again))
        (call $keep (call $series-of
          (i32.load (i32.add (i32.const 2048) (i32.mul (call $byte) (i32.const 4)))) (i32.const 1024) (call $pairs)))
        (br $again))
        (call $add (i32.const 2048) (call $length) (i32.const 3072) (call $length)) (br $again))
        (call $set (i32.const 2048) (call $length) (i32.const 3072) (call $length)) (br $again))
        (call $merge (i32.load (i32.add (i32.const 2048) (i32.mul (call $byte) (i32.const 4))))
          (i32.and (call $place) (i32.const -8)) (call $length)
          (f64.load (i32.and (call $place) (i32.const -8)))) (br $again))
        (call $send (call $place) (call $length) (call $place) (call $length) (call $place) (call $word) (i32.const 16))
        (br $again))
        (call $max-payload (call $place) (call $length) (i32.const 16)) (br $again))
        (drop (call $save (call $place) (i32.and (call $word) (i32.const 0x3ffff)))) (br $again))
        (call $saved (i32.const 16)) (br $again))
        (call $level (call $byte)) (br $again))
        (call $every (call $word)) (br $again))
        (call $attempts) (br $again))
        (call $symbols (i32.and (call $place) (i32.const -4)) (call $length) (i32.const 16)) (br $again))
        (call $columns (global.get $batch)
          (i64.or (i64.extend_i32_u (call $word)) (i64.shl (i64.extend_i32_u (call $byte)) (i64.const 32)))
          (i32.const 16)) (br $again))
        (call $texts (global.get $batch) (i32.and (call $place) (i32.const -4)) (call $length) (i32.const 16))
        (br $again))
        (call $info (global.get $batch) (call $byte) (i32.const 16)) (br $again))
      ;; Whatever else it says.
      (unreachable)))

  (func (export "hottap:tracer/tracer@0.1.0-draft#init") (param i32 i32 i32 i32 i32 i64) (result i32)
    ;; What init was given is not wanted any more: the input lies where seeds expect it.
    (global.set $heap (i32.const 4096))
    (call $saved (i32.const 0))
    (if (i32.load8_u (i32.const 0))
      (then
        (global.set $at (i32.load (i32.const 4)))
        (global.set $end (i32.add (i32.load (i32.const 4)) (i32.load (i32.const 8))))))
    (i32.store (i32.const 0) (i32.const 0))
    (call $play)
    ;; A result that nothing has written to: well.
    (i32.store8 (i32.const 512) (i32.const 0))
    (i32.const 512))
  (func (export "hottap:tracer/tracer@0.1.0-draft#finish") (param $calls i32)
    (global.set $batch (local.get $calls))
    (call $play)
    (call $drop (local.get $calls)))
  (func (export "hottap:tracer/tracer@0.1.0-draft#flush") (param i32 i64 i64)
    (call $play)))
