//! Rust guests as wasm modules: which there are, building them, and where they land.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::step;
use crate::toolchain::{TARGET, Toolchain};
use crate::workspace::{Guest, Workspace};

/// The cargo profile of guests, from the root Cargo.toml.
const PROFILE: &str = "guest";

/// What is built: a member of the workspace, perhaps with a cargo feature.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Module {
    /// The module's name without `.wasm`, and that of its package where it is no variant.
    name: String,
    package: String,
    library: String,
    feature: Option<&'static str>,
}

/// Packages that are built a second time with a cargo feature: package, feature, module. red-metrics with one more
/// column is what the demo and the tests of reloading swap it with.
const VARIANTS: &[(&str, &str, &str)] = &[("red-metrics", "extra-column", "red-metrics-extra")];

/// The folder with all built modules, `NAME.wasm` each.
pub(crate) struct Guests {
    folder: PathBuf,
    names: Vec<String>,
}

impl Guests {
    /// The folder itself.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The module of that name.
    ///
    /// # Errors
    /// It has not been built.
    pub(crate) fn module(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(format!("{name}.wasm"));
        if !path.is_file() {
            bail!("the guest {name:?} has not been built");
        }
        Ok(path)
    }
}

/// `cargo xtask guests`.
///
/// # Errors
/// See [`build`]; or `out` cannot be written.
pub(crate) fn command(workspace: &Workspace, names: &[String], out: Option<PathBuf>) -> anyhow::Result<()> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let guests = build(workspace, &names)?;
    for name in &guests.names {
        let built = guests.module(name)?;
        let shown = match &out {
            Some(folder) => place(&built, &module(folder, name))?,
            None => built,
        };
        let bytes = shown.metadata().with_context(|| format!("cannot see {}", shown.display()))?.len();
        println!("{:>10}  {}", kibibytes(bytes), workspace.shown(&shown));
    }
    Ok(())
}

/// Builds the guests of these names; all if there is none. A second or two when nothing changed.
///
/// # Errors
/// There is no guest of a name, there is no way to the wasm target, or a guest does not compile.
pub(crate) fn build(workspace: &Workspace, names: &[&str]) -> anyhow::Result<Guests> {
    let all = modules(workspace.guests());
    let wanted = select(&all, names)?;
    let toolchain = Toolchain::find(workspace)?;
    let target = workspace.target().join("guests");
    let folder = target.join("out");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    remove_strangers(&folder, &all);

    // All plain modules in one go; each variant by itself, because cargo builds a package once per call.
    let (plain, variants): (Vec<&Module>, Vec<&Module>) = wanted.iter().partition(|module| module.feature.is_none());
    let goes = std::iter::once(plain).chain(variants.into_iter().map(|variant| vec![variant]));
    for go in goes.filter(|go| !go.is_empty()) {
        let mut cargo = toolchain.cargo(workspace, "build");
        cargo.args(["--profile", PROFILE]).arg("--target-dir").arg(&target);
        for module in &go {
            cargo.args(["--package", &module.package]);
            cargo.args(module.feature.iter().flat_map(|feature| ["--features", feature]));
        }
        let names: Vec<&str> = go.iter().map(|module| module.name.as_str()).collect();
        step::run(&format!("building {} with {}", names.join(", "), toolchain.way()), &mut cargo)?;
        for built in go {
            let file = target.join(TARGET).join(PROFILE).join(&built.library).with_extension("wasm");
            place(&file, &module(&folder, &built.name))?;
        }
    }
    Ok(Guests { folder, names: wanted.into_iter().map(|module| module.name).collect() })
}

/// Everything that can be built, by name.
fn modules(guests: &[Guest]) -> Vec<Module> {
    let mut modules = Vec::new();
    for Guest { package, library } in guests {
        let module = |name: &str, feature| Module {
            name: name.to_owned(),
            package: package.clone(),
            library: library.clone(),
            feature,
        };
        modules.push(module(package, None));
        for (_, feature, name) in VARIANTS.iter().filter(|(of, ..)| of == package) {
            modules.push(module(name, Some(feature)));
        }
    }
    modules
}

fn select(all: &[Module], names: &[&str]) -> anyhow::Result<Vec<Module>> {
    for name in names {
        if !all.iter().any(|module| module.name == *name) {
            let known: Vec<&str> = all.iter().map(|module| module.name.as_str()).collect();
            bail!("there is no guest {name:?}; the guests of this workspace are {}", known.join(", "));
        }
    }
    if all.is_empty() {
        bail!("no member of the workspace has the crate type cdylib, so there is no guest to build");
    }
    Ok(all.iter().filter(|module| names.is_empty() || names.contains(&module.name.as_str())).cloned().collect())
}

fn module(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.wasm"))
}

/// Copies a module by an atomic rename, so that a service that watches the folder never reads half of it. A file with
/// the same bytes is left alone: to a watcher it would look like a change.
///
/// # Errors
/// A path cannot be read or written.
pub(crate) fn place(from: &Path, to: &Path) -> anyhow::Result<PathBuf> {
    let bytes = std::fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    match std::fs::read(to) {
        Ok(there) if there == bytes => return Ok(to.to_path_buf()),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Some(folder) = to.parent() {
                std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            }
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", to.display())),
    }
    // Not `*.wasm`, so that no plugin dir takes it for a module before its time.
    let temporary = to.with_extension("wasm-part");
    std::fs::write(&temporary, bytes)
        .and_then(|()| std::fs::rename(&temporary, to))
        .with_context(|| format!("cannot write {}", to.display()))?;
    Ok(to.to_path_buf())
}

/// Modules of members that have left the workspace must not be found by tests.
fn remove_strangers(folder: &Path, all: &[Module]) {
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let path = entry.path();
        let known = path.file_stem().is_some_and(|stem| all.iter().any(|module| stem == module.name.as_str()));
        if !known {
            drop(std::fs::remove_file(path));
        }
    }
}

fn kibibytes(bytes: u64) -> String {
    format!("{}.{} KiB", bytes / 1024, bytes % 1024 * 10 / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_is_a_module_beside_its_package() {
        let guest = |name: &str| Guest { package: name.to_owned(), library: name.replace('-', "_") };
        let all = modules(&[guest("first-tracer"), guest("red-metrics")]);
        let names = |modules: &[Module]| modules.iter().map(|module| module.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&all), ["first-tracer", "red-metrics", "red-metrics-extra"]);
        let some = select(&all, &["red-metrics-extra"]).expect("it is one");
        assert_eq!((names(&some), some[0].feature), (vec!["red-metrics-extra".to_owned()], Some("extra-column")));
        assert_eq!(select(&all, &[]).expect("no name is all"), all);
        let error = select(&all, &["red"]).expect_err("there is none");
        assert!(error.to_string().ends_with("are first-tracer, red-metrics, red-metrics-extra"), "{error}");
    }

    #[test]
    fn sizes_are_in_kibibytes() {
        assert_eq!(kibibytes(1024), "1.0 KiB");
        assert_eq!(kibibytes(18_743_296), "18304.0 KiB");
        assert_eq!(kibibytes(1_535), "1.4 KiB");
    }

    #[test]
    fn a_placed_module_has_the_bytes_and_leaves_nothing_beside_it() {
        let folder = std::env::temp_dir().join(format!("xtask-place-{}", std::process::id()));
        let (from, to) = (folder.join("from"), folder.join("plugins/tracer.wasm"));
        std::fs::create_dir_all(&folder).expect("the temporary folder can be made");
        for bytes in [b"one".as_slice(), b"two", b"two"] {
            std::fs::write(&from, bytes).expect("the source can be written");
            place(&from, &to).expect("it can be placed");
            assert_eq!(std::fs::read(&to).ok().as_deref(), Some(bytes));
        }
        assert_eq!(to.parent().and_then(|folder| folder.read_dir().ok()).map(Iterator::count), Some(1));
        drop(std::fs::remove_dir_all(folder));
    }
}
