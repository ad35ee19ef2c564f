//! Kitex's two example tracers in Rust, on the client and on the server of a greeter: calls it, and prints what they
//! report.

mod client_tracer;
mod greeter;
mod my_tracer;
mod report;
#[cfg(test)]
mod tests;

use anyhow::Context;
use hottap::Hottap;

use report::Report;

/// How often it says hello.
const TIMES: u32 = 10;

fn main() -> anyhow::Result<()> {
    let tap = Hottap::builder().service("greeter").start().context("cannot start Hottap")?;
    let report = Report::default();
    let runtime = tokio::runtime::Runtime::new().context("cannot start tokio")?;
    runtime.block_on(greeter::greet(&tap, &report, TIMES))?;
    print!("{report}");
    Ok(())
}
