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
        /// The time for which the load runs.
        seconds: u64,
        /// End with one JSON object on stdout, and put everything else on stderr.
        json: bool,
    },
    /// Hold the shop under load against chaos.
    Chaos {
        /// The time for which the load runs.
        seconds: u64,
        /// End with one JSON object on stdout, and put everything else on stderr.
        json: bool,
        /// The acts of an earlier run; none takes others.
        seed: Option<u64>,
    },
    /// Hand the fuzz targets made-up inputs.
    Fuzz {
        /// The time for which each target runs.
        seconds: u64,
        /// Only these targets; empty means all.
        names: Vec<String>,
    },
    /// Measure.
    Bench {
        /// Pass the bench's JSON lines through.
        json: bool,
        /// Only these figures; empty means all.
        names: Vec<String>,
    },
    /// Generate the code of .proto files.
    Proto {
        /// Only compare.
        check: bool,
    },
    /// Check the other platforms.
    Platforms,
    /// Run what CI runs.
    Ci,
}

/// How long the demo takes unless told: long enough to read each act as it happens.
const DEMO_SECONDS: u64 = 30;
/// Below this the acts of the demo would overlap.
const DEMO_SECONDS_MIN: u64 = 8;
/// An hour; a demo left running overnight is a forgotten one.
const DEMO_SECONDS_MAX: u64 = 3_600;

/// The length of chaos unless told otherwise: the one for which its bounds are meant.
const CHAOS_SECONDS: u64 = 120;
/// Below this a window has too few RPCs for a quantile.
const CHAOS_SECONDS_MIN: u64 = 10;

/// The length of each fuzz target's run unless told otherwise: all ten are over in five minutes.
const FUZZ_SECONDS: u64 = 30;
/// A day, for machines that have nothing else to do.
const FUZZ_SECONDS_MAX: u64 = 86_400;

/// What `cargo xtask --help` prints.
pub(crate) const USAGE: &str = "\
cargo xtask COMMAND

  demo  [--seconds N] [--json]   a running service, and tracers that come, change and misbehave; start here
  test  [--real] [FILTER…]       build the guests, run all tests, list those that did not run
  chaos [--seconds N] [--json]   the same service while tracers trap, spin, break and vanish; bounds on what it may cost
  fuzz [--seconds N] [TARGET…]   made-up inputs, for all that reads foreign bytes
  bench [--json] [NAME…]         what a call costs, beside what users have today
  guests [--out DIR] [NAME…]     build the wasm tracers and say where they are
  proto [--check]                write the code of the examples' .proto files anew
  platforms                      clippy for arm64, macOS and Windows, and the core's tests on arm64
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

Builds the guests and runs all tests of the workspace. Tests that need a program that is not on every machine (Python
and Node.js with their packages, Prometheus, VictoriaMetrics, InfluxDB, rotel and Phoenix for OTLP, curl, h2load, nginx)
are ignored by plain runs, and listed at the end with what they need.

  --real    runs these too. It installs what is missing (Debian's packages where you are root, Python's and Node.js
            into target/tools) and fails where that is not possible
  FILTER    only tests whose names contain one of these

Plain `cargo test` runs the same tests, and builds the guests when a test first asks for one. Tests find what they need
through the environment: HOTTAP_TEST_GUESTS, HOTTAP_TEST_PYTHON, HOTTAP_TEST_PYTHON_GUEST,
HOTTAP_TEST_PYTHON_SCRIBE, HOTTAP_TEST_PROMETHEUS, HOTTAP_TEST_PROMTOOL, HOTTAP_TEST_VICTORIA_METRICS,
HOTTAP_TEST_INFLUXD, HOTTAP_TEST_COLLECTOR, HOTTAP_TEST_PHOENIX, HOTTAP_TEST_NODE, HOTTAP_TEST_NODE_MODULES,
HOTTAP_TEST_CURL, HOTTAP_TEST_H2LOAD, HOTTAP_TEST_NGINX.";

const DEMO: &str = "\
cargo xtask demo [--seconds N] [--json]

Starts examples/shop (three gRPC services under load) with an empty plugin dir, drops red-metrics in, replaces it by
a build with one more column and back again, drops in influxdb and rpc-span and shows lines and a trace that they
send, makes one call by hand, and drops in a tracer that spins for ever. The pid and the start time of the service are
the same at the end, and no RPC failed that should not have.

  --seconds N   how long the load runs, 8 to 3600 (default 30); building comes on top
  --json        the last line is one object with the counts; everything else goes to stderr

Ctrl-C ends it early and still prints the counts. It exits 1 if a count does not add up.";

const CHAOS: &str = "\
cargo xtask chaos [--seconds N] [--json] [--seed N]

Starts examples/shop under 1000 RPC/s with three tracers that do nothing wrong, and then, several times a second, has
everything go wrong beside them: red-metrics is swapped back and forth, tracers that trap, spin and take all memory get
new manifests, good ones are added and deleted, files are cut short, flipped, written in pieces or are no TOML, the
destination refuses, stalls, hangs up, and hottap.toml breaks. Windows without any of it stand between, and the load
generator's times of both are compared.

  --seconds N   how long the load runs, 10 to 3600 (default 120); building comes on top
  --json        the last line is one object with the figures; everything else goes to stderr
  --seed N      the acts of an earlier run, which has printed its seed

The figures, and the bounds for 120 s (a shorter run needs its share of swaps and traps):

  rpcs, failed                  by the load generator's own count; none may fail that should not
  swaps, traps                  at least 200 live generations replaced, at least 100 instances that trapped
  dead                          calls in the dead letters
  unaccounted                   0: of no tracer and no destination a call or payload is nowhere, at any look, and
                                red-metrics finished what the load generator counted
  lost                          0: red-metrics committed every call, whatever its neighbours did
  p99_quiet_us, p99_chaos_us    at most 1.25 times the quiet one; prompt_… are the same without the RPCs that are slow
                                by design
  rss_start_kib, rss_end_kib    memory in the first and in the last quiet window, the least: at most 1.2 times. Before the
                                first one some chaos makes queues and buffers as large as they become, and glibc is
                                told to give memory back that was freed (MALLOC_ARENA_MAX and the like)

It exits 1 if a bound is missed, and names each. Ctrl-C ends it early and still prints the figures.";

const FUZZ: &str = "\
cargo xtask fuzz [--seconds N] [TARGET…]

Builds the targets in fuzz/ with libFuzzer, on the stable toolchain, and runs each for a while over its seeds
(fuzz/seeds/TARGET) and what earlier runs found interesting (target/fuzz/corpus/TARGET). An input that breaks a promise
ends its target, lands in target/fuzz/artifacts/TARGET, and belongs into the seeds once it is mended: the tests of crate
hottap replay them, and mutate them for a moment, so CI runs every target without this build.

  TARGET        only these: admin_requests, connect_frames, grpc_frames, guest_outputs, manifest, module_load,
                operator_config, propagation, recovery, reload_plan
  --seconds N   how long each target runs, 1 to 86400 (default 30); building comes on top

It exits 1 if an input broke a target, and names it.";

const BENCH: &str = "\
cargo xtask bench [--json] [NAME…]

Runs the benchmarks of crate hottap and prints a line per figure: name, value, unit, target, met. Comparisons
show both figures and the ratio, interleaved in one run. It exits 0 if it could measure, met or not.

  NAME     only figures whose names contain one of these
  --json   one object a line: name, value, unit, target, met, and ours and peer where it is a comparison";

const PROTO: &str = "\
cargo xtask proto [--check]

Writes the Rust code of the examples' .proto files anew: examples/shop/src/proto/shop.v1.rs. The generator is a workspace
of its own in xtask/proto, so no other build compiles it; protoc is not needed.

  --check   writes nothing; exits 1 if the committed code is not what the generator makes, and names it";

const PLATFORMS: &str = "\
cargo xtask platforms

Runs clippy, warnings as errors, for Linux on arm64, macOS on arm64 and Windows on x86-64, and the core's unit tests on arm64
in qemu. It needs rustup for the targets' standard libraries, Zig from Python's packages as C compiler and linker, and
qemu from Debian's; they go to target/tools. What cannot be had is named on the last lines, and is no failure.";

const CI: &str = "\
cargo xtask ci

The same steps as .ci/run: formatting, the generated code, the demo with its counts checked against the load generator, chaos, all tests
against real peers, clippy and documentation with warnings as errors, the other platforms, the cargo features people use, dependencies
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
        "chaos" => chaos(parser),
        "fuzz" => fuzz(parser),
        "bench" => bench(parser),
        "proto" => proto(parser),
        "platforms" => alone(parser, PLATFORMS, Command::Platforms),
        "ci" => alone(parser, CI, Command::Ci),
        other => bail!(
            "there is no command {other:?}; the commands are demo, chaos, fuzz, test, bench, guests, proto, platforms and \
             ci"
        ),
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

fn chaos(mut parser: Parser) -> anyhow::Result<Command> {
    let (mut seconds, mut json, mut seed) = (CHAOS_SECONDS, false, None);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(CHAOS)),
            Arg::Long("seconds") => seconds = parser.value()?.parse().context("--seconds takes a whole number")?,
            Arg::Long("json") => json = true,
            Arg::Long("seed") => seed = Some(parser.value()?.parse().context("--seed takes a whole number")?),
            other => return Err(other.unexpected().into()),
        }
    }
    if !(CHAOS_SECONDS_MIN..=DEMO_SECONDS_MAX).contains(&seconds) {
        bail!("--seconds takes {CHAOS_SECONDS_MIN} to {DEMO_SECONDS_MAX}, not {seconds}");
    }
    Ok(Command::Chaos { seconds, json, seed })
}

fn fuzz(mut parser: Parser) -> anyhow::Result<Command> {
    let (mut seconds, mut names) = (FUZZ_SECONDS, Vec::new());
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(FUZZ)),
            Arg::Long("seconds") => seconds = parser.value()?.parse().context("--seconds takes a whole number")?,
            Arg::Value(name) => names.push(name.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if !(1..=FUZZ_SECONDS_MAX).contains(&seconds) {
        bail!("--seconds takes 1 to {FUZZ_SECONDS_MAX}, not {seconds}");
    }
    Ok(Command::Fuzz { seconds, names })
}

fn proto(mut parser: Parser) -> anyhow::Result<Command> {
    let mut check = false;
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(PROTO)),
            Arg::Long("check") => check = true,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Proto { check })
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

/// A command that takes nothing but `--help`.
fn alone(mut parser: Parser, help: &'static str, command: Command) -> anyhow::Result<Command> {
    match parser.next()? {
        None => Ok(command),
        Some(Arg::Short('h') | Arg::Long("help")) => Ok(Command::Help(help)),
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
        check("chaos", Command::Chaos { seconds: 120, json: false, seed: None });
        check("chaos --json --seconds 30 --seed 7", Command::Chaos { seconds: 30, json: true, seed: Some(7) });
        check("chaos -h", Command::Help(CHAOS));
        check("fuzz", Command::Fuzz { seconds: 30, names: vec![] });
        check("fuzz manifest --seconds 5", Command::Fuzz { seconds: 5, names: vec!["manifest".into()] });
        check("bench --json layer", Command::Bench { json: true, names: vec!["layer".into()] });
        check("proto", Command::Proto { check: false });
        check("proto --check", Command::Proto { check: true });
        check("platforms", Command::Platforms);
        check("ci", Command::Ci);
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        refused("dmo", "there is no command \"dmo\"");
        refused("demo --second 3", "--second");
        refused("demo --seconds soon", "whole number");
        refused("demo --seconds 1", "8 to 3600");
        refused("chaos --seconds 9", "10 to 3600");
        refused("chaos --seed x", "--seed takes a whole number");
        refused("fuzz --seconds 0", "1 to 86400");
        refused("ci now", "now");
        refused("--real test", "--real");
    }
}
