//! The files of chaos: carries out the acts of the plan in the plugin dir and beside it.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::outlet::Outlet;
use super::plan::{Act, Breakage, FICKLE};
use crate::files::{Places, place, read, write};
use crate::shop::COUNTED_SCOPE;
use crate::shop::report::COUNTED;

/// The tracer that spins for ever.
pub(super) const SPIN: &str = "spin";
/// The tracer that comes and goes.
pub(super) const VISITOR: &str = "visitor";
/// The tracer whose files are broken and mended.
const PATCHED: &str = "patched";
/// The tracer that sends to the destination.
const SENDER: &str = "influxdb";
/// The servers' side alone: the clients' is the counted tracer's.
const PATCHED_MANIFEST: &str = "[scope]\nsides = [\"server\"]\n";
/// Often, so that there is something to be delivered while the destination fails.
const SENDER_MANIFEST: &str = "destinations = [\"influx\"]\n[config]\ninterval_ms = 200\nbounds_ms = []\n";
/// Pieces in which a module is written in place.
const PIECES: usize = 8;

/// The plugin dir, the operator's configuration, and the modules to put there.
pub(super) struct Stage {
    plugins: PathBuf,
    config: PathBuf,
    good_config: String,
    builds: [PathBuf; 2],
    sender: PathBuf,
    herald: PathBuf,
    spin: PathBuf,
    fickle: PathBuf,
    /// The build of the counted tracer that was placed last.
    build: usize,
}

impl Stage {
    /// Writes the configuration; the plugin dir stays empty.
    ///
    /// # Errors
    /// A guest has not been built, or a file cannot be written.
    pub(super) fn new(places: &Places, plugins: PathBuf, config: PathBuf, outlet: &Outlet) -> anyhow::Result<Self> {
        let stage = Self {
            plugins,
            config,
            good_config: outlet.config(),
            builds: [places.module("red-metrics")?, places.module("red-metrics-extra")?],
            sender: places.module("influxdb")?,
            herald: places.module("herald")?,
            spin: places.module("spin")?,
            fickle: places.module("fickle")?,
            build: 0,
        };
        write(&stage.config, stage.good_config.as_bytes())?;
        Ok(stage)
    }

    /// Puts the tracers there that are well and stay: the counted one, the sender, and the one to be patched. Returns
    /// their names.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) fn open(&mut self) -> anyhow::Result<[&'static str; 3]> {
        self.place(COUNTED, COUNTED_SCOPE, &self.builds[0])?;
        self.place(SENDER, SENDER_MANIFEST, &self.sender)?;
        self.place(PATCHED, PATCHED_MANIFEST, &self.builds[0])?;
        Ok([COUNTED, SENDER, PATCHED])
    }

    /// Takes the tracers away that fail on purpose.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub(super) fn remove_fickle(&self) -> anyhow::Result<()> {
        FICKLE.into_iter().try_for_each(|name| self.remove(name))
    }

    /// Carries out one act.
    ///
    /// # Errors
    /// A file cannot be written or removed.
    pub(super) fn act(&mut self, act: &Act, outlet: &Outlet) -> anyhow::Result<()> {
        match act {
            Act::SwapCounted => {
                self.build = 1 - self.build;
                place(&self.builds[self.build], &self.module(COUNTED))
            }
            Act::Fail { tracer, manifest } => self.place(tracer, manifest, &self.fickle),
            Act::AddSpin => self.place(SPIN, "", &self.spin),
            Act::RemoveSpin => self.remove(SPIN),
            Act::AddVisitor { fresh, starter } => self.visit(*fresh, *starter),
            Act::RemoveVisitor => self.remove(VISITOR),
            Act::Break(breakage) => self.break_files(*breakage),
            Act::Mend => self.place(PATCHED, PATCHED_MANIFEST, &self.builds[0]),
            Act::Destination(mood) => {
                outlet.feel(*mood);
                Ok(())
            }
            Act::Configure { broken: false } => write(&self.config, self.good_config.as_bytes()),
            Act::Configure { broken: true } => write(&self.config, b"[destinations.influx\nurl = \"http://"),
        }
    }

    fn visit(&self, fresh: Option<u64>, starter: bool) -> anyhow::Result<()> {
        let module = if starter { &self.herald } else { &self.builds[1] };
        let mut bytes = read(module)?;
        if let Some(fresh) = fresh {
            bytes.extend(custom_section(b"visit", &fresh.to_le_bytes()));
        }
        write(&self.module(VISITOR), &bytes)
    }

    fn break_files(&self, breakage: Breakage) -> anyhow::Result<()> {
        let good = read(&self.builds[0])?;
        let (module, manifest) = (self.module(PATCHED), self.manifest(PATCHED));
        let middle = good.len() / 2;
        match breakage {
            Breakage::CutShort => write(&module, &good[..middle]),
            Breakage::Text => write(&module, b"#!/bin/sh\necho hello\n"),
            Breakage::Empty => write(&module, b""),
            Breakage::Flipped => {
                let mut bytes = good;
                bytes[middle..].iter_mut().step_by(97).for_each(|byte| *byte ^= 0x55);
                write(&module, &bytes)
            }
            Breakage::InPieces => in_pieces(&module, &read(&self.builds[1])?),
            Breakage::Manifest => write(&manifest, b"[scope\nsides = \"\x1b[31m"),
            Breakage::Digest => write(&manifest, format!("sha256 = \"{}\"\n", "0".repeat(64)).as_bytes()),
        }
    }

    /// A manifest and then its module; an empty manifest is none.
    fn place(&self, name: &str, manifest: &str, module: &Path) -> anyhow::Result<()> {
        if !manifest.is_empty() {
            write(&self.manifest(name), manifest.as_bytes())?;
        }
        place(module, &self.module(name))
    }

    fn remove(&self, name: &str) -> anyhow::Result<()> {
        for file in [self.module(name), self.manifest(name)] {
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {}", file.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn module(&self, name: &str) -> PathBuf {
        self.plugins.join(format!("{name}.wasm"))
    }

    fn manifest(&self, name: &str) -> PathBuf {
        self.plugins.join(format!("{name}.toml"))
    }
}

/// Writes a file in place, as a slow copy does.
fn in_pieces(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let context = || format!("cannot write {}", file.display());
    let mut open = std::fs::File::create(file).with_context(context)?;
    for piece in bytes.chunks(bytes.len().div_ceil(PIECES).max(1)) {
        open.write_all(piece).and_then(|()| open.flush()).with_context(context)?;
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    Ok(())
}

/// A section without a meaning. Both lengths fit into a byte.
fn custom_section(name: &[u8], data: &[u8]) -> Vec<u8> {
    [&[0, (1 + name.len() + data.len()) as u8, name.len() as u8], name, data].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_section_is_as_long_as_it_says() {
        assert_eq!(custom_section(b"visit", &[7; 8]), *b"\0\x0e\x05visit\x07\x07\x07\x07\x07\x07\x07\x07");
    }

    #[test]
    fn a_file_written_in_pieces_is_whole_at_the_end() {
        let file = std::env::temp_dir().join(format!("demo-pieces-{}", std::process::id()));
        let bytes: Vec<u8> = (0..1_001_u32).map(|byte| byte as u8).collect();
        in_pieces(&file, &bytes).expect("the temporary folder can be written");
        assert_eq!(std::fs::read(&file).expect("it is there"), bytes);
        drop(std::fs::remove_file(file));
    }
}
