//! Whatever lies in the plugin dir: it is refused by name, with what to do, and nobody else notices.

use std::fs;

use crate::guests::{INIT_REFUSES, QUIET, Wat};
use crate::house::House;

/// Drops in a module, and a manifest if there is one, beside a good plugin; expects words in the error.
#[track_caller]
fn refused(module: impl AsRef<[u8]>, manifest: &str, words: &[&str]) {
    let house = House::new();
    house.drop_in("good.wasm", QUIET.component());
    house.until_live("good");
    if !manifest.is_empty() {
        house.drop_in("bad.toml", manifest);
    }
    house.drop_in("bad.wasm", module);
    let bad = house.until("bad", "refused", |tracer| tracer["state"] == "refused");
    let message = bad["last_error"]["message"].as_str().unwrap_or_default();
    let what_to_do = bad["last_error"]["what_to_do"].as_str().unwrap_or_default();
    for word in words {
        assert!(format!("{message}; {what_to_do}").contains(word), "{word:?} is not in {message:?}; {what_to_do:?}");
    }
    assert!(!what_to_do.is_empty(), "{bad:#}");
    assert_eq!(bad["last_error"]["meanwhile"], "the other tracers are not affected");
    house.calls(10);
    assert_eq!(house.settled("good", 10)["committed"], 10);
    assert_eq!(bad["finished"], 0);
}

#[test]
fn what_is_no_wasm_is_refused() {
    refused("hello", "", &["bad.wasm", "the file is not WebAssembly"]);
    refused("", "", &["is not WebAssembly"]);
}

#[test]
fn compiled_code_is_refused() {
    // The engine's own format is an object file of the system's linker: to load one would be to run it.
    let mut object = b"\x7fELF\x02\x01\x01\xc8\x01".to_vec();
    object.resize(4_096, 0);
    refused(object, "", &["bad.wasm", "the file is not WebAssembly"]);
}

#[test]
fn a_module_cut_short_is_refused() {
    let bytes = QUIET.component();
    refused(&bytes[..bytes.len() - 40], "", &["cut short or damaged"]);
}

#[test]
fn a_core_module_without_a_tracer_is_refused() {
    refused(
        wat::parse_str("(module (func (export \"finish\")))").expect("valid"),
        "",
        &["exports no tracer (hottap:tracer/tracer)"],
    );
}

/// A core module of a tracer that does nothing, with a custom section.
fn core_module(section: &str, data: &[u8]) -> Vec<u8> {
    let mut module = wat::parse_str(
        r#"(module
          (import "hottap:tracer/rpc@0.1.0-draft" "[resource-drop]batch" (func $drop (param i32)))
          (memory (export "memory") 1)
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
          (func (export "hottap:tracer/tracer@0.1.0-draft#init") (param i32 i32 i32 i32 i32 i64) (result i32) (i32.const 8))
          (func (export "hottap:tracer/tracer@0.1.0-draft#finish") (param i32) (call $drop (local.get 0)))
          (func (export "hottap:tracer/tracer@0.1.0-draft#flush") (param i32 i64 i64)))"#,
    )
    .expect("valid");
    let length = |length: usize| u8::try_from(length).expect("short");
    module.extend([0, length(1 + section.len() + data.len()), length(section.len())]);
    module.extend(section.bytes().chain(data.iter().copied()));
    module
}

#[test]
fn what_a_core_module_says_of_the_contract_is_not_read() {
    let house = House::new();
    // A description is a component; what stands in it would be types that refer to each other.
    for (index, (section, data)) in [
        ("producers", &b"\0"[..]),
        ("component-type", b""),
        ("component-type", b"\0asm\x0d\0\x01\0\x07\x05\x01\x42\x01\x42\x01"),
        ("component-type:wit-bindgen:plugin", b"\0asm\x0d\0\x01\0\0\x10\x16wit-component-encoding"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("core{index}");
        house.drop_in(&format!("{name}.wasm"), core_module(section, data));
        house.until_live(&name);
    }
    house.calls(10);
    assert_eq!(house.settled("core3", 10)["committed"], 10);
}

#[test]
fn a_component_without_a_tracer_is_refused() {
    refused(wat::parse_str("(component)").expect("valid"), "", &["exports no tracer (hottap:tracer/tracer)"]);
}

#[test]
fn an_import_that_tracers_are_not_given_is_refused() {
    let http = r#"(import "wasi:http/outgoing-handler@0.2.0" (instance))"#;
    refused(
        QUIET.component_of("0.1.0-draft", http),
        "",
        &["it imports wasi:http/outgoing-handler@0.2.0, which tracers are not given"],
    );
    let unknown = r#"(import "acme:secrets/vault" (instance))"#;
    refused(QUIET.component_of("0.1.0-draft", unknown), "", &["acme:secrets/vault"]);
}

#[test]
fn another_version_of_the_contract_is_refused() {
    refused(QUIET.component_of("0.2.0", ""), "", &["it needs hottap:tracer 0.2.0, this host has 0.1.0-draft"]);
}

#[test]
fn another_type_under_the_right_name_is_refused() {
    let text = r#"(component (instance $none) (export "hottap:tracer/tracer@0.1.0-draft" (instance $none)))"#;
    refused(wat::parse_str(text).expect("valid"), "", &["does not fit the contract"]);
}

#[test]
fn an_init_that_says_no_is_refused_with_its_words() {
    let says_no = Wat { init: INIT_REFUSES, ..QUIET }.component();
    refused(
        &says_no,
        "",
        &["bad.wasm", "init refused: not today; write what it needs under [config] in /", "bad.toml"],
    );
}

#[test]
fn a_config_that_init_refuses_is_named_by_its_key_and_its_manifest() {
    let says_no = Wat { init: INIT_REFUSES, ..QUIET }.component();
    refused(
        &says_no,
        "[config]\nwhen = \"today\"\nother = 1",
        &["bad.toml has a [config] that the tracer does not take: init refused: not today; correct [config] in /"],
    );
    refused(
        &says_no,
        "[config]\nwhen = { today = true }\nother = 1",
        &[
            "bad.toml has a `config.when.today` that the tracer does not take: init refused: not today",
            "; correct `config.when.today` in /",
        ],
    );
    let influxdb = fixtures::guest("influxdb.wasm");
    for (config, key) in [
        ("measurement = \"#x\"", "config.measurement"),
        ("tags = { time = \"now\" }", "config.tags.time"),
        ("points = \"yes\"", "config.points"),
        ("bounds_ms = [1, \"2\"]", "config.bounds_ms"),
        ("measurment = \"x\"", "config.measurment"),
    ] {
        let (has, correct) = (format!("bad.toml has a `{key}`"), format!("; correct `{key}` in /"));
        refused(&influxdb, &format!("[config]\n{config}"), &[&has, &correct]);
    }
}

#[test]
fn a_tracer_that_fails_on_the_canary_is_refused() {
    refused(Wat { finish: "unreachable", ..QUIET }.component(), "", &["made-up batch", "trapped in finish"]);
    refused(Wat { flush: "(loop (br 0))", ..QUIET }.component(), "", &["ran out of time in flush"]);
    refused(Wat { init: "(loop (br 0)) unreachable", ..QUIET }.component(), "", &["ran out of time in init"]);
}

#[test]
fn a_memory_beyond_the_limit_is_refused() {
    let memory = "(memory 2000)";
    refused(Wat { items: memory, ..QUIET }.component(), "", &["ran out of memory"]);
}

#[test]
fn a_wrong_manifest_is_refused() {
    refused(QUIET.component(), "enabeld = true", &["bad.toml", "unknown key `enabeld`; did you mean `enabled`?"]);
    refused(
        QUIET.component(),
        "enabled = \"yes\"",
        &["bad.toml has a `enabled` that cannot be used: write true or false; correct /", "/plugins/bad.toml"],
    );
    refused(
        QUIET.component(),
        "[scope]\nsides = [\"sever\"]",
        &["bad.toml has a `scope.sides`", "`sever` is none of client, server, endpoint; correct /"],
    );
    refused(QUIET.component(), &format!("sha256 = \"{}\"", "0".repeat(64)), &["has the SHA-256", "allows only 0000"]);
}

#[test]
fn what_is_no_file_is_refused_by_name_and_not_waited_for() {
    let house = House::new();
    let status = std::process::Command::new("mkfifo").arg(house.file("pipe.wasm")).status().expect("mkfifo runs");
    assert!(status.success());
    fs::create_dir(house.file("folder.wasm")).expect("made");
    std::os::unix::fs::symlink("nowhere", house.file("dangling.wasm")).expect("linked");
    std::os::unix::fs::symlink("/dev/zero", house.file("device.wasm")).expect("linked");
    fs::write(house.file("good.wasm"), QUIET.component()).expect("written");
    house.until_live("good");
    for (name, words) in [
        ("pipe", "it is a named pipe, not a file"),
        ("folder", "it is a directory, not a file"),
        ("dangling", "No such file"),
        ("device", "it is a device, not a file"),
    ] {
        let refused = house.until(name, "refused", |tracer| tracer["state"] == "refused");
        let message = refused["last_error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(&format!("{name}.wasm cannot be read: ")) && message.contains(words), "{message}");
    }
}

#[test]
fn ten_thousand_made_up_paths_are_other() {
    let house = House::new();
    house.drop_in("quiet.wasm", QUIET.component());
    house.until_live("quiet");
    for i in 0..10_000 {
        let mut call = house.tap.start_call(hottap::rpc::Side::Server, &format!("made.Up/M{i}")).expect("wanted");
        call.set_unrouted();
        call.finish();
    }
    house.settled("quiet", 10_000);
    assert_eq!(house.metric("hottap_symbols_overflowed_total"), Some(0.0), "they never came to the table");
}
