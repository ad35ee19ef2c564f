//! `cargo xtask test`: guests, peers, then all tests of the workspace, and the list of what was skipped.

use anyhow::bail;

use crate::libtest::Reader;
use crate::step::{self, human, timed};
use crate::workspace::Workspace;
use crate::{guests, peers};

/// The cargo features that tests, clippy and documentation are built with: one set, so that the engine is compiled
/// once.
pub(crate) const FEATURES: &str = "hottap/tonic,hottap/axum,hottap/server,hottap/client,hottap/reqwest,hottap/otel";

/// Tests at a time. Most wait for files to rest, periods and grace to pass: with as many as there are cores, two on small
/// machines, the tests of plugins take three times as long.
const THREADS: usize = 6;

/// Runs the tests whose names contain one of `filters`; all if there is none.
///
/// # Errors
/// Something does not compile, a test fails, or `real` and something is missing or was skipped.
pub(crate) fn command(workspace: &Workspace, real: bool, filters: &[String]) -> anyhow::Result<()> {
    let guests = guests::build(workspace, &[])?;
    let peers = peers::find(workspace, real)?;

    let mut cargo = workspace.cargo();
    cargo
        .args(["test", "--workspace", "--no-fail-fast", "--features", FEATURES, "--", "--show-output"])
        .args(filters)
        .env("HOTTAP_TEST_GUESTS", guests.folder())
        .envs(peers.env);
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        cargo.env("RUST_TEST_THREADS", THREADS.to_string());
    }
    if real {
        cargo.env("HOTTAP_TEST_REAL", "1");
    }
    step::say("building and running the tests");
    let mut reader = Reader::default();
    let (status, took) = timed(|| {
        step::lines(&mut cargo, |line| {
            if reader.line(line) {
                println!("{line}");
            }
        })
    });
    let status = status?;
    let outcome = reader.finish();

    let skipped: Vec<&String> = peers.missing.iter().chain(&outcome.skipped).collect();
    if !skipped.is_empty() {
        println!("\nskipped:");
        for skip in &skipped {
            println!("  {skip}");
        }
    }
    println!("\ntests took {} with building\n{outcome}", human(took));
    step::succeeded(&cargo, status)?;
    if outcome.passed == 0 && filters.is_empty() {
        bail!("no test ran");
    }
    if real && !skipped.is_empty() {
        bail!("{} skipped, and with --real nothing may be", skipped.len());
    }
    Ok(())
}
