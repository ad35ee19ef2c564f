//! The command line: what can be said, and the help that teaches it.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Which contract with tracers this command speaks, beside its own version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Make, build and check tracers for Hottap.
#[derive(Debug, Parser)]
#[command(name = "hottap", version = VERSION, long_version = long_version(), after_help = EXAMPLES, max_term_width = 100)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXAMPLES: &str = "\
A tracer is a WebAssembly module. It goes live when it is in the plugin dir of a running service.

Examples:
  hottap new slow-calls                    a project with a tracer that works, and its test
  cd slow-calls && cargo test              test it, without wasm and without a service
  hottap build --into /srv/shop/plugins    build it and let a running service take it
  hottap build --watch --into ../plugins   the same again whenever you save a file
  hottap check /srv/shop/plugins           would a service take what is there?

Each command has a --help of its own.";

fn long_version() -> String {
    format!("{VERSION}\ncontract with tracers: hottap:tracer {}", hottap_plugins::wasm::CONTRACT)
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    New(NewArgs),
    Build(BuildArgs),
    Check(CheckArgs),
    /// Compile the module on standard input for the service that started this process
    #[command(name = hottap_plugins::wasm::COMPILE_COMMAND, hide = true, after_help = "\
A service starts it where plugins are compiled in a process of their own.

Examples:
  hottap compile-module < slow-calls.wasm > code")]
    Compile,
}

/// Make a project for a tracer in Rust
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It makes the folder NAME with a tracer that works, a unit test, a manifest and a README, and
touches nothing that is there already.

Examples:
  hottap new slow-calls
  hottap new zipkin-headers --starter
  hottap new slow-calls --sdk ~/src/hottap/guest-sdk")]
pub(super) struct NewArgs {
    /// The tracer's name: of its folder, its package and its module
    pub(super) name: String,
    /// Make a tracer that also acts when calls start, such as by setting a request header
    #[arg(long)]
    pub(super) starter: bool,
    /// Take crate hottap-guest from this folder [default: this checkout's if you are in one, else its repository]
    #[arg(long, value_name = "PATH")]
    pub(super) sdk: Option<PathBuf>,
}

/// Build a tracer, and put it into a plugin dir
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints the module's path, size and SHA-256. A module appears in DIR by a rename, so a service never
reads half of one. The project's manifest NAME.toml goes with it, unless DIR has another one.

Examples:
  hottap build
  hottap build --into /srv/shop/plugins
  hottap build --watch --into ../plugins tracers/slow-calls
  hottap build -- --features extra-column

Exit codes: 0 built, 1 it does not compile, 2 it could not be tried.")]
pub(super) struct BuildArgs {
    /// The tracer's folder, or its Cargo.toml
    #[arg(default_value = ".")]
    pub(super) path: PathBuf,
    /// Put NAME.wasm into this plugin dir; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    pub(super) into: Option<PathBuf>,
    /// Build again whenever a source file changes, until Ctrl-C
    #[arg(long)]
    pub(super) watch: bool,
    /// Build with cargo's profile `release`, as without any option
    #[arg(long, conflicts_with = "profile")]
    pub(super) release: bool,
    /// Build with this profile of cargo's
    #[arg(long, value_name = "PROFILE", default_value = "release")]
    pub(super) profile: String,
    /// More arguments for `cargo build`
    #[arg(last = true, value_name = "CARGO ARGUMENTS")]
    pub(super) cargo: Vec<String>,
}

impl BuildArgs {
    /// cargo's profile.
    pub(super) fn profile(&self) -> &str {
        if self.release { "release" } else { &self.profile }
    }
}

/// Load tracers as a service would, and say what they are or why they are refused
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It does what a service does before a tracer goes live: it reads the module and the manifest beside it,
looks at its structure, compiles it, compares its imports and exports with the contract, and tries it on
made-up calls. Nothing of that is kept.

Examples:
  hottap check slow-calls.wasm
  hottap check /srv/shop/plugins
  hottap check --config /etc/shop/hottap.toml influxdb.wasm
  hottap check --json plugins | jq -r 'select(.verdict != \"ok\").error.message'

With --json, one object a line for each file, always with the same keys; null is not known:
  path, name, verdict (ok, refused, unreadable), error {message, advice}, manifest, enabled,
  generation, sha256, bytes, imports, exports, starter, streams, level, period_ms, compile_ms, trial_ms,
  memory_bytes, metrics [{name, kind, unit, labels}], metric_errors, refused_metrics [{message, advice}],
  destinations [{name, access (granted, not_granted, undefined)}], log [{severity, message}]

Exit codes: 0 all good, 1 one was refused, 2 a file cannot be read or the usage is wrong.")]
pub(super) struct CheckArgs {
    /// Modules, their manifests, or whole plugin dirs
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// The service's hottap.toml: its destinations and grants count then [default: $HOTTAP_CONFIG, else none]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Print one JSON object a line for each module
    #[arg(long)]
    pub(super) json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_fits_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_command_teaches_by_examples() {
        for command in Args::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:\n  hottap "), "{}", command.get_name());
        }
    }
}
