//! `hottap build`, once: what it says when it cannot, and that nothing is left behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::command::{Running, complains, hottap, run};

/// A package without dependencies.
fn package(folder: &Path, library: &str) {
    let manifest = format!("[package]\nname = \"a-tracer\"\nedition = \"2024\"\n\n[lib]\n{library}\n\n[workspace]\n");
    fs::write(folder.join("Cargo.toml"), manifest).expect("written");
    fs::create_dir_all(folder.join("src")).expect("made");
    fs::write(folder.join("src/lib.rs"), "").expect("written");
}

const MODULE: &str = "crate-type = [\"cdylib\"]";

/// A program in the shell's language.
fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("made a program");
    path
}

#[test]
fn what_is_no_tracer_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    complains(folder.path(), &["build"], 2, &["there is no ./Cargo.toml", "make one with `hottap new`"]);
    package(folder.path(), "");
    complains(folder.path(), &["build"], 2, &["is no tracer", "crate-type = [\"cdylib\"]"]);
    fs::write(folder.path().join("Cargo.toml"), "[package").expect("written");
    complains(folder.path(), &["build"], 2, &["cargo cannot read"]);
    complains(folder.path(), &["build", "--profile", "x", "--release"], 2, &["cannot be used with"]);
}

#[test]
fn without_cargo_or_the_target_it_is_said_how_to_get_them() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    package(folder.path(), MODULE);
    let without_cargo = run(hottap(folder.path()).arg("build").env("CARGO", "/nowhere/cargo"));
    assert_eq!(without_cargo.code, Some(2));
    assert!(without_cargo.err.contains("install Rust (rustup.rs), or set CARGO"), "{}", without_cargo.err);
    // A compiler that has no target but the machine's own.
    let rustc = script(folder.path(), "rustc", "case \"$*\" in *libdir*) echo /nowhere ;; *) exit 1 ;; esac");
    let target = folder.path().join("target");
    let without_target = run(hottap(folder.path()).arg("build").env("RUSTC", rustc).env("CARGO_TARGET_DIR", target));
    assert_eq!(without_target.code, Some(2));
    let advice = "run `rustup target add wasm32-unknown-unknown` and then this again";
    assert!(without_target.err.contains(advice), "{}", without_target.err);
}

#[test]
fn an_interrupted_build_places_nothing_and_leaves_nobody() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    package(folder.path(), MODULE);
    let real = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let slow = format!("case \"$1\" in build) echo compiling >&2; sleep 3600; exit 1 ;; *) exec {real} \"$@\" ;; esac");
    let cargo = script(folder.path(), "slow-cargo", &slow);
    let running = Running::start(hottap(folder.path()).args(["build", "--into", "plugins"]).env("CARGO", cargo));
    running.err("compiling");
    assert_eq!(running.interrupt(), Some(2));
    assert!(!folder.path().join("plugins").exists());
}
