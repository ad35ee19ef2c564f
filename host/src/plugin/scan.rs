//! What stands in the plugin dir, by name and stamp; contents are read only when a stamp is new.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::name::Name;
use crate::config::Stamp;

/// Entries of the directory that are looked at. A directory with more is a mistake, not a plugin dir.
const MAX_ENTRIES: usize = 4_096;

/// One plugin as the directory has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) module: Stamp,
    pub(crate) manifest: Option<Stamp>,
}

/// One look at the plugin dir.
pub(crate) fn scan(directory: &Path) -> io::Result<BTreeMap<Name, Found>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory)?.take(MAX_ENTRIES) {
        let file = entry?.file_name();
        let Some(name) = file.to_str().and_then(|file| file.strip_suffix(".wasm")).and_then(Name::new) else {
            continue;
        };
        // Links are followed: a mounted ConfigMap is all links. What vanishes meanwhile was never there.
        let stamp = |extension: &str| {
            let metadata = fs::metadata(directory.join(format!("{name}.{extension}"))).ok()?;
            metadata.is_file().then(|| Stamp::of(&metadata))
        };
        if let Some(module) = stamp("wasm") {
            let manifest = stamp("toml");
            found.insert(name, Found { module, manifest });
        }
    }
    Ok(found)
}
