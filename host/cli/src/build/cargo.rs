//! Calling cargo: the one that runs this command if one does, else the one on the PATH. It builds nothing by itself.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, bail};
use cargo_metadata::{Metadata, MetadataCommand};

/// What tracers are compiled for.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// cargo, in a folder: toolchain files and configuration are looked for from there.
pub(super) fn cargo(folder: &Path) -> Command {
    // Under `cargo run` and `cargo +NAME` the variable keeps the toolchain that was chosen.
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// `cargo metadata`, with the dependencies or only the members of the workspace.
///
/// # Errors
/// There is no cargo, or it cannot read the manifest; its own words say why.
pub(super) fn metadata(folder: &Path, manifest: &Path, dependencies: bool) -> anyhow::Result<Metadata> {
    let mut command = cargo(folder);
    command.args(["metadata", "--format-version", "1", "--filter-platform", TARGET]);
    command.args((!dependencies).then_some("--no-deps")).arg("--manifest-path").arg(manifest);
    let Output { status, stdout, stderr } = command.output().context(NO_CARGO)?;
    if !status.success() {
        let words = String::from_utf8_lossy(&stderr);
        bail!("cargo cannot read {}: {}", manifest.display(), words.trim().trim_start_matches("error: "));
    }
    let text = String::from_utf8(stdout).context("what `cargo metadata` says is no UTF-8")?;
    MetadataCommand::parse(text).context("what `cargo metadata` says is not understood")
}

/// What to say where there is no cargo.
pub(super) const NO_CARGO: &str = "cannot run cargo; install Rust (rustup.rs), or set CARGO to the program";

/// Whether the toolchain that is active in a folder can compile for wasm, judged by its files: rustup's own list would
/// miss what came another way. Where rustc cannot be asked, nothing is missing that we know of.
pub(super) fn target_is_installed(folder: &Path) -> bool {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.current_dir(folder).stdin(Stdio::null()).args(["--print", "target-libdir", "--target", TARGET]);
    let Ok(Output { status, stdout, .. }) = rustc.output() else { return true };
    if !status.success() {
        return true;
    }
    let path = String::from_utf8_lossy(&stdout).trim_end().to_owned();
    let files = Path::new(&path).read_dir().into_iter().flatten().flatten();
    files.map(|file| file.file_name()).any(|name| {
        let name = name.to_string_lossy();
        name.starts_with("libcore-") && name.ends_with(".rlib")
    })
}
