//! Real programs that tests talk to: which are here, getting the others, and how tests learn of them.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::bail;

use crate::python::{self, Venv};
use crate::workspace::Workspace;
use crate::{debian, step};

/// What tests find in their environment, and what they will not find.
#[derive(Default)]
pub(crate) struct Peers {
    /// Variables for the tests.
    pub(crate) env: Vec<(&'static str, OsString)>,
    /// `NAME: REASON` of each peer that is not here.
    pub(crate) missing: Vec<String>,
}

/// Looks for every peer; with `real`, gets those that are not here.
///
/// # Errors
/// With `real`, the first that is neither here nor can be got.
pub(crate) fn find(workspace: &Workspace, real: bool) -> anyhow::Result<Peers> {
    let mut peers = Peers::default();
    peers.add("Python", python(workspace, real), real)?;
    peers.add("Prometheus", prometheus(workspace, real), real)?;
    Ok(peers)
}

impl Peers {
    fn add(
        &mut self,
        name: &str,
        found: anyhow::Result<Vec<(&'static str, PathBuf)>>,
        real: bool,
    ) -> anyhow::Result<()> {
        match found {
            Ok(variables) => self.env.extend(variables.into_iter().map(|(name, path)| (name, path.into_os_string()))),
            Err(error) if real => return Err(error.context(format!("{name} is missing"))),
            Err(error) => self.missing.push(format!("{name}: {error:#}")),
        }
        Ok(())
    }
}

fn python(workspace: &Workspace, real: bool) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let venv = match Venv::there(workspace, &python::TESTS) {
        Some(venv) => venv,
        None if real => Venv::made(workspace, &python::TESTS)?,
        None => bail!("no environment with the pinned packages; {INSTALL}"),
    };
    let guest = python::guest(workspace, &venv)?;
    Ok(vec![("HOTTAP_TEST_PYTHON", venv.program("python")), ("HOTTAP_TEST_PYTHON_GUEST", guest)])
}

fn prometheus(workspace: &Workspace, real: bool) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let unpacked = workspace.tools().join("debian");
    let program = |name: &str| -> anyhow::Result<PathBuf> {
        if let Some(path) = on_path(name) {
            return Ok(path);
        }
        let file = format!("usr/bin/{name}");
        let path = unpacked.join("prometheus").join(&file);
        match path.is_file() {
            true => Ok(path),
            false if real => debian::unpack("prometheus", &file, &unpacked),
            false => bail!("no {name} on the PATH; {INSTALL}"),
        }
    };
    Ok(vec![("HOTTAP_TEST_PROMETHEUS", program("prometheus")?), ("HOTTAP_TEST_PROMTOOL", program("promtool")?)])
}

/// What to do about anything that is missing.
const INSTALL: &str = "`cargo xtask test --real` installs it";

/// The program of that name on the PATH.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| {
        // A name alone is not enough: a shim without its program is found on many developers' machines.
        program.is_file() && step::succeeds(std::process::Command::new(program).arg("--version"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_peer_is_a_skip_at_a_desk_and_a_failure_in_ci() {
        let mut peers = Peers::default();
        peers.add("Thing", Err(anyhow::anyhow!("nowhere")), false).expect("a skip");
        assert_eq!(peers.missing, ["Thing: nowhere"]);
        let error = peers.add("Thing", Err(anyhow::anyhow!("nowhere")), true).expect_err("a failure");
        assert_eq!(format!("{error:#}"), "Thing is missing: nowhere");
    }

    #[test]
    fn programs_are_found_on_the_path_and_tried() {
        assert!(on_path("cargo").is_some());
        assert!(on_path("no-such-program").is_none());
    }
}
