//! Runs the command, to its end or beside the test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// cargo may have to compile everything that a tracer needs, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// The command, in a folder.
pub(crate) fn hottap(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hottap"));
    command.current_dir(folder).env_remove("NO_COLOR").env_remove("HOTTAP_CONFIG").stdin(Stdio::null());
    command
}

/// What a command that has ended said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Said {
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Said { code: status.code(), out: text(stdout), err: text(stderr) }
}

/// Runs `hottap` with these arguments to its end.
pub(crate) fn said(folder: &Path, args: &[impl AsRef<OsStr>]) -> Said {
    run(hottap(folder).args(args))
}

/// Whatever else is said, expects this exit code and these words on standard error.
#[track_caller]
pub(crate) fn complains(folder: &Path, args: &[&str], code: i32, words: &[&str]) {
    let said = said(folder, args);
    assert_eq!(said.code, Some(code), "{}", said.err);
    for word in words {
        assert!(said.err.contains(word), "{word:?} is not in {:?}", said.err);
    }
}

/// A command that runs beside the test; it does not outlive it.
pub(crate) struct Running {
    child: Child,
    out: Receiver<Line>,
    err: Receiver<Line>,
}

/// A line, and when it came.
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) at: Instant,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
        let out = lines(child.stdout.take().expect("piped"));
        let err = lines(child.stderr.take().expect("piped"));
        Self { child, out, err }
    }

    /// Waits for a line of standard output that contains a word.
    #[track_caller]
    pub(crate) fn out(&self, word: &str) -> Line {
        await_line(&self.out, word)
    }

    /// Waits for a line of standard error that contains a word.
    #[track_caller]
    pub(crate) fn err(&self, word: &str) -> Line {
        await_line(&self.err, word)
    }

    /// Sends Ctrl-C, and returns the exit code when nobody is left who could write to standard error: neither the
    /// command nor anything that it has started.
    #[track_caller]
    pub(crate) fn interrupt(mut self) -> Option<i32> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, Signal::INT).expect("it is there");
        let until = Instant::now() + PATIENCE;
        while self.err.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok() {}
        assert!(Instant::now() < until, "somebody is left");
        self.child.wait().expect("it has ended").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn await_line(lines: &Receiver<Line>, word: &str) -> Line {
    let mut seen = Vec::new();
    let until = Instant::now() + PATIENCE;
    loop {
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) if line.text.contains(word) => return line,
            Ok(line) => seen.push(line.text),
            Err(error) => panic!("no line with {word:?} ({error}) in\n{}", seen.join("\n")),
        }
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<Line> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for text in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(Line { text, at: Instant::now() }).is_err() {
                return;
            }
        }
    });
    lines
}
