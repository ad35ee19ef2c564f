//! Debian's packages: what is there, and installing without asking where nobody need be asked.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use anyhow::{Context, bail};

use crate::step;

/// Whether this is a Debian or one of its children.
pub(crate) fn is_here() -> bool {
    Path::new("/etc/debian_version").exists() && Path::new("/usr/bin/apt-get").exists()
}

/// Whether packages can be installed and nobody need be asked: root, as in containers and CI.
pub(crate) fn may_install() -> bool {
    is_here() && rustix::process::geteuid().is_root()
}

/// Whether all these packages are installed.
pub(crate) fn has(packages: &[&str]) -> bool {
    is_here()
        && packages.iter().all(|package| {
            let mut query = Command::new("dpkg-query");
            query.args(["--show", "--showformat=${db:Status-Abbrev}", package]);
            query.output().is_ok_and(|output| output.status.success() && output.stdout.starts_with(b"ii"))
        })
}

/// Installs packages.
///
/// # Errors
/// This is no Debian, or not root; apt-get fails.
pub(crate) fn install(packages: &[&str]) -> anyhow::Result<()> {
    let wanted = packages.join(" ");
    if !is_here() {
        bail!("{wanted} can only be installed by itself on Debian");
    }
    if !may_install() {
        bail!("installing needs root; run `sudo apt-get install --no-install-recommends {wanted}`");
    }
    update();
    let mut command = apt_get();
    command.args(["install", "--yes", "--no-install-recommends"]).args(packages);
    step::run(&format!("installing {wanted}"), &mut command)
}

/// Unpacks one package below `into` without installing it, and returns the path of its file `file`
/// (`usr/bin/prometheus`): no service of the machine is started or changed by it, and root is not needed.
///
/// # Errors
/// This is no Debian, the package's lists are not there, or the package has no such file.
pub(crate) fn unpack(package: &str, file: &str, into: &Path) -> anyhow::Result<PathBuf> {
    let unpacked = into.join(package);
    let path = unpacked.join(file);
    if path.is_file() {
        return Ok(path);
    }
    if !is_here() {
        bail!("{package} can only be fetched by itself on Debian");
    }
    if may_install() {
        update();
    }
    let fetched = into.join(format!("{package}-fetched"));
    drop(std::fs::remove_dir_all(&fetched));
    drop(std::fs::remove_dir_all(&unpacked));
    std::fs::create_dir_all(&fetched).with_context(|| format!("cannot make {}", fetched.display()))?;
    // apt's own user cannot write here, and only warns of it; the sandbox is switched off to keep the output clean.
    let mut download = apt_get();
    download.args(["-o", "APT::Sandbox::User=root", "download", package]).current_dir(&fetched);
    step::run(&format!("fetching Debian's {package}"), &mut download)?;
    for archive in fetched.read_dir().context("the fetched package vanished")? {
        let archive = archive.context("the fetched package vanished")?.path();
        step::run("unpacking it", Command::new("dpkg-deb").arg("--extract").args([&archive, &unpacked]))?;
    }
    drop(std::fs::remove_dir_all(&fetched));
    if !path.is_file() {
        bail!("Debian's {package} has no {file}");
    }
    Ok(path)
}

/// `apt-get update`, once in the life of this process. If a source of the machine does not answer, the lists that are
/// there may still do: what is wanted from them decides.
fn update() {
    static UPDATED: Once = Once::new();
    UPDATED.call_once(|| {
        if let Err(error) = step::run("updating the lists of Debian's packages", apt_get().arg("update")) {
            step::say(format_args!("{error:#}; going on with the lists that are there"));
        }
    });
}

/// apt-get that asks nothing, prints little, and waits for another one that is at work.
fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-qq", "-o", "DPkg::Lock::Timeout=300"]);
    command
}
