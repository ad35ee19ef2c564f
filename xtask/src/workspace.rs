//! Where things are: the root, the target directory, and which members are wasm guests, as cargo itself tells it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde_json::Value;

use crate::step;

/// The workspace that xtask was built from.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
    guests: Vec<Guest>,
}

/// A member of the workspace that is built as a wasm module.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Guest {
    /// The package's name, and its module's: `red-metrics`.
    pub(crate) package: String,
    /// The library's name, and the built file's: `red_metrics`.
    pub(crate) library: String,
}

impl Workspace {
    /// Asks cargo; takes some 50 ms and no network.
    ///
    /// # Errors
    /// cargo cannot read a manifest of the workspace.
    pub(crate) fn open() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in no workspace")?.to_path_buf();
        let mut command = Command::new(cargo());
        command.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(&root);
        let metadata: Value =
            serde_json::from_str(&step::output(&mut command)?).context("cargo metadata is no JSON")?;
        let target = metadata["target_directory"].as_str().context("cargo metadata tells no target_directory")?;
        Ok(Self { root, target: target.into(), guests: guests_of(&metadata) })
    }

    /// The folder of the root Cargo.toml.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where cargo builds, `CARGO_TARGET_DIR` and cargo's configuration heeded.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// What xtask itself brings onto the machine: a Python environment, servers for tests.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// The members that are guests, by name.
    pub(crate) fn guests(&self) -> &[Guest] {
        &self.guests
    }

    /// cargo in the workspace's root.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(cargo());
        command.current_dir(&self.root);
        command
    }

    /// A path as it is best shown: relative to the current directory where it lies below it.
    pub(crate) fn shown<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        std::env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path).display()
    }
}

/// The cargo that runs xtask, so that a toolchain chosen with `cargo +NAME` stays chosen.
fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Every member with a `cdylib` library: in this workspace nothing else is one.
fn guests_of(metadata: &Value) -> Vec<Guest> {
    let mut guests = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let libraries = package["targets"].as_array().into_iter().flatten().filter(|target| {
            let kinds = target["kind"].as_array();
            kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "cdylib"))
        });
        for library in libraries {
            if let (Some(package), Some(library)) = (package["name"].as_str(), library["name"].as_str()) {
                guests.push(Guest { package: package.to_owned(), library: library.replace('-', "_") });
            }
        }
    }
    guests.sort_by(|left, right| left.package.cmp(&right.package));
    guests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_are_the_members_with_a_cdylib() {
        let metadata = serde_json::json!({"packages": [
            {"name": "red-metrics", "targets": [{"name": "red_metrics", "kind": ["cdylib", "rlib"]}]},
            {"name": "hottap", "targets": [{"name": "hottap", "kind": ["lib"]}, {"name": "all", "kind": ["test"]}]},
            {"name": "first-tracer", "targets": [{"name": "first_tracer", "kind": ["cdylib"]}]},
        ]});
        let guest = |package: &str, library: &str| Guest { package: package.into(), library: library.into() };
        assert_eq!(guests_of(&metadata), [guest("first-tracer", "first_tracer"), guest("red-metrics", "red_metrics")]);
    }

    #[test]
    fn this_workspace_can_be_opened() {
        let workspace = Workspace::open().expect("cargo reads its own workspace");
        assert!(workspace.root().join("wit/tracer.wit").is_file());
        assert!(workspace.target().is_absolute());
    }
}
