//! The rules of the house that a compiler does not check: who may know what.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

/// Every source file of the crate, with its path below `src` and its text.
fn sources() -> Vec<(PathBuf, String)> {
    fn collect(directory: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                collect(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 50, "the sources are where they are looked for");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("readable");
        (path.strip_prefix(&root).expect("below src").to_owned(), text)
    };
    files.into_iter().map(read).collect()
}

/// Code only: what a comment says binds nobody.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

#[track_caller]
fn only_in(word: &str, allowed: &[&str]) {
    for (path, text) in sources() {
        if !allowed.iter().any(|allowed| path.starts_with(allowed)) {
            let found = code(&text).find(|line| line.contains(word));
            assert!(found.is_none(), "{} says {word:?}: {}", path.display(), found.unwrap_or_default());
        }
    }
}

#[track_caller]
fn never_in(room: &str, words: &[&str]) {
    for (path, text) in sources().into_iter().filter(|(path, _)| path.starts_with(room)) {
        for word in words {
            let found = code(&text).find(|line| line.contains(word));
            assert!(found.is_none(), "{} says {word:?}: {}", path.display(), found.unwrap_or_default());
        }
    }
}

#[test]
fn only_the_wasm_room_knows_the_engine() {
    only_in("wasmtime::", &["wasm"]);
    only_in("wit_component::", &["wasm"]);
}

#[test]
fn only_one_file_holds_generated_bindings() {
    only_in("bindgen!", &["wasm/v0_1_draft/mod.rs"]);
}

#[test]
fn only_the_supervisor_and_the_handle_change_the_live_set() {
    only_in(".live.update(", &["plugin/supervisor.rs", "tracer/hottap.rs"]);
}

#[test]
fn what_is_known_of_an_rpc_knows_nothing_of_who_reads_it() {
    let others = ["crate::collect", "crate::plugin", "crate::wasm", "crate::layer", "crate::tracer", "crate::metrics"];
    never_in("rpc", &others);
    never_in("propagate", &others);
    never_in("rpc", &["hyper", "tokio"]);
}

#[test]
fn the_operators_words_know_nothing_of_who_carries_them_out() {
    never_in("config", &["crate::wasm", "crate::plugin", "crate::outbox", "crate::tracer", "hyper", "tokio"]);
}

#[test]
fn nothing_in_the_layers_blocks_or_reads_files() {
    never_in("layer", &["std::fs", "block_on", "thread::sleep", "std::net::Tcp", "crate::plugin", "crate::wasm"]);
}

#[test]
fn every_file_says_what_it_is() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{} does not begin with //!", path.display());
    }
}

/// The texts in a list that is a constant of this name, sorted.
fn list(file: &str, name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = fs::read_to_string(&path).expect("readable");
    let start = text.find(&format!("const {name}: &[&str]")).unwrap_or_else(|| panic!("{file} has no list {name}"));
    let (list, _) = text[start..].split_once(';').expect("a constant ends");
    // Every other piece between quotation marks stands outside of them.
    let mut texts: Vec<String> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(!texts.is_empty(), "{file} has its list {name} in a way that is not understood here");
    texts.sort();
    texts
}

/// The texts of some lists together.
fn lists(file: &str, names: &[&str]) -> Vec<String> {
    let mut texts: Vec<String> = names.iter().flat_map(|name| list(file, name)).collect();
    texts.sort();
    texts
}

#[test]
fn the_harness_for_tracers_has_the_hosts_rules_for_headers() {
    const HARNESS: &str = "../guest-sdk/src/testing/headers.rs";
    const UNGRANTABLE: &str = "src/config/ungrantable.rs";
    assert_eq!(list(HARNESS, "PROPAGATION"), list("src/wasm/headers.rs", "PROPAGATION"));
    assert_eq!(list(HARNESS, "NEVER"), lists(UNGRANTABLE, &["IDENTITY", "CONNECTION"]));
    assert_eq!(list(HARNESS, "NEVER_SET"), lists(UNGRANTABLE, &["LENGTH", "READING", "OWN"]));
}
