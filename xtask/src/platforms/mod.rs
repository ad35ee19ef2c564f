//! `cargo xtask platforms`: clippy for the platforms that are supported beside this one, and the core's tests on arm64.
//!
//! The standard library of a platform comes from rustup, its C compiler and linker is Zig, and arm64's programs run in qemu.
//! Where one of them cannot be had, the rest is done, and the last lines say what was not.

mod emulator;
mod zig;

use std::process::Command;

use crate::ci::FEATURES;
use crate::step;
use crate::toolchain;
use crate::workspace::Workspace;

use self::emulator::Emulator;
use self::zig::Zig;

/// A supported platform.
struct Platform {
    /// Rust's name of it.
    target: &'static str,
    /// Zig's name of it. glibc 2.28 is the oldest that the supported distributions have.
    zig: &'static str,
}

/// Windows by its GNU toolchain: what Rust compiles is the same as for MSVC's, whose C compiler is to be had on Windows only.
const PLATFORMS: &[Platform] = &[
    Platform { target: ARM64_LINUX, zig: "aarch64-linux-gnu.2.28" },
    Platform { target: "aarch64-apple-darwin", zig: "aarch64-macos" },
    Platform { target: "x86_64-pc-windows-gnu", zig: "x86_64-windows-gnu" },
];
/// The platform whose tests run here, too.
const ARM64_LINUX: &str = "aarch64-unknown-linux-gnu";
/// The package whose unit tests run there: clocks, rows and shards, which depend on how a processor orders memory.
const ARM64_TESTS: &str = "hottap-core";
/// Its features that the tests need.
const ARM64_FEATURES: &str = "axum,tonic";
/// The packages that are checked, with the crates of the workspace that they depend on.
const PACKAGES: &[&str] = &["hottap", "hottap-cli"];

/// Checks every platform that can be checked here.
///
/// # Errors
/// A platform does not compile without a warning, or a test fails there.
pub(crate) fn command(workspace: &Workspace) -> anyhow::Result<()> {
    let (there, mut missing) = targets(workspace);
    let zig = match Zig::made(workspace) {
        Ok(zig) => zig,
        Err(error) => {
            println!("not checked: all platforms but this one; {error:#}");
            return Ok(());
        }
    };
    if !there.is_empty() {
        clippy(workspace, &zig, &there)?;
    }
    if there.iter().any(|platform| platform.target == ARM64_LINUX) {
        match Emulator::made(workspace) {
            Ok(emulator) => tests(workspace, &zig, &emulator)?,
            Err(error) => missing.push(format!("tests on {ARM64_LINUX}; {error:#}")),
        }
    }
    for platform in there {
        println!("checked: {}", platform.target);
    }
    for what in missing {
        println!("not checked: {what}");
    }
    Ok(())
}

/// The platforms whose standard library is there or could be added, and words for the others.
fn targets(workspace: &Workspace) -> (Vec<&'static Platform>, Vec<String>) {
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    for platform in PLATFORMS {
        match toolchain::add(workspace, platform.target) {
            Ok(()) => there.push(platform),
            Err(error) => missing.push(format!("{}; {error:#}", platform.target)),
        }
    }
    (there, missing)
}

/// clippy with all features, and without any: all platforms in one run of cargo, which keeps every core busy.
fn clippy(workspace: &Workspace, zig: &Zig, platforms: &[&Platform]) -> anyhow::Result<()> {
    let cargo = || {
        let mut cargo = workspace.cargo();
        zig.compile_for(&mut cargo, platforms);
        cargo.arg("clippy");
        cargo.args(platforms.iter().flat_map(|platform| ["--target", platform.target]));
        cargo
    };
    let finish = |title: &str, cargo: &mut Command| step::run(title, cargo.args(["--", "-D", "warnings"]));
    let mut all = cargo();
    all.args(PACKAGES.iter().flat_map(|package| ["--package", package])).args(["--features", FEATURES]);
    finish("clippy for the other platforms", &mut all)?;
    let mut none = cargo();
    none.args(["--package", "hottap", "--no-default-features"]);
    finish("the same without features", &mut none)
}

fn tests(workspace: &Workspace, zig: &Zig, emulator: &Emulator) -> anyhow::Result<()> {
    let mut cargo = workspace.cargo();
    zig.compile_for(&mut cargo, PLATFORMS.iter().collect::<Vec<_>>().as_slice());
    emulator.run_in(&mut cargo, ARM64_LINUX);
    cargo.args(["test", "--target", ARM64_LINUX, "--package", ARM64_TESTS, "--lib", "--features", ARM64_FEATURES]);
    step::run(&format!("the tests of {ARM64_TESTS} on arm64"), &mut cargo)
}

/// The variable by which cargo is told something of a target: `CARGO_TARGET_X86_64_…_LINKER`.
fn variable(target: &str, what: &str) -> String {
    format!("CARGO_TARGET_{}_{what}", target.replace('-', "_").to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_is_told_by_the_name_of_the_target() {
        assert_eq!(variable(ARM64_LINUX, "LINKER"), "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER");
    }
}
