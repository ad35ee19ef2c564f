//! The remedy for a refusal or a failed call, in words for operators and for authors of tracers. Pure.

use super::loader::Refusal;
use crate::wasm::{BoundsError, CONTRACT, CallError, LoadError};
use hottap_core::panics;

impl Refusal {
    /// One sentence that says what to do; Display says what is wrong.
    pub fn what_to_do(&self) -> String {
        match self {
            Self::Read { .. } => "see that it is a file that this user may read".into(),
            Self::Changed { .. } => "nothing: it is read again when it rests".into(),
            Self::TooLarge { .. } => {
                "build it in release and without debug information: `hottap build` does that".into()
            }
            Self::Manifest { path, .. } => format!("correct {}", path.display()),
            Self::Digest { .. } => {
                "if these are the bytes that you mean, set sha256 in the manifest to the first of the two".into()
            }
            Self::Load { error, .. } => of_load(error),
            Self::Config { path, key: Some(key), .. } => format!("correct `{key}` in {}", path.display()),
            Self::Config { path, key: None, .. } => format!("correct [config] in {}", path.display()),
            Self::Canary { path, error: CallError::Init(_) } => {
                let manifest = path.with_extension("toml");
                format!("write what it needs under [config] in {}, or mend the tracer", manifest.display())
            }
            Self::Canary { error, .. } => of_call(error),
            Self::Untrusted { .. } => {
                "name them only, as `destinations = [\"…\"]`, and define them in hottap.toml, or set trust_plugin_dir = true there"
                    .into()
            }
            Self::Panicked { .. } => panics::WHAT_TO_DO.into(),
            Self::NoSlot { .. } | Self::NoStart { .. } => {
                "remove one of them from the plugin dir: the first by name of those that wait takes its place".into()
            }
        }
    }
}

/// The remedy where the memory that all plugins share is used up.
const BUDGET: &str = "remove a tracer, or raise the budget by Builder::memory_budget; it is tried \
     again every ten seconds";
/// The remedy where the process gets no more memory from its system.
const MACHINE: &str = "raise `ulimit -v` or the container's limit, or remove a tracer; this is not the tracer's fault, and it \
     is tried again every ten seconds";

fn of_load(error: &LoadError) -> String {
    match error {
        LoadError::Bounds(BoundsError::NotWasm) => {
            "give the module that a build for wasm32-unknown-unknown made: `hottap build` prints its path".into()
        }
        LoadError::Bounds(BoundsError::Damaged(_)) => {
            "copy it again, whole, and rename it into place, as `hottap build --into` does".into()
        }
        LoadError::Bounds(_) => "build it in release, and split what is generated".into(),
        LoadError::OverBudget(_) => BUDGET.into(),
        LoadError::Machine { .. } => MACHINE.into(),
        LoadError::Compiler { command, .. } => {
            format!("see that {} is the command `hottap` of the service's own version", command.display())
        }
        LoadError::NoTracer => {
            "write `export!(MyTracer);` with crate hottap-guest (`hottap new` makes such a project), or export \
             hottap:tracer/tracer as a component"
                .into()
        }
        LoadError::Version { .. } => {
            format!("build it with the SDK whose contract is {CONTRACT}, or update the services that are to load it")
        }
        LoadError::Import(import) if import.starts_with("wasi_") => {
            "build it for wasm32-unknown-unknown, or make a component of it, with the adapter for WASI preview 1".into()
        }
        LoadError::Import(import) if import.starts_with("wasi:") => {
            "leave out what opens connections or files: a tracer sends through the outbox, to destinations by name"
                .into()
        }
        LoadError::WasiType(_) => "build it with a toolchain whose WASI is 0.2 as published, unchanged".into(),
        LoadError::Import(_) => {
            "leave it out: a tracer is given the interfaces of hottap:tracer and nothing else".into()
        }
        LoadError::Contract { .. } | LoadError::Encode(_) => {
            format!("generate its bindings anew from the contract hottap:tracer@{CONTRACT}, and build it again")
        }
        LoadError::Compile(_) => "build it again without experimental features of WebAssembly".into(),
        // Others say themselves what to do.
        _ => "build it against another world of the contract, or load it into a newer service".into(),
    }
}

/// One sentence about a call into a guest that failed.
pub(super) fn of_call(error: &CallError) -> String {
    match error {
        CallError::Init(_) => "see that [config] in its manifest is as the tracer wants it, or mend the tracer".into(),
        CallError::Trap { .. } => {
            "mend the tracer: its last words are its panic, and a test with the SDK's harness shows the line".into()
        }
        CallError::OutOfTime { .. } => {
            "mend the tracer: it has to do less in one call; or grant it more time under `limits` in hottap.toml".into()
        }
        CallError::Panicked(_) => panics::WHAT_TO_DO.into(),
        CallError::OverBudget { .. } => BUDGET.into(),
        CallError::Machine { .. } => MACHINE.into(),
        CallError::OutOfMemory { .. } => {
            "mend the tracer: it has to keep less; or grant it more memory under `limits` in hottap.toml".into()
        }
    }
}

/// The key of a manifest's `[config]` that a refusal of `init` names, such as `config.tags.time`: the longest one that
/// stands in quotation marks or backticks, or else as a word. None if it names none of those that are there.
pub(super) fn named_key(config: &serde_json::Value, words: &str) -> Option<String> {
    let mut keys = Vec::new();
    gather("", config, &mut keys);
    let is_quoted = |text: &str| ['`', '"', '\''].iter().any(|mark| words.contains(&format!("{mark}{text}{mark}")));
    let is_word = |text: &str| is_word(words, text);
    let longest = |is_named: &dyn Fn(&str) -> bool| {
        let named = keys.iter().filter(|key| is_named(&key.path) || is_named(&key.name));
        named.max_by_key(|key| key.path.len()).map(|key| format!("config.{}", key.path))
    };
    longest(&is_quoted).or_else(|| longest(&is_word))
}

/// Keys of a `[config]` that are looked for.
const MAX_KEYS: usize = 1_000;

/// Bytes of a key that is looked for, with those above it. A key can be as long as the manifest, and a thousand below it
/// would be as many copies.
const MAX_KEY_BYTES: usize = 256;

/// A key of a `[config]`.
struct Key {
    /// With the keys above it, such as `tags.time`.
    path: String,
    name: String,
}

fn gather(prefix: &str, value: &serde_json::Value, keys: &mut Vec<Key>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        if keys.len() == MAX_KEYS {
            return;
        }
        if prefix.len() + name.len() > MAX_KEY_BYTES {
            continue;
        }
        let path = format!("{prefix}{name}");
        gather(&format!("{path}."), value, keys);
        keys.push(Key { path, name: name.clone() });
    }
}

fn is_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    !word.is_empty()
        && text.match_indices(word).any(|(at, _)| {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            let after = text.get(at + word.len()..).and_then(|after| after.chars().next());
            !before.is_some_and(is_part) && !after.is_some_and(is_part)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_init_leads_to_the_key_that_it_names() {
        let config = serde_json::json!({
            "measurement": "#x", "points": true, "type": 3, "tags": { "time": "now", "zone": "a" }, "bounds_ms": [2, 1],
        });
        for (words, expected) in [
            ("the manifest's [config]: `measurement` must not begin with `#`", Some("config.measurement")),
            ("`tags.time` is a name that every point has already", Some("config.tags.time")),
            ("a tag `zone` is too much", Some("config.tags.zone")),
            ("invalid type: `points` is a string", Some("config.points")),
            ("bounds_ms must be rising", Some("config.bounds_ms")),
            ("give the bounds in rising order", None),
            ("missing field `destination`", None),
            ("not today", None),
        ] {
            assert_eq!(named_key(&config, words).as_deref(), expected, "{words}");
        }
        assert_eq!(named_key(&serde_json::json!({}), "`measurement`"), None);
        let long = "k".repeat(300);
        let config = serde_json::json!({ long.as_str(): { "below": 1 }, "zone": 1 });
        assert_eq!(named_key(&config, &format!("`{long}` and `zone`")).as_deref(), Some("config.zone"));
    }
}
