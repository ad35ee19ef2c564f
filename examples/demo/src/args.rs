//! The command line as values.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, bail};
use lexopt::{Arg, Parser, ValueExt};

use crate::files::Places;

/// What the program was asked to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) command: Command,
    pub(crate) places: Places,
    /// The time for which the load runs.
    pub(crate) seconds: u64,
    /// End with one JSON object on stdout, and put everything else on stderr.
    pub(crate) json: bool,
}

/// Which of the two runs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Show Hottap.
    Demo,
    /// Hold the shop under load against chaos.
    Chaos {
        /// The acts of an earlier run; none takes others.
        seed: Option<u64>,
    },
}

/// What is printed when the command line is not understood.
pub(crate) const USAGE: &str = "\
demo demo|chaos --guests DIR --shop FILE --target DIR --seconds N [--json] [--seed N]

`cargo xtask demo` and `cargo xtask chaos` build what this program needs and start it.";

/// Reads the command line, without the program's own name.
///
/// # Errors
/// What was not understood, or is missing.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> anyhow::Result<Arguments> {
    let mut parser = Parser::from_args(args);
    let mut command = match parser.next()? {
        Some(Arg::Value(name)) if name == "demo" => Command::Demo,
        Some(Arg::Value(name)) if name == "chaos" => Command::Chaos { seed: None },
        Some(other) => return Err(other.unexpected().into()),
        None => bail!("a command is missing"),
    };
    let (mut guests, mut shop, mut target, mut seconds, mut json) = (None, None, None, None, false);
    while let Some(arg) = parser.next()? {
        match (arg, &mut command) {
            (Arg::Long("guests"), _) => guests = Some(PathBuf::from(parser.value()?)),
            (Arg::Long("shop"), _) => shop = Some(PathBuf::from(parser.value()?)),
            (Arg::Long("target"), _) => target = Some(PathBuf::from(parser.value()?)),
            (Arg::Long("seconds"), _) => seconds = Some(parser.value()?.parse()?),
            (Arg::Long("json"), _) => json = true,
            (Arg::Long("seed"), Command::Chaos { seed }) => *seed = Some(parser.value()?.parse()?),
            (other, _) => return Err(other.unexpected().into()),
        }
    }
    let places = Places {
        guests: guests.context("--guests is missing")?,
        shop: shop.context("--shop is missing")?,
        target: target.context("--target is missing")?,
    };
    Ok(Arguments { command, places, seconds: seconds.context("--seconds is missing")?, json })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, String> {
        parse(line.split_whitespace().map(OsString::from)).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn both_commands_are_read_with_their_options() {
        let places = || Places { guests: "g".into(), shop: "s".into(), target: "t".into() };
        let demo = Arguments { command: Command::Demo, places: places(), seconds: 8, json: false };
        assert_eq!(parsed("demo --guests g --shop s --target t --seconds 8"), Ok(demo));
        let chaos = Arguments { command: Command::Chaos { seed: Some(7) }, places: places(), seconds: 30, json: true };
        assert_eq!(parsed("chaos --guests g --shop s --target t --seconds 30 --json --seed 7"), Ok(chaos));
    }

    #[test]
    fn what_is_missing_or_not_understood_is_named() {
        let refused = |line: &str, because: &str| {
            assert!(parsed(line).is_err_and(|error| error.contains(because)), "{line}");
        };
        refused("", "a command is missing");
        refused("dmo", "dmo");
        refused("demo --shop s --target t --seconds 8", "--guests is missing");
        refused("demo --seed 7", "--seed");
    }
}
