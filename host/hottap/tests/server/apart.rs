//! Tests that need a process to themselves: they look at its memory, or lower its limits.

use std::process::Command;

/// Set in the process that a test has to itself.
const APART: &str = "HOTTAP_TEST_APART";

/// Runs this test again in a process of its own and returns true; returns false in that process.
#[track_caller]
pub(crate) fn run(name: &str) -> bool {
    if is_apart() {
        return false;
    }
    run_with(name, |_| {});
    true
}

/// Whether this process runs one test only.
pub(crate) fn is_apart() -> bool {
    std::env::var_os(APART).is_some()
}

/// Runs a test in a process of its own, changed by `with`: another environment, another user. Returns what it has printed.
#[track_caller]
pub(crate) fn run_with(name: &str, with: impl FnOnce(&mut Command)) -> String {
    let mut command = Command::new(std::env::current_exe().expect("a path"));
    with(command.args([name, "--exact", "--include-ignored", "--nocapture"]).env(APART, "1"));
    let child = command.output().expect("runs");
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    println!("{said}");
    assert!(child.status.success() && said.contains("1 passed"), "{said} {}", String::from_utf8_lossy(&child.stderr));
    said
}

/// Bytes of memory that the process holds.
pub(crate) fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number of pages");
    pages * 4096
}

/// The memory has not grown by more than this since it was measured.
#[track_caller]
pub(crate) fn assert_grown_by_at_most(before: u64, bytes: u64) {
    let grown = resident().saturating_sub(before);
    println!("grown by {} KiB", grown >> 10);
    assert!(grown <= bytes, "grown by {} KiB, which is more than {} KiB", grown >> 10, bytes >> 10);
}
