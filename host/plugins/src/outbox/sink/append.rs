//! Files and standard output: each payload is appended as lines of its own.
//!
//! Writing can hang (a network's file system, a pipe that nobody reads) and cannot be called off, so it is done on a
//! thread of its own; only this destination waits for it. The file is opened for each payload, so a rotated one is
//! left alone and a new one made.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Outcome;
use crate::outbox::parcel::Payload;
use crate::outbox::state::Fault;
use hottap_io::dial::rounded;

pub(in crate::outbox) struct Append {
    /// None is standard output.
    path: Option<PathBuf>,
    writing: Option<(u64, JoinHandle<Written>)>,
    /// How much of which payload has been written: the next try goes on from there.
    done: (u64, usize),
    /// A payload was given up in its middle, so the next one starts with a newline.
    torn: bool,
}

/// How far a write came.
struct Written {
    bytes: usize,
    result: io::Result<()>,
}

impl Append {
    pub(super) fn to_file(path: PathBuf) -> Self {
        Self { path: Some(path), writing: None, done: (0, 0), torn: false }
    }

    pub(super) fn to_stdout() -> Self {
        Self { path: None, writing: None, done: (0, 0), torn: false }
    }

    pub(super) async fn deliver(&mut self, payload: &Payload, limit: Duration) -> Outcome {
        match timeout(limit, self.write(payload)).await {
            Ok(Ok(())) => Outcome::Delivered,
            Ok(Err(error)) => Outcome::failed(Fault::new(
                format!("{} cannot be written: {error}", self.shown()),
                match &self.path {
                    Some(_) => "let this process write there, and see that the disk has space",
                    None => "see who reads this process's output",
                },
            )),
            Err(_) => Outcome::failed(Fault::new(
                format!("a write to {} has not returned for {:?}", self.shown(), rounded(limit)),
                "look at the disk, or at who reads from there",
            )),
        }
    }

    /// Cancel safe: what has been begun is waited for by the next call.
    async fn write(&mut self, payload: &Payload) -> io::Result<()> {
        loop {
            let (id, writing) = match &mut self.writing {
                Some((id, writing)) => (*id, writing),
                None => {
                    if self.done.0 != payload.id {
                        self.torn |= self.done.1 > 0;
                        self.done = (payload.id, 0);
                    }
                    let (path, bytes) = (self.path.clone(), payload.bytes.clone());
                    let (done, torn) = (self.done.1, self.torn);
                    let task = tokio::task::spawn_blocking(move || write(path.as_deref(), &bytes, done, torn));
                    (payload.id, &mut self.writing.insert((payload.id, task)).1)
                }
            };
            let joined = writing.await;
            self.writing = None;
            let written = joined.map_err(io::Error::other)?;
            // Whatever was written went after the newline.
            self.torn &= written.bytes == 0;
            self.done = (id, written.bytes);
            if written.result.is_ok() {
                self.torn = false;
                self.done = (id, 0);
            }
            // What came back may be another payload's, which was dropped while its write hung.
            if id == payload.id {
                return written.result;
            }
        }
    }

    fn shown(&self) -> String {
        self.path.as_ref().map_or_else(|| "standard output".to_owned(), |path| path.display().to_string())
    }
}

/// Appends what is not `done` of a payload. Blocks.
fn write(path: Option<&Path>, bytes: &Bytes, done: usize, torn: bool) -> Written {
    let mut done = done;
    let mut append = |file: &mut File| {
        if torn && done == 0 {
            file.write_all(b"\n")?;
        }
        append(file, bytes, &mut done)
    };
    let result = match path {
        Some(path) => system::open(path).and_then(|mut file| append(&mut file)),
        None => {
            // The lock keeps our lines whole among those that the service prints; its buffer would keep ours back.
            let mut stdout = io::stdout().lock();
            stdout.flush().and_then(|()| system::unbuffered(&stdout)).and_then(|mut file| append(&mut file))
        }
    };
    Written { bytes: done, result }
}

#[cfg(unix)]
mod system {
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::os::fd::AsFd;
    use std::os::unix::fs::OpenOptionsExt;
    use std::path::Path;

    /// Opens a file for appending; one that is made belongs to this user alone.
    pub(super) fn open(path: &Path) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).mode(0o600).open(path)
    }

    /// Standard output without its buffer.
    pub(super) fn unbuffered(stdout: &io::StdoutLock<'_>) -> io::Result<File> {
        stdout.as_fd().try_clone_to_owned().map(File::from)
    }
}

#[cfg(windows)]
mod system {
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::os::windows::io::AsHandle;
    use std::path::Path;

    /// Opens a file for appending; one that is made has the rights that its directory hands down.
    pub(super) fn open(path: &Path) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).open(path)
    }

    /// Standard output without its buffer.
    pub(super) fn unbuffered(stdout: &io::StdoutLock<'_>) -> io::Result<File> {
        stdout.as_handle().try_clone_to_owned().map(File::from)
    }
}

/// Writes from `done` on, counting, with a newline after a payload that has none.
fn append(file: &mut impl Write, bytes: &[u8], done: &mut usize) -> io::Result<()> {
    let newline: &[u8] = if bytes.ends_with(b"\n") { b"" } else { b"\n" };
    let total = bytes.len() + newline.len();
    while *done < total {
        let rest = bytes.get(*done..).unwrap_or_default();
        match file.write_vectored(&[IoSlice::new(rest), IoSlice::new(newline)]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => *done += written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a few bytes at a time and fails when it is full.
    struct Narrow {
        taken: Vec<u8>,
        room: usize,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = bytes.len().min(3).min(self.room);
            if n == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.taken.extend_from_slice(&bytes[..n]);
            self.room -= n;
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_write_goes_on_where_a_full_disk_stopped_it() {
        for (text, expected) in
            [("0123456789", "0123456789\n"), ("0123456789\n", "0123456789\n"), ("", "\n"), ("\n", "\n")]
        {
            for room in 0..=expected.len() {
                let mut narrow = Narrow { taken: Vec::new(), room };
                let mut done = 0;
                let first = append(&mut narrow, text.as_bytes(), &mut done);
                assert_eq!((first.is_ok(), done), (room == expected.len(), room), "{text:?} in {room}");
                narrow.room = 100;
                append(&mut narrow, text.as_bytes(), &mut done).expect("room");
                assert_eq!(narrow.taken, expected.as_bytes(), "{text:?} after {room}");
            }
        }
    }

    #[test]
    fn what_follows_a_payload_that_was_given_up_in_its_middle_begins_on_its_own_line() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("lines");
        std::fs::write(&path, "hal").expect("written");
        let mut to_file = Append { done: (1, 3), ..Append::to_file(path.clone()) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        for (id, text) in [(2, "whole"), (3, "next\n")] {
            let payload = Payload { id, ..Payload::new("", text.into()) };
            let outcome = runtime.block_on(to_file.deliver(&payload, Duration::from_secs(30)));
            assert!(matches!(outcome, Outcome::Delivered), "{outcome:?}");
        }
        assert_eq!(std::fs::read_to_string(path).expect("read"), "hal\nwhole\nnext\n");
    }
}
