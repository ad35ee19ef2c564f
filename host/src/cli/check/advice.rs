//! What to do about a refusal, for the one who wrote the tracer; the refusal itself says what is wrong. Pure.

use crate::plugin::Refusal;
use crate::wasm::{BoundsError, CONTRACT, CallError, LoadError};

/// One sentence.
pub(super) fn advice(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Read { .. } => "see that it is a file that this user may read".into(),
        Refusal::TooLarge { .. } => {
            "build it in release and without debug information: `hottap build` does that".into()
        }
        Refusal::Manifest { path, .. } => {
            format!("correct {}; a service would keep what is live meanwhile", path.display())
        }
        Refusal::Digest { .. } => {
            "if these are the bytes that you mean, set sha256 in the manifest to the first of the two".into()
        }
        Refusal::Load { error, .. } => load(error),
        Refusal::Untrusted { .. } => {
            "name them only, as `destinations = [\"…\"]`; --config tells whether the service's own hottap.toml trusts them"
                .into()
        }
        Refusal::Canary { error, .. } => call(error),
        Refusal::NoSlot { .. } | Refusal::NoStart { .. } => "remove a plugin from the plugin dir".into(),
    }
}

fn load(error: &LoadError) -> String {
    match error {
        LoadError::Bounds(BoundsError::NotWasm) => {
            "give the module that a build for wasm32-unknown-unknown made: `hottap build` prints its path".into()
        }
        LoadError::Bounds(BoundsError::Damaged(_)) => {
            "copy it again, whole, and rename it into place, as `hottap build --into` does".into()
        }
        LoadError::Bounds(_) => "build it in release, and split what is generated".into(),
        LoadError::NoComponentType | LoadError::NoTracer => {
            "write `export!(MyTracer);` with crate hottap-guest (`hottap new` makes such a project), or export \
             hottap:tracer/tracer as a component"
                .into()
        }
        LoadError::Version { .. } => {
            format!("build it with the SDK whose contract is {CONTRACT}, or update the services that are to load it")
        }
        LoadError::Import(import) if import.starts_with("wasi:") => {
            "leave out what opens connections or files: a tracer sends through the outbox, to destinations by name"
                .into()
        }
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

fn call(error: &CallError) -> String {
    match error {
        CallError::Init(_) => "see that [config] in its manifest is as the tracer wants it".into(),
        CallError::Trap { .. } => {
            "the last words are its panic; a test with the SDK's harness shows the line that it came from".into()
        }
        CallError::OutOfTime { .. } => {
            "do less in one call: work through what was gathered over several flushes".into()
        }
        CallError::OutOfMemory { .. } => "keep less: sum up instead of collecting, and bound every table".into(),
    }
}
