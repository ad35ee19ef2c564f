//! Hottaps that do not come to be: they leave nothing behind.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use hottap::{Hottap, StartError};

use crate::apart;

/// A busy machine takes its time to end threads; nothing waits longer than it must.
const PATIENCE: Duration = Duration::from_secs(60);

/// The names of Hottap's own threads in this process. One that ends while it is looked at has none any more.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("hottap-")).collect()
}

#[test]
fn one_that_did_not_start_leaves_no_thread() {
    if apart::run("beginnings::one_that_did_not_start_leaves_no_thread") {
        return;
    }
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let plugins = tempfile::tempdir().expect("a temporary directory");
    let start = |address: &str| Hottap::builder().service("late").plugin_dir(plugins.path()).admin(address).start();
    let tap = start("127.0.0.1:0").expect("a free port");
    assert!(!threads().is_empty(), "threads have names");
    drop(tap);
    for _ in 0..3 {
        assert!(matches!(start(&address), Err(StartError::Admin { .. })));
    }
    let began = Instant::now();
    while !threads().is_empty() {
        assert!(began.elapsed() < PATIENCE, "{:?}", threads());
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
