//! The loading of one plugin, step by step: read, hash, check, compile, try out.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::generation::{Generation, GenerationId, Given};
use super::manifest::{self, Manifest, ManifestError};
use super::name::Name;
use super::operator::Operator;
use super::remedy;
use super::scan::Found;
use super::turns::Length;
use crate::config::{Grants, Stamp};
use crate::wasm::{CallError, Cancel, Engines, Guest, Identity, LoadError, Module, with_cutoff};
use hottap_core::panics::{Panic, Place, caught};
use hottap_core::rpc::Clock;
use hottap_io::read;
use hottap_io::read::ReadError;

/// A file that changed less long ago than this may still be being written, so its failure is not yet final.
pub(crate) const SETTLE: Duration = Duration::from_secs(2);
/// The threads that load give way to everything else: a compile takes seconds of a whole core.
pub(crate) const NICENESS: i32 = 10;

/// Why a plugin was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{path} cannot be read: {error}", path = .path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{path} changed while it was read", path = .path.display())]
    Changed { path: PathBuf },
    #[error("{path} has more than {limit} bytes", path = .path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("{path} {error}", path = .path.display())]
    Manifest { path: PathBuf, error: ManifestError },
    #[error("{path} has the SHA-256 {found}, its manifest allows only {allowed}", path = .path.display())]
    Digest { path: PathBuf, found: String, allowed: String },
    #[error("{path}: {error}", path = .path.display())]
    Load { path: PathBuf, error: LoadError },
    #[error("{path} was tried on a made-up batch and {error}", path = .path.display())]
    Canary { path: PathBuf, error: CallError },
    /// `init` refused, and the manifest has a `[config]`.
    #[error("{path} has a {key} that the tracer does not take: init refused: {words}", path = .path.display(), key = key.as_ref().map_or("[config]".into(), |key| format!("`{key}`")))]
    Config { path: PathBuf, key: Option<String>, words: String },
    #[error("{path} defines destinations, which only the operator may", path = .path.display())]
    Untrusted { path: PathBuf },
    /// A fault of the host's, and none of the file's.
    #[error("{path} was not loaded: {panic}", path = .path.display())]
    Panicked { path: PathBuf, panic: Panic },
    #[error("{path}: there are {limit} live plugins already", path = .path.display())]
    NoSlot { path: PathBuf, limit: usize },
    #[error("{path}: {limit} live plugins act at the start of calls already", path = .path.display())]
    NoStart { path: PathBuf, limit: usize },
}

impl Refusal {
    /// Returns true if there is no memory for it now: later there may be.
    pub(crate) fn is_lack_of_memory(&self) -> bool {
        match self {
            Self::Load { error, .. } => matches!(error, LoadError::OverBudget(_) | LoadError::Machine { .. }),
            Self::Canary { error, .. } => error.is_lack_of_memory(),
            _ => false,
        }
    }

    /// Returns true if what was found is not there any more: a file is gone, or another one. The next look finds what
    /// is there then. A link that leads nowhere is there.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Changed { .. } => true,
            Self::Read { path, error } => {
                error.kind() == io::ErrorKind::NotFound
                    && path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
            }
            _ => false,
        }
    }
}

/// A plugin that is to be loaded.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) name: Name,
    pub(crate) found: Found,
    /// The generation that is live, and the one that it was rolled back from: nothing is compiled if the files are the
    /// same again.
    pub(crate) known: Vec<GenerationId>,
    pub(crate) cancel: Cancel,
}

/// The result of a job.
pub(crate) enum Loaded {
    Ready(Box<Generation>),
    /// The files are those of the live generation.
    Same,
    /// The manifest says `enabled = false`.
    Disabled,
}

/// Modules that are compiled within this time, by the estimate, are compiled at once, between others.
const SHORT_COMPILE: Duration = Duration::from_millis(500);
/// The CPU time that a module may use in its trial, and how long others go before it. A module that needs more is tried
/// again with the next one, when others have had their turns: with 64 modules that spin, another one waits for seconds
/// and not for minutes. The last one is bounded by the limits of each call.
const TRIALS: [(Duration, Duration); 3] = [
    (Duration::from_millis(25), Duration::ZERO),
    (Duration::from_millis(250), Duration::from_secs(1)),
    (Duration::MAX, Duration::from_secs(10)),
];
/// Time that reading and checking a byte takes, in nanoseconds: 64 MiB take a second.
const READ_NANOS: u64 = 15;

/// A job, and how far it has come.
pub(super) struct Step {
    job: Job,
    stage: Stage,
}

enum Stage {
    /// Read and check it; compile it if that is over soon.
    Read,
    /// Read it again, and compile it: those that wait for this keep no module in memory.
    Compile,
    /// Try the compiled module, within the time of this trial.
    Try(Box<Files>, Module, usize),
}

/// The turn that a step asks for.
pub(crate) struct Turn {
    pub(crate) expected: Duration,
    pub(crate) length: Length,
}

/// The result of a step.
pub(crate) enum Outcome {
    Done(Result<Loaded, Refusal>),
    Again(Box<Step>, Turn),
    /// Nobody waits for the result any more.
    Cancelled,
}

impl Step {
    /// The first step of a job.
    pub(crate) fn first(job: Job) -> (Self, Turn) {
        let expected = Duration::from_nanos(job.found.module.size().saturating_mul(READ_NANOS));
        (Self { job, stage: Stage::Read }, Turn { expected, length: Length::Short })
    }

    pub(crate) fn job(&self) -> &Job {
        &self.job
    }
}

/// Takes the steps of jobs.
pub(crate) struct Loader {
    pub(crate) directory: PathBuf,
    pub(crate) engines: Engines,
    pub(crate) identity: Arc<Identity>,
    pub(crate) operator: Arc<Operator>,
}

impl Loader {
    pub(crate) fn path(&self, name: &Name) -> PathBuf {
        self.directory.join(format!("{name}.wasm"))
    }

    pub(crate) fn step(&self, step: Step) -> Outcome {
        let Step { job, stage } = step;
        match stage {
            Stage::Read => self.read(job, false),
            Stage::Compile => self.read(job, true),
            Stage::Try(files, module, trial) => self.try_out(job, *files, module, trial),
        }
    }

    /// Reads, checks and compiles, or asks for a long turn to compile in.
    fn read(&self, job: Job, has_long_turn: bool) -> Outcome {
        let found = match self.check(&job) {
            Ok(found) => found,
            Err(refusal) => return Outcome::Done(Err(refusal)),
        };
        let (mut files, checked) = match found {
            Checked::Settled(loaded) => return Outcome::Done(Ok(loaded)),
            Checked::New(files, checked) => (files, checked),
        };
        let expected = checked.work.time();
        if expected > SHORT_COMPILE && !has_long_turn {
            return Outcome::Again(
                Box::new(Step { job, stage: Stage::Compile }),
                Turn { expected, length: Length::Long },
            );
        }
        let compiled = Module::compile(&self.engines, &files.module, checked, &job.cancel);
        // A job that waits for a trial keeps no bytes.
        files.module = Vec::new();
        match compiled {
            _ if job.cancel.is_cancelled() => Outcome::Cancelled,
            Err(error) => Outcome::Done(Err(Refusal::Load { path: files.path, error })),
            Ok(module) => self.try_out(job, *files, module, 0),
        }
    }

    /// Reads and checks the files before anything is compiled.
    fn check(&self, job: &Job) -> Result<Checked, Refusal> {
        let files = Files::read(&self.directory, &job.name, job.found.manifest.is_some())?;
        files.check_found(&job.found)?;
        if !files.manifest.enabled {
            return Ok(Checked::Settled(Loaded::Disabled));
        }
        files.check_digest()?;
        if !self.operator.trusts_plugin_dir() {
            files.check_trust()?;
        }
        if job.known.contains(&files.id(&self.operator.grants(&job.name))) {
            return Ok(Checked::Settled(Loaded::Same));
        }
        let checked = files.check_bounds()?;
        Ok(Checked::New(Box::new(files), checked))
    }

    fn try_out(&self, job: Job, files: Files, module: Module, trial: usize) -> Outcome {
        let (limit, _) = TRIALS.get(trial).copied().unwrap_or((Duration::MAX, Duration::ZERO));
        let grants = self.operator.grants(&job.name);
        let given = Given { identity: self.identity.clone(), grants, outbox: self.operator.outbox.clone() };
        let (kept, kept_module) = (files.clone(), module.clone());
        let (result, cut_off) = with_cutoff(&job.cancel, limit, || files.try_out(module, given));
        match (result, TRIALS.get(trial + 1)) {
            _ if job.cancel.is_cancelled() => Outcome::Cancelled,
            (Err(_), Some((_, expected))) if cut_off => {
                let stage = Stage::Try(Box::new(kept), kept_module, trial + 1);
                Outcome::Again(Box::new(Step { job, stage }), Turn { expected: *expected, length: Length::Long })
            }
            (result, _) => Outcome::Done(result.map(|(generation, _)| Loaded::Ready(Box::new(generation)))),
        }
    }
}

/// A panic in one job refuses its file; the next job is done.
pub(super) fn or_refused<L>(path: PathBuf, load: impl FnOnce() -> L, refused: impl FnOnce(Refusal) -> L) -> L {
    caught(Place::Loader, load).unwrap_or_else(|panic| refused(Refusal::Panicked { path, panic }))
}

/// A job's files, once they are read.
enum Checked {
    /// There is nothing to compile.
    Settled(Loaded),
    New(Box<Files>, crate::wasm::Checked),
}

/// What stands in the plugin dir under one name, read once and whole: what is looked at is what is loaded.
#[derive(Clone)]
pub struct Files {
    name: Name,
    path: PathBuf,
    pub module: Vec<u8>,
    pub digest: [u8; 32],
    pub manifest: Manifest,
    manifest_bytes: Vec<u8>,
    /// The files as they were when they had been read.
    read: Found,
}

impl Files {
    /// Reads a module, and its manifest if it has one.
    pub fn read(directory: &Path, name: &Name, has_manifest: bool) -> Result<Self, Refusal> {
        let path = directory.join(format!("{name}.wasm"));
        let (module, of_module) = read(&path, crate::wasm::MAX_FILE_BYTES)?;
        let (manifest, manifest_bytes, of_manifest) = if has_manifest {
            let path = directory.join(format!("{name}.toml"));
            let (bytes, stamp) = read(&path, manifest::MAX_BYTES)?;
            let manifest = Manifest::parse(name.as_str(), &bytes).map_err(|error| Refusal::Manifest { path, error })?;
            (manifest, bytes, Some(stamp))
        } else {
            (Manifest::default(), Vec::new(), None)
        };
        let digest = Sha256::digest(&module).into();
        let read = Found { module: of_module, manifest: of_manifest };
        Ok(Self { name: name.clone(), path, module, digest, manifest, manifest_bytes, read })
    }

    /// Checks that the files are those that the look at the directory found. Else a file was being written, or the
    /// directory was replaced in between, and the module may be read beside another one's manifest.
    fn check_found(&self, found: &Found) -> Result<(), Refusal> {
        if self.read == *found { Ok(()) } else { Err(Refusal::Changed { path: self.path.clone() }) }
    }

    /// The generation that these files are, with what the operator grants.
    pub fn id(&self, grants: &Grants) -> GenerationId {
        GenerationId::of(&self.digest, &self.manifest_bytes, grants)
    }

    /// The manifest may allow only certain bytes.
    pub fn check_digest(&self) -> Result<(), Refusal> {
        match self.manifest.sha256 {
            Some(allowed) if allowed != self.digest => {
                Err(Refusal::Digest { path: self.path.clone(), found: hex(&self.digest), allowed: hex(&allowed) })
            }
            _ => Ok(()),
        }
    }

    /// A manifest may define destinations only where the operator trusts the plugin dir.
    pub fn check_trust(&self) -> Result<(), Refusal> {
        let path = self.path.with_extension("toml");
        if self.manifest.defines.is_empty() { Ok(()) } else { Err(Refusal::Untrusted { path }) }
    }

    /// Holds the module's structure against its bounds.
    pub(crate) fn check_bounds(&self) -> Result<crate::wasm::Checked, Refusal> {
        crate::wasm::check(&self.module).map_err(|error| Refusal::Load { path: self.path.clone(), error })
    }

    /// Checks the module's structure, imports and exports, and compiles it.
    #[cfg(feature = "compiler")]
    pub fn compile(&self, engines: &Engines) -> Result<Module, Refusal> {
        let checked = self.check_bounds()?;
        Module::compile(engines, &self.module, checked, &Cancel::default())
            .map_err(|error| Refusal::Load { path: self.path.clone(), error })
    }

    /// Tries the compiled module on a canary, which is handed over beside the generation: nothing that it did counts
    /// for anything. Runs the guest on this thread, which must have [`crate::wasm::WORKER_STACK`].
    pub fn try_out(self, module: Module, given: Given) -> Result<(Generation, Box<dyn Guest>), Refusal> {
        let id = self.id(&given.grants);
        let clock = Clock::get();
        let now = clock.unix(clock.now());
        let config = self.manifest.config.clone();
        Generation::try_out(id, self.name, self.manifest, module, given, now).map_err(|error| match error {
            CallError::Init(words) if config != manifest::NO_CONFIG => {
                let config = serde_json::from_str(&config).unwrap_or_default();
                let path = self.path.with_extension("toml");
                Refusal::Config { path, key: remedy::named_key(&config, &words), words }
            }
            error => Refusal::Canary { path: self.path, error },
        })
    }
}

/// Reads a whole file, but no more than it may have.
fn read(path: &Path, limit: u64) -> Result<(Vec<u8>, Stamp), Refusal> {
    match read::read(path, limit) {
        Ok(whole) => Ok((whole.bytes, Stamp::of(&whole.metadata))),
        Err(ReadError::Io(error)) => Err(Refusal::Read { path: path.to_owned(), error }),
        Err(ReadError::TooLarge { limit }) => Err(Refusal::TooLarge { path: path.to_owned(), limit }),
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::plugin::scan::scan;

    #[test]
    fn a_module_is_not_loaded_beside_a_manifest_that_the_look_did_not_find() {
        let directory = tempfile::tempdir().expect("a directory");
        let put = |file: &str, text: &str| {
            fs::write(directory.path().join("draft"), text).expect("written");
            fs::rename(directory.path().join("draft"), directory.path().join(file)).expect("renamed");
        };
        let name = Name::new("one").expect("a name");
        let found = || {
            let look = scan(directory.path(), [].into_iter()).expect("a look");
            *look.plugins.get(&name).expect("found")
        };
        let load = |found: &Found| {
            Files::read(directory.path(), &name, found.manifest.is_some()).and_then(|files| files.check_found(found))
        };
        put("one.wasm", "module");
        put("one.toml", "");
        let first = found();
        assert!(load(&first).is_ok());
        for file in ["one.toml", "one.wasm"] {
            let before = found();
            put(file, "enabled = false");
            let refusal = load(&before).expect_err("it is another one");
            assert!(matches!(refusal, Refusal::Changed { .. }) && refusal.is_passing(), "{refusal}");
            assert!(load(&found()).is_ok(), "the next look finds it");
        }
    }

    #[test]
    fn a_panic_while_a_file_is_loaded_refuses_that_file_and_says_what_to_do() {
        let path = PathBuf::from("plugins/odd.wasm");
        let refusal =
            or_refused::<Result<(), _>>(path.clone(), || panic!("an odd type"), Err).expect_err("it panicked");
        assert_eq!(
            refusal.to_string(),
            "plugins/odd.wasm was not loaded: an internal error: Hottap panicked on hottap-load: an odd type"
        );
        assert!(refusal.what_to_do().contains("report it") && !refusal.is_passing());
        assert!(or_refused(path, || Ok(7), Err).is_ok_and(|loaded| loaded == 7), "and the next one is loaded");
    }
}
