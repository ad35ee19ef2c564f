//! `cargo xtask demo` and `cargo xtask chaos`: builds examples/shop, examples/demo and the guests, and runs the demo.

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;

use crate::guests;
use crate::step;
use crate::workspace::Workspace;

/// When the first command after the clone began, in seconds since the Unix epoch: CI sets it, so that the time to the
/// first traced RPC includes compiling xtask.
const BEGAN: &str = "HOTTAP_BEGAN";

/// Below the target directory: how many seconds the last demo took from [`BEGAN`] to its first traced RPC.
pub(crate) const FIRST_TRACED: &str = "demo/first-traced-rpc-seconds";

/// The guests of the demo.
const DEMO: &[&str] = &["red-metrics", "red-metrics-extra", "influxdb", "rpc-span", "spin"];
/// The guests of chaos.
const CHAOS: &[&str] = &["red-metrics", "red-metrics-extra", "influxdb", "herald", "spin", "fickle"];

/// Runs the demo in place of this process, so that its exit code and signals are the demo's.
///
/// # Errors
/// Something does not compile or cannot be started. How the demo ends is not told here.
pub(crate) fn demo(workspace: &Workspace, seconds: u64, json: bool) -> anyhow::Result<Infallible> {
    let began = std::env::var(BEGAN).unwrap_or_else(|_| unix_seconds().to_string());
    let mut demo = built(workspace, "demo", DEMO, seconds, json)?;
    step::replace_by(demo.env(BEGAN, began))
}

/// Runs chaos in place of this process.
///
/// # Errors
/// Like [`demo`].
pub(crate) fn chaos(workspace: &Workspace, seconds: u64, json: bool, seed: Option<u64>) -> anyhow::Result<Infallible> {
    let mut chaos = built(workspace, "chaos", CHAOS, seconds, json)?;
    step::replace_by(chaos.args(seed.iter().flat_map(|seed| ["--seed".to_owned(), seed.to_string()])))
}

/// The program with all that it needs, built in the dev profile, which compiles the engine just fast enough for this
/// (see the root Cargo.toml).
fn built(workspace: &Workspace, name: &str, guests: &[&str], seconds: u64, json: bool) -> anyhow::Result<Command> {
    let guests = guests::build(workspace, guests)?;
    let mut cargo = workspace.cargo();
    // With a test beside the two programs cargo gives the dependencies the features that `cargo test` gives them, so that
    // the tests compile nothing again.
    cargo.args(["build", "--workspace", "--bin", "shop", "--bin", "demo", "--test", "guests"]);
    step::run("building the shop, with the engine; on two cores this takes minutes the first time", &mut cargo)?;
    let program = |name: &str| -> anyhow::Result<PathBuf> {
        let program = workspace.target().join("debug").join(name);
        program
            .is_file()
            .then_some(program)
            .with_context(|| format!("the package {name} built no program of that name"))
    };
    let mut command = Command::new(program("demo")?);
    command.arg(name).arg("--guests").arg(guests.folder()).arg("--shop").arg(program("shop")?);
    command.arg("--target").arg(workspace.target()).args(["--seconds", &seconds.to_string()]);
    command.args(json.then_some("--json"));
    Ok(command)
}

fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
