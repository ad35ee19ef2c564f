//! `hottap check`: would a service take these tracers, and what do they ask for? It changes nothing.

mod examine;
mod report;
mod subject;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};

use self::examine::Bench;
use super::Verdict;
use super::args::CheckArgs;
use super::screen::Screen;
use hottap_plugins::plugin::Operator;
use hottap_plugins::wasm::{Engines, WORKER_STACK};

/// Looks at every file, and prints what it is as soon as it is known. The verdict is the worst of all.
pub(super) fn command(args: &CheckArgs) -> anyhow::Result<Verdict> {
    let mut subjects = Vec::new();
    for file in &args.files {
        subjects.extend(subject::subjects(file)?);
    }
    // A guest needs the stack that a service's threads give it; the main thread's is whatever the shell says.
    let (json, screen) = (args.json, Screen::stdout());
    let of_environment = || std::env::var_os("HOTTAP_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    let config = args.config.clone().or_else(of_environment);
    let look = move || -> anyhow::Result<Verdict> {
        let configured = config.is_some();
        let bench = Bench { engines: Engines::without_cache()?, operator: operator(config)?, configured };
        let mut worst = Verdict::Good;
        for subject in &subjects {
            let (verdict, report) = examine::examine(subject, &bench);
            worst = worst.max(verdict);
            let mut out = std::io::stdout().lock();
            if json { report.print_json(&mut out) } else { report.print(&mut out, screen) }?;
            out.flush()?;
        }
        Ok(worst)
    };
    let thread = std::thread::Builder::new().name("hottap-check".into()).stack_size(WORKER_STACK).spawn(look);
    thread.context("cannot start a thread")?.join().map_err(|_| anyhow!("the check itself failed; please report it"))?
}

/// What the operator says: nothing without a configuration. Nothing is sent by it, because nothing is ever committed.
fn operator(config: Option<PathBuf>) -> anyhow::Result<Operator> {
    let operator = Operator::new(config, std::sync::Arc::default());
    if let Some(mut file) = operator.file() {
        operator.look(&mut file);
    }
    match operator.problem() {
        Some(problem) => bail!(problem),
        None => Ok(operator),
    }
}
