//! Compiling in a process of its own, the command `hottap`: its time and memory are limited by the kernel, and it is
//! killed when its time is over or its result is not wanted any more.
//!
//! The module goes in by standard input, and the compiled code comes back by standard output. Nobody else can write to
//! either, so what comes back is as trustworthy as the command itself.

#[cfg(feature = "compiler")]
use std::io;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::cutoff::Cancel;
use super::module::LoadError;

/// The hidden command of `hottap` that compiles.
pub const COMMAND: &str = "compile-module";
/// CPU time of a compile. By their bounds modules take at most 10 s; a slow machine may take three times as long.
#[cfg(feature = "compiler")]
const CPU_SECONDS: u64 = 30;
/// Time of a compile by the clock: it has a low priority, and other processes may have the machine's cores.
const LONGEST: Duration = Duration::from_secs(120);
/// Addresses of the process. By their bounds modules take less than 1 GiB of memory; addresses are more than memory.
#[cfg(feature = "compiler")]
const ADDRESSES: u64 = 3 << 30;
/// Bytes of compiled code. A guest of 18 MiB has 50 MiB of it.
const MAX_CODE: u64 = 512 << 20;
/// The time between looks at whether the job was cancelled.
const LOOK: Duration = Duration::from_millis(20);
/// The first bytes of a good answer.
const GOOD: &[u8; 8] = b"HTAPCODE";
/// The first bytes of a refusal, as JSON.
const BAD: &[u8; 8] = b"HTAPFAIL";

/// Where plugins are compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compile {
    /// In the service itself, on two threads of low priority. The default of a service with the feature `compiler`.
    #[cfg(feature = "compiler")]
    #[default]
    Here,
    /// In a process of its own: the command `hottap` that `HOTTAP_COMPILER` names, or else the one in `PATH`. It has to
    /// be of the service's own version (`cargo install hottap-cli`).
    ///
    /// It is killed when it takes too long or when the module's file is deleted, and the kernel limits its memory and its
    /// CPU time: on macOS only its CPU time, on Windows neither. Take this where strangers' modules are loaded. The default
    /// of a service without the feature `compiler`.
    #[cfg_attr(not(feature = "compiler"), default)]
    Process,
    /// In a process of its own, by this command.
    Command(PathBuf),
}

impl Compile {
    /// The command to run, if there is one.
    ///
    /// # Errors
    /// No such command is there: the text says what to install.
    pub(super) fn command(&self) -> Result<Option<PathBuf>, String> {
        let told = std::env::var_os("HOTTAP_COMPILER").filter(|path| !path.is_empty()).map(PathBuf::from);
        let command = match (self, told) {
            #[cfg(feature = "compiler")]
            (Self::Here, None) => return Ok(None),
            (_, Some(told)) => told,
            (Self::Command(command), None) => command.clone(),
            (Self::Process, None) => {
                let path = std::env::var_os("PATH").unwrap_or_default();
                let all = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
                all.map(|folder| folder.join("hottap")).find(|path| path.is_file()).ok_or_else(|| {
                    concat!(
                        "plugins are to be compiled by the command `hottap`, which is not in PATH; install it by `cargo \
                         install --git ",
                        env!("CARGO_PKG_REPOSITORY"),
                        " hottap-cli`, or name it by HOTTAP_COMPILER"
                    )
                    .to_owned()
                })?
            }
        };
        if !command.is_file() {
            return Err(format!(
                "plugins are to be compiled by {}, which is not there; name the command `hottap` by HOTTAP_COMPILER or \
                 Builder::compile_in",
                command.display()
            ));
        }
        Ok(Some(command))
    }
}

/// Compiled code of one module.
pub(super) struct Artifacts {
    pub(super) collect: Vec<u8>,
    /// For the RPC's threads, if it has a starter.
    pub(super) start: Option<Vec<u8>>,
}

/// Kills the process when it is dropped before its end.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Compiles in a process of its own. Returns early, with any error, when the job is cancelled.
pub(super) fn compile(command: &Path, module: &[u8], cancel: &Cancel) -> Result<Artifacts, LoadError> {
    let failed = |reason: String| LoadError::Compiler { command: command.to_owned(), reason };
    let mut child = Command::new(command)
        .arg(COMMAND)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map(Killed)
        .map_err(|error| failed(format!("it cannot be started: {error}")))?;
    let (Some(mut stdin), Some(stdout)) = (child.0.stdin.take(), child.0.stdout.take()) else {
        return Err(failed("it has no pipes".to_owned()));
    };
    let (done, is_done) = channel();
    let answer = std::thread::scope(|scope| {
        let transfer = move || {
            // If it does not read to the end, its answer says why.
            let _ = stdin.write_all(module);
            drop(stdin);
            let mut answer = Vec::new();
            let read = stdout.take(MAX_CODE + 1).read_to_end(&mut answer);
            let _ = done.send(read.map(|_| answer));
        };
        std::thread::Builder::new()
            .name("hottap-compile".into())
            .spawn_scoped(scope, transfer)
            .map_err(|error| failed(format!("a thread cannot be started: {error}")))?;
        let began = Instant::now();
        let answer = loop {
            match is_done.recv_timeout(LOOK) {
                Ok(answer) => break answer.map_err(|error| failed(error.to_string())),
                Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => break Err(failed("cancelled".to_owned())),
                Err(RecvTimeoutError::Timeout) if began.elapsed() > LONGEST => {
                    break Err(failed(format!("it took longer than {} s", LONGEST.as_secs())));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break Err(failed("its answer was lost".to_owned())),
            }
        };
        if answer.is_err() {
            // The pipes end with the process, and the thread with the pipes.
            let _ = child.0.kill();
        }
        answer
    })?;
    let status = child.0.wait().map_err(|error| failed(error.to_string()))?;
    match read(&answer) {
        Some(answer) if status.success() => answer,
        _ => Err(failed(format!("{status}; it may use 30 s of CPU time and 3 GiB of addresses"))),
    }
}

/// Reads an answer; none if it is cut short or no answer.
fn read(answer: &[u8]) -> Option<Result<Artifacts, LoadError>> {
    if let Some(error) = answer.strip_prefix(BAD) {
        return serde_json::from_slice(error).ok().map(Err);
    }
    let answer = answer.strip_prefix(GOOD)?;
    let (length, code) = answer.split_first_chunk::<8>()?;
    let (collect, start) = code.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let start = (!start.is_empty()).then(|| start.to_vec());
    Some(Ok(Artifacts { collect: collect.to_vec(), start }))
}

/// The other side: limits this process, reads a module, and writes what it is compiled to.
///
/// # Errors
/// Standard input or output is broken.
#[cfg(feature = "compiler")]
pub fn serve() -> io::Result<()> {
    // Before the limits, so that the code is as the service expects it: where addresses are limited it is another.
    let engines = super::Engines::new(&hottap_core::budget::Budget::unlimited()).map_err(io::Error::other)?;
    super::rlimits::limit(CPU_SECONDS, ADDRESSES)?;
    let mut module = Vec::new();
    io::stdin().lock().take(super::MAX_FILE_BYTES + 1).read_to_end(&mut module)?;
    let mut out = io::stdout().lock();
    match super::module::artifacts(&engines, &module) {
        Ok(Artifacts { collect, start }) => {
            out.write_all(GOOD)?;
            out.write_all(&(collect.len() as u64).to_le_bytes())?;
            out.write_all(&collect)?;
            out.write_all(&start.unwrap_or_default())?;
        }
        Err(error) => {
            out.write_all(BAD)?;
            serde_json::to_writer(&mut out, &error)?;
        }
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_cut_short_is_none() {
        let good = [&GOOD[..], &3u64.to_le_bytes(), b"abcde"].concat();
        let artifacts = read(&good).and_then(Result::ok).expect("whole");
        assert_eq!((artifacts.collect, artifacts.start), (b"abc".to_vec(), Some(b"de".to_vec())));
        for cut in [&b""[..], b"HTAP", &good[..8], &good[..12], &good[..18], b"HTAPFAIL", b"HTAPFAIL{", b"error: no"] {
            assert!(read(cut).is_none(), "{cut:?}");
        }
        let error = [&BAD[..], b"\"NoTracer\""].concat();
        assert!(matches!(read(&error), Some(Err(LoadError::NoTracer))));
    }

    #[test]
    fn a_command_that_is_not_there_is_named() {
        let error = Compile::Command("/nowhere/hottap".into()).command().expect_err("not there");
        assert!(error.contains("/nowhere/hottap") && error.contains("HOTTAP_COMPILER"), "{error}");
    }
}
