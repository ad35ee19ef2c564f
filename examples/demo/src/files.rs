//! Where built things lie, where a run writes, and files that change at once.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The folders and programs that a run is told of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Places {
    /// The folder of the built guests, `NAME.wasm` each.
    pub(crate) guests: PathBuf,
    /// The shop's program.
    pub(crate) shop: PathBuf,
    /// Cargo's target directory; each command has a folder of its own below it.
    pub(crate) target: PathBuf,
}

impl Places {
    /// The module of that name.
    ///
    /// # Errors
    /// It has not been built.
    pub(crate) fn module(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.guests.join(format!("{name}.wasm"));
        if !path.is_file() {
            bail!("the guest {name:?} has not been built; run `cargo xtask guests {name}`");
        }
        Ok(path)
    }

    /// A folder below the target directory for this command alone, with an empty plugin dir in it, without what an
    /// earlier run left.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn empty_plugin_dir(&self, command: &str) -> anyhow::Result<PathBuf> {
        let folder = self.target.join(command).join("plugins");
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }
}

/// A path as it is best shown: relative to the current directory where it lies below it.
pub(crate) fn shown(path: &Path) -> std::path::Display<'_> {
    std::env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path).display()
}

/// Copies a module into the plugin dir, where the service never reads half of it. A file with the same bytes is left
/// alone: to a watcher it would look like a change.
///
/// # Errors
/// A path cannot be read or written.
pub(crate) fn place(from: &Path, to: &Path) -> anyhow::Result<()> {
    let bytes = read(from)?;
    if std::fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    write(to, &bytes)
}

/// Writes a file whole, by an atomic rename.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let draft = file.with_extension("draft");
    std::fs::write(&draft, bytes)
        .and_then(|()| std::fs::rename(&draft, file))
        .with_context(|| format!("cannot write {}", file.display()))
}

/// Reads a file.
///
/// # Errors
/// It cannot be read.
pub(crate) fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placed_module_has_the_bytes_and_leaves_nothing_beside_it() {
        let folder = std::env::temp_dir().join(format!("demo-place-{}", std::process::id()));
        let (from, plugins) = (folder.join("from"), folder.join("plugins"));
        std::fs::create_dir_all(&plugins).expect("the temporary folder can be made");
        let to = plugins.join("tracer.wasm");
        for bytes in [b"one".as_slice(), b"two", b"two"] {
            std::fs::write(&from, bytes).expect("the source can be written");
            place(&from, &to).expect("it can be placed");
            assert_eq!(std::fs::read(&to).ok().as_deref(), Some(bytes));
        }
        assert_eq!(plugins.read_dir().ok().map(Iterator::count), Some(1));
        drop(std::fs::remove_dir_all(folder));
    }
}
