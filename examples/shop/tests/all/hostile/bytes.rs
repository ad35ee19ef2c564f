//! Files that are no good tracer: of another contract, of forbidden features, of a monstrous structure, broken.

use super::case::Becomes::{Either, Lives, Nothing, Refused};
use super::case::{Case, Odd, Put};
use super::guest::{Guest, QUIET, imports, wat};

/// Milliseconds of a compile that is as large as the limits allow, in the dev profile.
const COMPILE: u64 = 10_000;
/// Milliseconds in which 64 MiB are read and hashed.
const READ: u64 = 2_500;
/// Milliseconds for which a new manifest has to stay the same before it counts.
const REST: u64 = 500;
/// Milliseconds until a failure is final: a file that changed less than two seconds ago may still be being written, and
/// what is no file is looked at every second. The other files here bear an older date.
const SETTLE: u64 = 3_500;

fn refused(kind: &'static str, name: &str, module: Vec<u8>, words: &'static [&'static str]) -> Case {
    Case::new(kind, name, Put::Module(module), Refused(words))
}

/// Tracers of no contract or of another one.
pub(super) fn contracts() -> Vec<Case> {
    let text = |name: &str, text: &str, words| refused("contracts", name, wat(text), words);
    let guest = |name: &str, guest: Guest, words| refused("contracts", name, guest.module(), words);
    let renamed = |from: &str, to: &str| {
        let text = r#"(module (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
            (func (export "hottap:tracer/tracer@0.1.0-draft#init") (param i32 i32 i32 i32 i32 i64) (result i32) (i32.const 8))
            (func (export "hottap:tracer/tracer@0.1.0-draft#finish") (param i32))
            (func (export "hottap:tracer/tracer@0.1.0-draft#flush") (param i32 i64 i64)))"#;
        wat(&text.replace(from, to))
    };
    vec![
        text("nothing", "(module)", &["exports no tracer"]),
        text("no-tracer", r#"(module (func (export "finish")))"#, &["exports no tracer"]),
        text("no-component", "(component)", &["exports no tracer"]),
        refused("contracts", "another-version", renamed("0.1.0-draft", "0.2.0"), &["needs hottap:tracer 0.2.0"]),
        refused("contracts", "no-flush", renamed("#flush", "#flash"), &["does not fit the contract"]),
        refused(
            "contracts",
            "wrong-finish",
            renamed("(param i32))\n", "(param i64))\n"),
            &["does not fit the contract"],
        ),
        refused("contracts", "no-memory", renamed(r#"(export "memory")"#, ""), &["does not fit the contract"]),
        guest("unknown-import", Guest { imports: r#"(import "env" "f" (func))"#, ..QUIET }, &["imports env"]),
        guest(
            "files",
            Guest { imports: r#"(import "wasi_snapshot_preview1" "path_open" (func))"#, ..QUIET },
            &["imports wasi_snapshot_preview1"],
        ),
        guest(
            "wrong-import",
            Guest { imports: r#"(import "hottap:tracer/log@0.1.0-draft" "write" (func (param f64)))"#, ..QUIET },
            &["does not fit the contract"],
        ),
        guest(
            "invented-import",
            Guest { imports: r#"(import "hottap:tracer/log@0.1.0-draft" "read" (func))"#, ..QUIET },
            &["does not fit the contract"],
        ),
        text(
            "wasi-of-another-type",
            r#"(component
              (import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "code" string)))))
              (instance $none) (export "hottap:tracer/tracer@0.1.0-draft" (instance $none)))"#,
            &["does not fit the contract", "imports"],
        ),
    ]
}

/// Features that the engine has and tracers don't need.
pub(super) fn proposals() -> Vec<Case> {
    let items = |name: &str, items: &'static str, becomes| {
        Case::new("proposals", name, Put::Module(Guest { items, ..QUIET }.module()), becomes)
    };
    let no = Refused(&["does not compile", "does not fit the contract", "no component can be made"]);
    vec![
        items("shared-memory", "(memory 1 1 shared)", no),
        items("memory64", "(memory i64 1)", no),
        items("gc", "(type $s (struct (field i32)))", no),
        items("exceptions", "(tag (param i32))", no),
        items("many-memories", "(memory 1) (memory 1) (memory 1)", Either),
        items("function-references", "(type $f (func)) (func (param (ref $f)))", Either),
        items("tail-calls", "(func $loop (return_call $loop))", Either),
    ]
}

/// Structures that cost a compiler or a parser much.
pub(super) fn structures() -> Vec<Case> {
    let big = |name: &str, items: String| {
        let text = format!(
            r#"(module {items}
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
            (func (export "hottap:tracer/tracer@0.1.0-draft#init") (param i32 i32 i32 i32 i32 i64) (result i32) (i32.const 8))
            (func (export "hottap:tracer/tracer@0.1.0-draft#finish") (param i32) (call $drop (local.get 0)))
            (func (export "hottap:tracer/tracer@0.1.0-draft#flush") (param i32 i64 i64)))"#
        );
        let text = text.replacen(
            "(module",
            r#"(module (import "hottap:tracer/rpc@0.1.0-draft" "[resource-drop]batch" (func $drop (param i32)))"#,
            1,
        );
        Case::new("structures", name, Put::Module(wat(&text)), Either).known_after(COMPILE)
    };
    let table = (0..20_000).map(|at| format!("{} ", at % 3)).collect::<String>();
    let deep = |depth: usize| format!("(func {} {})", "(block ".repeat(depth), ")".repeat(depth));
    vec![
        big("many-functions", "(func)".repeat(20_000)),
        refused("structures", "too-many-functions", functions(210_000), &["MiB of memory to compile, at most"]),
        big("many-types", (0..5_000).map(|at| format!("(type (func (param {})))", "i32 ".repeat(at % 40))).collect()),
        big("many-locals", format!("(func (local {}))", "i64 ".repeat(40_000))),
        big("large-body", format!("(func {})", "(drop (i32.const 1))".repeat(60_000))),
        big("large-branch", format!("(func (block (block (block (br_table {table} (i32.const 1))))))")),
        big("deep-blocks", deep(2_000)),
        big("many-globals", "(global i32 (i32.const 0))".repeat(20_000)),
        big("many-exports", (0..5_000).map(|at| format!(r#"(export "e{at}" (func $drop))"#)).collect()),
        big("large-data", format!(r#"(data (i32.const 100) "{}")"#, "x".repeat(60_000))),
        refused("structures", "nested", nested(70), &["modules in it"]),
    ]
}

/// A module of so many empty functions, as bytes: as text it would take seconds to read.
fn functions(count: u32) -> Vec<u8> {
    let leb = |mut value: u32| {
        let mut bytes = Vec::new();
        loop {
            let byte = (value & 0x7f) as u8;
            value >>= 7;
            if value == 0 {
                bytes.push(byte);
                return bytes;
            }
            bytes.push(byte | 0x80);
        }
    };
    let section = |id: u8, content: Vec<u8>| [vec![id], leb(content.len() as u32), content].concat();
    let types = section(1, vec![1, 0x60, 0, 0]);
    let declared = section(3, [leb(count), vec![0; count as usize]].concat());
    let bodies = section(10, [leb(count), [2, 0, 0x0b].repeat(count as usize)].concat());
    [b"\0asm\x01\0\0\0".to_vec(), types, declared, bodies].concat()
}

/// A component of components.
fn nested(count: usize) -> Vec<u8> {
    wat(&format!("(component {})", "(component)".repeat(count)))
}

/// A good plugin of which something is missing or different.
pub(super) fn damaged(good: &[u8]) -> Vec<Case> {
    let mut cases: Vec<Case> = [1, 8, 9, good.len() / 8, good.len() / 2, good.len() - 1]
        .into_iter()
        .map(|length| {
            let words = &["cut short or damaged", "is not WebAssembly", "exports no tracer"];
            refused("damaged", &format!("cut-at-{length}"), good[..length].to_vec(), words)
        })
        .collect();
    for seed in 0..8_usize {
        let mut bytes = good.to_vec();
        // Spread over the module, the same ones in every run.
        let at = 8 + (seed * 7_919 + 13) * 101 % (bytes.len() - 8);
        bytes[at] ^= 1 << (seed % 8);
        cases.push(Case::new("damaged", format!("bit-{seed}"), Put::Module(bytes), Either).known_after(COMPILE));
    }
    cases.push(refused("damaged", "empty", Vec::new(), &["is not WebAssembly"]));
    cases.push(refused("damaged", "text", b"#!/bin/sh\n".to_vec(), &["is not WebAssembly"]));
    cases.push(refused("damaged", "twice", [good, good].concat(), &["cut short or damaged", "compile", "fit"]));
    let mut described = good.to_vec();
    // A description of itself that goes on without end: it is not read.
    described.extend([0, 16, 14]);
    described.extend(b"component-type\xff");
    cases.push(Case::new("damaged", "described", Put::Module(described), Either));
    cases
}

/// Manifests that say nothing, nonsense, or more than they may.
pub(super) fn manifests() -> Vec<Case> {
    let text = |name: &str, text: &[u8], words| {
        Case::new("manifests", name, Put::Manifest(text.to_vec()), Refused(words)).known_after(REST)
    };
    let odd = |name: &str, odd, words| {
        Case::new("manifests", name, Put::OddManifest(odd), Refused(words)).known_after(SETTLE)
    };
    let deep = format!("[config]\na = {}{}\n", "[".repeat(10_000), "]".repeat(10_000));
    vec![
        text("no-toml", b"[scope\nsides = \"\x1b[31m", &["is not TOML"]),
        text("no-utf8", b"enabled = true # \xff\xfe\n", &["is not UTF-8"]),
        text("unknown-key", b"enabeld = true\n", &["did you mean `enabled`"]),
        text("key-of-two-lines", b"\"a\\nERROR b\\u001b[31m\" = 1\n", &["unknown key"]),
        text("word-of-two-lines", b"[scope]\nsides = [\"a\\nERROR b\\u2028\"]\n", &["`scope.sides`"]),
        text("wrong-bytes", format!("sha256 = \"{}\"\n", "0".repeat(64)).as_bytes(), &["has the SHA-256"]),
        text("deep", deep.as_bytes(), &["is not TOML", "cannot be used"]),
        text("large", &b"# ".repeat(600_000), &["more than 1048576 bytes"]),
        text("defines", b"[destinations.x]\nurl = \"http://127.0.0.1/\"\n", &["only the operator may"]),
        odd("directory", Odd::Directory, &["cannot be read"]),
        odd("pipe", Odd::Pipe, &["cannot be read"]),
        odd("link-to-nowhere", Odd::Link("nowhere.toml"), &["cannot be read"]),
        odd("device", Odd::Link("/dev/zero"), &["cannot be read"]),
        Case::new(
            "manifests",
            "config-of-two-lines",
            Put::Both(
                Guest { imports: imports::LOG, ..QUIET }.module(),
                b"[config]\n\"a\\nb\" = \"\\u001b[31m\\u2028\"\n".to_vec(),
            ),
            Lives,
        )
        .known_after(REST),
    ]
}

/// Entries of the plugin dir that are no modules.
pub(super) fn files() -> Vec<Case> {
    let odd = |name: &str, odd, becomes| Case::new("files", name, Put::OddModule(odd), becomes).known_after(SETTLE);
    vec![
        odd("directory", Odd::Directory, Nothing),
        odd("pipe", Odd::Pipe, Nothing),
        odd("device", Odd::Link("/dev/zero"), Nothing),
        odd("link-to-itself", Odd::Link("files-link-to-itself.wasm"), Refused(&["cannot be read"])),
        odd("link-to-nowhere", Odd::Link("nowhere.wasm"), Refused(&["cannot be read"])),
        odd("link-to-directory", Odd::Link("/tmp"), Nothing),
        Case::new("files", "sparse", Put::Sparse((64 << 20) + 1), Refused(&["more than", "is not WebAssembly"]))
            .known_after(READ),
        Case::new("files", "zeros", Put::Sparse(60 << 20), Refused(&["is not WebAssembly"])).known_after(READ),
        Case::new("files", "odd-bytes", Put::Named(b"\xff\xfe\n\x1b.wasm"), Nothing),
        Case::new("files", "space", Put::Named(b"a b\tc.wasm"), Nothing),
        Case::new(
            "files",
            "long",
            Put::Named(b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.wasm"),
            Nothing,
        ),
        Case::new("files", "hidden", Put::Named(b".hidden.wasm"), Nothing),
    ]
}
