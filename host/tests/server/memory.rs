//! The process's memory, for tests that look at it: one at a time, since they share it.

use tokio::sync::{Mutex, MutexGuard};

static ALONE: Mutex<()> = Mutex::const_new(());

/// Nobody else looks at the memory until this is dropped.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().await
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
