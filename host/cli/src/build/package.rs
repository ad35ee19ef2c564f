//! Which package is the tracer: what cargo says of a folder, read. Asking cargo is somebody else's work.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use cargo_metadata::{Metadata, TargetKind};

use super::cargo::metadata;

/// The package of a tracer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Package {
    /// Its name, and its module's.
    pub(super) name: String,
    /// As cargo names it in its messages.
    pub(super) id: String,
    pub(super) manifest: PathBuf,
    /// The library's name, as cargo names it in its messages.
    pub(super) library: String,
}

impl Package {
    /// Finds the tracer in a folder, or of a Cargo.toml.
    ///
    /// # Errors
    /// There is no package, none or more than one is a tracer, or there is no cargo.
    pub(super) fn find(path: &Path) -> anyhow::Result<Self> {
        let manifest = match path.is_dir() {
            true => path.join("Cargo.toml"),
            false => path.to_owned(),
        };
        let manifest = manifest.canonicalize().with_context(|| {
            format!("there is no {}; give a tracer's folder, or make one with `hottap new`", manifest.display())
        })?;
        let folder = manifest.parent().context("a file is in a folder")?;
        Self::of(&metadata(folder, &manifest, false)?, &manifest)
    }

    /// The folder that it is in.
    pub(super) fn folder(&self) -> &Path {
        self.manifest.parent().unwrap_or(Path::new("."))
    }

    /// The tracer of a manifest: its own package, or the only one in the workspace that it is the root of.
    fn of(metadata: &Metadata, manifest: &Path) -> anyhow::Result<Self> {
        if let Some(asked) = metadata.packages.iter().find(|package| package.manifest_path == manifest) {
            return Self::read(asked).with_context(|| {
                format!(
                    "{} is no tracer: it makes no module; add to it\n\n[lib]\ncrate-type = [\"cdylib\"]\n",
                    manifest.display()
                )
            });
        }
        let mut tracers: Vec<Self> = metadata.packages.iter().filter_map(Self::read).collect();
        tracers.sort_by(|left, right| left.name.cmp(&right.name));
        match (tracers.pop(), tracers.as_slice()) {
            (None, _) => bail!("no package of the workspace {} has the crate type cdylib", manifest.display()),
            (Some(only), []) => Ok(only),
            (Some(last), others) => {
                let folders = others.iter().chain([&last]).map(|tracer| tracer.folder().display().to_string());
                let folders = folders.collect::<Vec<_>>().join("\n  ");
                bail!("{} has more than one tracer; give the folder of one:\n  {folders}", manifest.display())
            }
        }
    }

    /// None if the package is no tracer.
    fn read(package: &cargo_metadata::Package) -> Option<Self> {
        let library = package.targets.iter().find(|target| target.kind.contains(&TargetKind::CDyLib))?;
        Some(Self {
            name: package.name.to_string(),
            id: package.id.repr.clone(),
            manifest: package.manifest_path.clone().into(),
            library: library.name.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn package(name: &str, kind: &str) -> Value {
        json!({
            "name": name,
            "id": format!("path+file:///w/{name}#0.1.0"),
            "version": "0.1.0",
            "dependencies": [],
            "features": {},
            "manifest_path": format!("/w/{name}/Cargo.toml"),
            "targets": [
                {"name": name.replace('-', "_"), "kind": [kind], "src_path": "/w/src/lib.rs"},
                {"name": "all", "kind": ["test"], "src_path": "/w/tests/all.rs"},
            ],
        })
    }

    fn metadata(packages: &[Value]) -> Metadata {
        let metadata = json!({
            "version": 1,
            "packages": packages,
            "workspace_members": [],
            "workspace_root": "/w",
            "target_directory": "/w/target",
        });
        serde_json::from_value(metadata).expect("cargo's metadata")
    }

    #[track_caller]
    fn check(packages: &[Value], manifest: &str, expected: Result<&str, &str>) {
        match (Package::of(&metadata(packages), Path::new(manifest)), expected) {
            (Ok(package), Ok(name)) => assert_eq!(package.name, name),
            (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
            (Ok(package), Err(words)) => panic!("{} was taken, expected {words:?}", package.name),
            (Err(error), Ok(name)) => panic!("expected {name}: {error}"),
        }
    }

    #[test]
    fn the_tracer_is_the_package_that_was_asked_for_or_the_only_one() {
        let (a, b, lib) = (package("tracer-a", "cdylib"), package("tracer-b", "cdylib"), package("lib", "lib"));
        check(&[a.clone(), b.clone()], "/w/tracer-b/Cargo.toml", Ok("tracer-b"));
        check(&[a.clone(), lib.clone()], "/w/Cargo.toml", Ok("tracer-a"));
        check(&[b, a], "/w/Cargo.toml", Err("give the folder of one:\n  /w/tracer-a\n  /w/tracer-b"));
        check(std::slice::from_ref(&lib), "/w/lib/Cargo.toml", Err("crate-type = [\"cdylib\"]"));
        check(&[lib], "/w/Cargo.toml", Err("has the crate type cdylib"));
    }

    #[test]
    fn the_librarys_name_is_cargos() {
        let found = Package::of(&metadata(&[package("a-b", "cdylib")]), Path::new("/w/a-b/Cargo.toml"));
        let found = found.expect("a tracer");
        assert_eq!((found.library.as_str(), found.folder()), ("a_b", Path::new("/w/a-b")));
    }
}
