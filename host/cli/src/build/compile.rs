//! One build by cargo: started, read while it runs, ended early if need be; where its module goes is decided elsewhere.

use std::io::{BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use anyhow::{Context, bail};
use cargo_metadata::Message;
use cargo_metadata::camino::Utf8PathBuf;

use super::cargo::{NO_CARGO, TARGET, cargo, target_is_installed};
use super::package::Package;
use super::system;
use crate::args::BuildArgs;

/// A build that runs, in a process group of its own: it is ended as a whole, compilers and all.
pub(super) struct Compile {
    child: Child,
}

/// What came of a build.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Compiled {
    /// The module.
    Module(PathBuf),
    /// It does not compile; cargo has said why.
    Failed,
}

impl Compile {
    /// Starts cargo. What it has to say to people goes to standard error as it is.
    ///
    /// # Errors
    /// There is no cargo.
    pub(super) fn start(package: &Package, args: &BuildArgs) -> anyhow::Result<Self> {
        let mut command = cargo(package.folder());
        command.args(["build", "--lib", "--target", TARGET, "--profile", args.profile()]);
        command.args(["--message-format", "json-render-diagnostics", "--manifest-path"]).arg(&package.manifest);
        command.args(&args.cargo).stdout(Stdio::piped());
        Ok(Self { child: system::in_a_group(&mut command).spawn().context(NO_CARGO)? })
    }

    /// What cargo says to programs: a JSON object a line, until it ends.
    pub(super) fn messages(&mut self) -> impl Read + Send + 'static {
        match self.child.stdout.take() {
            Some(stdout) => Box::new(stdout) as Box<dyn Read + Send>,
            None => Box::new(std::io::empty()),
        }
    }

    /// Waits for the end, and says what came of it.
    ///
    /// # Errors
    /// The build ended well and made no module.
    pub(super) fn finish(mut self, package: &Package, module: Option<PathBuf>) -> anyhow::Result<Compiled> {
        let status = self.child.wait().context("cannot wait for cargo")?;
        if !status.success() {
            if !target_is_installed(package.folder()) {
                bail!("the active Rust has no {TARGET}; run `rustup target add {TARGET}` and then this again");
            }
            return Ok(Compiled::Failed);
        }
        module.map(Compiled::Module).with_context(|| format!("cargo made no module of {}", package.name))
    }

    /// Ends the build, and everything that it has started.
    pub(super) fn end(mut self) {
        system::end(&mut self.child);
        let _ = self.child.wait();
    }
}

/// The module among cargo's messages; reads to their end.
pub(super) fn module_in(messages: impl Read, package: &Package) -> Option<PathBuf> {
    let mut module = None;
    for message in Message::parse_stream(BufReader::new(messages)) {
        let Ok(message) = message else { break };
        if let Message::CompilerArtifact(artifact) = message
            && artifact.package_id.repr == package.id
            && artifact.target.name == package.library
        {
            let module_of = |file: &Utf8PathBuf| file.extension() == Some("wasm");
            module = artifact.filenames.into_iter().find(module_of).map(PathBuf::from);
        }
    }
    module
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_module_is_the_packages_own() {
        let package = Package {
            name: "a-b".into(),
            id: "path+a-b".into(),
            manifest: "/w/Cargo.toml".into(),
            library: "a_b".into(),
        };
        let artifact = |id: &str, name: &str, files: &[&str]| {
            json!({
                "reason": "compiler-artifact",
                "package_id": id,
                "target": {"name": name, "kind": ["cdylib"], "src_path": "/w/src/lib.rs"},
                "profile": {"opt_level": "3", "debug_assertions": false, "overflow_checks": false, "test": false},
                "features": [],
                "filenames": files,
                "executable": null,
                "fresh": true,
            })
        };
        let messages = [
            artifact("registry+serde", "serde", &["/t/libserde.rlib"]),
            artifact("path+other", "a_b", &["/t/other.wasm"]),
            artifact("path+a-b", "a_b", &["/t/liba_b.rlib", "/t/a_b.wasm"]),
            json!({"reason": "build-finished", "success": true}),
        ];
        let mut text: String = messages.iter().map(|message| format!("{message}\n")).collect();
        text.push_str("what a build script prints\n");
        assert_eq!(module_in(text.as_bytes(), &package), Some("/t/a_b.wasm".into()));
        assert_eq!(module_in("".as_bytes(), &package), None);
    }
}
