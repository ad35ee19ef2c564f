//! The file with the operator's configuration, looked at again and again. It never panics and keeps no contents.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::{ConfigError, OperatorConfig, Stamp};
use hottap_io::read;
use hottap_io::read::ReadError;

/// Bytes of the file.
const MAX_BYTES: u64 = 1 << 20;
/// A file that is being written in place can be cut short and still be valid, with destinations missing; so it counts
/// once it has not changed for this long. A file that took the place of another by a rename is whole, and counts at once,
/// unless it is empty: an editor may have put it there to write into it.
const SETTLE: Duration = Duration::from_secs(1);

/// Why the file does not count. What was configured before stays.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigFileError {
    #[error("{path} is not there; put the configuration back, meanwhile nothing changes", path = .path.display())]
    Missing { path: PathBuf },
    #[error("{path} is not there; create it, or correct the path (HOTTAP_CONFIG or Builder::config); it is looked for every second, meanwhile no tracer has a destination or a grant", path = .path.display())]
    NeverThere { path: PathBuf },
    #[error("{path} cannot be read: {error}; meanwhile nothing changes", path = .path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{path} has more than {limit} bytes; meanwhile nothing changes", path = .path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("{path} {error}; correct it, meanwhile nothing changes", path = .path.display())]
    Parse { path: PathBuf, error: ConfigError },
}

/// What was last seen of the file.
#[derive(Clone, Copy, Debug)]
enum Seen {
    /// Nothing was looked at yet.
    Nothing,
    /// It was said that the file is missing or cannot be looked at.
    Absent,
    /// The stamp was first seen then. `told` once its contents have been read for good.
    File { stamp: Stamp, since: Instant, told: bool },
}

/// The operator's file: says what stands in it when it has changed.
#[derive(Debug)]
pub struct ConfigFile {
    path: PathBuf,
    seen: Seen,
    /// The SHA-256 of what was last taken; none after an error, so that going back to it is a change.
    taken: Option<[u8; 32]>,
}

impl ConfigFile {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), seen: Seen::Nothing, taken: None }
    }

    /// Looks at the file: `Some` at the first look, and then whenever its contents have changed. An error is said once;
    /// what was configured before stays. Reads the file only if its stamp is new. Blocks for as long as that takes.
    pub(crate) fn poll(&mut self) -> Option<Result<OperatorConfig, ConfigFileError>> {
        self.poll_at(Instant::now())
    }

    fn poll_at(&mut self, now: Instant) -> Option<Result<OperatorConfig, ConfigFileError>> {
        let stamp = match fs::metadata(&self.path) {
            Ok(metadata) => Stamp::of(&metadata),
            Err(error) => {
                if matches!(self.seen, Seen::Absent) {
                    return None;
                }
                let is_first = matches!(std::mem::replace(&mut self.seen, Seen::Absent), Seen::Nothing);
                self.taken = None;
                let path = self.path.clone();
                return Some(Err(match error.kind() {
                    io::ErrorKind::NotFound if is_first => ConfigFileError::NeverThere { path },
                    io::ErrorKind::NotFound => ConfigFileError::Missing { path },
                    _ => ConfigFileError::Read { path, error },
                }));
            }
        };
        let (since, whole) = match self.seen {
            Seen::File { stamp: seen, told: true, .. } if seen == stamp => return None,
            Seen::File { stamp: seen, since, .. } if seen == stamp => {
                (since, now.saturating_duration_since(since) >= SETTLE)
            }
            Seen::File { stamp: seen, .. } => (now, !seen.is_same_file(&stamp) && !stamp.is_empty()),
            Seen::Absent => (now, false),
            Seen::Nothing => (now, true),
        };
        self.seen = Seen::File { stamp, since, told: whole };
        if !whole {
            return None;
        }
        let result = self.read();
        let taken = match &result {
            Ok((digest, _)) => Some(*digest),
            Err(_) => None,
        };
        let same = taken.is_some() && taken == self.taken;
        self.taken = taken;
        (!same).then(|| result.map(|(_, config)| config))
    }

    fn read(&self) -> Result<([u8; 32], OperatorConfig), ConfigFileError> {
        let path = || self.path.clone();
        let bytes = match read::read(&self.path, MAX_BYTES) {
            Ok(whole) => whole.bytes,
            Err(ReadError::Io(error)) => return Err(ConfigFileError::Read { path: path(), error }),
            Err(ReadError::TooLarge { limit }) => return Err(ConfigFileError::TooLarge { path: path(), limit }),
        };
        let config = OperatorConfig::parse(&bytes).map_err(|error| ConfigFileError::Parse { path: path(), error })?;
        Ok((Sha256::digest(&bytes).into(), config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "[destinations.one]\nurl = \"stdout:\"\ntracers = []\n";
    const TWO: &str = "[destinations.two]\nurl = \"stdout:\"\ntracers = []\n";

    struct Desk {
        directory: tempfile::TempDir,
        file: ConfigFile,
        now: Instant,
    }

    impl Desk {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("a directory");
            let file = ConfigFile::new(directory.path().join("hottap.toml"));
            Self { directory, file, now: Instant::now() }
        }

        fn write(&self, text: &str) {
            fs::write(&self.file.path, text).expect("written");
        }

        fn rename(&self, text: &str) {
            let draft = self.directory.path().join("draft");
            fs::write(&draft, text).expect("written");
            fs::rename(draft, &self.file.path).expect("renamed");
        }

        /// The destinations' names, or the error's text; nothing if nothing changed.
        fn poll(&mut self) -> Option<Result<Vec<String>, String>> {
            let polled = self.file.poll_at(self.now)?;
            Some(polled.map(|config| config.destinations.into_keys().collect()).map_err(|error| error.to_string()))
        }

        fn later(&mut self) -> Option<Result<Vec<String>, String>> {
            self.now += SETTLE;
            self.poll()
        }
    }

    fn names(names: &[&str]) -> Option<Result<Vec<String>, String>> {
        Some(Ok(names.iter().map(|&name| name.to_owned()).collect()))
    }

    #[test]
    fn the_first_look_tells_what_is_there_and_the_next_one_nothing() {
        let mut desk = Desk::new();
        desk.write(ONE);
        assert_eq!(desk.poll(), names(&["one"]));
        assert_eq!((desk.poll(), desk.later()), (None, None));
        assert!(desk.file.poll().is_none());
    }

    #[test]
    fn a_renamed_file_counts_at_once_and_one_written_in_place_when_it_rests() {
        let mut desk = Desk::new();
        desk.rename(ONE);
        assert_eq!(desk.poll(), names(&["one"]));
        desk.rename(TWO);
        assert_eq!(desk.poll(), names(&["two"]));
        desk.write("");
        assert_eq!(desk.poll(), None, "an editor may have emptied it to write it anew");
        desk.write(ONE);
        assert_eq!(desk.poll(), None, "it may not be whole yet");
        assert_eq!(desk.later(), names(&["one"]));
        desk.write(ONE);
        assert_eq!((desk.poll(), desk.later()), (None, None), "its contents are the same");
    }

    #[test]
    fn an_editor_that_puts_an_empty_file_in_place_of_the_old_one_takes_nothing_away() {
        let mut desk = Desk::new();
        desk.rename(ONE);
        assert_eq!(desk.poll(), names(&["one"]));
        // As vim saves: the old file becomes a backup, a new one is made, and then written.
        desk.rename("");
        assert_eq!(desk.poll(), None);
        desk.write(TWO);
        assert_eq!((desk.poll(), desk.later()), (None, names(&["two"])));
        desk.rename("");
        assert_eq!((desk.poll(), desk.later()), (None, names(&[])), "an empty file that stays is meant");
    }

    #[test]
    fn a_file_that_vanishes_or_does_not_parse_is_an_error_once_and_going_back_is_a_change() {
        let mut desk = Desk::new();
        let missing = desk.poll().expect("said").expect_err("missing");
        assert!(missing.contains("hottap.toml is not there; create it"), "{missing}");
        assert_eq!(desk.poll(), None);
        desk.write(ONE);
        assert_eq!((desk.poll(), desk.later()), (None, names(&["one"])));
        desk.rename("[destination]");
        let error = desk.poll().expect("said").expect_err("unknown key");
        assert!(error.contains("did you mean `destinations`?") && error.contains("nothing changes"), "{error}");
        assert_eq!((desk.poll(), desk.later()), (None, None));
        desk.rename(ONE);
        assert_eq!(desk.poll(), names(&["one"]));
        fs::remove_file(&desk.file.path).expect("removed");
        let gone = desk.poll().expect("said").expect_err("gone");
        assert!(gone.contains("hottap.toml is not there; put the configuration back"), "{gone}");
        assert_eq!(desk.poll(), None);
    }

    #[test]
    fn a_file_without_end_is_not_read_to_its_end() {
        let mut desk = Desk::new();
        desk.write(&"# long\n".repeat(200_000));
        let error = desk.poll().expect("said").expect_err("too large");
        assert!(error.contains("more than 1048576 bytes"), "{error}");
        fs::remove_file(&desk.file.path).expect("removed");
        fs::create_dir(&desk.file.path).expect("made");
        // Whether it is told from the file that stood there is up to the file system.
        let error = desk.poll().or_else(|| desk.later()).expect("said").expect_err("a directory");
        assert!(error.contains("cannot be read"), "{error}");
    }
}
