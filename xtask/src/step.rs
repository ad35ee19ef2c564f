//! Children of xtask: each announced before it runs, and an error that says what was run.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// Says on stderr what happens next; stdout is for what a command is asked for.
pub(crate) fn say(line: impl std::fmt::Display) {
    eprintln!("\u{25b8} {line}");
}

/// Runs a child to its end; all that it prints goes to stderr, because stdout is for results.
///
/// # Errors
/// The program cannot be started or exits other than 0.
pub(crate) fn run(title: &str, command: &mut Command) -> anyhow::Result<()> {
    say(title);
    let status = command.stdout(std::io::stderr()).status().with_context(|| cannot_start(command))?;
    succeeded(command, status)
}

/// Runs a child to its end and returns what it printed on stdout; its stderr goes to ours.
///
/// # Errors
/// The program cannot be started, exits other than 0, or prints no UTF-8.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| cannot_start(command))?;
    succeeded(command, output.status)?;
    String::from_utf8(output.stdout).with_context(|| format!("{} printed no UTF-8", line(command)))
}

/// Runs a child and hands over each line of its stdout as it comes; its stderr goes to ours.
///
/// # Errors
/// The program cannot be started. How it ended is the caller's to judge.
pub(crate) fn lines(command: &mut Command, mut each: impl FnMut(&str)) -> anyhow::Result<ExitStatus> {
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| cannot_start(command))?;
    if let Some(stdout) = child.stdout.take() {
        for read in BufReader::new(stdout).split(b'\n') {
            let Ok(bytes) = read else { break };
            each(String::from_utf8_lossy(&bytes).trim_end_matches('\r'));
        }
    }
    child.wait().with_context(|| format!("lost {}", line(command)))
}

/// Runs a program in place of this process: its exit code and the signals that it gets are the program's own.
///
/// # Errors
/// The program cannot be started.
#[cfg(unix)]
pub(crate) fn replace_by(command: &mut Command) -> anyhow::Result<Infallible> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(error).with_context(|| cannot_start(command))
}

/// Runs a program and ends with its exit code.
///
/// # Errors
/// The program cannot be started.
#[cfg(not(unix))]
pub(crate) fn replace_by(command: &mut Command) -> anyhow::Result<Infallible> {
    let status = command.status().with_context(|| cannot_start(command))?;
    std::process::exit(status.code().unwrap_or(1))
}

/// Whether a program can be started at all and succeeds; silent.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The error for a child that ended with `status`.
///
/// # Errors
/// `status` is not success.
pub(crate) fn succeeded(command: &Command, status: ExitStatus) -> anyhow::Result<()> {
    if !status.success() {
        bail!("{} ended with {status}", line(command));
    }
    Ok(())
}

/// A duration as people read it: `8.1 s`, `2 min 05 s`.
pub(crate) fn human(took: Duration) -> String {
    match took.as_secs() {
        0..60 => format!("{:.1} s", took.as_secs_f64()),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

/// Measures one piece of work.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let result = work();
    (result, began.elapsed())
}

/// The command as somebody could type it.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
    format!("`{}`", words.join(" "))
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start {}", line(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_readable() {
        assert_eq!(human(Duration::from_millis(8_140)), "8.1 s");
        assert_eq!(human(Duration::from_secs(125)), "2 min 05 s");
    }

    #[test]
    fn a_failed_child_is_named_with_its_arguments() {
        let error = run("fail", Command::new("false").arg("--hard")).expect_err("false succeeds nowhere");
        assert!(format!("{error:#}").starts_with("`false --hard` ended with exit status: 1"), "{error:#}");
    }

    #[test]
    fn lines_of_a_child_are_handed_over_one_by_one() {
        let mut seen = Vec::new();
        let status = lines(Command::new("sh").args(["-c", "echo one; printf two"]), |line| seen.push(line.to_owned()));
        assert!(status.is_ok_and(|status| status.success()));
        assert_eq!(seen, ["one", "two"]);
    }
}
