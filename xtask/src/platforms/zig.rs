//! Zig as C compiler and linker: programs below the target directory that cargo and build scripts call by path.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::{Platform, variable};
use crate::python::{self, Venv};
use crate::workspace::Workspace;

/// The folder of the programs.
pub(super) struct Zig {
    folder: PathBuf,
}

impl Zig {
    /// Fetches Zig if it is not there (some 80 MB), and writes the programs.
    ///
    /// # Errors
    /// It cannot be fetched, or the target directory cannot be written.
    pub(super) fn made(workspace: &Workspace) -> anyhow::Result<Self> {
        let venv = Venv::made(workspace, &python::CROSS)?;
        let zig = venv.packaged("ziglang/zig").context("the package ziglang has no zig in it")?;
        let folder = workspace.tools().join("cross");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let cache = folder.join("zig-cache");
        for platform in super::PLATFORMS {
            write_program(&folder.join(format!("cc-{}", platform.target)), &compiler(&zig, &cache, platform.zig))?;
        }
        write_program(&folder.join("ar"), &format!("#!/bin/sh\nexec {} ar \"$@\"\n", quoted(&zig)))?;
        Ok(Self { folder })
    }

    /// Tells cargo and build scripts of the compiler and linker of each platform.
    pub(super) fn compile_for(&self, cargo: &mut Command, platforms: &[&Platform]) {
        for Platform { target, .. } in platforms {
            let compiler = self.folder.join(format!("cc-{target}"));
            let name = target.replace('-', "_");
            cargo.env(format!("CC_{name}"), &compiler).env(format!("AR_{name}"), self.folder.join("ar"));
            cargo.env(variable(target, "LINKER"), compiler);
        }
    }
}

/// A program that leaves out the target that build scripts name, because Zig has names of its own.
fn compiler(zig: &Path, cache: &Path, target: &str) -> String {
    format!(
        "#!/bin/sh\n\
         # Each argument but --target=… goes to the end of the list, so that once around it is the list without that.\n\
         for argument do\n    shift\n    case $argument in --target=*) ;; *) set -- \"$@\" \"$argument\" ;; esac\ndone\n\
         export ZIG_GLOBAL_CACHE_DIR={}\n\
         exec {} cc -target {target} \"$@\"\n",
        quoted(cache),
        quoted(zig)
    )
}

/// A path as one word of a shell.
pub(super) fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Writes a program, if it is not there as it is to be: build scripts run again when their compiler has changed.
pub(super) fn write_program(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    if std::fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let write = || {
        std::fs::write(path, text)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step;

    #[test]
    fn the_compiler_gets_all_arguments_but_the_target() {
        let folder = std::env::temp_dir().join(format!("xtask-zig-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the temporary folder can be made");
        let program = folder.join("it's cc");
        write_program(&program, &compiler(Path::new("echo"), &folder, "arm")).expect("written");
        let printed = step::output(Command::new(&program).args(["-c", "--target=x", "a b", "-O2"])).expect("it runs");
        assert_eq!(printed, "cc -target arm -c a b -O2\n");
        drop(std::fs::remove_dir_all(folder));
    }

    #[test]
    fn a_path_is_one_word() {
        assert_eq!(quoted(Path::new("/it's here")), r"'/it'\''s here'");
    }
}
