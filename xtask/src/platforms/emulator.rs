//! qemu with the C library of arm64: runs a Linux program for arm64 on another processor.

use std::path::PathBuf;
use std::process::Command;

use anyhow::bail;

use super::variable;
use super::zig::{quoted, write_program};
use crate::debian;
use crate::workspace::Workspace;

/// A program that runs another one for arm64.
pub(super) struct Emulator {
    program: PathBuf,
}

impl Emulator {
    /// Fetches qemu and the C library if they are not there: 63 MB from Debian's packages, unpacked and not installed.
    ///
    /// # Errors
    /// This is no Linux, no Debian, or its packages cannot be fetched.
    pub(super) fn made(workspace: &Workspace) -> anyhow::Result<Self> {
        if !cfg!(target_os = "linux") {
            bail!("qemu runs programs for Linux on Linux only");
        }
        let tools = workspace.tools();
        let unpacked = tools.join("debian");
        let qemu = debian::unpack("qemu-user-static", "usr/bin/qemu-aarch64-static", &unpacked)?;
        let loader = "usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1";
        debian::unpack("libc6-arm64-cross", loader, &unpacked)?;
        let root = unpacked.join("libc6-arm64-cross/usr/aarch64-linux-gnu");
        let program = tools.join("cross/run-arm64");
        write_program(&program, &format!("#!/bin/sh\nexec {} -L {} \"$@\"\n", quoted(&qemu), quoted(&root)))?;
        Ok(Self { program })
    }

    /// Tells cargo to run programs for `target` in it.
    pub(super) fn run_in(&self, cargo: &mut Command, target: &str) {
        cargo.env(variable(target, "RUNNER"), &self.program);
    }
}
