//! `hottap check`: what a service would refuse is refused with the service's words and what to do.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::command::{complains, said};
use crate::guests::{INIT_REFUSES, PLAIN, QUIET, Wat, speaker};

/// A plugin dir with these files.
fn plugins(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary directory");
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).expect("written");
    }
    folder
}

/// Checks one file with --json; expects this exit code.
#[track_caller]
fn report(folder: &Path, file: &str, code: i32) -> Value {
    let said = said(folder, &["check", "--json", file]);
    assert_eq!(said.code, Some(code), "{}{}", said.out, said.err);
    serde_json::from_str(&said.out).expect("one object")
}

/// A module, with a manifest if there is one, is refused with these words, for people and for programs.
#[track_caller]
fn refused(module: impl AsRef<[u8]>, manifest: &str, words: &[&str]) {
    let folder = plugins(&[("bad.wasm", module.as_ref())]);
    if !manifest.is_empty() {
        fs::write(folder.path().join("bad.toml"), manifest).expect("written");
    }
    let shown = said(folder.path(), &["check", "bad.wasm"]);
    assert_eq!(shown.code, Some(1), "{}{}", shown.out, shown.err);
    assert!(shown.out.starts_with("refused  bad.wasm\n"), "{}", shown.out);
    assert!(shown.out.contains("\n  what to do   "), "{}", shown.out);
    assert!(!shown.out.contains('\x1b'), "colour where no terminal is: {:?}", shown.out);
    let report = report(folder.path(), "bad.wasm", 1);
    assert_eq!(report["verdict"], "refused");
    assert!(report["error"]["advice"].as_str().is_some_and(|advice| !advice.is_empty()));
    let message = report["error"]["message"].as_str().unwrap_or_default();
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
        assert!(shown.out.contains(word), "{word:?} is not in {}", shown.out);
    }
}

#[test]
fn what_a_service_refuses_is_refused_with_the_same_words() {
    let quiet = QUIET.component();
    let plain = wat::parse_str("(module (func (export \"finish\")))").expect("valid");
    let none = wat::parse_str("(component)").expect("valid");
    let wrong = r#"(component (instance $none) (export "hottap:tracer/tracer@0.1.0-draft" (instance $none)))"#;
    let wrong = wat::parse_str(wrong).expect("valid");
    let http = QUIET.component_of("0.1.0-draft", r#"(import "wasi:http/outgoing-handler@0.2.0" (instance))"#);
    let vault = QUIET.component_of("0.1.0-draft", r#"(import "acme:secrets/vault" (instance))"#);
    let zeros = format!("sha256 = \"{}\"", "0".repeat(64));
    let table: &[(&[u8], &str, &[&str])] = &[
        (b"hello", "", &["bad.wasm", "the file is not WebAssembly"]),
        (b"", "", &["is not WebAssembly"]),
        (&quiet[..quiet.len() - 40], "", &["cut short or damaged"]),
        (&plain, "", &["exports no tracer (hottap:tracer/tracer)"]),
        (&none, "", &["exports no tracer (hottap:tracer/tracer)"]),
        (&http, "", &["it imports wasi:http/outgoing-handler@0.2.0, which tracers are not given"]),
        (&vault, "", &["acme:secrets/vault"]),
        (&QUIET.component_of("0.2.0", ""), "", &["it needs hottap:tracer 0.2.0, this host has 0.1.0-draft"]),
        (&wrong, "", &["does not fit the contract"]),
        (&Wat { init: INIT_REFUSES, ..QUIET }.component(), "", &["init refused: not today"]),
        (&Wat { finish: "unreachable", ..QUIET }.component(), "", &["made-up batch", "trapped in finish"]),
        (&Wat { flush: "(loop (br 0))", ..QUIET }.component(), "", &["ran out of time in flush"]),
        (&Wat { init: "(loop (br 0)) unreachable", ..QUIET }.component(), "", &["ran out of time in init"]),
        (&Wat { items: "(memory 2000)", ..QUIET }.component(), "", &["ran out of memory"]),
        (&quiet, "enabeld = true", &["bad.toml", "unknown key `enabeld`; did you mean `enabled`?"]),
        (&quiet, "enabled = \"yes\"", &["bad.toml has a `enabled` that cannot be used: write true or false"]),
        (&quiet, &zeros, &["has the SHA-256", "allows only 0000"]),
    ];
    for (module, manifest, words) in table {
        refused(module, manifest, words);
    }
}

#[test]
fn what_a_guest_or_a_file_says_moves_no_cursor_and_makes_no_line() {
    let folder = plugins(&[("bad.wasm", &speaker("(call $refuses)", "")), ("said.wasm", &speaker("", ""))]);
    let hostile = "so\u{1b}[31m\u{202e}\n.wasm";
    fs::write(folder.path().join(hostile), QUIET.component()).expect("written");
    fs::write(folder.path().join("said.toml"), "\"a\\u001b\\u2028\\nb\" = 1\n").expect("written");
    for file in ["bad.wasm", "said.wasm", ".", hostile] {
        for args in [&["check", file][..], &["check", "--json", file]] {
            let said = said(folder.path(), args);
            let text = format!("{}{}", said.out, said.err);
            let plain = |c: char| c == '\n' || !c.is_control() && !matches!(c, '\u{202e}' | '\u{2028}' | '\u{200b}');
            assert!(text.chars().all(plain), "{args:?}: {text:?}");
            assert!(!text.contains("\n2026-11-30"), "{args:?}: {text}");
        }
    }
    let message = report(folder.path(), "bad.wasm", 1)["error"]["message"].to_string();
    assert!(message.contains(&PLAIN.replace('\\', "\\\\").replace('"', "\\\"")), "{message}");
}

#[test]
fn a_metric_that_a_service_would_refuse_is_told() {
    let guest = include_str!("../../../hottap/tests/plugins/claimer.wat")
        .replace("NAMELEN", "24")
        .replace("UNITLEN", "1")
        .replace("NAME", "rpc.client.call.duration")
        .replace("UNIT", "s")
        .replace("$KIND", "$gauge")
        .replace("BOUNDS", "")
        .replace("RECORD", "");
    let folder = plugins(&[("thief.wasm", &wat::parse_str(guest).expect("valid"))]);
    let thief = report(folder.path(), "thief.wasm", 0);
    assert_eq!(thief["metric_errors"]["convention"], 1);
    let message = thief["refused_metrics"][0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("define it as a histogram in s"), "{message}");
    let shown = said(folder.path(), &["check", "thief.wasm"]).out;
    assert!(shown.contains("refused      its metric rpc.client.call.duration is refused"), "{shown}");
}

#[test]
fn a_good_tracer_is_shown_with_what_it_asks_for() {
    let folder = plugins(&[("quiet.wasm", &QUIET.component()), ("quiet.toml", b"[scope]\nsides = [\"server\"]")]);
    let report = report(folder.path(), "quiet.wasm", 0);
    assert_eq!(report["verdict"], "ok");
    assert_eq!(report["name"], "quiet");
    assert_eq!(report["manifest"], "quiet.toml");
    assert_eq!(report["enabled"], true);
    assert_eq!(report["bytes"], QUIET.component().len());
    assert_eq!(report["exports"], serde_json::json!(["hottap:tracer/tracer@0.1.0-draft"]));
    assert_eq!(report["imports"], serde_json::json!(["hottap:tracer/rpc@0.1.0-draft"]));
    assert_eq!(report["starter"], false);
    assert_eq!(report["streams"], false);
    assert_eq!(report["level"], "base");
    assert_eq!(report["period_ms"], 1000);
    assert_eq!(report["memory_bytes"], 65536);
    assert!(report["compile_ms"].as_f64().is_some_and(|ms| ms > 0.0));
    let shown = said(folder.path(), &["check", "quiet.wasm"]);
    assert!(shown.out.starts_with("ok  quiet.wasm\n"), "{}", shown.out);
    assert!(shown.out.contains("level base, a flush every 1000 ms"), "{}", shown.out);
}

#[test]
fn a_tracer_that_follows_streams_is_tried_with_messages() {
    let follows = Wat { progress: "(call $drop-moments (local.get 0))", ..QUIET };
    let traps = Wat { progress: "unreachable", ..QUIET };
    let folder = plugins(&[("good.wasm", &follows.component()), ("bad.wasm", &traps.component())]);
    assert_eq!(report(folder.path(), "good.wasm", 0)["streams"], true);
    let shown = said(folder.path(), &["check", "good.wasm"]);
    assert!(shown.out.contains("streams      yes"), "{}", shown.out);
    let bad = report(folder.path(), "bad.wasm", 1);
    assert!(bad["error"]["message"].as_str().is_some_and(|text| text.contains("trapped in progress")), "{bad:#}");
}

#[test]
fn the_keys_are_the_same_whatever_the_verdict() {
    let folder = plugins(&[("good.wasm", &QUIET.component()), ("bad.wasm", b"hello")]);
    let keys = |file: &str, code: i32| -> Vec<String> {
        report(folder.path(), file, code).as_object().expect("an object").keys().cloned().collect()
    };
    let expected = keys("good.wasm", 0);
    assert_eq!(keys("bad.wasm", 1), expected);
    assert_eq!(keys("missing.wasm", 2), expected);
    let help = said(folder.path(), &["check", "--help"]);
    for key in expected {
        assert!(help.out.contains(&key), "{key} is not in the help");
    }
}

#[test]
fn a_manifest_means_its_module_and_a_folder_all_that_is_in_it() {
    let good = QUIET.component();
    let folder = plugins(&[
        ("a.wasm", &good),
        ("a.toml", b"enabled = false"),
        ("b.wasm", b"hello"),
        ("two words.wasm", &good),
        (".draft.wasm", b"half"),
        ("lonely.toml", b""),
    ]);
    let by_manifest = report(folder.path(), "a.toml", 0);
    assert_eq!(by_manifest["path"], "a.wasm");
    assert_eq!(by_manifest["enabled"], false);
    let shown = said(folder.path(), &["check", "a.wasm"]);
    assert!(shown.out.contains("a service would not load it"), "{}", shown.out);

    let all = said(folder.path(), &["check", "--json", "."]);
    assert_eq!(all.code, Some(1));
    let reports: Vec<Value> =
        all.out.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    let verdicts: Vec<_> = reports.iter().map(|report| (&report["path"], &report["verdict"])).collect();
    let expected = [("./a.wasm", "ok"), ("./b.wasm", "refused"), ("./two words.wasm", "refused")];
    assert_eq!(verdicts.len(), expected.len());
    for ((path, verdict), expected) in verdicts.into_iter().zip(expected) {
        assert_eq!((path.as_str(), verdict.as_str()), (Some(expected.0), Some(expected.1)));
    }
}

#[test]
fn what_cannot_be_read_is_another_exit_code_than_what_is_refused() {
    let folder = plugins(&[("bad.wasm", b"hello"), ("lonely.toml", b""), ("notes.txt", b"")]);
    fs::create_dir(folder.path().join("empty")).expect("made");
    let pipe = folder.path().join("pipe.wasm");
    assert!(std::process::Command::new("mkfifo").arg(pipe).status().expect("mkfifo runs").success());
    for (file, words) in [
        ("missing.wasm", "cannot be read"),
        ("lonely.toml", "there is no lonely.wasm beside it"),
        ("notes.txt", "is neither NAME.wasm nor NAME.toml"),
        ("empty", "there is no module in it"),
        ("pipe.wasm", "is not a file"),
    ] {
        let report = report(folder.path(), file, 2);
        assert_eq!(report["verdict"], "unreadable");
        assert!(report["error"]["message"].as_str().is_some_and(|message| message.contains(words)), "{report}");
    }
    let both = said(folder.path(), &["check", "bad.wasm", "missing.wasm"]);
    assert_eq!(both.code, Some(2), "the worst of all");
    complains(folder.path(), &["check"], 2, &["<FILE>"]);
    complains(folder.path(), &["check", "--jsn", "bad.wasm"], 2, &["--json"]);
}

/// Sends to the destination "influx" when it is flushed, and says so in the log.
const SENDER: &str = r#"(component
  (import "hottap:tracer/rpc@0.1.0-draft" (instance $rpc (export "batch" (type (sub resource)))))
  (alias export $rpc "batch" (type $batch))
  (import "hottap:tracer/outbox@0.1.0-draft" (instance $outbox
    (export "send" (func (param "destination" string) (param "content-type" string) (param "payload" (list u8))
      (result (result (error u32)))))))
  (import "hottap:tracer/log@0.1.0-draft" (instance $log
    (export "write" (func (param "severity" u8) (param "message" string)))))
  (core module $texts (memory (export "memory") 1) (data (i32.const 64) "influx") (data (i32.const 96) "sent it"))
  (core instance $texts (instantiate $texts))
  (core func $drop (canon resource.drop $batch))
  (core func $send (canon lower (func $outbox "send") (memory (core memory $texts "memory"))))
  (core func $write (canon lower (func $log "write") (memory (core memory $texts "memory"))))
  (core module $code
    (import "" "drop" (func $drop (param i32)))
    (import "" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32)))
    (import "" "write" (func $write (param i32 i32 i32)))
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "init") (param i32 i32 i32 i32 i32 i64) (result i32) i32.const 8)
    (func (export "finish") (param i32) (call $drop (local.get 0)))
    (func (export "flush") (param i32 i64 i64)
      (call $send (i32.const 64) (i32.const 6) (i32.const 64) (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 8))
      (call $write (i32.const 4) (i32.const 96) (i32.const 7))))
  (core instance $core (instantiate $code (with "" (instance
    (export "drop" (func $drop)) (export "send" (func $send)) (export "write" (func $write))))))
  (func $init (param "role" u8) (param "config" string) (param "identity" (list (tuple string string)))
    (param "now" u64) (result (result (error string)))
    (canon lift (core func $core "init") (memory (core memory $core "memory")) (realloc (core func $core "realloc"))))
  (func $finish (param "calls" (borrow $batch)) (canon lift (core func $core "finish")))
  (func $flush (param "cause" u8) (param "now" u64) (param "elapsed" u64) (canon lift (core func $core "flush")))
  (instance $tracer (export "init" (func $init)) (export "finish" (func $finish)) (export "flush" (func $flush)))
  (export "hottap:tracer/tracer@0.1.0-draft" (instance $tracer)))"#;

#[test]
fn a_destination_that_a_tracer_names_is_said_with_what_the_operator_has_to_do() {
    let folder = plugins(&[("sender.wasm", &wat::parse_str(SENDER).expect("valid"))]);
    let report = report(folder.path(), "sender.wasm", 0);
    assert_eq!(report["destinations"], serde_json::json!([{"name": "influx", "access": null}]));
    assert_eq!(report["log"], serde_json::json!([{"severity": "warn", "message": "sent it"}]));
    let shown = said(folder.path(), &["check", "sender.wasm"]);
    let advice = "influx: the operator has to define it in hottap.toml, with tracers = [\"sender\"]";
    assert!(shown.out.contains(advice), "{}", shown.out);
}

#[test]
fn with_the_operators_configuration_it_is_said_what_is_granted() {
    let folder = plugins(&[("sender.wasm", &wat::parse_str(SENDER).expect("valid"))]);
    let destination = |name: &str, tracer: &str| {
        format!("[destinations.{name}]\nurl = \"http://127.0.0.1:9/\"\ntracers = [\"{tracer}\"]\n")
    };
    let config = destination("influx", "sender") + &destination("others", "influxdb");
    fs::write(folder.path().join("hottap.toml.txt"), config).expect("written");
    let args = ["check", "--json", "--config", "hottap.toml.txt", "sender.wasm"];
    let access = || {
        let said = said(folder.path(), &args);
        assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
        let report: Value = serde_json::from_str(&said.out).expect("one object");
        report["destinations"].clone()
    };
    assert_eq!(access(), serde_json::json!([{"name": "influx", "access": "granted"}]));
    fs::write(folder.path().join("sender.toml"), "destinations = [\"nowhere\", \"others\"]").expect("written");
    let all = serde_json::json!([
        {"name": "influx", "access": "granted"},
        {"name": "nowhere", "access": "undefined"},
        {"name": "others", "access": "not_granted"},
    ]);
    assert_eq!(access(), all);
    fs::write(folder.path().join("hottap.toml.txt"), "destination = 1").expect("written");
    complains(folder.path(), &args, 2, &["hottap.toml.txt", "destination"]);
}

#[test]
fn a_manifest_that_defines_destinations_is_refused_unless_the_plugin_dir_is_trusted() {
    let manifest = "[destinations.influx]\nurl = \"http://127.0.0.1:9/\"";
    refused(QUIET.component(), manifest, &["bad.toml defines destinations, which only the operator may"]);
    let folder = plugins(&[("good.wasm", &QUIET.component()), ("good.toml", manifest.as_bytes())]);
    fs::write(folder.path().join("trusting"), "trust_plugin_dir = true").expect("written");
    let trusted = said(folder.path(), &["check", "--json", "--config", "trusting", "good.wasm"]);
    assert_eq!(trusted.code, Some(0), "{}{}", trusted.out, trusted.err);
    assert!(trusted.out.contains(r#"{"name":"influx","access":"granted"}"#), "{}", trusted.out);
}

#[test]
fn help_teaches_and_the_version_says_the_contract() {
    let folder = plugins(&[]);
    for command in ["new", "build", "check"] {
        let help = said(folder.path(), &[command, "--help"]);
        assert_eq!(help.code, Some(0));
        assert!(help.out.contains("Examples:\n  hottap "), "{}", help.out);
    }
    let version = said(folder.path(), &["--version"]);
    assert!(
        version.out.contains(env!("CARGO_PKG_VERSION")) && version.out.contains("hottap:tracer "),
        "{}",
        version.out
    );
    complains(folder.path(), &["chek"], 2, &["check"]);
}
