//! `cargo xtask test`: guests, peers, then all tests of the workspace, and the list of those that did not run.

use std::process::Command;

use anyhow::bail;

use crate::libtest::Reader;
use crate::step::{self, human, timed};
use crate::workspace::Workspace;
use crate::{guests, peers};

/// Tests at a time. Most wait for files to rest, periods and grace to pass: with as many as there are cores, two on small
/// machines, the tests of plugins take three times as long.
const THREADS: usize = 6;

/// The package whose test needs crate hottap without features, which it has in no build of the whole workspace.
pub(crate) const HINTS: &str = "hints";

/// Runs the tests whose names contain one of `filters`; all if there is none. Those marked `#[ignore = "needs …"]` run
/// only with `real`, and are listed otherwise.
///
/// # Errors
/// Something does not compile, a test fails, or `real` and something is missing or did not run.
pub(crate) fn command(workspace: &Workspace, real: bool, filters: &[String]) -> anyhow::Result<()> {
    let guests = guests::build(workspace, &[])?;
    let mut cargos = Vec::new();
    let mut cargo = |packages: &[&str]| {
        let mut cargo = workspace.cargo();
        cargo.args(["test", "--no-fail-fast"]).args(packages).arg("--").args(filters);
        cargos.push(cargo);
    };
    if real {
        cargo(&["--workspace", "--exclude", HINTS]);
        cargo(&["--package", HINTS]);
    } else {
        cargo(&["--workspace"]);
    }
    let peers = if real { peers::find(workspace)? } else { Vec::new() };
    for cargo in &mut cargos {
        cargo.env("HOTTAP_TEST_GUESTS", guests.folder()).envs(peers.iter().cloned());
        if std::env::var_os("RUST_TEST_THREADS").is_none() {
            cargo.env("RUST_TEST_THREADS", THREADS.to_string());
        }
        if real {
            cargo.arg("--include-ignored");
        }
    }
    run(cargos, real, filters)
}

/// Runs each cargo to its end, and judges what all of them came to.
fn run(cargos: Vec<Command>, real: bool, filters: &[String]) -> anyhow::Result<()> {
    step::say("building and running the tests");
    let mut reader = Reader::default();
    let (ended, took) = timed(|| {
        let mut ended = Vec::new();
        for mut cargo in cargos {
            let status = step::lines(&mut cargo, |line| {
                reader.line(line);
                println!("{line}");
            });
            ended.push((cargo, status?));
        }
        anyhow::Ok(ended)
    });
    let ended = ended?;
    let outcome = reader.finish();

    if !outcome.skipped.is_empty() {
        println!("\nnot run here; `cargo xtask test --real` runs them and gets what they need:");
        for skip in &outcome.skipped {
            println!("  {skip}");
        }
    }
    println!("\ntests took {} with building\n{outcome}", human(took));
    for (cargo, status) in ended {
        step::succeeded(&cargo, status)?;
    }
    if outcome.passed == 0 && filters.is_empty() {
        bail!("no test ran");
    }
    if real && outcome.ignored != 0 {
        bail!("{} did not run, and with --real all have to", outcome.ignored);
    }
    Ok(())
}
