//! The demo and chaos: examples/shop under load, and a plugin dir in which tracers come, change and misbehave.
//!
//! `cargo xtask demo` and `cargo xtask chaos` build what this program needs and start it. [`demo`] is the place to begin.

mod args;
mod chaos;
mod demo;
mod files;
mod interrupt;
mod shop;

use std::process::ExitCode;

use args::{Arguments, Command};
use interrupt::Interrupt;

/// What a shell reports for a program that ended because of Ctrl-C.
const EXIT_INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let arguments = match args::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
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
    match run(&arguments, &interrupt) {
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

fn run(arguments: &Arguments, interrupt: &Interrupt) -> anyhow::Result<()> {
    let Arguments { command, places, seconds, json } = arguments;
    match command {
        Command::Demo => demo::command(places, interrupt, *seconds, *json),
        Command::Chaos { seed } => chaos::command(places, interrupt, *seconds, *json, *seed),
    }
}
