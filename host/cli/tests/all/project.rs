//! Projects that `hottap new` makes, and cargo in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Said, hottap, run};

/// A project of its own for one test, at the same place in every run, so that cargo finds again what it has compiled.
pub(crate) struct Project {
    pub(crate) folder: PathBuf,
    pub(crate) name: &'static str,
}

/// Where projects stand, and what they are built into: one for all, because they are made of the same crates.
fn tmp(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("hottap-cli").join(folder)
}

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("host/cli has two parents")
}

impl Project {
    /// Runs `hottap new`, with this repository's SDK and the versions of its Cargo.lock.
    pub(crate) fn new(name: &'static str, args: &[&str]) -> Self {
        let folder = tmp("projects").join(name);
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(tmp("projects")).expect("made");
        let mut command = hottap(&tmp("projects"));
        command.args(["new", name, "--sdk"]).arg(repository().join("guest-sdk")).args(args);
        let made = run(&mut command);
        assert_eq!(made.code, Some(0), "{}", made.err);
        fs::copy(repository().join("Cargo.lock"), folder.join("Cargo.lock")).expect("copied");
        Self { folder, name }
    }

    /// `hottap` in the project's folder.
    pub(crate) fn hottap(&self) -> Command {
        let mut command = hottap(&self.folder);
        command.env("CARGO_TARGET_DIR", tmp("target"));
        command
    }

    /// cargo in the project's folder.
    #[track_caller]
    pub(crate) fn cargo(&self, args: &[&str]) -> Said {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let said = run(Command::new(cargo).current_dir(&self.folder).env("CARGO_TARGET_DIR", tmp("target")).args(args));
        assert_eq!(said.code, Some(0), "cargo {}: {}{}", args.join(" "), said.out, said.err);
        said
    }

    /// Replaces text in a file of the project, as an editor does when it saves.
    #[track_caller]
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.folder.join(file);
        let text = fs::read_to_string(&path).expect("readable");
        assert!(text.contains(from), "{from:?} is not in {file}");
        fs::write(&path, text.replace(from, to)).expect("written");
    }
}
