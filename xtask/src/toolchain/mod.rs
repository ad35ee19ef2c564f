//! The way to wasm32-unknown-unknown on this machine: found, or made where nobody need be asked.

mod plan;
mod probe;

use std::process::Command;

use anyhow::{Context, bail};

pub(crate) use plan::Way;
use plan::{Attempt, plan};

use crate::workspace::Workspace;
use crate::{debian, step};

/// The target of every guest.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// A newer Rust with its sources, a linker for wasm, and cargo, as Debian builds browsers with.
const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm", "lld-22"];

/// A cargo that builds for wasm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Toolchain {
    way: Way,
}

impl Toolchain {
    /// Tries the ways in order (see [`plan()`]) and returns the first that leads there. Says what it does where it
    /// takes more than a moment.
    ///
    /// # Errors
    /// None leads there; the error ends with the one command to run.
    pub(crate) fn find(workspace: &Workspace) -> anyhow::Result<Self> {
        let forced = match std::env::var("HOTTAP_WASM") {
            Ok(name) if !name.is_empty() => Some(Way::named(&name)?),
            _ => None,
        };
        let machine = probe::machine(workspace);
        for attempt in plan(forced, machine) {
            let tried = match attempt {
                Attempt::Use(way) => Ok(way),
                Attempt::AddWithRustup => add_with_rustup(workspace, TARGET).map(|()| Way::Rustup),
                Attempt::InstallDebian => debian::install(DEBIAN_PACKAGES).map(|()| Way::Debian),
                Attempt::Tell(advice) => bail!(advice),
            };
            match tried {
                Ok(way) => return Ok(Self { way }),
                Err(error) if forced.is_some() => return Err(error.context("the way that HOTTAP_WASM names is closed")),
                Err(error) => step::say(format_args!("{error:#}; trying another way to {TARGET}")),
            }
        }
        bail!("no way to {TARGET} was found")
    }

    /// Which way it was.
    pub(crate) fn way(self) -> Way {
        self.way
    }

    /// `cargo VERB` for wasm in the workspace's root; the caller adds packages, profile and target directory.
    pub(crate) fn cargo(self, workspace: &Workspace, verb: &str) -> Command {
        let mut command = match self.way {
            Way::Installed | Way::Rustup => workspace.cargo(),
            Way::Debian => {
                let mut command = Command::new("/usr/bin/cargo");
                // RUSTC_BOOTSTRAP opens -Zbuild-std on a stable compiler: std is compiled for wasm from Debian's
                // sources, because Debian ships no compiled one. What rustup and `cargo run` left in the environment
                // belongs to another toolchain.
                command
                    .current_dir(workspace.root())
                    .env("RUSTC", "/usr/bin/rustc")
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env_remove("RUSTUP_TOOLCHAIN")
                    .env_remove("RUSTDOC")
                    .env_remove("LD_LIBRARY_PATH");
                command
            }
        };
        command.arg(verb).args(["--target", TARGET]);
        if self.way == Way::Debian {
            command.arg("-Zbuild-std=std,panic_abort");
        }
        command
    }
}

/// Adds the standard library of a target to the active toolchain, if it is not there.
///
/// # Errors
/// There is no rustup, or it cannot fetch the target.
pub(crate) fn add(workspace: &Workspace, target: &str) -> anyhow::Result<()> {
    if probe::target_is_installed(workspace, target) { Ok(()) } else { add_with_rustup(workspace, target) }
}

fn add_with_rustup(workspace: &Workspace, target: &str) -> anyhow::Result<()> {
    let mut command = Command::new("rustup");
    // Its own error says enough; where in rustup it arose helps nobody here.
    command.current_dir(workspace.root()).env("RUST_BACKTRACE", "0").args(["target", "add", target]);
    step::run(&format!("adding {target} to the active toolchain with rustup"), &mut command)?;
    // rustup knows of toolchains that it does not manage; only the files themselves are the truth.
    probe::target_is_installed(workspace, target).then_some(()).context("rustup added the target to another toolchain")
}
