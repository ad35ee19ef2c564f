//! `cargo xtask`: what developers and CI run beside cargo itself; it is no part of what users install.
//!
//! It depends on little, so that it speaks within seconds of a clone.

mod args;
mod bench;
mod chaos;
mod ci;
mod debian;
mod demo;
mod fuzz;
mod guests;
mod interrupt;
mod libtest;
mod node;
mod peers;
mod proto;
mod python;
mod shop;
mod step;
mod test;
mod toolchain;
mod workspace;

use std::process::ExitCode;

use args::Command;
use interrupt::Interrupt;
use workspace::Workspace;

/// What a shell reports for a program that ended because of Ctrl-C.
const EXIT_INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let command = match args::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("error: {error:#}\n\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    let interrupt = match Interrupt::install() {
        Ok(interrupt) => interrupt,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    match run(command, &interrupt) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if interrupt.requested() => {
            eprintln!("\ninterrupted; nothing was left running");
            ExitCode::from(EXIT_INTERRUPTED)
        }
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, interrupt: &Interrupt) -> anyhow::Result<()> {
    if let Command::Help(text) = command {
        println!("{text}");
        return Ok(());
    }
    let workspace = Workspace::open()?;
    match command {
        Command::Help(_) => Ok(()),
        Command::Guests { names, out } => guests::command(&workspace, &names, out),
        Command::Test { real, filters } => test::command(&workspace, real, &filters),
        Command::Demo { seconds, json } => demo::command(&workspace, interrupt, seconds, json),
        Command::Chaos { seconds, json, seed } => chaos::command(&workspace, interrupt, seconds, json, seed),
        Command::Fuzz { seconds, names } => fuzz::command(&workspace, interrupt, seconds, &names),
        Command::Bench { json, names } => bench::command(&workspace, json, &names),
        Command::Proto { check } => proto::command(&workspace, check),
        Command::Ci => ci::command(&workspace, interrupt),
    }
}
