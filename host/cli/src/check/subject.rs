//! Which plugins are meant by the files on the command line: a module, its manifest, or all of a plugin dir.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use hottap_core::plain;
use hottap_plugins::plugin::{MAX_NAME_BYTES, Name, scan};

/// A plugin to look at, or why there is none.
#[derive(Debug, PartialEq)]
pub(super) struct Subject {
    /// The file as it is shown.
    pub(super) path: PathBuf,
    pub(super) found: Result<Plugin, NoPlugin>,
}

/// A plugin by its name in its folder.
#[derive(Debug, PartialEq)]
pub(super) struct Plugin {
    pub(super) folder: PathBuf,
    pub(super) name: Name,
    pub(super) manifest: Option<PathBuf>,
}

/// Why a file is no plugin.
#[derive(Debug, PartialEq)]
pub(super) enum NoPlugin {
    /// A service passes over it: a module with a name that no plugin can have.
    PassedOver(String),
    /// It is not there, or is no file; what to do.
    Unreadable(String, String),
}

/// What is meant by a path.
///
/// # Errors
/// A folder cannot be read.
pub(super) fn subjects(path: &Path) -> anyhow::Result<Vec<Subject>> {
    let unreadable = |message: String, advice: &str| {
        let found = Err(NoPlugin::Unreadable(message, advice.to_owned()));
        vec![Subject { path: path.to_owned(), found }]
    };
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => {
            return Ok(unreadable(format!("cannot be read: {error}"), "give a module, its manifest, or a plugin dir"));
        }
    };
    if metadata.is_dir() {
        return directory(path);
    }
    let module = match path.extension().and_then(|extension| extension.to_str()) {
        Some("wasm") => path.to_owned(),
        Some("toml") => path.with_extension("wasm"),
        _ => {
            return Ok(unreadable(
                "is neither NAME.wasm nor NAME.toml".into(),
                "name it as a plugin dir would have it",
            ));
        }
    };
    match fs::metadata(&module) {
        Ok(metadata) if metadata.is_file() => Ok(vec![module_at(module)]),
        Ok(_) => Ok(unreadable(format!("{} is not a file", plain::path(&module)), "give a module")),
        Err(_) => {
            let message = format!("there is no {} beside it", plain::path(&module));
            Ok(unreadable(message, "a manifest counts for nothing without its module: build it with `hottap build`"))
        }
    }
}

/// Everything in a plugin dir that is called a module.
fn directory(folder: &Path) -> anyhow::Result<Vec<Subject>> {
    let read = || format!("cannot read {}", plain::path(folder));
    let found = scan(folder, [].into_iter()).with_context(read)?.plugins;
    let mut paths: BTreeSet<PathBuf> = found.keys().map(|name| folder.join(format!("{name}.wasm"))).collect();
    for entry in fs::read_dir(folder).with_context(read)?.take(MAX_ENTRIES) {
        let path = entry.with_context(read)?.path();
        // What begins with a dot is somebody's draft, and what is no file is nobody's module.
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "wasm") && path.is_file() {
            paths.insert(path);
        }
    }
    if paths.is_empty() {
        let advice = "put modules into it, NAME.wasm each: `hottap build --into DIR` does that".to_owned();
        let found = Err(NoPlugin::Unreadable("there is no module in it".to_owned(), advice));
        return Ok(vec![Subject { path: folder.to_owned(), found }]);
    }
    Ok(paths.into_iter().map(module_at).collect())
}

/// As many entries as the host itself looks at.
const MAX_ENTRIES: usize = 4_096;

fn module_at(path: PathBuf) -> Subject {
    let found = match path.file_stem().and_then(|stem| stem.to_str()).and_then(Name::new) {
        Some(name) => {
            // What is there and cannot be read is not passed over.
            let manifest = Some(path.with_extension("toml")).filter(|manifest| manifest.symlink_metadata().is_ok());
            Ok(Plugin { folder: path.parent().unwrap_or(Path::new("")).to_owned(), name, manifest })
        }
        None => Err(NoPlugin::PassedOver(format!(
            "its name is none for a plugin: at most {MAX_NAME_BYTES} letters, digits, ., - and _, and no . first"
        ))),
    };
    Subject { path, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with a module, its manifest, a lonely manifest, and what is passed over.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary directory");
        for file in ["a.wasm", "a.toml", "b.wasm", "lonely.toml", "two words.wasm", ".draft.wasm", "notes.txt"] {
            fs::write(folder.path().join(file), "").expect("written");
        }
        folder
    }

    #[test]
    fn a_module_and_its_manifest_mean_the_same_plugin() {
        let folder = folder();
        let meant = |file: &str| subjects(&folder.path().join(file)).expect("read");
        let plugin = Plugin {
            folder: folder.path().to_owned(),
            name: Name::new("a").expect("a name"),
            manifest: Some(folder.path().join("a.toml")),
        };
        assert_eq!(meant("a.wasm"), [Subject { path: folder.path().join("a.wasm"), found: Ok(plugin) }]);
        assert_eq!(meant("a.toml"), meant("a.wasm"));
        assert!(meant("b.wasm")[0].found.as_ref().is_ok_and(|plugin| plugin.manifest.is_none()));
    }

    #[test]
    fn a_folder_means_everything_that_is_called_a_module() {
        let folder = folder();
        let all = subjects(folder.path()).expect("read");
        let names: Vec<_> = all.iter().filter_map(|subject| subject.path.file_name()).collect();
        assert_eq!(names, ["a.wasm", "b.wasm", "two words.wasm"]);
        assert!(matches!(all[2].found, Err(NoPlugin::PassedOver(_))));
    }

    #[test]
    fn what_is_no_plugin_is_said_with_what_to_do() {
        let folder = folder();
        fs::create_dir(folder.path().join("empty")).expect("made");
        for (file, expected) in [
            ("lonely.toml", "there is no "),
            ("notes.txt", "neither NAME.wasm nor NAME.toml"),
            ("nothing.wasm", "cannot be read"),
            ("empty", "there is no module in it"),
        ] {
            let all = subjects(&folder.path().join(file)).expect("read");
            match &all[0].found {
                Err(NoPlugin::Unreadable(message, _)) => assert!(message.contains(expected), "{file}: {message}"),
                other => panic!("{file}: {other:?}"),
            }
        }
    }
}
