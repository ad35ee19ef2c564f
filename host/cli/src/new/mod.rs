//! `hottap new`: writes a project for a tracer that builds and passes its test as it is; it compiles nothing.

mod name;
mod sdk;

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use self::name::TracerName;
use self::sdk::Sdk;
use super::Verdict;
use super::args::NewArgs;
use super::screen::{Screen, Tone};

const TRACER: &str = "Counts calls by method, and those that take longer than `threshold_ms` of its `[config]`.";
const STARTER: &str = "Adds Zipkin's header `b3` to requests that leave, and counts them by method.";

/// Where rustup reads which toolchain to use.
const TOOLCHAIN_FILES: [&str; 2] = ["rust-toolchain.toml", "rust-toolchain"];

/// Makes the project in the current folder.
pub(super) fn command(args: &NewArgs) -> anyhow::Result<Verdict> {
    let name = TracerName::new(&args.name)?;
    let here = std::env::current_dir().context("cannot tell the current folder")?;
    let sdk = Sdk::find(args.sdk.as_deref(), &here)?;
    let folder = Path::new(&name.package);
    match fs::create_dir(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} is there already, and is left as it is; take another name or remove it", folder.display())
        }
        Err(error) => return Err(error).with_context(|| format!("cannot make {}", folder.display())),
    }
    for (path, text) in files(&name, &sdk, args.starter)? {
        write(&folder.join(path), &text)?;
    }
    // A toolchain that is chosen further up, with all its targets, is not hidden.
    if !here.ancestors().any(|folder| TOOLCHAIN_FILES.iter().any(|file| folder.join(file).exists())) {
        write(&folder.join("rust-toolchain.toml"), include_str!("template/rust-toolchain.toml.in"))?;
    }
    join_or_leave_workspace(folder)?;
    report(&name);
    Ok(Verdict::Good)
}

/// Everything in the project but what depends on where it stands.
fn files(name: &TracerName, sdk: &Sdk, starter: bool) -> anyhow::Result<Vec<(String, String)>> {
    let (what, source) = match starter {
        false => (TRACER, include_str!("template/tracer.rs.in")),
        true => (STARTER, include_str!("template/starter.rs.in")),
    };
    let mut cargo = name.fill(include_str!("template/Cargo.toml.in")).replace("HOTTAP_GUEST", &sdk.requirement()?);
    let mut manifest = name.fill(include_str!("template/manifest.toml.in"));
    if starter {
        // It has nothing to be configured, so it needs no crate to read a configuration with.
        cargo = without(&cargo, "serde = ");
        cargo = cargo.replace("counts calls by method, and those that are slow", "adds the header b3 to requests");
        manifest.truncate(manifest.find("\n# What the tracer itself is told.").unwrap_or(manifest.len()));
    }
    Ok(vec![
        ("Cargo.toml".into(), cargo),
        ("src/lib.rs".into(), name.fill(source)),
        (format!("{}.toml", name.package), manifest),
        ("README.md".into(), name.fill(include_str!("template/README.md.in")).replace("WHAT_IT_IS", what)),
        (".gitignore".into(), include_str!("template/gitignore.in").into()),
    ])
}

fn without(text: &str, line: &str) -> String {
    text.lines().filter(|candidate| !candidate.starts_with(line)).flat_map(|line| [line, "\n"]).collect()
}

/// Writes a file that is not there yet.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// A package below a workspace that does not count it as a member is an error to cargo, so it says that it stands for
/// itself. Profiles belong to a workspace's root: cargo would warn of those that stand elsewhere.
fn join_or_leave_workspace(folder: &Path) -> anyhow::Result<()> {
    let manifest = folder.join("Cargo.toml");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["locate-project", "--workspace", "--message-format", "plain", "--manifest-path"]).arg(&manifest);
    // Without cargo the project is written all the same; whoever builds it is told then.
    let located = cargo.stdin(Stdio::null()).output().ok();
    let own = match located {
        Some(output) if output.status.success() => {
            let root = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
            let same = Path::new(&root).canonicalize().ok() == manifest.canonicalize().ok();
            if !same {
                Screen::stderr().note(&format!("it is a member of the workspace of {root}, whose profiles hold"));
            }
            same.then_some("")
        }
        Some(_) => Some("\n# The workspace around this folder does not have it as a member.\n[workspace]\n"),
        None => Some(""),
    };
    let Some(own) = own else { return Ok(()) };
    OpenOptions::new()
        .append(true)
        .open(&manifest)
        .and_then(|mut file| file.write_all(format!("{}{own}", include_str!("template/profile.toml.in")).as_bytes()))
        .with_context(|| format!("cannot write {}", manifest.display()))
}

fn report(name: &TracerName) {
    let screen = Screen::stderr();
    let name = &name.package;
    screen.say_with(Tone::Good, "made", &format!("{name}/ with a tracer, its test and its manifest"));
    screen.say(&format!("next: cd {name} && cargo test && hottap build"));
}
