//! Whole files that are named by operators or lie in the plugin dir: read without waiting, and up to a bound.
//!
//! A path can lead to anything. Opening a named pipe waits for a writer, reading a device may never end, and between a look
//! at a path and its opening another thing can take the place. So files are opened without blocking, looked at once more by
//! their descriptor, and read up to a limit.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// The reason for which a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it has more than {limit} bytes")]
    TooLarge { limit: u64 },
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => error,
            error @ ReadError::TooLarge { .. } => Self::other(error),
        }
    }
}

/// A file's contents, and what the file system said of the file when they had been read.
#[derive(Debug)]
pub struct Whole {
    pub bytes: Vec<u8>,
    pub metadata: Metadata,
}

/// Reads a whole file of at most `limit` bytes.
///
/// # Errors
/// It is no file, cannot be read, or is too large. A file that is written meanwhile is none: the caller compares the
/// metadata with what it knows.
pub fn read(path: &Path, limit: u64) -> Result<Whole, ReadError> {
    // Opening some devices has effects, so they are not even opened.
    is_file(&path.metadata()?)?;
    let mut file = open(path)?;
    is_file(&file.metadata()?)?;
    let mut bytes = Vec::new();
    Read::take(&mut file, limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(ReadError::TooLarge { limit });
    }
    Ok(Whole { bytes, metadata: file.metadata()? })
}

fn is_file(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    if kind.is_file() { Ok(()) } else { Err(io::Error::other(format!("it is {}, not a file", word(kind)))) }
}

/// Opens a file without waiting, whatever has taken its place.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Opens a file. Elsewhere than on Unix, pipes and devices have names of their own and cannot take a file's place.
#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).open(path)
}

#[cfg(unix)]
fn word(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;

    match kind {
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn word(kind: FileType) -> &'static str {
    if kind.is_dir() { "a directory" } else { "a device" }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    /// By the command: macOS has no such call below a directory.
    fn make_pipe(path: &Path) {
        assert!(std::process::Command::new("mkfifo").arg(path).status().is_ok_and(|status| status.success()));
    }

    #[track_caller]
    fn check(path: &Path, limit: u64, expected: Result<&str, &str>) {
        let read = read(path, limit).map(|whole| whole.bytes).map_err(|error| error.to_string());
        match (read, expected) {
            (Ok(bytes), Ok(expected)) => assert_eq!(bytes, expected.as_bytes()),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
            (read, _) => panic!("{}: {read:?}", path.display()),
        }
    }

    #[test]
    fn only_files_are_read_and_nothing_is_waited_for() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("file"), "hello").expect("written");
        symlink("file", path("link")).expect("linked");
        symlink("nowhere", path("dangling")).expect("linked");
        symlink("loop", path("loop")).expect("linked");
        make_pipe(&path("pipe"));
        symlink("pipe", path("to-pipe")).expect("linked");
        let _listener = UnixListener::bind(path("socket")).expect("bound");
        for (name, expected) in [
            ("file", Ok("hello")),
            ("link", Ok("hello")),
            ("dangling", Err("No such file")),
            ("absent", Err("No such file")),
            ("loop", Err("symbolic link")),
            ("", Err("it is a directory, not a file")),
            ("pipe", Err("it is a named pipe, not a file")),
            ("to-pipe", Err("it is a named pipe, not a file")),
            ("socket", Err("it is a socket, not a file")),
        ] {
            check(&path(name), 5, expected);
        }
        check(Path::new("/dev/zero"), 5, Err("it is a device, not a file"));
        check(&path("file"), 4, Err("more than 4 bytes"));
    }

    #[test]
    fn a_pipe_that_takes_a_files_place_is_not_waited_for() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("file"), "hello").expect("written");
        make_pipe(&path("pipe"));
        symlink("file", path("link")).expect("linked");
        let is_over = AtomicBool::new(false);
        let (mut files, mut pipes) = (0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    for target in ["pipe", "file"] {
                        symlink(target, path("next")).expect("linked");
                        std::fs::rename(path("next"), path("link")).expect("renamed");
                    }
                }
            });
            // Nobody ever opens the pipe for writing, so one opening that waits would be the end of this test.
            while files < 1_000 || pipes < 1_000 {
                match read(&path("link"), 5) {
                    Ok(whole) => files += usize::from(whole.bytes == b"hello"),
                    Err(error) => pipes += usize::from(error.to_string().contains("it is a named pipe")),
                }
            }
            is_over.store(true, Ordering::Relaxed);
        });
    }
}
