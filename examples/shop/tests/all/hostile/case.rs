//! One hostile input: the files that it consists of, and what has to become of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// The files that are put into the plugin dir under the case's name.
pub(super) enum Put {
    /// A module.
    Module(Vec<u8>),
    /// A good module, and this manifest.
    Manifest(Vec<u8>),
    /// A module, and this manifest.
    Both(Vec<u8>, Vec<u8>),
    /// A good module, and something that is no file in the manifest's place.
    OddManifest(Odd),
    /// Something that is no file in the module's place.
    OddModule(Odd),
    /// A file of so many bytes without any on the disk.
    Sparse(u64),
    /// A file whose name has these bytes.
    Named(&'static [u8]),
}

/// Something that is no file.
#[derive(Clone, Copy)]
pub(super) enum Odd {
    Directory,
    Pipe,
    /// A link to this.
    Link(&'static str),
}

/// The expected end of the case.
#[derive(Clone, Copy)]
pub(super) enum Becomes {
    /// It is not loaded, and the error has one of these words.
    Refused(&'static [&'static str]),
    /// It is live, then fails, and the error has one of these words.
    Fails(&'static [&'static str]),
    /// It is live and commits calls; nothing is wrong but what is counted.
    Lives,
    /// It is live or refused: that the service goes on is all that is asked.
    Either,
    /// It is no tracer's file: it is not loaded, whether it is listed or not.
    Nothing,
}

/// One input.
pub(super) struct Case {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) put: Put,
    pub(super) becomes: Becomes,
    /// The time that passes before the cause can be known, such as that of a deadline.
    pub(super) known_after: Duration,
}

impl Case {
    pub(super) fn new(kind: &'static str, name: impl Into<String>, put: Put, becomes: Becomes) -> Self {
        Self { kind, name: format!("{kind}-{}", name.into()), put, becomes, known_after: Duration::ZERO }
    }

    /// The same where the cause cannot be known sooner.
    pub(super) fn known_after(self, millis: u64) -> Self {
        Self { known_after: Duration::from_millis(millis), ..self }
    }

    /// Puts the files there: whole, each by a rename, the manifest first.
    pub(super) fn place(&self, plugins: &Path, good: &[u8]) {
        let (module, manifest) = self.paths(plugins);
        match &self.put {
            Put::Module(bytes) => write(&module, bytes),
            Put::Manifest(bytes) => {
                write(&manifest, bytes);
                write(&module, good);
            }
            Put::Both(bytes, text) => {
                write(&manifest, text);
                write(&module, bytes);
            }
            Put::OddManifest(odd) => {
                odd.make(&manifest);
                write(&module, good);
            }
            Put::OddModule(odd) => odd.make(&module),
            Put::Sparse(bytes) => {
                let draft = plugins.join("draft");
                fs::File::create(&draft).and_then(|file| file.set_len(*bytes)).expect("made");
                rename(&draft, &module);
            }
            Put::Named(name) => write(&plugins.join(named(name)), good),
        }
    }

    /// Takes them away.
    pub(super) fn remove(&self, plugins: &Path) {
        let (module, manifest) = self.paths(plugins);
        let named = if let Put::Named(name) = self.put { Some(plugins.join(named(name))) } else { None };
        for path in [module, manifest].into_iter().chain(named) {
            if path.is_dir() && !path.is_symlink() {
                fs::remove_dir_all(path).expect("removed");
            } else if path.symlink_metadata().is_ok() {
                fs::remove_file(path).expect("removed");
            }
        }
    }

    fn paths(&self, plugins: &Path) -> (PathBuf, PathBuf) {
        (plugins.join(format!("{}.wasm", self.name)), plugins.join(format!("{}.toml", self.name)))
    }
}

impl Odd {
    fn make(self, path: &Path) {
        match self {
            Self::Directory => fs::create_dir(path).expect("made"),
            Self::Pipe => assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo runs").success()),
            Self::Link(to) => symlink(to, path).expect("linked"),
        }
    }
}

fn named(name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(name).into()
}

/// Puts a file there whole, by a rename, as what was written a while ago: it need not rest before it counts.
pub(super) fn write(path: &Path, bytes: &[u8]) {
    let draft = path.with_file_name("draft");
    fs::write(&draft, bytes).expect("written");
    rename(&draft, path);
}

fn rename(draft: &Path, path: &Path) {
    let then = SystemTime::now() - Duration::from_secs(60);
    fs::File::options().write(true).open(draft).and_then(|file| file.set_modified(then)).expect("set");
    fs::rename(draft, path).expect("renamed");
}
