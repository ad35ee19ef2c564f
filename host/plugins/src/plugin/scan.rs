//! What stands in the plugin dir, by name and stamp; contents are read only when a stamp is new.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::Path;

use super::name::Name;
use super::passed_over::{PassedOver, Reason};
use crate::config::{FileId, Stamp, file_id};

/// Entries of the directory that are looked at. Each costs part of a microsecond, every second; a directory with more
/// is a mistake, not a plugin dir.
const MAX_ENTRIES: usize = 65_536;
/// Plugins that are found. Books are kept for as many; of more, those that are known stay and the first by name are
/// taken.
pub(crate) const MAX_PLUGINS_FOUND: usize = 1_000;
/// Looks at a directory that is replaced at the same moment, before it is an error.
const MAX_TRIES: usize = 3;

/// One plugin as the directory has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub(crate) module: Stamp,
    pub(crate) manifest: Option<Stamp>,
}

/// Tells one directory from another that takes its place.
pub(crate) type Identity = FileId;

/// One look at the plugin dir.
#[derive(Debug)]
pub struct Look {
    /// The directory that was looked at.
    pub(crate) identity: Identity,
    pub plugins: BTreeMap<Name, Found>,
    pub(crate) passed_over: PassedOver,
}

/// Looks at the plugin dir.
///
/// An entry that cannot be read is not taken as removed. A link that leads nowhere is found with its own stamp, and so
/// is what is no file, so that loading it says what is wrong. `known` are the plugins of the last look: where a
/// directory has more entries or plugins than are looked at, these are found all the same.
///
/// # Errors
/// The directory, or a part of it, cannot be looked at: then nothing is known of what is there.
pub fn scan<'n>(directory: &Path, known: impl Iterator<Item = &'n Name>) -> io::Result<Look> {
    let known: BTreeSet<&Name> = known.collect();
    for _ in 0..MAX_TRIES {
        let identity = identity(directory)?;
        let listed = Listing::of(directory)?;
        let look = listed.look(directory, identity, &known)?;
        // Names of one directory and stamps of another would be a plugin that is in neither.
        if self::identity(directory)? == identity {
            return Ok(look);
        }
    }
    Err(io::Error::other("it was replaced again and again while it was read"))
}

fn identity(directory: &Path) -> io::Result<Identity> {
    fs::metadata(directory).map(|metadata| file_id(&metadata))
}

/// The names in a directory.
struct Listing {
    modules: BTreeSet<Name>,
    manifests: BTreeSet<Name>,
    passed_over: PassedOver,
    /// There are more entries than were looked at.
    is_cut: bool,
}

impl Listing {
    fn of(directory: &Path) -> io::Result<Self> {
        let (modules, manifests) = (BTreeSet::new(), BTreeSet::new());
        let mut listing = Self { modules, manifests, passed_over: PassedOver::default(), is_cut: false };
        for (index, entry) in fs::read_dir(directory)?.enumerate() {
            let file = entry?.file_name();
            if index == MAX_ENTRIES {
                listing.is_cut = true;
                break;
            }
            match classify(&file) {
                Entry::Module(name) => _ = listing.modules.insert(name),
                Entry::Manifest(name) => _ = listing.manifests.insert(name),
                Entry::PassedOver(reason) => listing.passed_over.add(&file, reason),
                Entry::Draft => {}
            }
        }
        Ok(listing)
    }

    /// Looks at each plugin's files.
    fn look(mut self, directory: &Path, identity: Identity, known: &BTreeSet<&Name>) -> io::Result<Look> {
        for name in self.manifests.iter().filter(|name| !self.modules.contains(*name)) {
            self.passed_over.add(&OsString::from(format!("{name}.toml")), Reason::Alone);
        }
        // Those that are known first: a plugin that is live is not driven out by a thousand others.
        let kept = known.iter().copied().filter(|name| self.is_cut || self.modules.contains(*name));
        let mut names: BTreeSet<Name> = kept.cloned().collect();
        for name in &self.modules {
            if names.len() < MAX_PLUGINS_FOUND {
                names.insert(name.clone());
            } else if !names.contains(name) {
                self.passed_over.add(&OsString::from(format!("{name}.wasm")), Reason::TooMany);
            }
        }
        if self.is_cut {
            self.passed_over.cut_at(MAX_ENTRIES);
        }
        let mut plugins = BTreeMap::new();
        for name in names {
            let Some(module) = stamp(&directory.join(format!("{name}.wasm")))? else { continue };
            let manifest = stamp(&directory.join(format!("{name}.toml")))?;
            plugins.insert(name, Found { module, manifest });
        }
        Ok(Look { identity, plugins, passed_over: self.passed_over })
    }
}

/// The meaning of an entry's name.
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Module(Name),
    Manifest(Name),
    /// Hidden, and no module: an editor's, a file system's, or a mount's own.
    Draft,
    PassedOver(Reason),
}

fn classify(file: &OsStr) -> Entry {
    let bytes = file.as_encoded_bytes();
    let ending = [".wasm", ".toml"].map(str::as_bytes).into_iter().find(|ending| {
        let start = bytes.len().saturating_sub(ending.len());
        bytes.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(ending))
    });
    match ending {
        Some(_) if bytes.starts_with(b".") => return Entry::PassedOver(Reason::Hidden),
        None if bytes.starts_with(b".") => return Entry::Draft,
        None => return Entry::PassedOver(Reason::Other),
        Some(_) => {}
    }
    let stem = |ending: &str| file.to_str().and_then(|file| file.strip_suffix(ending)).map(Name::new);
    match (stem(".wasm"), stem(".toml")) {
        (Some(Some(name)), _) => Entry::Module(name),
        (_, Some(Some(name))) => Entry::Manifest(name),
        (None, None) if file.to_str().is_some() => Entry::PassedOver(Reason::Capitals),
        _ => Entry::PassedOver(Reason::Name),
    }
}

/// The stamp of what stands at a path; none if nothing stands there.
///
/// Links are followed: a mounted ConfigMap is all links.
fn stamp(path: &Path) -> io::Result<Option<Stamp>> {
    let unfollowed = match fs::metadata(path) {
        Ok(metadata) => return Ok(Some(Stamp::of(&metadata))),
        Err(error) => error,
    };
    match fs::symlink_metadata(path) {
        Ok(link) => Ok(Some(Stamp::of(&link))),
        // It vanished between two looks.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(_) => Err(unfollowed),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::*;

    fn look(directory: &Path, known: &[&str]) -> Look {
        let known: Vec<Name> = known.iter().filter_map(|name| Name::new(name)).collect();
        scan(directory, known.iter()).expect("a directory that can be read")
    }

    /// The plugins in a directory, and which of them have a manifest.
    fn names(directory: &Path) -> Vec<(String, bool)> {
        let found = look(directory, &[]).plugins;
        found.into_iter().map(|(name, found)| (name.to_string(), found.manifest.is_some())).collect()
    }

    #[test]
    fn what_cannot_be_followed_or_is_no_file_is_there_all_the_same() {
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
        // By the command: macOS has no such call below a directory.
        assert!(std::process::Command::new("mkfifo").arg(path("pipe.wasm")).status().is_ok_and(|made| made.success()));
        let expected = [
            ("alone", false),
            ("dangling", false),
            ("directory", false),
            ("folder", true),
            ("linked", true),
            ("loop", false),
            ("pipe", false),
        ];
        assert_eq!(names(directory.path()), expected.map(|(name, manifest)| (name.to_owned(), manifest)));
    }

    #[test]
    fn a_name_is_a_plugins_or_is_passed_over_with_the_reason() {
        let module = |name: &str| Entry::Module(Name::new(name).expect("a name"));
        let long = format!("{}.wasm", "x".repeat(65));
        for (file, expected) in [
            (&b"red.wasm"[..], module("red")),
            (b"red.toml", Entry::Manifest(Name::new("red").expect("a name"))),
            (b"a.b-c_1.wasm", module("a.b-c_1")),
            (b"red.toml.wasm", module("red.toml")),
            (b"two words.wasm", Entry::PassedOver(Reason::Name)),
            (b"\xff\xfe.wasm", Entry::PassedOver(Reason::Name)),
            (b"line\nend.toml", Entry::PassedOver(Reason::Name)),
            (long.as_bytes(), Entry::PassedOver(Reason::Name)),
            (b"red.WASM", Entry::PassedOver(Reason::Capitals)),
            (b"red.Toml", Entry::PassedOver(Reason::Capitals)),
            (b".red.wasm", Entry::PassedOver(Reason::Hidden)),
            (b".wasm", Entry::PassedOver(Reason::Hidden)),
            (b"..data", Entry::Draft),
            (b".red.wasm.swp", Entry::Draft),
            (b"red.wasm~", Entry::PassedOver(Reason::Other)),
            (b"README.md", Entry::PassedOver(Reason::Other)),
            (b"\xff", Entry::PassedOver(Reason::Other)),
        ] {
            assert_eq!(classify(OsStr::from_bytes(file)), expected, "{}", file.escape_ascii());
        }
    }

    #[test]
    fn too_many_files_hide_no_plugin_that_is_known() {
        let directory = tempfile::tempdir().expect("a directory");
        let touch = |name: String| fs::write(directory.path().join(name), "").expect("written");
        (0..MAX_PLUGINS_FOUND).for_each(|index| touch(format!("a{index:04}.wasm")));
        touch("z-live.wasm".to_owned());
        let names = |known: &[&str]| look(directory.path(), known).plugins.into_keys().collect::<Vec<_>>();
        let (unknown, known) = (names(&[]), names(&["z-live", "gone"]));
        assert_eq!((unknown.len(), known.len()), (MAX_PLUGINS_FOUND, MAX_PLUGINS_FOUND));
        assert_eq!(unknown.last().map(Name::as_str), Some("a0999"));
        assert_eq!(known.last().map(Name::as_str), Some("z-live"));
        let passed_over = look(directory.path(), &["z-live"]).passed_over;
        assert_eq!(passed_over.shown(), [("a0999.wasm".to_owned(), Reason::TooMany)]);
    }

    #[test]
    fn a_directory_that_is_too_large_to_be_read_hides_no_plugin_that_is_known() {
        let directory = tempfile::tempdir().expect("a directory");
        let target = directory.path().join("target");
        fs::write(&target, "").expect("written");
        for index in 0..=MAX_ENTRIES {
            fs::hard_link(&target, directory.path().join(format!("{index}")))
                .or_else(|_| {
                    // A file has only so many names.
                    fs::write(directory.path().join(format!("{index}")), "")
                })
                .expect("made");
        }
        for name in ["one.wasm", "one.toml"] {
            fs::write(directory.path().join(name), "").expect("written");
        }
        let found = look(directory.path(), &["one", "gone"]);
        assert_eq!(found.plugins.len(), 1, "what is known is looked at by its name");
        assert!(found.plugins.values().all(|found| found.manifest.is_some()));
        assert!(found.passed_over.is_cut());
    }

    #[test]
    fn a_directory_that_is_none_is_an_error() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("file");
        fs::write(&file, "").expect("written");
        for path in [file, directory.path().join("absent")] {
            scan(&path, [].into_iter()).expect_err("no directory");
        }
    }
}
