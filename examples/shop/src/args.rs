//! The command line as values, and the help that teaches it; nothing is run here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use lexopt::{Arg, Parser, ValueExt};

/// RPCs a second unless told: enough to see a tracer work, and comfortable for two cores without optimization.
const RATE: u32 = 2_000;
/// Far above what one connection carries; above it the number is a slip of the finger.
const RATE_MAX: u32 = 1_000_000;

/// What `shop --help` prints.
pub(crate) const USAGE: &str = "\
shop [--plugins DIR] [--config FILE] [--admin ADDR] [--otel] [--front ADDR] [--rate N] [--seconds N] [--json]

Three gRPC services on loopback ports (checkout calls inventory and pricing), under a load of their own, with Hottap on
every server and every client. Drop a tracer into DIR while it runs, and it sees the calls:

  shop --plugins target/plugins --admin 127.0.0.1:9600     in one terminal
  cargo xtask guests red-metrics --out target/plugins      in another: builds a tracer and drops it in
  curl -s 127.0.0.1:9600/metrics                           what it counts
  curl -s 127.0.0.1:9600/api/tracers                       how it fares, and if it was refused, why

  --plugins DIR   the plugin dir; it need not exist yet. Without it no tracer is loaded
  --config FILE   the operator's configuration (hottap.toml): destinations, and what tracers may do. It is read anew
                  whenever it changes
  --admin ADDR    serves Hottap's admin API there; port 0 takes a free one. Without it there is none
  --otel          makes OpenTelemetry's spans and metrics of all calls, without a plugin, and exports them over OTLP to
                  where the variables OTEL_* say: http://localhost:4318 unless OTEL_EXPORTER_OTLP_ENDPOINT says otherwise
  --front ADDR    takes orders over plain HTTP there, which the load does not count; port 0 takes a free one:
                  curl -s -X POST ADDR/place
  --rate N        RPCs a second that the load makes, 1 to 1000000 (default 2000). If the machine cannot keep up, the
                  load falls behind and says so
  --seconds N     ends by itself after so long; otherwise Ctrl-C or SIGTERM ends it
  --json          prints no lines while it runs, and one JSON object at the end. Takes commands from stdin, one a
                  line, and answers each with {\"rpcs\":N,\"failed\":N} on stdout: `count` tells the count so far, `hold`
                  stops the load and answers when no RPC is open, `go` counts from 0 and lets the load go on. `lap`
                  answers with histograms too: [microseconds, RPCs] of what finished since the last lap

A known share of the RPCs fails or is slow: the order's number decides. `failed` counts RPCs that came out otherwise
than that number says. At the end open RPCs finish, servers drain, and all tracers are flushed; a second Ctrl-C ends it
at once. HOTTAP_PLUGINS, HOTTAP_CONFIG and HOTTAP_ADMIN override --plugins, --config and --admin,
HOTTAP_DISABLE=1 traces nothing.";

/// What the shop was asked to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Print [`USAGE`] and end.
    Help,
    /// Run.
    Run(Settings),
}

/// How it is to run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) plugins: Option<PathBuf>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) admin: Option<String>,
    /// Whether OpenTelemetry's spans and metrics are made and exported.
    pub(crate) otel: bool,
    /// Where orders are taken over plain HTTP.
    pub(crate) front: Option<String>,
    /// RPCs a second.
    pub(crate) rate: u32,
    /// How long the load runs; none is until somebody ends it.
    pub(crate) length: Option<Duration>,
    pub(crate) json: bool,
}

/// Reads the command line, without the program's own name.
///
/// # Errors
/// What was not understood, in words for whoever typed it.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> anyhow::Result<Command> {
    let mut parser = Parser::from_args(args);
    let mut settings = Settings {
        plugins: None,
        config: None,
        admin: None,
        otel: false,
        front: None,
        rate: RATE,
        length: None,
        json: false,
    };
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Long("plugins") => settings.plugins = Some(parser.value()?.into()),
            Arg::Long("config") => settings.config = Some(parser.value()?.into()),
            Arg::Long("front") => settings.front = Some(parser.value()?.string()?),
            Arg::Long("admin") => settings.admin = Some(parser.value()?.string()?),
            Arg::Long("otel") => settings.otel = true,
            Arg::Long("rate") => settings.rate = parser.value()?.parse().context("--rate takes a whole number")?,
            Arg::Long("seconds") => {
                let seconds: u32 = parser.value()?.parse().context("--seconds takes a whole number")?;
                settings.length = Some(Duration::from_secs(seconds.into()));
            }
            Arg::Long("json") => settings.json = true,
            other => return Err(other.unexpected().into()),
        }
    }
    if !(1..=RATE_MAX).contains(&settings.rate) {
        bail!("--rate takes 1 to {RATE_MAX}, not {}", settings.rate);
    }
    if settings.length == Some(Duration::ZERO) {
        bail!("--seconds takes at least 1; leave it out to run until Ctrl-C");
    }
    Ok(Command::Run(settings))
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
    fn options_are_read_and_the_rest_has_defaults() {
        let defaults = || Settings {
            plugins: None,
            config: None,
            admin: None,
            otel: false,
            front: None,
            rate: 2_000,
            length: None,
            json: false,
        };
        check("", Command::Run(defaults()));
        check("--rate 50 --help", Command::Help);
        check(
            "--plugins p --config c --admin 127.0.0.1:0 --otel --front 127.0.0.1:1 --rate 50 --seconds 3 --json",
            Command::Run(Settings {
                plugins: Some("p".into()),
                config: Some("c".into()),
                admin: Some("127.0.0.1:0".into()),
                otel: true,
                front: Some("127.0.0.1:1".into()),
                rate: 50,
                length: Some(Duration::from_secs(3)),
                json: true,
            }),
        );
        check("--rate=1000000", Command::Run(Settings { rate: 1_000_000, ..defaults() }));
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        refused("--plugin p", "--plugin");
        refused("--rate fast", "--rate takes a whole number");
        refused("--rate 0", "1 to 1000000");
        refused("--rate 1000001", "1 to 1000000");
        refused("--seconds 0", "at least 1");
        refused("--seconds -1", "whole number");
        refused("--otel=http://localhost:4318", "--otel");
        refused("run", "run");
    }
}
