//! The command line as values, and the help that teaches it; nothing is run here.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, bail};
use lexopt::{Arg, Parser, ValueExt};

/// What `cargo xtask` was asked to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Print a text and end.
    Help(&'static str),
    /// Build the wasm guests, and copy them to `out` as well.
    Guests {
        /// Only these; empty means all.
        names: Vec<String>,
        /// A directory beside the usual one.
        out: Option<PathBuf>,
    },
    /// Run the tests.
    Test {
        /// Install the real peers, and fail where one is missing.
        real: bool,
        /// Only tests whose names contain one of these.
        filters: Vec<String>,
    },
    /// Show a minute of Hottap.
    Demo {
        /// How long the load runs.
        seconds: u64,
        /// End with one JSON object on stdout, and put everything else on stderr.
        json: bool,
    },
    /// Measure.
    Bench {
        /// Pass the bench's JSON lines through.
        json: bool,
        /// Only these figures; empty means all.
        names: Vec<String>,
    },
    /// Run what CI runs.
    Ci,
}

/// How long the demo takes unless told: long enough to read each act as it happens.
const DEMO_SECONDS: u64 = 30;
/// Below this the acts of the demo would overlap.
const DEMO_SECONDS_MIN: u64 = 8;
/// An hour; a demo left running overnight is a forgotten one.
const DEMO_SECONDS_MAX: u64 = 3_600;

/// What `cargo xtask --help` prints.
pub(crate) const USAGE: &str = "\
cargo xtask COMMAND

  demo  [--seconds N] [--json]   a running service, and tracers that come, change and misbehave; start here
  test  [--real] [FILTER…]       build the guests, run all tests, list what was skipped
  bench [--json] [NAME…]         what a call costs, beside what users have today
  guests [--out DIR] [NAME…]     build the wasm tracers and say where they are
  ci                             all that .ci/run does, with the time of each step

`cargo xtask COMMAND --help` says more. Environment:

  HOTTAP_WASM=installed|rustup|debian   take this way to the wasm target instead of the first that works
  CARGO_TARGET_DIR                      where everything that is built goes (default: target)";

const GUESTS: &str = "\
cargo xtask guests [--out DIR] [NAME…]

Builds every workspace member that is a wasm guest (crate type cdylib) with the profile `guest`, and red-metrics a
second time with the feature `extra-column` as red-metrics-extra. The modules land in target/guests/out/NAME.wasm.

  NAME        only these
  --out DIR   copies them to DIR too, each by an atomic rename: a plugin dir of a running service is fine

The wasm target is found by itself: the target of the active toolchain, else `rustup target add`, else Debian's
packages. HOTTAP_WASM=installed|rustup|debian takes one way and no other.";

const TEST: &str = "\
cargo xtask test [--real] [FILTER…]

Builds the guests and runs all tests of the workspace. Tests that need something that is not on this machine
(Python and Node.js with their packages, Prometheus, VictoriaMetrics, InfluxDB, rotel and Phoenix for OTLP, curl, h2load,
nginx) are skipped, and listed at the end with what is missing.

  --real    installs what is missing (Debian's packages where you are root, Python's and Node.js into target/tools)
            and fails where that is not possible; nothing is skipped
  FILTER    only tests whose names contain one of these

Tests learn what is there from the environment: HOTTAP_TEST_GUESTS, HOTTAP_TEST_PYTHON, HOTTAP_TEST_PYTHON_GUEST,
HOTTAP_TEST_PYTHON_SCRIBE, HOTTAP_TEST_PROMETHEUS, HOTTAP_TEST_PROMTOOL, HOTTAP_TEST_VICTORIA_METRICS,
HOTTAP_TEST_INFLUXD, HOTTAP_TEST_COLLECTOR, HOTTAP_TEST_PHOENIX, HOTTAP_TEST_NODE, HOTTAP_TEST_NODE_MODULES,
HOTTAP_TEST_CURL, HOTTAP_TEST_H2LOAD, HOTTAP_TEST_NGINX; unset means skip, unless HOTTAP_TEST_REAL=1.";

const DEMO: &str = "\
cargo xtask demo [--seconds N] [--json]

Starts examples/shop (three gRPC services under load) with an empty plugin dir, drops red-metrics in, replaces it by
a build with one more column and back again, drops in influxdb and rpc-span and shows lines and a trace that they
send, makes one call by hand, and drops in a tracer that spins for ever. The pid and the start time of the service are
the same at the end, and no RPC failed that should not have.

  --seconds N   how long the load runs, 8 to 3600 (default 30); building comes on top
  --json        the last line is one object with the counts; everything else goes to stderr

Ctrl-C ends it early and still prints the counts. It exits 1 if a count does not add up.";

const BENCH: &str = "\
cargo xtask bench [--json] [NAME…]

Runs the benchmarks of crate hottap and prints a line per figure: name, value, unit, target, met. Comparisons
show both figures and the ratio, interleaved in one run. It exits 0 if it could measure, met or not.

  NAME     only figures whose names contain one of these
  --json   one object a line: name, value, unit, target, met, and ours and peer where it is a comparison";

const CI: &str = "\
cargo xtask ci

The same steps as .ci/run: formatting, the demo with its counts checked against the load generator, all tests
against real peers, clippy and documentation with warnings as errors, the cargo features people use, dependencies
against deny.toml. Every step runs even if one before it failed; it ends with the time of each.";

/// Reads the command line, without the program's own name.
///
/// # Errors
/// What was not understood, in words for whoever typed it.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> anyhow::Result<Command> {
    let mut parser = Parser::from_args(args);
    let name = match parser.next()? {
        None | Some(Arg::Short('h') | Arg::Long("help")) => return Ok(Command::Help(USAGE)),
        Some(Arg::Value(name)) => name.string()?,
        Some(other) => return Err(other.unexpected().into()),
    };
    match name.as_str() {
        "help" => Ok(Command::Help(USAGE)),
        "guests" => guests(parser),
        "test" => test(parser),
        "demo" => demo(parser),
        "bench" => bench(parser),
        "ci" => ci(parser),
        other => bail!("there is no command {other:?}; the commands are demo, test, bench, guests and ci"),
    }
}

fn guests(mut parser: Parser) -> anyhow::Result<Command> {
    let (mut names, mut out) = (Vec::new(), None);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(GUESTS)),
            Arg::Long("out") => out = Some(PathBuf::from(parser.value()?)),
            Arg::Value(name) => names.push(name.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Guests { names, out })
}

fn test(mut parser: Parser) -> anyhow::Result<Command> {
    let (mut real, mut filters) = (false, Vec::new());
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(TEST)),
            Arg::Long("real") => real = true,
            Arg::Value(filter) => filters.push(filter.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Test { real, filters })
}

fn demo(mut parser: Parser) -> anyhow::Result<Command> {
    let (mut seconds, mut json) = (DEMO_SECONDS, false);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(DEMO)),
            Arg::Long("seconds") => seconds = parser.value()?.parse().context("--seconds takes a whole number")?,
            Arg::Long("json") => json = true,
            other => return Err(other.unexpected().into()),
        }
    }
    if !(DEMO_SECONDS_MIN..=DEMO_SECONDS_MAX).contains(&seconds) {
        bail!("--seconds takes {DEMO_SECONDS_MIN} to {DEMO_SECONDS_MAX}, not {seconds}");
    }
    Ok(Command::Demo { seconds, json })
}

fn bench(mut parser: Parser) -> anyhow::Result<Command> {
    let (mut json, mut names) = (false, Vec::new());
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(BENCH)),
            Arg::Long("json") => json = true,
            Arg::Value(name) => names.push(name.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Bench { json, names })
}

fn ci(mut parser: Parser) -> anyhow::Result<Command> {
    match parser.next()? {
        None => Ok(Command::Ci),
        Some(Arg::Short('h') | Arg::Long("help")) => Ok(Command::Help(CI)),
        Some(other) => Err(other.unexpected().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Command) {
        match parse(line.split_whitespace().map(OsString::from)) {
            Ok(command) => assert_eq!(command, expected, "{line}"),
            Err(error) => panic!("{line}: {error:#}"),
        }
    }

    #[track_caller]
    fn refused(line: &str, because: &str) {
        match parse(line.split_whitespace().map(OsString::from)) {
            Ok(command) => panic!("{line} was taken as {command:?}"),
            Err(error) => assert!(format!("{error:#}").contains(because), "{line}: {error:#}"),
        }
    }

    #[test]
    fn commands_are_read_with_their_options() {
        check("", Command::Help(USAGE));
        check("--help", Command::Help(USAGE));
        check("demo --help", Command::Help(DEMO));
        check("guests", Command::Guests { names: vec![], out: None });
        let names = vec!["first-tracer".into()];
        check("guests first-tracer --out plugins", Command::Guests { names, out: Some("plugins".into()) });
        check("test", Command::Test { real: false, filters: vec![] });
        check("test --real swap", Command::Test { real: true, filters: vec!["swap".into()] });
        check("demo", Command::Demo { seconds: 30, json: false });
        check("demo --seconds 12 --json", Command::Demo { seconds: 12, json: true });
        check("demo --seconds=12", Command::Demo { seconds: 12, json: false });
        check("bench --json layer", Command::Bench { json: true, names: vec!["layer".into()] });
        check("ci", Command::Ci);
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        refused("dmo", "there is no command \"dmo\"");
        refused("demo --second 3", "--second");
        refused("demo --seconds soon", "whole number");
        refused("demo --seconds 1", "8 to 3600");
        refused("ci now", "now");
        refused("--real test", "--real");
    }
}
