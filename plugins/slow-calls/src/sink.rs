//! Where slow calls are told of: the service's log, or a destination.

use hottap_guest::log;
use hottap_guest::outbox::{Lines, Outlet};

/// Bytes of a line in the log; the host cuts longer ones, and half an object is none.
const MAX_LOG_LINE: usize = 4096;
/// Bytes of a line to a destination: more than a call with all its events and tags has as a rule.
const MAX_LINE: usize = 32 * 1024;

/// One of the two.
#[derive(Debug)]
pub(crate) enum Sink {
    Log,
    Destination(Lines),
}

impl Sink {
    pub(crate) fn new(destination: Option<&str>) -> Self {
        destination.map_or(Self::Log, |name| {
            Self::Destination(Lines::new(Outlet::define("slow_calls.lines", "{line}", name, "application/x-ndjson")))
        })
    }

    /// Bytes of a line, which has to fit into a payload.
    pub(crate) fn max_line(&self) -> usize {
        match self {
            Self::Log => MAX_LOG_LINE,
            Self::Destination(lines) => lines.max_line().map_or(MAX_LINE, |bytes| bytes.min(MAX_LINE)),
        }
    }

    pub(crate) fn write(&mut self, json: &str) {
        match self {
            // JSON escapes the control characters of ASCII; the host would escape the others, and not as JSON does.
            Self::Log => log::warn(json.replace(char::is_control, " ")),
            Self::Destination(lines) => lines.line(|line| line.extend_from_slice(json.as_bytes())),
        }
    }

    pub(crate) fn flush(&mut self) {
        if let Self::Destination(lines) = self {
            lines.send();
        }
    }
}
