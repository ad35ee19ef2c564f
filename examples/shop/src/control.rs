//! The commands that somebody writes to stdin while the load runs; they are carried out elsewhere.

use std::io::BufRead;

use anyhow::Context;
use tokio::sync::mpsc::{Receiver, channel};

/// Commands that wait while another is carried out; whoever writes more has to wait.
const WAITING: usize = 16;

/// What the load generator can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Say what was counted so far.
    Count,
    /// Stop, and answer when no RPC is open.
    Hold,
    /// Count from 0, and go on.
    Go,
    /// Say how long the RPCs since the last lap took.
    Lap,
}

/// Reads stdin to its end on a thread of its own, since nothing can interrupt a read. Its end is not the shop's.
///
/// # Errors
/// No thread can be started.
pub(crate) fn listen() -> anyhow::Result<Receiver<Result<Command, String>>> {
    let (sender, commands) = channel(WAITING);
    let read = move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok).filter(|line| !line.trim().is_empty()) {
            if sender.blocking_send(parse(&line)).is_err() {
                break;
            }
        }
    };
    std::thread::Builder::new().name("shop-stdin".to_owned()).spawn(read).context("cannot start a thread")?;
    Ok(commands)
}

/// One line.
///
/// # Errors
/// What there is instead, in words.
fn parse(line: &str) -> Result<Command, String> {
    match line.trim() {
        "count" => Ok(Command::Count),
        "hold" => Ok(Command::Hold),
        "go" => Ok(Command::Go),
        "lap" => Ok(Command::Lap),
        other => Err(format!("there is no command {other:?}; the commands are count, hold, go and lap")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_words() {
        assert_eq!(parse("count"), Ok(Command::Count));
        assert_eq!(parse("  hold \r"), Ok(Command::Hold));
        assert_eq!(parse("go"), Ok(Command::Go));
        assert_eq!(parse("lap"), Ok(Command::Lap));
        for other in ["stop", "COUNT", "go on"] {
            assert!(
                parse(other).is_err_and(|words| words.contains(other) && words.contains("count, hold, go and lap"))
            );
        }
    }
}
