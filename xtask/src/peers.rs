//! Real programs that tests talk to: which are here, getting the others, and how tests learn of them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::debian;
use crate::node::Node;
use crate::python::{self, Venv};
use crate::workspace::Workspace;

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
    peers.add("VictoriaMetrics", victoria_metrics(workspace, real), real)?;
    peers.add("InfluxDB", influxdb(workspace, real), real)?;
    peers.add("OTLP collector", collector(workspace, real), real)?;
    peers.add("Phoenix", phoenix(workspace, real), real)?;
    peers.add("Node.js", node(workspace, real), real)?;
    peers.add("curl", curl(real), real)?;
    peers.add("h2load", h2load(real), real)?;
    peers.add("nginx", nginx(workspace, real), real)?;
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
    let guest = python::guest(workspace, &venv, &python::RED_METRICS)?;
    let scribe = python::guest(workspace, &venv, &python::SCRIBE)?;
    Ok(vec![
        ("HOTTAP_TEST_PYTHON", venv.program("python")),
        ("HOTTAP_TEST_PYTHON_GUEST", guest),
        ("HOTTAP_TEST_PYTHON_SCRIBE", scribe),
    ])
}

fn prometheus(workspace: &Workspace, real: bool) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let program =
        |name| program(workspace, real, "prometheus", &format!("usr/bin/{name}"), |path| says(path, "--version", name));
    Ok(vec![("HOTTAP_TEST_PROMETHEUS", program("prometheus")?), ("HOTTAP_TEST_PROMTOOL", program("promtool")?)])
}

fn victoria_metrics(workspace: &Workspace, real: bool) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    // Debian's says no version.
    let is_right = |path: &Path| says(path, "-help", "-promscrape.config");
    let program = program(workspace, real, "victoria-metrics", "usr/bin/victoria-metrics", is_right)?;
    Ok(vec![("HOTTAP_TEST_VICTORIA_METRICS", program)])
}

fn influxdb(workspace: &Workspace, real: bool) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    // A later InfluxDB has another command line, and wants tokens.
    let influxd =
        program(workspace, real, "influxdb", "usr/bin/influxd", |path| says(path, "version", "InfluxDB v1."))?;
    Ok(vec![("HOTTAP_TEST_INFLUXD", influxd)])
}

fn collector(workspace: &Workspace, real: bool) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let venv = match Venv::there(workspace, &python::COLLECTOR) {
        Some(venv) => venv,
        None if real => Venv::made(workspace, &python::COLLECTOR)?,
        None => bail!("no environment with the pinned rotel; {INSTALL}"),
    };
    let agent = venv.packaged("rotel/rotel-agent").context("Python's package rotel has no rotel-agent any more")?;
    Ok(vec![("HOTTAP_TEST_COLLECTOR", agent)])
}

fn phoenix(workspace: &Workspace, real: bool) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let venv = match Venv::there(workspace, &python::PHOENIX) {
        Some(venv) => venv,
        None if real => Venv::made(workspace, &python::PHOENIX)?,
        None => bail!("no environment with the pinned arize-phoenix; {INSTALL}"),
    };
    Ok(vec![("HOTTAP_TEST_PHOENIX", venv.program("phoenix"))])
}

fn node(workspace: &Workspace, real: bool) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let node = match Node::there(workspace)? {
        Some(node) => node,
        None if real => Node::made(workspace)?,
        None => bail!("no pinned Node.js with its packages; {INSTALL}"),
    };
    Ok(vec![("HOTTAP_TEST_NODE", node.program), ("HOTTAP_TEST_NODE_MODULES", node.modules)])
}

fn curl(real: bool) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    // Some are built without HTTP/2.
    let curl = installed(real, "curl", "curl", |path| says(path, "--version", "HTTP2"))?;
    Ok(vec![("HOTTAP_TEST_CURL", curl)])
}

fn h2load(real: bool) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let h2load = installed(real, "nghttp2-client", "h2load", |path| says(path, "--version", "h2load nghttp2/"))?;
    Ok(vec![("HOTTAP_TEST_H2LOAD", h2load)])
}

fn nginx(workspace: &Workspace, real: bool) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    // Unpacked, never installed: that would start it as a service of the machine. It needs only libraries that every
    // Debian has: those of dpkg, openssl and git.
    let nginx = program(workspace, real, "nginx", "usr/sbin/nginx", |path| says(path, "-v", "nginx/"))?;
    if !says(&nginx, "-v", "nginx/") {
        bail!("{} does not run; install a nginx and put it on the PATH", workspace.shown(&nginx));
    }
    Ok(vec![("HOTTAP_TEST_NGINX", nginx)])
}

/// What to do about anything that is missing.
const INSTALL: &str = "`cargo xtask test --real` installs it";

/// A program from the PATH if it is the right one there, else a Debian package's file `file`, which is unpacked below
/// the target directory: for programs that need no library of a package that may not be there.
fn program(
    workspace: &Workspace,
    real: bool,
    package: &str,
    file: &str,
    is_right: impl Fn(&Path) -> bool,
) -> anyhow::Result<PathBuf> {
    let name = file.rsplit('/').next().unwrap_or(file);
    if let Some(path) = on_path(name, is_right) {
        return Ok(path);
    }
    let unpacked = workspace.tools().join("debian");
    let path = unpacked.join(package).join(file);
    match path.is_file() {
        true => Ok(path),
        false if real => debian::unpack(package, file, &unpacked),
        false => bail!("no {name} on the PATH; {INSTALL}"),
    }
}

/// A program from the PATH; if the right one is not there, its Debian package is installed: for programs that need
/// libraries of other packages.
fn installed(real: bool, package: &str, name: &str, is_right: impl Fn(&Path) -> bool) -> anyhow::Result<PathBuf> {
    if let Some(path) = on_path(name, &is_right) {
        return Ok(path);
    }
    if !real {
        bail!("no {name} on the PATH that will do; {INSTALL}");
    }
    debian::install(&[package])?;
    on_path(name, is_right).with_context(|| format!("Debian's {package} has no {name} that will do"))
}

/// The program of that name on the PATH, if it is the right one.
fn on_path(name: &str, is_right: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file() && is_right(program))
}

/// Whether a program, asked so, succeeds and says this on either output. A name alone is not enough: a shim without its
/// program is found on many developers' machines.
fn says(program: &Path, question: &str, answer: &str) -> bool {
    let asked = Command::new(program).arg(question).stdin(Stdio::null()).output();
    asked.is_ok_and(|output| {
        let said = [output.stdout, output.stderr].concat();
        output.status.success() && String::from_utf8_lossy(&said).contains(answer)
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
        assert!(on_path("cargo", |path| says(path, "--version", "cargo ")).is_some());
        assert!(on_path("cargo", |path| says(path, "--version", "another program")).is_none());
        assert!(on_path("no-such-program", |_| true).is_none());
    }
}
