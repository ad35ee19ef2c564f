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
///
/// A file that cannot be read is not taken as removed. A link that leads nowhere is found with its own stamp, so that
/// loading it says what is wrong; so is a manifest that is no file. A directory of which only a part can be seen is an
/// error.
pub(crate) fn scan(directory: &Path) -> io::Result<BTreeMap<Name, Found>> {
    let mut found = BTreeMap::new();
    for (index, entry) in fs::read_dir(directory)?.enumerate() {
        if index == MAX_ENTRIES {
            let words = format!("it has more than {MAX_ENTRIES} entries; leave only plugins and their manifests in it");
            return Err(io::Error::other(words));
        }
        let file = entry?.file_name();
        let Some(name) = file.to_str().and_then(|file| file.strip_suffix(".wasm")).and_then(Name::new) else {
            continue;
        };
        let Some((module, true)) = stamp(&directory.join(format!("{name}.wasm")))? else { continue };
        let manifest = stamp(&directory.join(format!("{name}.toml")))?.map(|(manifest, _)| manifest);
        found.insert(name, Found { module, manifest });
    }
    Ok(found)
}

/// The stamp of what stands at a path, and whether it may be a file; none if nothing stands there.
///
/// Links are followed: a mounted ConfigMap is all links.
fn stamp(path: &Path) -> io::Result<Option<(Stamp, bool)>> {
    let unfollowed = match fs::metadata(path) {
        Ok(metadata) => return Ok(Some((Stamp::of(&metadata), metadata.is_file()))),
        Err(error) => error,
    };
    match fs::symlink_metadata(path) {
        Ok(link) => Ok(Some((Stamp::of(&link), true))),
        // It vanished between two looks.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(_) => Err(unfollowed),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// The plugins in a directory, and which of them have a manifest.
    fn names(directory: &Path) -> Vec<(String, bool)> {
        let found = scan(directory).expect("a directory that can be read");
        found.into_iter().map(|(name, found)| (name.to_string(), found.manifest.is_some())).collect()
    }

    #[test]
    fn what_cannot_be_followed_is_there_all_the_same() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        symlink("loop.wasm", path("loop.wasm")).expect("linked");
        symlink("nowhere", path("dangling.wasm")).expect("linked");
        for name in ["alone", "linked", "folder"] {
            fs::write(path(&format!("{name}.wasm")), "").expect("written");
        }
        symlink("nowhere", path("linked.toml")).expect("linked");
        fs::create_dir(path("folder.toml")).expect("made");
        fs::create_dir(path("directory.wasm")).expect("made");
        let expected = [("alone", false), ("dangling", false), ("folder", true), ("linked", true), ("loop", false)];
        assert_eq!(names(directory.path()), expected.map(|(name, manifest)| (name.to_owned(), manifest)));
    }

    #[test]
    fn a_directory_that_cannot_be_seen_whole_is_an_error() {
        let directory = tempfile::tempdir().expect("a directory");
        for index in 0..MAX_ENTRIES {
            fs::write(directory.path().join(format!("{index}.txt")), "").expect("written");
        }
        assert_eq!(names(directory.path()), []);
        fs::write(directory.path().join("one.wasm"), "").expect("written");
        let error = scan(directory.path()).expect_err("more than can be looked at").to_string();
        assert!(error.contains("more than 4096 entries"), "{error}");
    }
}
