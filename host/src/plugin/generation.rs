//! One loaded version of a plugin.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::manifest::Manifest;
use super::name::Name;
use crate::collect::sample;
use crate::metrics::{Registry, RegistryLimits, SeriesLimits, Stage};
use crate::wasm::{CallError, Cause, Guest, Identity, Limits, Module, Settings, Surroundings};

/// Names a generation: the SHA-256 of module and manifest, of which the first six bytes are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct GenerationId([u8; 32]);

impl GenerationId {
    pub(crate) fn of(module: &[u8; 32], manifest: &[u8]) -> Self {
        Self(Sha256::new().chain_update(module).chain_update(manifest).finalize().into())
    }
}

impl fmt::Debug for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(6).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One loaded version of a plugin: compiled, and tried on a canary.
pub(crate) struct Generation {
    pub(crate) id: GenerationId,
    pub(crate) name: Name,
    pub(crate) manifest: Manifest,
    pub(crate) settings: Settings,
    module: Module,
    limits: Limits,
    identity: Arc<Identity>,
}

impl Generation {
    /// Tries a compiled module on a throw-away instance: `init`, a made-up batch, `flush`. Nothing of it is kept but
    /// what the tracer asked for; the instance is handed over for those who want to see what it did.
    pub(crate) fn try_out(
        id: GenerationId,
        name: Name,
        manifest: Manifest,
        module: Module,
        identity: Arc<Identity>,
        now: u64,
    ) -> Result<(Self, Box<dyn Guest>), CallError> {
        let mut generation =
            Self { id, name, manifest, settings: Settings::default(), module, limits: Limits::default(), identity };
        let nowhere = Arc::new(Registry::new(RegistryLimits::default()));
        let mut canary = generation.instance(&nowhere, None, now)?;
        generation.settings = canary.settings();
        if let Some(calls) = sample(now, generation.settings.level) {
            canary.finish(calls)?;
        }
        canary.flush(Cause::Period, now, 1)?;
        Ok((generation, canary))
    }

    /// A new instance, with the state that was last committed.
    pub(crate) fn instance(
        &self,
        registry: &Arc<Registry>,
        state: Option<Vec<u8>>,
        now: u64,
    ) -> Result<Box<dyn Guest>, CallError> {
        let stage = Stage::new(registry.clone(), self.name.shared().clone(), SeriesLimits::default());
        let surroundings =
            Surroundings { config: self.manifest.config.clone(), identity: self.identity.clone(), state, now };
        self.module.instance(self.name.shared(), self.limits, stage, &surroundings)
    }
}
