//! Where the tracers that are measured come from: modules that were built beforehand.

use std::path::{Path, PathBuf};

/// The module of a Rust tracer: from the folder `HOTTAP_TEST_GUESTS`, or from where `cargo xtask guests` puts it.
///
/// # Errors
/// It was not built.
pub(crate) fn rust(name: &str) -> Result<Vec<u8>, String> {
    let folder = std::env::var_os("HOTTAP_TEST_GUESTS").map_or_else(|| target().join("guests/out"), PathBuf::from);
    read(&folder.join(name).with_extension("wasm"))
}

/// The module of the tracer written in Python: the file `HOTTAP_TEST_PYTHON_GUEST`, or where xtask puts it.
///
/// # Errors
/// It was not built.
pub(crate) fn python() -> Result<Vec<u8>, String> {
    let module = std::env::var_os("HOTTAP_TEST_PYTHON_GUEST").map(PathBuf::from);
    read(&module.unwrap_or_else(|| target().join("guests/python/python-red-metrics.wasm")))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: {error}; cargo xtask bench builds it", path.display()))
}

/// The target directory: this program stands in it, or in the workspace's default one.
fn target() -> PathBuf {
    let own = std::env::current_exe().ok().and_then(|own| Some(own.ancestors().nth(3)?.to_owned()));
    own.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"))
}
