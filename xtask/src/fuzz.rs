//! `cargo xtask fuzz`: builds the targets in `fuzz/` with libFuzzer and runs each for a while over its seeds.
//!
//! The coverage that libFuzzer is led by is an LLVM pass that stable Rust has too, so neither nightly nor cargo-fuzz is
//! needed. What cargo-fuzz adds is an address sanitizer, and this workspace denies unsafe code. Its layout is kept:
//! `cargo +nightly fuzz run TARGET` works as well.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::guests;
use crate::step;
use crate::workspace::Workspace;

/// Flags that make the compiler count edges and comparisons, as cargo-fuzz has them.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
/// Seconds that one input may take: the largest structures within the bounds compile in less.
const INPUT_SECONDS: u32 = 25;
/// MiB that a target may hold, libFuzzer's own corpus included.
const MEMORY_MIB: u32 = 3_072;
/// Bytes of an input that libFuzzer makes.
const INPUT_BYTES: u32 = 8_192;
/// The target whose inputs are modules: the guests of this workspace are seeds for it.
const MODULES: &str = "module_load";

/// Runs the targets of these names, or all.
///
/// # Errors
/// There is no target of a name, they do not compile, or an input breaks one; the error names them.
pub(crate) fn command(workspace: &Workspace, seconds: u64, names: &[String]) -> anyhow::Result<()> {
    let folder = workspace.root().join("fuzz");
    let all = targets(&folder)?;
    for name in names {
        if !all.contains(name) {
            bail!("there is no target {name:?}; the targets are {}", all.join(", "));
        }
    }
    let wanted: Vec<&String> = all.iter().filter(|name| names.is_empty() || names.contains(name)).collect();
    let guests = if wanted.iter().any(|name| *name == MODULES) { Some(guests::build(workspace, &[])?) } else { None };

    let triple = host(workspace)?;
    let target = workspace.target().join("fuzz");
    let mut cargo = workspace.cargo();
    cargo.current_dir(&folder).args(["build", "--release", "--target", &triple]).arg("--target-dir").arg(&target);
    cargo.args(wanted.iter().flat_map(|name| ["--bin", name.as_str()])).env("RUSTFLAGS", COVERAGE);
    step::run("building the fuzz targets, with an engine of their own; the first time takes minutes", &mut cargo)?;

    let mut broken = Vec::new();
    for name in wanted {
        let (corpus, artifacts) = (target.join("corpus").join(name), target.join("artifacts").join(name));
        for folder in [&corpus, &artifacts] {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let mut fuzzer = Command::new(target.join(&triple).join("release").join(name));
        fuzzer.args([
            format!("-max_total_time={seconds}"),
            format!("-timeout={INPUT_SECONDS}"),
            format!("-rss_limit_mb={MEMORY_MIB}"),
            format!("-max_len={INPUT_BYTES}"),
            format!("-artifact_prefix={}/", artifacts.display()),
            "-print_final_stats=1".to_owned(),
        ]);
        fuzzer.arg(&corpus).arg(folder.join("seeds").join(name));
        if let Some(guests) = guests.as_ref().filter(|_| name == MODULES) {
            fuzzer.arg(guests.folder());
        }
        if let Err(error) = step::run(&format!("{name} for {seconds} s"), &mut fuzzer) {
            eprintln!("error: {error:#}; the input is in {}", workspace.shown(&artifacts));
            broken.push(name.as_str());
        }
    }
    if !broken.is_empty() {
        bail!("inputs were found that break {}; put each into fuzz/seeds/TARGET when it is mended", broken.join(", "));
    }
    Ok(())
}

/// The targets, by their files.
fn targets(folder: &Path) -> anyhow::Result<Vec<String>> {
    let folder = folder.join("fuzz_targets");
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    let stem = |path: PathBuf| path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
    let mut targets: Vec<String> = entries.flatten().filter_map(|entry| stem(entry.path())).collect();
    targets.sort();
    Ok(targets)
}

/// The triple of this machine. Named as a target, build scripts and macros are built without the coverage.
fn host(workspace: &Workspace) -> anyhow::Result<String> {
    let said = step::output(Command::new("rustc").arg("-vV").current_dir(workspace.root()))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned);
    host.context("rustc -vV names no host")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_its_seeds() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
        let targets = targets(&folder).expect("they are there");
        assert!(targets.len() >= 9, "{targets:?}");
        for target in targets {
            let seeds = folder.join("seeds").join(&target).read_dir().map_or(0, Iterator::count);
            assert!(seeds >= 4, "{target} has {seeds} seeds");
        }
    }
}
