//! WASI by name with types of its own: a component says itself which types its imports have.

use crate::guests::QUIET;
use crate::house::House;

const VERSION: &str = "0.1.0-draft";

/// Imports that have the names of WASI's and other types, each with the function that is named.
const ODD: &[(&str, &str)] = &[
    (r#""wasi:cli/environment@0.2.0" (instance (export "get-environment" (func)))"#, "get-environment"),
    (r#""wasi:cli/environment@0.2.3" (instance (export "get-arguments" (func (result u32))))"#, "get-arguments"),
    (r#""wasi:cli/environment@0.2.0" (instance (export "initial-cwd" (func (result string))))"#, "initial-cwd"),
    (r#""wasi:cli/stdout@0.2.0" (instance (export "get-stdout" (func (result u32))))"#, "get-stdout"),
    (r#""wasi:cli/stdin@0.2.0" (instance (export "get-stdin" (func)))"#, "get-stdin"),
    (
        r#""wasi:cli/terminal-stdin@0.2.0" (instance (export "get-terminal-stdin" (func (result bool))))"#,
        "get-terminal",
    ),
    (
        r#""wasi:clocks/monotonic-clock@0.2.0" (instance (export "now" (func (result f64))))"#,
        "monotonic-clock@0.2.0#now",
    ),
    (r#""wasi:clocks/monotonic-clock@0.2.0" (instance (export "resolution" (func)))"#, "resolution"),
    (
        r#""wasi:clocks/wall-clock@0.2.0" (instance (export "now" (func (result (tuple u64 u32)))))"#,
        "wall-clock@0.2.0#now",
    ),
    (
        r#""wasi:filesystem/preopens@0.2.0" (instance (export "get-directories" (func (result u64))))"#,
        "get-directories",
    ),
    (
        r#""wasi:io/poll@0.2.0" (instance (export "pollable" (type $p (sub resource)))
           (export "poll" (func (param "in" (list (borrow $p))))))"#,
        "poll@0.2.0#poll",
    ),
    (
        r#""wasi:io/poll@0.2.0" (instance (export "pollable" (type $p (sub resource)))
           (export "[method]pollable.ready" (func (param "self" (borrow $p)))))"#,
        "[method]pollable.ready",
    ),
    (
        r#""wasi:io/poll@0.2.0" (instance (export "pollable" (type $p (sub resource)))
           (export "[method]pollable.block" (func (param "self" (borrow $p)) (result bool))))"#,
        "[method]pollable.block",
    ),
    (
        r#""wasi:io/streams@0.2.0" (instance (export "output-stream" (type $s (sub resource)))
           (export "[method]output-stream.check-write" (func (param "self" (borrow $s)) (result u64))))"#,
        "check-write",
    ),
    (
        r#""wasi:io/streams@0.2.0" (instance (export "output-stream" (type $s (sub resource)))
           (export "[method]output-stream.write" (func (param "self" (borrow $s)) (param "contents" string))))"#,
        "output-stream.write",
    ),
    (
        r#""wasi:io/streams@0.2.0" (instance (export "input-stream" (type $s (sub resource)))
           (export "[method]input-stream.read" (func (param "self" (borrow $s)) (param "len" u64) (result (list u8)))))"#,
        "input-stream.read",
    ),
    (
        r#""wasi:random/random@0.2.0" (instance (export "get-random-bytes" (func (param "len" u32) (result (list u8)))))"#,
        "get-random-bytes",
    ),
    (r#""wasi:random/random@0.2.0" (instance (export "get-random-u64" (func (result u32))))"#, "get-random-u64"),
    (
        r#""wasi:random/insecure-seed@0.2.0" (instance (export "insecure-seed" (func (result (tuple u64 u32)))))"#,
        "insecure-seed",
    ),
    (
        r#""wasi:sockets/tcp-create-socket@0.2.0" (instance (export "create-tcp-socket" (func (result (result u32)))))"#,
        "create-tcp-socket",
    ),
];

/// Imports that are of WASI's own types, or that trap when they are called, whatever their type.
const KNOWN: &[&str] = &[
    r#""wasi:cli/environment@0.2.6" (instance (export "get-environment" (func (result (list (tuple string string))))))"#,
    r#""wasi:clocks/monotonic-clock@0.2.0" (instance (export "now" (func (result u64))))"#,
    r#""wasi:random/insecure-seed@0.2.0" (instance (export "insecure-seed" (func (result (tuple u64 u64)))))"#,
    r#""wasi:cli/exit@0.2.0" (instance (export "exit" (func (param "status" (result)))))"#,
    r#""wasi:filesystem/types@0.2.0" (instance (export "descriptor" (type (sub resource))))"#,
];

#[test]
fn wasi_functions_of_other_types_are_refused_by_name_and_the_next_file_is_loaded() {
    let house = House::new();
    // All at once: a file that fails just after it was written is tried once more before it is refused.
    for (i, (import, _)) in ODD.iter().enumerate() {
        house.drop_in(&format!("odd-{i}.wasm"), QUIET.component_of(VERSION, &format!("(import {import})")));
    }
    for (i, (import, function)) in ODD.iter().enumerate() {
        let odd = house.until(&format!("odd-{i}"), "refused", |tracer| tracer["state"] == "refused");
        let message = odd["last_error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("it imports wasi:") && message.contains(function), "{import}: {message}");
        assert!(message.contains("with a type that this host does not know"), "{import}: {message}");
    }
    for (i, import) in KNOWN.iter().enumerate() {
        let name = format!("known-{i}");
        house.drop_in(&format!("{name}.wasm"), QUIET.component_of(VERSION, &format!("(import {import})")));
        house.until_live(&name);
    }
}
