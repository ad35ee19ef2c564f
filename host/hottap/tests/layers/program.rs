//! Programs of others that tests talk to: started, and read line by line. It knows
//! nothing of what they print.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// When a test gives a peer up that says nothing: long, so that a busy machine fails no test.
const PATIENCE: Duration = Duration::from_secs(60);

/// A peer that runs until its input ends or this is dropped.
pub(crate) struct Peer {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("it is there and runs");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, lines }
    }

    /// What it prints next; none if it has closed its output.
    async fn next(&mut self) -> Option<String> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        line.expect("it says something in time").expect("readable")
    }

    /// The next line that it prints.
    pub(crate) async fn line(&mut self) -> String {
        self.next().await.expect("it goes on")
    }

    /// All that it still prints, with its input at an end; it has to end by itself, and to succeed.
    pub(crate) async fn rest(mut self) -> Vec<String> {
        drop(self.child.stdin.take());
        let mut rest = Vec::new();
        while let Some(line) = self.next().await {
            rest.push(line);
        }
        let status = self.ended().await;
        assert!(status.success(), "{status}, having said {rest:#?}");
        rest
    }

    /// Gone without a word to anybody, and its sockets with it.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it is our child");
    }

    async fn ended(&mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends in time").expect("it is our child")
    }
}
