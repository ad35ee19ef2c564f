//! The command as a service's compiler.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hottap::rpc::Side;
use hottap::{Compile, Hottap};
use serde_json::Value;

const COMMAND: &str = env!("CARGO_BIN_EXE_hottap");

/// A core module that is a tracer and does nothing.
fn tracer() -> Vec<u8> {
    let of = "hottap:tracer/tracer@0.1.0-draft";
    let text = format!(
        r#"(module
          (import "hottap:tracer/rpc@0.1.0-draft" "[resource-drop]batch" (func $drop (param i32)))
          (memory (export "memory") 1)
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
          (func (export "{of}#init") (param i32 i32 i32 i32 i32 i64) (result i32) (i32.const 8))
          (func (export "{of}#finish") (param i32) (call $drop (local.get 0)))
          (func (export "{of}#flush") (param i32 i64 i64))
          (func (export "hottap:tracer/starter@0.1.0-draft#start")
            (param i64 i32 i32 i32 i32 i64 i64 i64 i64 i64 i64 i32) (result i64) (i64.const 0)))"#
    );
    wat::parse_str(&text).expect("valid")
}

struct Service {
    tap: Hottap,
    folder: tempfile::TempDir,
}

impl Service {
    fn start(command: impl Into<PathBuf>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let tap =
            Hottap::builder().service("it").plugin_dir(folder.path()).compile_in(Compile::Command(command.into()));
        Self { tap: tap.start().expect("Hottap starts"), folder }
    }

    fn drop_in(&self, name: &str, bytes: &[u8]) {
        let draft = self.folder.path().join("draft");
        fs::write(&draft, bytes).expect("written");
        fs::rename(&draft, self.folder.path().join(name)).expect("renamed");
    }

    #[track_caller]
    fn until(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let all = self.tap.tracers();
            let list = all["tracers"].as_array().cloned().unwrap_or_default();
            let tracer = list.into_iter().find(|tracer| tracer["name"] == name).unwrap_or_default();
            if wanted(&tracer) {
                return tracer;
            }
            assert!(began.elapsed() < Duration::from_secs(120), "{tracer:#}");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

/// A program that answers as `script` says.
fn program(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("compiler");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("set");
    path
}

#[test]
fn a_service_has_its_plugins_compiled_in_a_process_of_their_own() {
    let service = Service::start(COMMAND);
    service.drop_in("it.wasm", &tracer());
    service.until("it", |tracer| tracer["state"] == "live");
    if let Some(call) = service.tap.start_call(Side::Server, "a.B/C") {
        call.finish();
    }
    let it = service.until("it", |tracer| tracer["committed"] == 1);
    assert!(it["start"].is_object(), "its starter is compiled, too: {it:#}");
}

#[test]
fn a_refusal_of_the_process_is_as_precise_as_one_of_the_service() {
    let service = Service::start(COMMAND);
    service.drop_in("it.wasm", &wat::parse_str("(module)").expect("valid"));
    let it = service.until("it", |tracer| tracer["state"] == "refused");
    let error = &it["last_error"];
    assert!(error["message"].as_str().is_some_and(|words| words.contains("exports no tracer")), "{error}");
    assert!(error["what_to_do"].as_str().is_some_and(|words| words.contains("export!(MyTracer)")), "{error}");
}

#[test]
fn a_compiler_that_fails_is_named() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    for (script, words) in
        [("exit 3", "exit status: 3"), ("kill -9 $$", "signal: 9"), ("echo no code", "exit status: 0")]
    {
        let service = Service::start(program(folder.path(), script));
        service.drop_in("it.wasm", &tracer());
        let it = service.until("it", |tracer| tracer["state"] == "refused");
        let message = it["last_error"]["message"].as_str().expect("a message");
        assert!(message.contains("compiler did not compile it") && message.contains(words), "{message}");
    }
}

#[test]
fn deleting_a_file_kills_its_compiler() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let pid = folder.path().join("pid");
    let script = format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep 1000", pid.display());
    let service = Service::start(program(folder.path(), &script));
    service.drop_in("it.wasm", &tracer());
    service.until("it", |_| pid.exists());
    let id = fs::read_to_string(&pid).expect("readable").trim().to_owned();
    assert!(Path::new("/proc").join(&id).exists());
    fs::remove_file(service.folder.path().join("it.wasm")).expect("removed");
    service.until("it", |_| !Path::new("/proc").join(&id).exists());
}

#[test]
fn a_service_does_not_start_without_its_compiler() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let builder = Hottap::builder().plugin_dir(folder.path()).compile_in(Compile::Command("/nowhere/hottap".into()));
    let error = builder.start().expect_err("no compiler");
    let source = std::error::Error::source(&error).expect("a reason").to_string();
    assert!(source.contains("/nowhere/hottap, which is not there"), "{source}");
}
