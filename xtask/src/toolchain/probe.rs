//! What of the ways to wasm is on this machine; it looks and changes nothing.

use std::path::Path;
use std::process::Command;

use super::plan::{Debian, Machine};
use super::{DEBIAN_PACKAGES, TARGET};
use crate::workspace::Workspace;
use crate::{debian, step};

/// Looks at everything that [`super::plan::plan`] wants to know.
pub(super) fn machine(workspace: &Workspace) -> Machine {
    Machine {
        installed: target_is_installed(workspace, TARGET),
        rustup: step::succeeds(Command::new("rustup").arg("--version")),
        debian: if debian::has(DEBIAN_PACKAGES) {
            Debian::Present
        } else if debian::may_install() {
            Debian::CanInstall
        } else if debian::is_here() {
            Debian::MayAsk
        } else {
            Debian::Absent
        },
    }
}

/// Whether the active toolchain's own files have std for a target; rustup's list would miss what came another way.
pub(super) fn target_is_installed(workspace: &Workspace, target: &str) -> bool {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.current_dir(workspace.root()).args(["--print", "target-libdir", "--target", target]);
    let Ok(printed) = rustc.output() else { return false };
    let Ok(path) = String::from_utf8(printed.stdout) else { return false };
    let Ok(files) = Path::new(path.trim_end()).read_dir() else { return false };
    files.filter_map(Result::ok).any(|file| {
        let name = file.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}
