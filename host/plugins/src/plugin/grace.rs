//! Holds on to plugins while the plugin dir as a whole is away or was just replaced. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::name::Name;
use super::scan::{Found, Identity};

/// The time for which a plugin dir may be away, or a directory that took its place may lack plugins, before that counts as
/// their removal. A deployment that moves the directory away and copies another one takes seconds, a remounted volume
/// likewise; less would unload everything in between. More would only delay the end of tracers whose whole directory was
/// removed. A single file that is removed counts after 200 ms (see `rest`).
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// The plugin dir as it was last seen.
#[derive(Debug, Default)]
pub(super) struct Grace {
    found: BTreeMap<Name, Found>,
    identity: Option<Identity>,
    gone_since: Option<Instant>,
    replaced_at: Option<Instant>,
}

impl Grace {
    /// The plugins of the last look, with those that were held then.
    pub(super) fn last(&self) -> &BTreeMap<Name, Found> {
        &self.found
    }

    /// There is no directory. Returns true while what was in it still counts.
    pub(super) fn gone(&mut self, now: Instant) -> bool {
        if self.found.is_empty() {
            return false;
        }
        let since = *self.gone_since.get_or_insert(now);
        let holds = now.saturating_duration_since(since) < GRACE;
        if !holds {
            *self = Self::default();
        }
        holds
    }

    /// The directory was looked at. Adds to what was found what it had before and another directory in its place has not
    /// yet, and returns how many plugins that are. A manifest that is missing holds its plugin as it was: without its
    /// manifest a tracer could see more than it may.
    pub(super) fn there(&mut self, identity: Identity, found: &mut BTreeMap<Name, Found>, now: Instant) -> usize {
        self.gone_since = None;
        if self.identity.replace(identity).is_some_and(|before| before != identity) {
            self.replaced_at = Some(now);
        }
        let mut held = 0;
        match self.replaced_at {
            Some(at) if now.saturating_duration_since(at) < GRACE => {
                for (name, before) in &self.found {
                    let lacks =
                        found.get(name).is_none_or(|found| found.manifest.is_none() && before.manifest.is_some());
                    if lacks {
                        found.insert(name.clone(), *before);
                        held += 1;
                    }
                }
            }
            _ => self.replaced_at = None,
        }
        self.found.clone_from(found);
        held
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::Stamp;

    const SECONDS: fn(u64) -> Duration = Duration::from_secs;

    /// Looks at a directory whose plugins have the files that are named.
    struct Desk {
        grace: Grace,
        files: tempfile::TempDir,
        now: Instant,
    }

    impl Desk {
        fn new() -> Self {
            Self { grace: Grace::default(), files: tempfile::tempdir().expect("a directory"), now: Instant::now() }
        }

        fn stamp(&self, file: &str) -> Stamp {
            let path = self.files.path().join(file);
            if !path.exists() {
                fs::write(&path, file).expect("written");
            }
            Stamp::of(&fs::metadata(path).expect("there"))
        }

        /// The plugins that count after a look at these files in this directory, with a * if a manifest counts.
        fn there(&mut self, directory: u64, files: &[&str]) -> Vec<String> {
            let name = |file: &str| file.split_once('.').and_then(|(stem, _)| Name::new(stem)).expect("a name");
            let has = |file: &str| files.contains(&file);
            let modules = files.iter().filter(|file| file.ends_with(".wasm"));
            let mut found: BTreeMap<Name, Found> = modules
                .map(|file| {
                    let manifest = file.replace(".wasm", ".toml");
                    let manifest = has(&manifest).then(|| self.stamp(&manifest));
                    (name(file), Found { module: self.stamp(file), manifest })
                })
                .collect();
            self.grace.there((1, directory), &mut found, self.now);
            found
                .iter()
                .map(|(name, found)| format!("{name}{}", if found.manifest.is_some() { "*" } else { "" }))
                .collect()
        }
    }

    #[test]
    fn a_directory_that_is_away_for_a_moment_takes_nothing_with_it() {
        let mut desk = Desk::new();
        assert!(!desk.grace.gone(desk.now), "there was nothing");
        assert_eq!(desk.there(1, &["a.wasm"]), ["a"]);
        for _ in 0..2 {
            assert!(desk.grace.gone(desk.now));
            desk.now += SECONDS(9);
            assert!(desk.grace.gone(desk.now));
            assert_eq!(desk.there(1, &["a.wasm"]), ["a"], "it is the same again");
        }
        assert!(desk.grace.gone(desk.now));
        desk.now += SECONDS(10);
        assert!(!desk.grace.gone(desk.now), "it was removed");
        assert_eq!(desk.there(2, &[]), [""; 0]);
    }

    #[test]
    fn a_directory_in_its_place_has_time_to_be_filled() {
        let mut desk = Desk::new();
        desk.there(1, &["a.wasm", "a.toml", "b.wasm", "c.wasm"]);
        assert_eq!(desk.there(2, &[]), ["a*", "b", "c"]);
        desk.now += SECONDS(5);
        assert_eq!(desk.there(2, &["a.wasm", "d.wasm"]), ["a*", "b", "c", "d"], "its manifest may follow");
        desk.now += SECONDS(4);
        assert_eq!(desk.there(2, &["a.wasm", "b.wasm", "b.toml", "d.wasm"]), ["a*", "b*", "c", "d"]);
        desk.now += SECONDS(1);
        assert_eq!(desk.there(2, &["a.wasm", "b.wasm", "b.toml", "d.wasm"]), ["a", "b*", "d"], "it is as it is meant");
        assert_eq!(desk.there(2, &["a.wasm"]), ["a"], "single files are another matter");
    }
}
