//! Where a new project takes crate hottap-guest from: a folder, or this repository.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use toml::{Table, Value};

/// The crate that tracers are written with.
const PACKAGE: &str = "hottap-guest";
/// Where it stands in a checkout of Hottap.
const IN_CHECKOUT: &str = "guest-sdk";

/// Crate hottap-guest as a dependency.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sdk {
    /// A folder, as a project in the new folder has to name it.
    Folder(PathBuf),
    /// The repository that this command comes from.
    Repository,
}

impl Sdk {
    /// Finds the crate for a project in a new folder directly below `here`.
    ///
    /// # Errors
    /// The folder that was asked for is not the crate's.
    pub(super) fn find(asked: Option<&Path>, here: &Path) -> anyhow::Result<Self> {
        if let Some(asked) = asked {
            let folder = asked.canonicalize().with_context(|| format!("cannot find {}", asked.display()))?;
            if !is_the_crate(&folder) {
                bail!("{} is not crate {PACKAGE}; give the folder guest-sdk of a checkout", asked.display());
            }
            return Ok(Self::Folder(folder));
        }
        // From within a checkout by a relative path, so that the project goes along when the checkout moves.
        let mut up = PathBuf::from("..");
        for folder in here.ancestors() {
            if is_the_crate(&folder.join(IN_CHECKOUT)) {
                return Ok(Self::Folder(up.join(IN_CHECKOUT)));
            }
            up.push("..");
        }
        Ok(Self::Repository)
    }

    /// What stands after `hottap-guest = ` in Cargo.toml.
    ///
    /// # Errors
    /// The folder's path is not UTF-8, which Cargo.toml is.
    pub(super) fn requirement(&self) -> anyhow::Result<String> {
        match self {
            Self::Repository => Ok(format!("{{ git = {} }}", Value::from(env!("CARGO_PKG_REPOSITORY")))),
            Self::Folder(folder) => {
                let path = folder.to_str().with_context(|| format!("{} is not UTF-8", folder.display()))?;
                Ok(format!("{{ path = {} }}", Value::from(path)))
            }
        }
    }
}

fn is_the_crate(folder: &Path) -> bool {
    let Ok(text) = std::fs::read_to_string(folder.join("Cargo.toml")) else { return false };
    let manifest: Table = text.parse().unwrap_or_default();
    manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str) == Some(PACKAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("host/cli has two parents")
    }

    #[test]
    fn within_a_checkout_its_own_crate_is_taken_by_a_relative_path() {
        let below = |folder: &str| Sdk::find(None, &repository().join(folder)).expect("found");
        assert_eq!(below(""), Sdk::Folder("../guest-sdk".into()));
        assert_eq!(below("examples"), Sdk::Folder("../../guest-sdk".into()));
    }

    #[test]
    fn elsewhere_the_repository_of_this_command_is_taken() {
        let sdk = Sdk::find(None, Path::new("/")).expect("found");
        assert!(sdk.requirement().expect("text").starts_with("{ git = \"https://"));
    }

    #[test]
    fn a_folder_that_was_asked_for_must_be_the_crate() {
        let sdk = Sdk::find(Some(&repository().join("guest-sdk")), Path::new("/")).expect("found");
        assert!(sdk.requirement().expect("text").starts_with("{ path = \"/"));
        let error = Sdk::find(Some(repository()), Path::new("/")).expect_err("it is the repository");
        assert!(error.to_string().contains("is not crate hottap-guest; give the folder guest-sdk"), "{error}");
        let error = Sdk::find(Some(Path::new("/nowhere")), Path::new("/")).expect_err("it is not there");
        assert!(error.to_string().contains("cannot find /nowhere"), "{error}");
    }
}
