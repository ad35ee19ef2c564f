//! `cargo xtask proto`: writes the Rust code of the examples' .proto files anew, or says that it is not current.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};

use crate::step;
use crate::workspace::Workspace;

/// Code that is made of a .proto file; paths are relative to the root.
struct Generated {
    /// The folder that imports are looked for in.
    include: &'static str,
    file: &'static str,
    /// The folder that the code is in.
    folder: &'static str,
    /// The code's file, named after the package in the .proto file.
    code: &'static str,
}

const ALL: &[Generated] = &[Generated {
    include: "examples/shop/proto",
    file: "shop.proto",
    folder: "examples/shop/src/proto",
    code: "shop.v1.rs",
}];

/// Runs the generator, a workspace of its own in `xtask/proto`, and copies what it writes; with `check` compares only.
///
/// # Errors
/// The generator cannot be built, a .proto file is not valid, or code that is committed is not what the generator makes.
pub(crate) fn command(workspace: &Workspace, check: bool) -> anyhow::Result<()> {
    let generator = workspace.root().join("xtask/proto");
    let target = workspace.target().join("proto");
    let out = target.join("out");
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let mut stale = Vec::new();
    for generated in ALL {
        let mut cargo = workspace.cargo();
        cargo.current_dir(&generator).args(["run", "--locked", "--quiet"]).arg("--target-dir").arg(&target).arg("--");
        cargo.arg(workspace.root().join(generated.include)).arg(generated.file).arg(&out);
        step::run(&format!("generating the code of {}", generated.file), &mut cargo)?;
        let path = workspace.root().join(generated.folder).join(generated.code);
        let (made, committed) = (read(out.join(generated.code))?, read(path.clone())?);
        if made == committed {
            continue;
        }
        if check {
            stale.push(workspace.shown(&path).to_string());
        } else {
            fs::write(&path, made).with_context(|| format!("cannot write {}", path.display()))?;
            println!("wrote {}", workspace.shown(&path));
        }
    }
    if !stale.is_empty() {
        bail!("not what the generator makes of the .proto file: {}; run `cargo xtask proto`", stale.join(", "));
    }
    Ok(())
}

fn read(path: PathBuf) -> anyhow::Result<String> {
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}
