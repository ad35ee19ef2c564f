//! Real programs that tests talk to: which are here, getting the others, and how tests learn of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::debian;
use crate::node::Node;
use crate::python::{self, Venv};
use crate::workspace::Workspace;

/// The variables through which tests find their peers.
pub(crate) type Variables = Vec<(&'static str, PathBuf)>;

/// Looks for every peer, and gets those that are not here.
///
/// # Errors
/// The first that is neither here nor can be got.
pub(crate) fn find(workspace: &Workspace) -> anyhow::Result<Variables> {
    all(std::iter::once(("Python", python(workspace))).chain(programs(workspace)))
}

/// Gets what [`find`] will look for, and builds nothing. An error is left to [`find`], which comes upon it again.
pub(crate) fn fetch(workspace: &Workspace) {
    drop(Venv::made(workspace, &python::TESTS));
    programs(workspace).for_each(drop);
}

/// The peers that are only got. Each is looked for when the iterator comes to it.
fn programs(workspace: &Workspace) -> impl Iterator<Item = (&'static str, anyhow::Result<Variables>)> {
    type Peer = (&'static str, fn(&Workspace) -> anyhow::Result<Variables>);
    let peers: [Peer; 9] = [
        ("Prometheus", prometheus),
        ("VictoriaMetrics", victoria_metrics),
        ("InfluxDB", influxdb),
        ("OTLP collector", collector),
        ("Phoenix", phoenix),
        ("Node.js", node),
        ("curl", |_| curl()),
        ("h2load", |_| h2load()),
        ("nginx", nginx),
    ];
    peers.into_iter().map(|(name, peer)| (name, peer(workspace)))
}

/// All variables, or the first peer that is missing, by name.
fn all(found: impl IntoIterator<Item = (&'static str, anyhow::Result<Variables>)>) -> anyhow::Result<Variables> {
    let mut variables = Variables::new();
    for (name, found) in found {
        variables.extend(found.with_context(|| format!("{name} is missing"))?);
    }
    Ok(variables)
}

fn python(workspace: &Workspace) -> anyhow::Result<Variables> {
    let venv = Venv::made(workspace, &python::TESTS)?;
    let guest = python::guest(workspace, &venv, &python::RED_METRICS)?;
    let scribe = python::guest(workspace, &venv, &python::SCRIBE)?;
    Ok(vec![
        ("HOTTAP_TEST_PYTHON", venv.program("python")),
        ("HOTTAP_TEST_PYTHON_GUEST", guest),
        ("HOTTAP_TEST_PYTHON_SCRIBE", scribe),
    ])
}

fn prometheus(workspace: &Workspace) -> anyhow::Result<Variables> {
    let program =
        |name| program(workspace, "prometheus", &format!("usr/bin/{name}"), |path| says(path, "--version", name));
    Ok(vec![("HOTTAP_TEST_PROMETHEUS", program("prometheus")?), ("HOTTAP_TEST_PROMTOOL", program("promtool")?)])
}

fn victoria_metrics(workspace: &Workspace) -> anyhow::Result<Variables> {
    // Debian's says no version.
    let is_right = |path: &Path| says(path, "-help", "-promscrape.config");
    let program = program(workspace, "victoria-metrics", "usr/bin/victoria-metrics", is_right)?;
    Ok(vec![("HOTTAP_TEST_VICTORIA_METRICS", program)])
}

fn influxdb(workspace: &Workspace) -> anyhow::Result<Variables> {
    // A later InfluxDB has another command line, and wants tokens.
    let influxd = program(workspace, "influxdb", "usr/bin/influxd", |path| says(path, "version", "InfluxDB v1."))?;
    Ok(vec![("HOTTAP_TEST_INFLUXD", influxd)])
}

fn collector(workspace: &Workspace) -> anyhow::Result<Variables> {
    let venv = Venv::made(workspace, &python::COLLECTOR)?;
    let agent = venv.packaged("rotel/rotel-agent").context("Python's package rotel has no rotel-agent any more")?;
    Ok(vec![("HOTTAP_TEST_COLLECTOR", agent)])
}

fn phoenix(workspace: &Workspace) -> anyhow::Result<Variables> {
    let venv = Venv::made(workspace, &python::PHOENIX)?;
    Ok(vec![("HOTTAP_TEST_PHOENIX", venv.program("phoenix"))])
}

fn node(workspace: &Workspace) -> anyhow::Result<Variables> {
    let node = Node::made(workspace)?;
    Ok(vec![("HOTTAP_TEST_NODE", node.program), ("HOTTAP_TEST_NODE_MODULES", node.modules)])
}

fn curl() -> anyhow::Result<Variables> {
    // Some are built without HTTP/2.
    let curl = installed("curl", "curl", |path| says(path, "--version", "HTTP2"))?;
    Ok(vec![("HOTTAP_TEST_CURL", curl)])
}

fn h2load() -> anyhow::Result<Variables> {
    let h2load = installed("nghttp2-client", "h2load", |path| says(path, "--version", "h2load nghttp2/"))?;
    Ok(vec![("HOTTAP_TEST_H2LOAD", h2load)])
}

fn nginx(workspace: &Workspace) -> anyhow::Result<Variables> {
    // Unpacked, never installed: that would start it as a service of the machine. It needs only libraries that every
    // Debian has: those of dpkg, openssl and git.
    let nginx = program(workspace, "nginx", "usr/sbin/nginx", |path| says(path, "-v", "nginx/"))?;
    if !says(&nginx, "-v", "nginx/") {
        bail!("{} does not run; install a nginx and put it on the PATH", workspace.shown(&nginx));
    }
    Ok(vec![("HOTTAP_TEST_NGINX", nginx)])
}

/// A program from the PATH if it is the right one there, else a Debian package's file `file`, which is unpacked below
/// the target directory: for programs that need no library of a package that may not be there.
fn program(
    workspace: &Workspace,
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
        false => debian::unpack(package, file, &unpacked),
    }
}

/// A program from the PATH; if the right one is not there, its Debian package is installed: for programs that need
/// libraries of other packages.
fn installed(package: &str, name: &str, is_right: impl Fn(&Path) -> bool) -> anyhow::Result<PathBuf> {
    if let Some(path) = on_path(name, &is_right) {
        return Ok(path);
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
    fn a_missing_peer_is_a_failure_that_names_it() {
        let there = || ("Other", Ok(vec![("VARIABLE", PathBuf::from("/other"))]));
        assert_eq!(all([there()]).ok(), there().1.ok());
        let error = all([there(), ("Thing", Err(anyhow::anyhow!("nowhere")))]).expect_err("a failure");
        assert_eq!(format!("{error:#}"), "Thing is missing: nowhere");
    }

    #[test]
    fn programs_are_found_on_the_path_and_tried() {
        assert!(on_path("cargo", |path| says(path, "--version", "cargo ")).is_some());
        assert!(on_path("cargo", |path| says(path, "--version", "another program")).is_none());
        assert!(on_path("no-such-program", |_| true).is_none());
    }
}
