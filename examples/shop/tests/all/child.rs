//! The shop as a child process: its commands, its answers, its end.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A running shop; killed when dropped.
pub(crate) struct Shop {
    pub(crate) child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) lines: Lines<BufReader<ChildStdout>>,
}

impl Shop {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::of(Command::new(env!("CARGO_BIN_EXE_shop")).args(args))
    }

    pub(crate) fn of(command: &mut Command) -> Self {
        // What a developer's shell says of plugins is not meant for this test.
        command.env_remove("HOTTAP_PLUGINS").env_remove("HOTTAP_ADMIN").env_remove("HOTTAP_DISABLE");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let stdin = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, stdin, lines }
    }

    pub(crate) fn line(&mut self) -> String {
        self.lines.next().expect("it says something").expect("text")
    }

    pub(crate) fn ask(&mut self, command: &str) -> Value {
        writeln!(self.stdin.as_mut().expect("still open"), "{command}").expect("it reads");
        serde_json::from_str(&self.line()).expect("JSON")
    }

    /// Asks it to end, as a supervisor would.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
    }

    /// The last line, and whether the program succeeded.
    pub(crate) fn end(mut self) -> (String, bool) {
        let last = self.lines.by_ref().map_while(Result::ok).last().expect("a report");
        (last, self.child.wait().expect("it is ours").success())
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
