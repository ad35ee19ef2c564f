//! The arguments: `[--plugins DIR] [--port PORT]`.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context;
use lexopt::{Arg, Parser, ValueExt};

/// What `go-kit --help` prints.
pub(crate) const USAGE: &str = "\
go-kit [--plugins DIR] [--port PORT]

Answers GET /hello with Hello, World!, and makes two spans of each request: the router's, and the endpoint's in it.

  --plugins DIR   by the modules in DIR instead of the native tracer
  --port PORT     listens there; 0 takes a free one (default 8080)

Spans go over OTLP to where the variables OTEL_* say: http://localhost:4318 unless OTEL_EXPORTER_OTLP_ENDPOINT says
otherwise. The formats that traces travel in are W3C's, whatever OTEL_PROPAGATORS says: the
example chooses them itself, as Go kit's does. Ctrl-C or SIGTERM ends it, and delivers what waits; a second one does not wait.";

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) plugins: Option<PathBuf>,
    pub(crate) port: u16,
}

impl Args {
    /// # Errors
    /// An argument is not known, or its value is missing or no port.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<Self> {
        let mut args = Self { plugins: None, port: 8080 };
        let mut parser = Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("plugins") => args.plugins = Some(parser.value()?.into()),
                Arg::Long("port") => {
                    args.port = parser.value()?.parse().context("--port wants a number from 0 to 65535")?;
                }
                other => return Err(other.unexpected()).context("the arguments are [--plugins DIR] [--port PORT]"),
            }
        }
        Ok(args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read() {
        let parse = |list: &[&str]| Args::parse(list.iter().map(Into::into));
        assert_eq!(parse(&[]).expect("none"), Args { plugins: None, port: 8080 });
        let both = parse(&["--port", "0", "--plugins", "plugins"]).expect("both");
        assert_eq!(both, Args { plugins: Some("plugins".into()), port: 0 });
        for list in [&["--plugins"][..], &["--port", "http"], &["hello"]] {
            assert!(parse(list).is_err(), "{list:?}");
        }
    }
}
