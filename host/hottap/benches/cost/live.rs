//! A Hottap with tracers live in it.

use std::time::{Duration, Instant};

use hottap::Hottap;
use tempfile::TempDir;

use crate::guests;

/// Compiling a tracer takes a fraction of a second; on a machine that is busy, some of them.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps the plugin dir for as long as it is used.
pub(crate) struct Live {
    pub(crate) tap: Hottap,
    _folder: TempDir,
}

impl Live {
    /// With so many copies of red-metrics, each under a name of its own.
    ///
    /// # Errors
    /// The module was not built, or does not go live.
    pub(crate) fn start(copies: usize) -> Result<Self, String> {
        Self::with_manifest(copies, "")
    }

    /// The same, each copy with this manifest.
    ///
    /// # Errors
    /// See [`Live::start`].
    pub(crate) fn with_manifest(copies: usize, manifest: &str) -> Result<Self, String> {
        Self::of("red-metrics", copies, manifest)
    }

    /// With copies of another tracer.
    ///
    /// # Errors
    /// See [`Live::start`].
    pub(crate) fn of(tracer: &str, copies: usize, manifest: &str) -> Result<Self, String> {
        Self::configured(tracer, copies, manifest, "")
    }

    /// With one copy of a tracer, which sends what it makes to this URL by the destination's name.
    ///
    /// # Errors
    /// See [`Live::start`].
    pub(crate) fn sending(tracer: &str, destination: &str, url: &str) -> Result<Self, String> {
        let manifest = format!("destinations = [\"{destination}\"]\n");
        let config = format!("[destinations.{destination}]\nurl = \"{url}\"\ntracers = [\"{tracer}-0\"]\n");
        Self::configured(tracer, 1, &manifest, &config)
    }

    /// With one copy of a tracer that may record every event.
    ///
    /// # Errors
    /// See [`Live::start`].
    pub(crate) fn detailed(tracer: &str, manifest: &str) -> Result<Self, String> {
        Self::configured(tracer, 1, manifest, &format!("[tracers.{tracer}-0]\nlevel = \"detailed\"\n"))
    }

    fn configured(tracer: &str, copies: usize, manifest: &str, config: &str) -> Result<Self, String> {
        Self::made(tracer, &guests::rust(tracer)?, copies, manifest, config)
    }

    /// With one tracer of these bytes.
    ///
    /// # Errors
    /// It does not go live.
    pub(crate) fn module(tracer: &str, module: &[u8]) -> Result<Self, String> {
        Self::made(tracer, module, 1, "", "")
    }

    fn made(tracer: &str, module: &[u8], copies: usize, manifest: &str, config: &str) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let (plugins, operators) = (folder.path().join("plugins"), folder.path().join("hottap.toml"));
        std::fs::create_dir(&plugins).map_err(|error| error.to_string())?;
        std::fs::write(&operators, config).map_err(|error| error.to_string())?;
        for copy in 0..copies {
            let file = plugins.join(format!("{tracer}-{copy}"));
            // The manifest first: a module without one would be live with another scope for a moment.
            std::fs::write(file.with_extension("toml"), manifest).map_err(|error| error.to_string())?;
            std::fs::write(file.with_extension("wasm"), module).map_err(|error| error.to_string())?;
        }
        let builder = Hottap::builder().service("bench").plugin_dir(plugins).config(operators);
        let live = Self { tap: builder.start().map_err(|error| error.to_string())?, _folder: folder };
        let began = Instant::now();
        while live.count("/state", |state| state == "live") < copies {
            if began.elapsed() > PATIENCE {
                return Err(format!("{tracer} does not go live: {:#}", live.tap.tracers()));
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        Ok(live)
    }

    /// A look at what was measured: every call was handed to every plugin.
    ///
    /// # Errors
    /// Calls were dropped: then it is not the way to a metric that was measured.
    pub(crate) fn nothing_dropped(&self) -> Result<(), String> {
        let dropped = self.count("/dropped", |dropped| dropped.as_object().is_some_and(|reasons| !reasons.is_empty()));
        if dropped == 0 { Ok(()) } else { Err(format!("calls were dropped: {:#}", self.tap.tracers())) }
    }

    /// A look at what was measured: every call was started.
    ///
    /// # Errors
    /// Starts were skipped or missed.
    pub(crate) fn all_started(&self) -> Result<(), String> {
        let tracers = self.tap.tracers();
        let start = &tracers["tracers"][0]["start"];
        let skipped = start["skipped"].as_object().into_iter().flatten().any(|(_, calls)| calls != 0);
        let well = start["calls"].as_u64() > Some(0) && start["misses"] == 0 && !skipped;
        if well { Ok(()) } else { Err(format!("not every call was started: {start:#}")) }
    }

    fn count(&self, pointer: &str, is: impl Fn(&serde_json::Value) -> bool) -> usize {
        let tracers = self.tap.tracers();
        let list = tracers["tracers"].as_array().map_or(&[][..], Vec::as_slice);
        list.iter().filter(|tracer| tracer.pointer(pointer).is_some_and(&is)).count()
    }
}
