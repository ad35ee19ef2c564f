//! The `hottap` command: makes, builds and checks tracers; it traces nothing, and no service needs it.
//!
//! Results go to standard output, what happens meanwhile to standard error.

mod args;
mod build;
mod check;
mod new;
mod screen;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use screen::Screen;

/// How a command ended, where it could do its work: what cannot be done at all is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// All is well.
    Good,
    /// The tracer is at fault: it is refused, or does not compile.
    Bad,
    /// A file cannot be read or is not there.
    Unreadable,
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        ExitCode::from(match verdict {
            Verdict::Good => 0,
            Verdict::Bad => 1,
            Verdict::Unreadable => UNABLE,
        })
    }
}

/// The exit code of a command that could not do its work; clap has the same for a wrong usage.
const UNABLE: u8 = 2;

/// Reads the command line, does what it says, and returns the exit code: 0 all is well, 1 the tracer is at fault,
/// 2 the command could not do its work.
pub fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.command {
        Command::New(args) => new::command(args),
        Command::Build(args) => build::command(args),
        Command::Check(args) => check::command(args),
        Command::Compile => hottap_plugins::wasm::serve_compiler().map(|()| Verdict::Good).map_err(anyhow::Error::from),
    };
    match done {
        Ok(verdict) => verdict.into(),
        // Whoever reads our output has heard enough, as `hottap check … | head -1` has.
        Err(error) if broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            Screen::stderr().complain(&format!("{error:#}"));
            ExitCode::from(UNABLE)
        }
    }
}

fn broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
