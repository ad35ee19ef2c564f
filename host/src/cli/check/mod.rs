//! `hottap check`: would a service take these tracers, and what do they ask for? It changes nothing.

mod advice;
mod examine;
mod report;
mod subject;

use std::io::Write;

use anyhow::{Context, anyhow};

use super::Verdict;
use super::args::CheckArgs;
use super::screen::Screen;
use crate::wasm::{Engines, WORKER_STACK};

/// Looks at every file, and prints what it is as soon as it is known. The verdict is the worst of all.
pub(super) fn command(args: &CheckArgs) -> anyhow::Result<Verdict> {
    let mut subjects = Vec::new();
    for file in &args.files {
        subjects.extend(subject::subjects(file)?);
    }
    // A guest needs the stack that a service's threads give it; the main thread's is whatever the shell says.
    let (json, screen) = (args.json, Screen::stdout());
    let look = move || -> anyhow::Result<Verdict> {
        let engines = Engines::without_cache()?;
        let mut worst = Verdict::Good;
        for subject in &subjects {
            let (verdict, report) = examine::examine(subject, &engines);
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
