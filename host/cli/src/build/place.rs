//! Putting files where a service watches: whole or not at all, and only if they are new.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use hottap_io::read;
use hottap_io::read::ReadError;
use hottap_plugins::wasm::MAX_FILE_BYTES;

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// The file has these bytes now.
    New,
    /// It had them before: to a service a rewritten file would look like a change.
    Same,
}

/// Writes a file by a rename, so that nobody ever reads half of it.
///
/// # Errors
/// A path cannot be read or written. What stood there is untouched then.
pub(super) fn place(bytes: &[u8], to: &Path) -> anyhow::Result<Placed> {
    match read::read(to, MAX_FILE_BYTES) {
        Ok(there) if there.bytes == bytes => return Ok(Placed::Same),
        Ok(_) | Err(ReadError::TooLarge { .. }) => {}
        Err(ReadError::Io(error)) if error.kind() == ErrorKind::NotFound => {
            let folder = to.parent().unwrap_or(Path::new(""));
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", to.display())),
    }
    let draft = draft_of(to);
    let written = File::create(&draft)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, to));
    if written.is_err() {
        // A draft that cannot be removed is hidden, and no plugin dir takes it for a module.
        let _ = fs::remove_file(&draft);
    }
    written.with_context(|| format!("cannot write {}", to.display()))?;
    Ok(Placed::New)
}

/// Beside the file, because a rename stays within a file system; hidden, and with a name that is no module's and of no
/// other process.
fn draft_of(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}.{}-draft", std::process::id()))
}

/// The project's manifest on its way into a plugin dir. There it is the operator's: it is written where there is none,
/// and again as long as what stands there is what this process wrote.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    last: Option<Vec<u8>>,
}

/// What became of the manifest.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// The project has none, or the plugin dir has the same.
    Same,
    /// It stands in the plugin dir now.
    Placed,
    /// The plugin dir has another one, which stays.
    Theirs,
}

impl Manifest {
    /// Places the manifest if that takes nothing from the operator. To be called before its module is placed, which
    /// would go live without it otherwise.
    ///
    /// # Errors
    /// A path cannot be read or written.
    pub(super) fn place(&mut self, from: &Path, to: &Path) -> anyhow::Result<Kept> {
        let is_absent = |path: &Path| path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound);
        let read = |path: &Path| match read::read(path, MAX_FILE_BYTES) {
            Ok(whole) => Ok(Some(whole.bytes)),
            // A link that leads nowhere is there, and is the operator's.
            Err(_) if is_absent(path) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let Some(ours) = read(from)? else { return Ok(Kept::Same) };
        let kept = match read(to)? {
            Some(theirs) if theirs == ours => Kept::Same,
            Some(theirs) if self.last.as_ref() != Some(&theirs) => return Ok(Kept::Theirs),
            _ => {
                place(&ours, to)?;
                Kept::Placed
            }
        };
        self.last = Some(ours);
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_placed_whole_and_only_if_it_is_new() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let to = folder.path().join("plugins/a.wasm");
        assert_eq!(place(b"one", &to).expect("placed"), Placed::New);
        let modified = || fs::metadata(&to).and_then(|metadata| metadata.modified()).expect("there");
        let before = modified();
        assert_eq!(place(b"one", &to).expect("placed"), Placed::Same);
        assert_eq!(modified(), before);
        assert_eq!(place(b"two", &to).expect("placed"), Placed::New);
        assert_eq!(fs::read(&to).expect("there"), b"two");
        assert_eq!(fs::read_dir(folder.path().join("plugins")).expect("there").count(), 1, "no draft is left");
    }

    #[test]
    fn a_file_that_cannot_be_placed_leaves_no_draft() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let to = folder.path().join("a.wasm");
        fs::create_dir(&to).expect("made");
        place(b"one", &to).expect_err("a folder is in the way");
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1);
    }

    #[test]
    fn an_operators_manifest_stays() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let (from, to) = (folder.path().join("a.toml"), folder.path().join("plugins/a.toml"));
        let mut manifest = Manifest::default();
        assert_eq!(manifest.place(&from, &to).expect("read"), Kept::Same, "the project has none");
        fs::write(&from, "one").expect("written");
        assert_eq!(manifest.place(&from, &to).expect("placed"), Kept::Placed);
        assert_eq!(manifest.place(&from, &to).expect("placed"), Kept::Same);
        fs::write(&from, "two").expect("written");
        assert_eq!(manifest.place(&from, &to).expect("placed"), Kept::Placed, "nobody else has written it");
        fs::write(&to, "the operator's").expect("written");
        assert_eq!(manifest.place(&from, &to).expect("read"), Kept::Theirs);
        assert_eq!(fs::read(&to).expect("there"), b"the operator's");
        assert_eq!(Manifest::default().place(&from, &to).expect("read"), Kept::Theirs, "nor in another process");
    }
}
