//! The plugin dir as operators know it: where it is, and what is wrong with it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::name::Name;
use super::scan::{Found, scan};

/// The plugin dir and its last problem.
pub(crate) struct PluginDir {
    path: PathBuf,
    problem: Mutex<Option<String>>,
}

impl PluginDir {
    /// A relative path is relative to the working directory of now, and stays there.
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()), problem: Mutex::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The reason for which no plugin can be found in it, and what to do; none if it can be read.
    pub(crate) fn problem(&self) -> Option<String> {
        self.lock().clone()
    }

    /// Looks at what is there. A directory that does not exist has no plugins. An error is a directory that cannot be read:
    /// then it is not known what is there. A problem is logged once, and again when it is another one.
    pub(super) fn look(&self) -> Result<BTreeMap<Name, Found>, String> {
        let path = self.path.display();
        let (found, problem) = match scan(&self.path) {
            Ok(found) => (Ok(found), None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let problem = format!(
                    "the plugin dir {path} does not exist, so no plugin is live; it is looked for every second: create it, or \
                     correct HOTTAP_PLUGINS or Builder::plugin_dir"
                );
                (Ok(BTreeMap::new()), Some(problem))
            }
            Err(error) => {
                let problem = format!(
                    "the plugin dir {path} cannot be read: {error}; the live plugins stay live, and it is tried again every \
                     second: make it a directory that this user may read, or correct HOTTAP_PLUGINS or Builder::plugin_dir"
                );
                (Err(problem.clone()), Some(problem))
            }
        };
        let before = std::mem::replace(&mut *self.lock(), problem.clone());
        match problem {
            Some(problem) if before.as_ref() != Some(&problem) => tracing::warn!("{problem}"),
            None if before.is_some() => tracing::info!("the plugin dir {path} can be read now"),
            _ => {}
        }
        found
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
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
        std::fs::write(&path, "a file").expect("written");
        let error = dir.look().expect_err("it is a file");
        assert!(error.contains("cannot be read") && dir.problem() == Some(error.clone()), "{error}");
        std::fs::remove_file(&path).expect("removed");
        std::fs::create_dir(&path).expect("made");
        assert_eq!((dir.look(), dir.problem()), (Ok(BTreeMap::new()), None));
    }

    #[test]
    fn a_relative_plugin_dir_is_told_with_its_whole_path() {
        let here = std::env::current_dir().expect("somewhere");
        assert_eq!(PluginDir::new(Path::new("plugins")).path(), here.join("plugins"));
    }
}
