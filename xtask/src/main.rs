//! `cargo xtask`: what developers and CI run beside cargo itself; it is no part of what users install.
//!
//! It depends on little, so that it speaks within seconds of a clone.

mod args;
mod bench;
mod ci;
mod debian;
mod demo;
mod fuzz;
mod guests;
mod libtest;
mod node;
mod peers;
mod platforms;
mod proto;
mod python;
mod step;
mod test;
mod toolchain;
mod workspace;

use std::process::ExitCode;

use args::Command;
use workspace::Workspace;

fn main() -> ExitCode {
    let command = match args::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("error: {error:#}\n\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    if let Command::Help(text) = command {
        println!("{text}");
        return Ok(());
    }
    let workspace = Workspace::open()?;
    match command {
        Command::Help(_) => Ok(()),
        Command::Guests { names, out } => guests::command(&workspace, &names, out),
        Command::Test { real, filters } => test::command(&workspace, real, &filters),
        Command::Demo { seconds, json } => match demo::demo(&workspace, seconds, json)? {},
        Command::Chaos { seconds, json, seed } => match demo::chaos(&workspace, seconds, json, seed)? {},
        Command::Fuzz { seconds, names } => fuzz::command(&workspace, seconds, &names),
        Command::Bench { json, names } => bench::command(&workspace, json, &names),
        Command::Proto { check } => proto::command(&workspace, check),
        Command::Platforms => platforms::command(&workspace),
        Command::Ci => ci::command(&workspace),
    }
}
