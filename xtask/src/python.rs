//! A Python environment of our own below the target directory, and the Python guests that are built with it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::workspace::Workspace;
use crate::{debian, guests, step};

/// Packages of the tests: componentize-py, and gRPC as a foreign peer.
pub(crate) const TESTS: Requirements = Requirements { folder: "venv", text: include_str!("../requirements.txt") };
/// The OTLP collector. An environment of its own, because there are machines that it is not built for and the others are.
pub(crate) const COLLECTOR: Requirements =
    Requirements { folder: "venv-collector", text: include_str!("../requirements-collector.txt") };
/// Phoenix, a collector that keeps spans and is asked for them. An environment of its own, because it is larger than all the
/// others together.
pub(crate) const PHOENIX: Requirements =
    Requirements { folder: "venv-phoenix", text: include_str!("../requirements-phoenix.txt") };
/// Node.js for the JavaScript peers. An environment of its own, because it is as large as all the others.
pub(crate) const NODE: Requirements =
    Requirements { folder: "venv-node", text: include_str!("../requirements-node.txt") };
/// Packages of CI alone. An environment of its own, so that tests never see what they do not ask for.
pub(crate) const CI: Requirements = Requirements { folder: "venv-ci", text: include_str!("../requirements-ci.txt") };
/// The C compiler for other platforms. An environment of its own, because it is 400 MB.
pub(crate) const CROSS: Requirements =
    Requirements { folder: "venv-cross", text: include_str!("../requirements-cross.txt") };

/// Pinned packages, and the environment they go to.
pub(crate) struct Requirements {
    folder: &'static str,
    text: &'static str,
}

/// An environment with exactly the pinned packages.
pub(crate) struct Venv {
    folder: PathBuf,
}

impl Venv {
    /// The environment, if it was made before with the same pins.
    pub(crate) fn there(workspace: &Workspace, requirements: &Requirements) -> Option<Self> {
        let folder = workspace.tools().join(requirements.folder);
        let stamp = std::fs::read_to_string(stamp(&folder)).ok()?;
        (stamp == requirements.text).then_some(Self { folder })
    }

    /// The environment, made if it is not there: some 15 s and 100 MB, Phoenix's a minute and 650 MB.
    ///
    /// # Errors
    /// There is no Python that is new enough for the packages (3.10; for Phoenix's 3.11), or one of them cannot be fetched.
    pub(crate) fn made(workspace: &Workspace, requirements: &Requirements) -> anyhow::Result<Self> {
        if let Some(there) = Self::there(workspace, requirements) {
            return Ok(there);
        }
        let folder = workspace.tools().join(requirements.folder);
        let venv = Self { folder };
        std::fs::create_dir_all(workspace.tools()).context("cannot make the folder for tools")?;
        let title = format!("making a Python environment in {}", workspace.shown(&venv.folder));
        let make =
            |python: &str| step::run(&title, Command::new(python).args(["-m", "venv", "--clear"]).arg(&venv.folder));
        if let Err(error) = make("python3") {
            // Debian's Python comes without venv.
            debian::install(&["python3", "python3-venv"]).context(error)?;
            make("/usr/bin/python3")?;
        }
        let list = venv.folder.join("requirements.txt");
        std::fs::write(&list, requirements.text).context("cannot write the list of Python packages")?;
        let mut pip = Command::new(venv.program("python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]);
        // The lists are whole, so there is nothing to resolve. Python compiles what it imports when it first does, which is
        // a fraction of what is installed.
        pip.args(["--no-deps", "--no-compile"]);
        step::run("installing the pinned Python packages", pip.arg("-r").arg(&list))?;
        // Last, so that an interrupted installation is begun anew.
        std::fs::write(stamp(&venv.folder), requirements.text).context("cannot note what was installed")?;
        Ok(venv)
    }

    /// A file of the environment's packages: `rotel/rotel-agent`. None if no package has it.
    pub(crate) fn packaged(&self, file: &str) -> Option<PathBuf> {
        // Below a folder with Python's version in its name.
        let versions = self.folder.join("lib").read_dir().ok()?;
        let files = versions.flatten().map(|version| version.path().join("site-packages").join(file));
        files.into_iter().find(|path| path.is_file())
    }

    /// A program of the environment: `python`, `componentize-py`.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }
}

fn stamp(venv: &Path) -> PathBuf {
    venv.join("installed.txt")
}

/// The tracer that is measured and compared with the one in Rust.
pub(crate) const RED_METRICS: Source = Source { name: "python-red-metrics", folder: "examples/python-red-metrics" };
/// The tracer that writes down all that it is told.
pub(crate) const SCRIBE: Source = Source { name: "python-scribe", folder: "xtask/python/scribe" };

/// A guest written in Python: the module's name, and where its `app.py` is.
pub(crate) struct Source {
    name: &'static str,
    folder: &'static str,
}

/// Builds a guest as a wasm component; at once if nothing that goes into it has changed.
///
/// # Errors
/// componentize-py refuses it.
pub(crate) fn guest(workspace: &Workspace, venv: &Venv, source: &Source) -> anyhow::Result<PathBuf> {
    let Source { name, folder } = source;
    let source = workspace.root().join(folder);
    let wit = workspace.root().join("wit");
    let folder = workspace.target().join("guests/python");
    let module = folder.join(format!("{name}.wasm"));
    let digest_path = folder.join(format!("{name}.inputs"));

    let digest = digest(&[&source, &wit], TESTS.text)?;
    if module.is_file() && std::fs::read_to_string(&digest_path).is_ok_and(|noted| noted == digest) {
        return Ok(module);
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let fresh = folder.join(format!("{name}.fresh"));
    let mut command = Command::new(venv.program("componentize-py"));
    command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg("--wit-path")
        .arg(&wit)
        .args(["--world", "plugin", "componentize", "app", "--python-path"])
        .arg(&source)
        .arg("--output")
        .arg(&fresh);
    step::run(&format!("building {name} for wasm"), &mut command)?;
    guests::place(&fresh, &module)?;
    drop(std::fs::remove_file(&fresh));
    std::fs::write(&digest_path, digest).context("cannot note what the Python guest was made of")?;
    Ok(module)
}

/// A fingerprint of the Python and WIT files in `folders` and of `extra`. It only decides whether to build again, so
/// 64 bits that may differ between compilers are enough.
fn digest(folders: &[&Path], extra: &str) -> anyhow::Result<String> {
    let mut files = Vec::new();
    for folder in folders {
        for entry in folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
            if path.extension().is_some_and(|extension| extension == "py" || extension == "wit") {
                files.push(path);
            }
        }
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    extra.hash(&mut hasher);
    for path in files {
        path.hash(&mut hasher);
        std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_python_package_is_pinned() {
        for list in [TESTS, COLLECTOR, PHOENIX, NODE, CI, CROSS] {
            for line in list.text.lines().filter(|line| !line.starts_with('#')) {
                assert!(line.contains("=="), "{line}");
            }
        }
    }

    #[test]
    fn the_fingerprint_follows_the_sources() {
        let folder = std::env::temp_dir().join(format!("xtask-digest-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the temporary folder can be made");
        let of = |name: &str, text: &str| {
            std::fs::write(folder.join(name), text).expect("the source can be written");
            digest(&[&folder], "").expect("the folder can be read")
        };
        let first = of("app.py", "one");
        assert_ne!(first, of("app.py", "two"), "the source changed");
        assert_eq!(first, of("app.py", "one"), "it changed back");
        assert_eq!(first, of("README.md", "words"), "no input of the module");
        drop(std::fs::remove_dir_all(folder));
    }
}
