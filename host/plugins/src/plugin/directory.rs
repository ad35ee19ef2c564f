//! The plugin dir as operators know it: where it is, what is wrong with it, and what in it is passed over.

use hottap_core::lock::lock;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use super::grace::{GRACE, Grace};
use super::name::Name;
use super::passed_over::{PassedOver, Told};
use super::scan::{Found, scan};
use hottap_core::plain;

/// The plugin dir, and the state of the last look at it.
pub(crate) struct PluginDir {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    problem: Option<String>,
    passed_over: PassedOver,
    told: Told,
    grace: Grace,
}

impl PluginDir {
    /// A relative path is relative to the working directory of now, and stays there.
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()), state: Mutex::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The reason for which not all plugins in it are found, and what to do; none if it can be read and is whole.
    pub(crate) fn problem(&self) -> Option<String> {
        self.lock().problem.clone()
    }

    /// The entries that are no plugins.
    pub(crate) fn passed_over(&self) -> PassedOver {
        self.lock().passed_over.clone()
    }

    /// Looks at what is there. A directory that does not exist has no plugins, once it has been away for [`GRACE`]. An error
    /// is a directory that cannot be read, or is away for a moment: then it is not known what is there. A problem is logged
    /// once, and again when it is another one.
    pub(super) fn look(&self) -> Result<BTreeMap<Name, Found>, String> {
        self.look_at(Instant::now())
    }

    fn look_at(&self, now: Instant) -> Result<BTreeMap<Name, Found>, String> {
        let path = plain::path(&self.path);
        let mut state = self.lock();
        // The file system is asked without the lock: the admin API need not wait for it.
        let known: Vec<Name> = state.grace.last().keys().cloned().collect();
        drop(state);
        let looked = scan(&self.path, known.iter());
        state = self.lock();
        let (found, problem) = match looked {
            Ok(look) => {
                let mut found = look.plugins;
                let held = state.grace.there(look.identity, &mut found, now);
                if let Some(told) = state.told.tells(look.passed_over.told(), now) {
                    tracing::warn!("the plugin dir {path} has files that are no plugins: {told}");
                }
                state.passed_over = look.passed_over;
                let problem = (held > 0).then(|| {
                    format!(
                        "the plugin dir {path} was replaced, and plugins or manifests that it had are not in it: they count as \
                         before for {} seconds, in case they are still being copied",
                        GRACE.as_secs()
                    )
                });
                (Ok(found), problem)
            }
            Err(error) if self.is_absent(&error) => {
                if state.grace.gone(now) {
                    let problem = format!(
                        "the plugin dir {path} is not there any more: the live plugins stay live for {} seconds, in case it \
                         comes back",
                        GRACE.as_secs()
                    );
                    (Err(problem.clone()), Some(problem))
                } else {
                    state.passed_over = PassedOver::default();
                    let problem = format!(
                        "the plugin dir {path} does not exist, so no plugin is live; it is looked for every second: create it, \
                         or correct HOTTAP_PLUGINS or Builder::plugin_dir"
                    );
                    (Ok(BTreeMap::new()), Some(problem))
                }
            }
            Err(error) => {
                let problem = format!(
                    "the plugin dir {path} cannot be read: {error}; the live plugins stay live, and it is tried again every \
                     second: make it a directory that this user may read and search, or correct HOTTAP_PLUGINS or \
                     Builder::plugin_dir"
                );
                (Err(problem.clone()), Some(problem))
            }
        };
        let before = std::mem::replace(&mut state.problem, problem.clone());
        drop(state);
        match problem {
            Some(problem) if before.as_ref() != Some(&problem) => tracing::warn!("{problem}"),
            None if before.is_some() => tracing::info!("the plugin dir {path} can be read now"),
            _ => {}
        }
        found
    }

    /// Nothing stands at the path. A link that leads nowhere does, and cannot be read.
    fn is_absent(&self, error: &io::Error) -> bool {
        let is_absence = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        is_absence(error) && self.path.symlink_metadata().is_err_and(|error| is_absence(&error))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_plugin_dir_that_is_missing_or_no_directory_is_a_problem_until_it_can_be_read() {
        let outside = tempfile::tempdir().expect("a directory");
        let path = outside.path().join("plugins");
        let dir = PluginDir::new(&path);
        assert_eq!(dir.problem(), None, "it was not looked at yet");
        assert_eq!(dir.look(), Ok(BTreeMap::new()));
        let problem = dir.problem().expect("it is missing");
        assert!(problem.contains("/plugins does not exist") && problem.contains("every second"), "{problem}");
        fs::write(&path, "a file").expect("written");
        let error = dir.look().expect_err("it is a file");
        assert!(error.contains("cannot be read") && dir.problem() == Some(error.clone()), "{error}");
        fs::remove_file(&path).expect("removed");
        fs::create_dir(&path).expect("made");
        assert_eq!((dir.look(), dir.problem()), (Ok(BTreeMap::new()), None));
    }

    #[test]
    fn a_plugin_dir_that_is_away_or_leads_nowhere_unloads_nothing_for_a_while() {
        let outside = tempfile::tempdir().expect("a directory");
        let (path, aside) = (outside.path().join("plugins"), outside.path().join("aside"));
        fs::create_dir(&path).expect("made");
        fs::write(path.join("one.wasm"), "").expect("written");
        let dir = PluginDir::new(&path);
        let mut now = Instant::now();
        let there = dir.look_at(now).expect("read");
        assert_eq!(there.len(), 1);
        fs::rename(&path, &aside).expect("moved away");
        let away = dir.look_at(now).expect_err("it may come back");
        assert!(away.contains("stay live for 10 seconds"), "{away}");
        // It comes back after nine seconds, and goes again.
        now += Duration::from_secs(9);
        fs::rename(&aside, &path).expect("moved back");
        assert_eq!((dir.look_at(now).as_ref(), dir.problem()), (Ok(&there), None));
        fs::rename(&path, &aside).expect("moved away");
        dir.look_at(now).expect_err("it may come back");
        // In its place comes a link, at first to nothing.
        symlink("next", &path).expect("linked");
        now += Duration::from_secs(100);
        let error = dir.look_at(now).expect_err("a link that leads nowhere is no removal");
        assert!(error.contains("cannot be read") && error.contains("stay live"), "{error}");
        fs::create_dir(outside.path().join("next")).expect("made");
        assert_eq!(dir.look_at(now).as_ref(), Ok(&there), "it has time to be filled");
        assert!(dir.problem().is_some_and(|problem| problem.contains("was replaced")));
        now += Duration::from_secs(10);
        assert_eq!((dir.look_at(now), dir.problem()), (Ok(BTreeMap::new()), None));
    }

    #[test]
    fn a_plugin_dir_that_stays_away_has_no_plugins() {
        let outside = tempfile::tempdir().expect("a directory");
        let path = outside.path().join("plugins");
        fs::create_dir(&path).expect("made");
        fs::write(path.join("one.wasm"), "").expect("written");
        let (dir, now) = (PluginDir::new(&path), Instant::now());
        dir.look_at(now).expect("read");
        fs::remove_dir_all(&path).expect("removed");
        dir.look_at(now).expect_err("it may come back");
        assert_eq!(dir.look_at(now + Duration::from_secs(10)), Ok(BTreeMap::new()));
        assert!(dir.problem().is_some_and(|problem| problem.contains("does not exist")));
    }

    #[test]
    fn a_relative_plugin_dir_is_told_with_its_whole_path() {
        let here = std::env::current_dir().expect("somewhere");
        assert_eq!(PluginDir::new(Path::new("plugins")).path(), here.join("plugins"));
    }
}
