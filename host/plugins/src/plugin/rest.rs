//! Tells which plugins' files are being changed at this moment, so that no half of a change counts. Reads no files.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::name::Name;
use super::plan::Known;
use super::scan::Found;
use crate::config::Stamp;

/// The time for which a file has to be gone before it counts as removed, and a new manifest has to stay the same before
/// it counts. Editors move the old file away before they write the new one, and build tools delete before they link:
/// milliseconds. Less would unload a plugin in between, or load it without its manifest; more would only delay
/// removals.
const MOMENT: Duration = Duration::from_millis(200);
/// The same for a manifest that is empty or was written in place. It is emptied before it is written, an empty manifest is
/// a valid one, and what writes it may take its time.
const WRITING: Duration = Duration::from_secs(1);

/// The changes that do not count yet.
///
/// A module that is replaced is none of them: cut short it does not load, which leaves the last good one live.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    changes: BTreeMap<Name, Change>,
    /// The directory was looked at before. What is there at the start counts at once.
    begun: bool,
}

/// A change of one plugin's files.
#[derive(Debug)]
struct Change {
    /// The files as they are now.
    found: Option<Found>,
    /// The time at which the files were first seen like this.
    since: Instant,
    /// The time from which the change counts.
    due: Instant,
}

impl Rest {
    /// Compares a look at the directory with what is known. Returns the plugins that are to be left as they are for now.
    /// `age` tells how long ago a file was written.
    pub(crate) fn look(
        &mut self,
        known: &Known,
        found: &BTreeMap<Name, Found>,
        now: Instant,
        age: impl Fn(&Stamp) -> Duration,
    ) -> BTreeSet<Name> {
        let mut before = std::mem::take(&mut self.changes);
        if !std::mem::replace(&mut self.begun, true) {
            return BTreeSet::new();
        }
        let names: BTreeSet<&Name> = known.keys().chain(found.keys()).collect();
        for name in names {
            let found = found.get(name).copied();
            let Some(patience) = patience(known.get(name).copied(), found, &age) else { continue };
            let since = before.remove(name).filter(|change| change.found == found).map_or(now, |change| change.since);
            let due = since + patience;
            if due > now {
                self.changes.insert(name.clone(), Change { found, since, due });
            }
        }
        self.changes.keys().cloned().collect()
    }

    /// Returns the time from which the next change counts; none if no change waits.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.changes.values().map(|change| change.due).min()
    }
}

/// Returns the time for which files have to stay as they are found before the change counts; none if it counts at once.
fn patience(known: Option<Option<Found>>, found: Option<Found>, age: impl Fn(&Stamp) -> Duration) -> Option<Duration> {
    let Some(found) = found else { return Some(MOMENT) };
    let before = known.flatten().and_then(|known| known.manifest);
    match found.manifest {
        None => before.map(|_| MOMENT),
        Some(manifest) if before == Some(manifest) => None,
        Some(manifest) => {
            let in_place = before.is_some_and(|before| before.is_same_file(&manifest));
            let patience = if in_place || manifest.is_empty() { WRITING } else { MOMENT };
            // A file that was written long ago came whole, by a rename.
            (age(&manifest) < patience).then_some(patience)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// A plugin's files, looked at again and again.
    struct Desk {
        directory: TempDir,
        rest: Rest,
        known: Known,
        now: Instant,
        age: Duration,
    }

    impl Desk {
        fn new() -> Self {
            let mut desk = Self {
                directory: tempfile::tempdir().expect("a directory"),
                rest: Rest::default(),
                known: Known::new(),
                now: Instant::now(),
                age: Duration::ZERO,
            };
            desk.write("one.wasm", "module");
            desk.write("one.toml", "manifest");
            assert!(desk.counts(), "what is there at the start counts at once");
            desk
        }

        fn name() -> Name {
            Name::new("one").expect("a name")
        }

        /// Written in place, as the shell does it.
        fn write(&self, file: &str, text: &str) {
            fs::write(self.directory.path().join(file), text).expect("written");
        }

        /// Another file in its place, by a rename.
        fn replace(&self, file: &str, text: &str) {
            self.write("draft", text);
            fs::rename(self.directory.path().join("draft"), self.directory.path().join(file)).expect("renamed");
        }

        fn remove(&self, file: &str) {
            fs::remove_file(self.directory.path().join(file)).expect("removed");
        }

        /// Looks, and acts on what counts. True if what is there was acted on.
        fn counts(&mut self) -> bool {
            let found = super::super::scan::scan(self.directory.path(), [].into_iter()).expect("a look").plugins;
            let age = self.age;
            let waits = self.rest.look(&self.known, &found, self.now, |_| age);
            if waits.is_empty() {
                self.known = found.into_iter().map(|(name, found)| (name, Some(found))).collect();
            }
            assert_eq!(waits.is_empty(), self.rest.due().is_none(), "what waits is looked at again by itself");
            waits.is_empty()
        }

        /// Advances the time until the change counts, and returns how long that took.
        fn until_it_counts(&mut self) -> Duration {
            let began = self.now;
            while !self.counts() {
                self.now = self.rest.due().expect("something waits");
            }
            self.now - began
        }
    }

    #[test]
    fn each_way_of_saving_counts_when_it_is_over() {
        for (save, expected, reason) in [
            (&(|desk: &Desk| desk.replace("one.wasm", "other")) as &dyn Fn(&Desk), 0, "a new module"),
            (&|desk| desk.write("one.wasm", "other"), 0, "one that may be cut short does not load"),
            (&|desk| desk.replace("one.toml", "other"), 200, "an editor may be at it still"),
            (&|desk| desk.replace("one.toml", ""), 1_000, "it has made the file and not written into it"),
            (&|desk| desk.write("one.toml", "other"), 1_000, "it may have been cut short"),
            (&|desk| desk.write("one.toml", ""), 1_000, "it was emptied to be written"),
            (&|desk| desk.remove("one.toml"), 200, "the manifest may come again"),
            (&|desk| desk.remove("one.wasm"), 200, "the module may come again"),
        ] {
            let mut desk = Desk::new();
            save(&desk);
            assert_eq!(desk.until_it_counts(), MS(expected), "{reason}");
            assert!(desk.counts(), "{reason}: once is enough");
        }
    }

    #[test]
    fn a_file_that_comes_back_was_never_gone() {
        for file in ["one.wasm", "one.toml"] {
            let mut desk = Desk::new();
            desk.remove(file);
            assert!(!desk.counts());
            assert!(desk.known.contains_key(&Desk::name()), "{file}");
            desk.now += MS(150);
            // As vim and cargo leave it: another file, whole.
            desk.replace(file, "saved");
            desk.age = MS(5_000);
            assert!(desk.counts(), "{file}");
        }
    }

    #[test]
    fn every_write_begins_the_wait_anew_and_a_file_that_came_whole_has_none() {
        let mut desk = Desk::new();
        for text in ["a", "ab", "abc"] {
            desk.write("one.toml", text);
            assert!(!desk.counts());
            desk.now += MS(999);
            assert!(!desk.counts());
        }
        desk.now += MS(1);
        assert!(desk.counts());
        desk.age = MS(60_000);
        desk.replace("one.toml", "written a minute ago");
        assert!(desk.counts());
    }

    #[test]
    fn a_new_plugin_waits_for_its_manifest_alone() {
        let mut desk = Desk::new();
        desk.write("two.wasm", "module");
        assert!(desk.counts(), "there is no manifest");
        desk.write("three.wasm", "module");
        desk.write("three.toml", "");
        assert_eq!(desk.until_it_counts(), MS(1_000));
        desk.known.insert(Desk::name(), None);
        assert!(!desk.counts(), "known to be looked at again, with a manifest that is new");
    }
}
