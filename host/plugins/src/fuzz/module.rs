//! A file in the plugin dir, from its bytes to an instance.

use std::sync::{Arc, OnceLock};

use super::assert_one_line;
use crate::metrics::{Registry, RegistryLimits, SeriesLimits, Stage};
use crate::outbox::Outbox;
use crate::wasm::{CallError, Cancel, Cause, Engines, Limits, Module, State, Surroundings};

/// The one pair of engines: making it takes longer than loading a small module.
pub(super) fn engines() -> &'static Engines {
    static ENGINES: OnceLock<Engines> = OnceLock::new();
    ENGINES.get_or_init(|| Engines::new(&hottap_core::budget::Budget::unlimited()).expect("the engine starts"))
}

/// The surroundings of an instance, with this as its saved state.
pub(super) fn surroundings(saved: Option<&[u8]>) -> Surroundings {
    let state = State::default();
    if let Some(saved) = saved {
        state.set(saved.to_vec());
    }
    Surroundings {
        config: "{}".into(),
        identity: Arc::default(),
        state,
        headers: Arc::default(),
        outbox: Outbox::default(),
        now: 1,
    }
}

/// A registry, and a tracer's stage on it.
pub(super) fn stage() -> (Arc<Registry>, Stage) {
    let registry = Arc::new(Registry::new(RegistryLimits::default()));
    let stage = Stage::new(registry.clone(), "fuzzed".into(), SeriesLimits::default());
    (registry, stage)
}

/// Bytes of a module as text: a seed, not a plugin.
const MOST_TEXT: usize = 64 << 10;

/// A module as bytes: seeds are text, so that they can be read.
pub(super) fn binary(data: &[u8]) -> Option<Vec<u8>> {
    let is_text = data.len() <= MOST_TEXT && (data.starts_with(b"(") || data.starts_with(b";;"));
    if is_text { wat::parse_bytes(data).ok().map(std::borrow::Cow::into_owned) } else { None }
}

/// Whatever bytes are loaded, they are refused in one line, or are a tracer that can be made and flushed, which may
/// fail.
pub fn module_load(data: &[u8]) {
    let text = binary(data);
    let bytes = text.as_deref().unwrap_or(data);
    let compile = |checked| Module::compile(engines(), bytes, checked, &Cancel::default());
    let module = match crate::wasm::check(bytes).and_then(compile) {
        Ok(module) => module,
        Err(error) => return assert_one_line(&error.to_string()),
    };
    let (_, stage) = stage();
    let flushed = module
        .instance(&"fuzzed".into(), Limits::default(), stage, &surroundings(None))
        .and_then(|mut guest| guest.flush(Cause::Period, 2, 1).map(|()| guest.commit(1)));
    if let Err(error) = flushed {
        check(&error);
    }
}

/// An error of a guest is one line for the operator.
pub(super) fn check(error: &CallError) {
    assert_one_line(&error.to_string());
}
