//! Says when a tracer's sources have changed: its own and those of the packages in folders that it depends on. What a
//! change leads to is decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use anyhow::Context;
use cargo_metadata::{Metadata, PackageId};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::Event;
use super::cargo::metadata;
use super::package::Package;
use super::system::folder_id;

/// What kind of file has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Anything that the tracer may be made of.
    Source,
    /// A Cargo.toml: there may be other packages to watch.
    Manifest,
    /// A Cargo.lock, which cargo itself writes too.
    Lock,
}

/// Follows the folders that a tracer's sources are in.
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    /// Folders of packages, the workspace's among them.
    packages: BTreeSet<PathBuf>,
    /// Folders that are written to by builds.
    left_out: Vec<PathBuf>,
    /// What is watched, with its identity: a folder that was replaced is another one.
    watched: BTreeMap<PathBuf, u64>,
}

impl Watch {
    /// Begins to watch; changes come as events.
    ///
    /// # Errors
    /// The system can't watch, or cargo can't read a Cargo.toml.
    pub(super) fn start(package: &Package, into: Option<&Path>, events: Sender<Event>) -> anyhow::Result<Self> {
        let sources = Sources::of(package)?;
        let mut left_out = vec![sources.target];
        left_out.extend(into.map(|into| std::path::absolute(into).unwrap_or_else(|_| into.to_owned())));
        let ignored = left_out.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An error says that hints were lost; one look too many costs little.
            let Ok(event) = event else {
                let _ = events.send(Event::Changed(Change::Manifest));
                return;
            };
            // cargo reads every source, and that must not lead to the next build.
            if event.kind.is_access() {
                return;
            }
            for change in event.paths.iter().filter_map(|path| classify(path, &ignored)) {
                let _ = events.send(Event::Changed(change));
            }
        });
        let watcher = watcher.context("this system cannot watch files; build without --watch")?;
        let mut watch = Self { watcher, packages: sources.packages, left_out, watched: BTreeMap::new() };
        watch.follow()?;
        Ok(watch)
    }

    /// Asks cargo again which packages there are. While a Cargo.toml is wrong it is the packages of before.
    pub(super) fn look_for_packages(&mut self, package: &Package) {
        if let Ok(sources) = Sources::of(package) {
            self.packages = sources.packages;
        }
    }

    /// Watches what is new among the folders, and no longer what is gone.
    ///
    /// # Errors
    /// The system can't watch a folder.
    pub(super) fn follow(&mut self) -> anyhow::Result<()> {
        let mut wanted = BTreeMap::new();
        for package in &self.packages {
            wanted.insert(package.clone(), RecursiveMode::NonRecursive);
            for folder in fs::read_dir(package).into_iter().flatten().flatten().map(|entry| entry.path()) {
                if folder.is_dir() && !self.left_out.contains(&folder) && !is_hidden(&folder) {
                    wanted.insert(folder, RecursiveMode::Recursive);
                }
            }
        }
        let id = |folder: &Path| fs::metadata(folder).map(|metadata| folder_id(&metadata)).ok();
        let gone = self.watched.extract_if(.., |folder, old| !wanted.contains_key(folder) || id(folder) != Some(*old));
        for (folder, _) in gone {
            // The system has forgotten it already if the folder itself is gone.
            let _ = self.watcher.unwatch(&folder);
        }
        for (folder, mode) in wanted {
            let Some(id) = id(&folder) else { continue };
            if !self.watched.contains_key(&folder) {
                let watched = self.watcher.watch(&folder, mode);
                watched.with_context(|| format!("cannot watch {}", folder.display()))?;
                self.watched.insert(folder, id);
            }
        }
        Ok(())
    }
}

/// None for what no build depends on: drafts of editors, and what builds themselves write.
fn classify(path: &Path, ignored: &[PathBuf]) -> Option<Change> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = is_hidden(path) || name.ends_with('~') || name.starts_with('#');
    if draft || ignored.iter().any(|folder| path.starts_with(folder)) {
        return None;
    }
    Some(match &*name {
        "Cargo.toml" => Change::Manifest,
        "Cargo.lock" => Change::Lock,
        _ => Change::Source,
    })
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Where a tracer's sources are.
#[derive(Debug, PartialEq, Eq)]
struct Sources {
    packages: BTreeSet<PathBuf>,
    target: PathBuf,
}

impl Sources {
    fn of(package: &Package) -> anyhow::Result<Self> {
        Self::read(&metadata(package.folder(), &package.manifest, true)?, &package.id)
            .context("`cargo metadata` does not tell where the sources are")
    }

    /// The packages that a package depends on and that come from folders; others never change.
    fn read(metadata: &Metadata, id: &str) -> Option<Self> {
        let nodes = &metadata.resolve.as_ref()?.nodes;
        let id = PackageId { repr: id.to_owned() };
        let mut reached = BTreeSet::from([&id]);
        let mut open = vec![&id];
        while let Some(id) = open.pop() {
            let node = nodes.iter().find(|node| node.id == *id);
            let dependencies = node.into_iter().flat_map(|node| &node.dependencies);
            open.extend(dependencies.filter(|id| reached.insert(id)));
        }
        let mut packages = BTreeSet::from([PathBuf::from(&metadata.workspace_root)]);
        for package in metadata.packages.iter().filter(|package| package.source.is_none()) {
            if reached.contains(&package.id) {
                packages.extend(package.manifest_path.parent().map(PathBuf::from));
            }
        }
        Some(Self { packages, target: metadata.target_directory.clone().into() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn sources_are_in_the_packages_that_a_tracer_depends_on() {
        let package = |id: &str, source: Value| {
            json!({
                "name": "any", "id": id, "version": "0.1.0", "source": source, "dependencies": [], "features": {},
                "targets": [], "manifest_path": format!("/{id}/Cargo.toml"),
            })
        };
        let node = |id: &str, dependencies: &[&str]| json!({"id": id, "dependencies": dependencies});
        let metadata = json!({
            "version": 1,
            "workspace_members": [],
            "workspace_root": "/w",
            "target_directory": "/w/target",
            "packages": [
                package("w/tracer", Value::Null), package("w/other", Value::Null), package("sdk", Value::Null),
                package("serde", "registry".into()), package("macros", Value::Null),
            ],
            "resolve": {"nodes": [
                node("w/tracer", &["sdk", "serde"]), node("sdk", &["serde", "macros"]), node("serde", &[]),
                node("macros", &["sdk"]), node("w/other", &["sdk"]),
            ]},
        });
        let mut metadata: Metadata = serde_json::from_value(metadata).expect("cargo's metadata");
        let sources = Sources::read(&metadata, "w/tracer").expect("complete");
        let expected = ["/macros", "/sdk", "/w", "/w/tracer"].map(PathBuf::from);
        assert_eq!(sources, Sources { packages: expected.into(), target: "/w/target".into() });
        metadata.resolve = None;
        assert_eq!(Sources::read(&metadata, "w/tracer"), None);
    }

    #[test]
    fn what_no_build_depends_on_is_no_change() {
        let ignored = ["/w/target".into(), "/w/plugins".into()];
        for (path, expected) in [
            ("/w/src/lib.rs", Some(Change::Source)),
            ("/w/src/words.txt", Some(Change::Source)),
            ("/w/targets/a.rs", Some(Change::Source)),
            ("/w/Cargo.toml", Some(Change::Manifest)),
            ("/w/Cargo.lock", Some(Change::Lock)),
            ("/w/target", None),
            ("/w/target/debug/x.d", None),
            ("/w/plugins/a.wasm", None),
            ("/w/src/.lib.rs.swp", None),
            ("/w/src/lib.rs~", None),
            ("/w/src/#lib.rs#", None),
        ] {
            assert_eq!(classify(Path::new(path), &ignored), expected, "{path}");
        }
    }
}
