//! The loading of one plugin, on a thread of its own: read, hash, check, compile, try out.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::generation::{Generation, GenerationId, Given};
use super::manifest::{self, Manifest, ManifestError};
use super::name::Name;
use super::operator::Operator;
use super::scan::Found;
use super::supervisor::Event;
use crate::rpc::Clock;
use crate::wasm::{CallError, Engines, Identity, LoadError};

/// A file that changed less long ago than this may still be being written, so its failure is not yet final.
pub(crate) const SETTLE: Duration = Duration::from_secs(2);
/// The loader gives way to everything else: a compile takes seconds of a whole core.
pub(crate) const NICENESS: i32 = 10;

/// Why a plugin was not loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{path} cannot be read: {error}", path = .path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{path} has more than {limit} bytes", path = .path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("{path} {error}; correct the manifest", path = .path.display())]
    Manifest { path: PathBuf, error: ManifestError },
    #[error("{path} has the SHA-256 {found}, its manifest allows only {allowed}", path = .path.display())]
    Digest { path: PathBuf, found: String, allowed: String },
    #[error("{path}: {error}", path = .path.display())]
    Load { path: PathBuf, error: LoadError },
    #[error("{path} was tried on a made-up batch and {error}; mend the tracer", path = .path.display())]
    Canary { path: PathBuf, error: CallError },
    #[error("{path} defines destinations, which only the operator may: define them in hottap.toml, or set trust_plugin_dir = true there", path = .path.display())]
    Untrusted { path: PathBuf },
    #[error("{path}: there are {limit} live plugins already; remove one", path = .path.display())]
    NoSlot { path: PathBuf, limit: usize },
    #[error("{path}: {limit} live plugins act at the start of calls already; remove one", path = .path.display())]
    NoStart { path: PathBuf, limit: usize },
}

/// What is to be loaded.
pub(crate) struct Job {
    pub(crate) name: Name,
    pub(crate) found: Found,
    /// The generation that is live: nothing is compiled if the files are the same again.
    pub(crate) live: Option<GenerationId>,
}

/// What came of it.
pub(crate) enum Loaded {
    Ready(Box<Generation>),
    /// The files are those of the live generation.
    Same,
    /// The manifest says `enabled = false`.
    Disabled,
}

/// Loads what is asked for, one after the other, until nobody asks any more.
pub(crate) struct Loader {
    pub(crate) directory: PathBuf,
    pub(crate) engines: Engines,
    pub(crate) identity: Arc<Identity>,
    pub(crate) operator: Arc<Operator>,
}

impl Loader {
    pub(crate) fn run(&self, jobs: &Receiver<Job>, results: &Sender<Event>) {
        crate::plugin::pool::lower_priority(NICENESS);
        for job in jobs {
            let result = self.load(&job);
            if results.send(Event::Loaded(job.name, job.found, result)).is_err() {
                return;
            }
        }
    }

    fn load(&self, job: &Job) -> Result<Loaded, Refusal> {
        let path = self.directory.join(format!("{}.wasm", job.name));
        let bytes = read(&path, crate::wasm::MAX_FILE_BYTES)?;
        let (manifest, manifest_bytes) = match job.found.manifest {
            None => (Manifest::default(), Vec::new()),
            Some(_) => {
                let path = self.directory.join(format!("{}.toml", job.name));
                let bytes = read(&path, manifest::MAX_BYTES)?;
                let manifest = Manifest::parse(job.name.as_str(), &bytes)
                    .map_err(|error| Refusal::Manifest { path: path.clone(), error })?;
                if !manifest.defines.is_empty() && !self.operator.trusts_plugin_dir() {
                    return Err(Refusal::Untrusted { path });
                }
                (manifest, bytes)
            }
        };
        if !manifest.enabled {
            return Ok(Loaded::Disabled);
        }
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        if let Some(allowed) = manifest.sha256
            && allowed != digest
        {
            return Err(Refusal::Digest { path, found: hex(&digest), allowed: hex(&allowed) });
        }
        let grants = self.operator.grants(&job.name);
        let id = GenerationId::of(&digest, &manifest_bytes, &grants);
        if job.live == Some(id) {
            return Ok(Loaded::Same);
        }
        let module = crate::wasm::Module::compile(&self.engines, &bytes)
            .map_err(|error| Refusal::Load { path: path.clone(), error })?;
        let clock = Clock::new();
        let now = clock.unix(clock.now());
        let surroundings = Given { identity: self.identity.clone(), grants, outbox: self.operator.outbox.clone() };
        Generation::try_out(id, job.name.clone(), manifest, module, surroundings, now)
            .map(|generation| Loaded::Ready(Box::new(generation)))
            .map_err(|error| Refusal::Canary { path, error })
    }
}

/// Reads a whole file, but no more than it may have.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(|error| Refusal::Read { path: path.to_owned(), error })?;
    if bytes.len() as u64 > limit {
        return Err(Refusal::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
