//! The rules of the house that a compiler does not check: who may know what.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

/// The crates of the host, each with its rooms (folders and files directly below `src`) from the lowest to the highest: a room
/// knows only those before it.
const CRATES: [(&str, &[&str]); 7] = [
    (
        "core",
        &[
            "lock",
            "process",
            "rpc",
            "backoff",
            "host_metrics",
            "panics",
            "plain",
            "budget",
            "live",
            "propagate",
            "collect",
            "tracer",
            "layer",
        ],
    ),
    ("io", &["read", "dial"]),
    ("plugins", &["config", "metrics", "outbox", "wasm", "admin", "plugin", "drive", "fuzz"]),
    (
        "otel",
        &[
            "address",
            "business",
            "conventions",
            "url",
            "attributes",
            "events",
            "name",
            "network",
            "request",
            "status",
            "identity",
            "active",
            "parent",
            "baggage",
            "tracer",
            "metrics",
            "export",
        ],
    ),
    ("runtime", &["socket", "client", "server"]),
    ("cli", &["args", "screen", "build", "check", "new"]),
    ("hottap", &["bridge", "environment", "running", "handle", "builder"]),
];

/// The crates whose rooms are too small to be named by a rule: their files are found below the name of the crate.
const SMALL: [&str; 3] = ["otel", "cli", "hottap"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every source file of one crate of the host, with its path below `src` and its text.
fn sources_of(name: &str) -> Vec<(PathBuf, String)> {
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
    let root = root().join("host").join(name).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 2, "the sources of {name} are where they are looked for");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("readable");
        (path.strip_prefix(&root).expect("below src").to_owned(), text)
    };
    files.into_iter().map(read).collect()
}

/// Every source file of the host: below the name of its room, or of its crate if the rooms of that are small.
fn sources() -> Vec<(PathBuf, String)> {
    let of = |(name, _): &(&str, &[&str])| {
        let below = |path: PathBuf| if SMALL.contains(name) { Path::new(name).join(path) } else { path };
        sources_of(name).into_iter().map(|(path, text)| (below(path), text)).collect::<Vec<_>>()
    };
    CRATES.iter().flat_map(of).collect()
}

#[test]
fn every_crate_of_the_host_is_looked_at() {
    let folders = fs::read_dir(root().join("host")).expect("readable");
    let mut found: Vec<String> =
        folders.map(|entry| entry.expect("readable").file_name().into_string().expect("text")).collect();
    let mut known = CRATES.map(|(name, _)| name.to_owned());
    found.sort();
    known.sort();
    assert_eq!(found, known);
}

/// The names that follow `prefix`, such as `crate::`, in code without comments: one, or those in braces.
fn names_after<'t>(prefix: &str, text: &'t str) -> Vec<&'t str> {
    let mut names = Vec::new();
    for (at, _) in text.match_indices(prefix) {
        // `$crate::`, and `super::super::`, are other paths.
        if text[..at].ends_with(|before: char| before.is_alphanumeric() || "_$:".contains(before)) {
            continue;
        }
        let rest = &text[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(braces) => {
                let (inside, _) = braces.split_once('}').expect("braces end");
                assert!(!inside.contains('{'), "write a line for each path instead of braces in braces: {inside}");
                names.extend(inside.split(',').map(first_name));
            }
            None => names.push(first_name(rest)),
        }
    }
    names
}

/// The name that a text begins with, after blanks.
fn first_name(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.find(|character: char| !character.is_alphanumeric() && character != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The names that `lib.rs` re-exports, each with its room: code that uses `crate::Name` knows that room.
fn exported<'t>(lib: &'t str, rooms: &[&'static str]) -> Vec<(&'t str, &'static str)> {
    let of = |&room: &&'static str| {
        names_after(&format!("{room}::"), lib).into_iter().map(move |name| (name, room)).collect::<Vec<_>>()
    };
    rooms.iter().flat_map(of).collect()
}

/// No two rooms of a crate know each other, nor do several in a circle.
#[test]
fn rooms_know_only_those_below_them() {
    let mut arrows = 0;
    for (name, rooms) in &CRATES {
        let sources = sources_of(name);
        let without_comments = |text: &str| code(text).collect::<Vec<_>>().join("\n");
        let lib = sources.iter().find(|(path, _)| path == Path::new("lib.rs")).expect("a library");
        let lib = without_comments(&lib.1);
        let exported = exported(&lib, rooms);
        for (path, text) in &sources {
            let room = path.components().next().expect("a name").as_os_str().to_str().expect("text");
            let room = room.trim_end_matches(".rs");
            if ["lib", "main"].contains(&room) {
                continue;
            }
            let height = |room: &str| rooms.iter().position(|known| *known == room);
            let own = height(room).unwrap_or_else(|| panic!("{name} has a room {room} without a place in the order"));
            // In tests at a file's end `super` is the file.
            let (lived, _) = text.split_once("#[cfg(test)]\nmod tests").unwrap_or((text, ""));
            let (lived, whole) = (without_comments(lived), without_comments(text));
            let depth = path.components().count() - usize::from(path.ends_with("mod.rs"));
            let from_root = names_after(&"super::".repeat(depth), &lived);
            for other in names_after("crate::", &whole).into_iter().chain(from_root) {
                let other = exported.iter().find(|(name, _)| *name == other).map_or(other, |(_, room)| room);
                if let Some(theirs) = height(other) {
                    arrows += usize::from(theirs != own);
                    assert!(theirs <= own, "{name}/{}: {room} knows {other}, which is above it", path.display());
                }
            }
        }
    }
    assert!(arrows > 200, "the paths are read");
}

#[test]
fn paths_are_read_with_their_braces() {
    let text = "use crate::{a, b::C};\nuse crate::d::E; $crate::f!(); super::crate::g; crate::h::i()";
    assert_eq!(names_after("crate::", text), ["a", "b", "d", "h"]);
    assert_eq!(exported("pub use a::{B, C};\npub use d::E;", &["a", "d"]), [("B", "a"), ("C", "a"), ("E", "d")]);
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
    only_in(".live.update(", &["plugin/supervisor/lives.rs", "hottap/handle.rs", "hottap/running.rs"]);
    // The kill switch works even where the supervisor waits for a file system.
    only_in(".live.pause(", &["plugin/requests.rs"]);
}

#[test]
fn what_is_known_of_an_rpc_knows_no_http_runtime() {
    never_in("rpc", &["hyper", "tokio"]);
}

#[test]
fn the_core_needs_neither_the_engine_nor_a_runtime() {
    let manifest = fs::read_to_string(root().join("host/core/Cargo.toml")).expect("readable");
    let (own, _) = manifest.split_once("[dev-dependencies]").expect("there are some");
    assert!(own.contains("tower-service"), "these are the dependencies");
    for name in ["wasmtime", "hyper-util", "notify", "hottap-"] {
        let found = own.lines().filter(|line| !line.starts_with("name =")).find(|line| line.starts_with(name));
        assert!(found.is_none(), "hottap-core depends on {found:?}");
    }
    // The timers of reqwest's layers, and nothing that runs tasks.
    let tokio = own.lines().find(|line| line.starts_with("tokio ")).expect("it has timers");
    assert!(tokio.contains("features = [\"time\"], optional = true"), "{tokio}");
}

#[test]
fn what_calls_itself_pure_reads_no_clock() {
    let mut pure = 0;
    for (path, text) in sources() {
        let says = text.lines().take_while(|line| line.starts_with("//!")).collect::<String>().to_lowercase();
        if !says.contains("pure") && !says.contains("knows no clock") {
            continue;
        }
        pure += 1;
        let (lived, _) = text.split_once("#[cfg(test)]\nmod tests").unwrap_or((&text, ""));
        let read = ["Instant::now", "SystemTime::now", "clock.now", ".elapsed()"];
        let found = code(lived).find(|line| read.iter().any(|read| line.contains(read)));
        assert!(found.is_none(), "{} reads a clock: {}", path.display(), found.unwrap_or_default());
    }
    assert!(pure > 10, "the pure files say so in the words that are looked for");
}

#[test]
fn what_logs_foreign_words_makes_them_plain() {
    // They log their own words, numbers, and names that were checked.
    let own_words = ["plugin/facts.rs", "metrics/stage/mod.rs", "otel/export/init.rs"];
    let rooms = ["plugin", "outbox", "wasm", "metrics", "otel/export"];
    let mut logging = 0;
    for (path, text) in sources().into_iter().filter(|(path, _)| rooms.iter().any(|room| path.starts_with(room))) {
        let logs = code(&text).any(|line| line.contains("tracing::warn!") || line.contains("tracing::error!"));
        if !logs || own_words.iter().any(|own| path == Path::new(own)) {
            continue;
        }
        logging += 1;
        let is_plain = code(&text).any(|line| line.contains("plain::") || line.contains("plain("));
        assert!(is_plain, "{} logs, and makes nothing plain (hottap_core::plain)", path.display());
    }
    assert!(logging > 5, "what logs is found");
}

#[test]
fn every_thread_stands_in_the_table_of_threads() {
    let path = root().join("ARCHITECTURE.md");
    let table = fs::read_to_string(path).expect("readable");
    let mut names = 0;
    for (path, text) in sources() {
        for line in code(&text) {
            let Some((before, name)) = line.split_once("\"hottap-") else { continue };
            if !["name(", "name(format!(", "thread("].iter().any(|way| before.ends_with(way)) {
                continue;
            }
            names += 1;
            let (name, _) = name.split_once('"').expect("a text ends");
            let row = format!("| `hottap-{}` |", name.replace("{i}", "N"));
            assert!(table.contains(&row), "{} starts a thread that has no row {row}", path.display());
        }
    }
    assert!(names > 10, "threads are named in the ways that are looked for");
}

#[test]
fn the_operators_words_know_nothing_of_who_carries_them_out() {
    never_in("config", &["crate::wasm", "crate::plugin", "crate::outbox", "hottap_core::tracer", "hyper", "tokio"]);
}

#[test]
fn nothing_in_the_layers_blocks_or_reads_files() {
    never_in("layer", &["std::fs", "block_on", "thread::sleep", "std::net::Tcp"]);
}

#[test]
fn every_file_says_what_it_is() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{} does not begin with //!", path.display());
    }
}

/// The texts in a list that is a constant of this name, sorted.
fn list(file: &str, name: &str) -> Vec<String> {
    let path = root().join(file);
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
    const HARNESS: &str = "guest-sdk/src/testing/headers.rs";
    const UNGRANTABLE: &str = "host/plugins/src/config/ungrantable.rs";
    assert_eq!(list(HARNESS, "PROPAGATION"), list("host/plugins/src/wasm/headers.rs", "PROPAGATION"));
    assert_eq!(list(HARNESS, "NEVER"), lists(UNGRANTABLE, &["IDENTITY", "CONNECTION"]));
    assert_eq!(list(HARNESS, "NEVER_SET"), lists(UNGRANTABLE, &["LENGTH", "READING", "OWN"]));
}

/// Returns true if there is such a function in one of the files that a path such as `plugin::rest` can mean: in a test
/// binary, in a crate of the host, or in a plugin.
fn is_a_test(path: &str) -> bool {
    let Some((module, name)) = path.rsplit_once("::") else { return false };
    let (root, module) = (root(), module.replace("::", "/"));
    let mut files = vec![format!("host/hottap/tests/{module}.rs")];
    if let Some(module) = module.strip_prefix("cli/") {
        files.push(format!("host/cli/tests/all/{module}.rs"));
    }
    for (name, _) in &CRATES {
        let inside = SMALL.contains(name).then(|| module.strip_prefix(&format!("{name}/"))).flatten();
        let own = inside.unwrap_or(&module);
        files.extend([format!("host/{name}/src/{own}.rs"), format!("host/{name}/src/{own}/mod.rs")]);
    }
    files.extend(module.split_once('/').map(|(plugin, file)| format!("plugins/{plugin}/src/{file}.rs")));
    files.into_iter().any(|file| {
        let text = fs::read_to_string(root.join(file)).unwrap_or_default();
        let head = format!("fn {name}() ");
        text.match_indices(&head)
            .any(|(at, _)| text[..at].trim_end().trim_end_matches("async").trim_end().ends_with(']'))
    })
}

#[test]
fn the_reports_of_others_name_tests_that_exist() {
    let path = root().join("docs/reports.md");
    let table = fs::read_to_string(path).expect("readable");
    let mut rows = 0;
    for row in table.lines().filter(|row| row.starts_with("| [")) {
        rows += 1;
        let (_, tests) = row.trim_end_matches('|').rsplit_once('|').expect("a row has columns");
        let mut named = tests.split('`').skip(1).step_by(2).peekable();
        assert!(named.peek().is_some(), "a report without a test: {row}");
        for test in named {
            assert!(is_a_test(test), "there is no test {test}");
        }
    }
    assert!(rows > 50, "rows begin as they are looked for");
}

#[test]
fn the_threat_model_names_tests_that_exist() {
    let path = root().join("SECURITY.md");
    let text = fs::read_to_string(path).expect("readable");
    let (_, model) = text.split_once("## The threat model").expect("there is one");
    let mut sections = 0;
    for section in model.split("\n### ").skip(1) {
        sections += 1;
        let (title, section) = section.split_once('\n').expect("a title");
        let rows = section.lines().filter(|row| row.starts_with("| ") && !row.starts_with("| what holds |"));
        let mut found = 0;
        for row in rows {
            found += 1;
            let (_, tests) = row.trim_end_matches('|').rsplit_once('|').expect("a row has columns");
            let mut named = tests.split('`').skip(1).step_by(2).peekable();
            assert!(named.peek().is_some(), "{title}: a promise without a test: {row}");
            for test in named {
                assert!(is_a_test(test), "{title}: there is no test {test}");
            }
        }
        assert!(found > 0, "{title} promises something");
    }
    assert_eq!(sections, 6, "a plugin, the plugin dir, the admin port, the network, a destination, the operator");
}
