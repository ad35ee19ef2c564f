//! The system's clock is set while a service runs: in a process of its own, over a C library whose date can be moved.

#![cfg(test)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hottap::rpc::{RpcInfo, Side};
use hottap::{CallContext, Hottap, Tracer};

/// The file whose first eight bytes say by how many seconds the date is moved.
const MOVED_BY: &str = "HOTTAP_TEST_MOVED_BY";
/// The line by which the parent knows that the child has tested something.
const DONE: &str = "the date was moved and followed";

/// `clock_gettime` as it is, but for the date. What reads the kernel's monotonic clocks is not moved.
const MOVED_CLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    static volatile long long *seconds;
    if (!real) {
        int file = open(getenv("HOTTAP_TEST_MOVED_BY"), O_RDONLY);
        void *map = mmap(0, sizeof *seconds, PROT_READ, MAP_SHARED, file, 0);
        if (map == MAP_FAILED) abort();
        seconds = map;
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    }
    int result = real(clock, time);
    if (result == 0 && clock == CLOCK_REALTIME) time->tv_sec += *seconds;
    return result;
}
"#;

#[test]
fn wall_times_follow_a_clock_that_is_set_with_a_native_tracer_alone() {
    if let Some(file) = std::env::var_os(MOVED_BY) {
        return service(&File::options().write(true).open(file).expect("the parent's file"));
    }
    let directory = tempfile::tempdir().expect("a directory");
    let [source, library, moved_by] = ["moved.c", "moved.so", "by"].map(|name| directory.path().join(name));
    std::fs::write(&source, MOVED_CLOCK).expect("written");
    std::fs::write(&moved_by, 0_i64.to_ne_bytes()).expect("written");
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl").output();
    let compiled = compiled.expect("a C compiler, which Rust links with");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "--nocapture", "wall_times_follow_a_clock_that_is_set_with_a_native_tracer_alone"])
        .env("LD_PRELOAD", &library)
        .env(MOVED_BY, &moved_by)
        .output()
        .expect("it runs");
    let said = [child.stdout, child.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(child.status.success() && said.contains(DONE), "{said}");
}

/// Keeps the last call.
#[derive(Clone, Default)]
struct Last(Arc<Mutex<Option<RpcInfo>>>);

impl Tracer for Last {
    fn start(&self, _: &mut CallContext) {}

    fn finish(&self, call: &CallContext) {
        *self.0.lock().expect("no panic") = Some(call.info().clone());
    }
}

/// A service with one native tracer and no plugin dir, which serves while its clock is set.
fn service(moved_by: &File) {
    let last = Last::default();
    let tap = Hottap::builder().service("clock").tracer(last.clone()).start().expect("starts");
    let finished = || last.0.lock().expect("no panic").clone().expect("a call has finished");
    let call = || tap.start_call(Side::Server, "clock.v1.Clock/Tell").expect("wanted");
    let unix = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    for by in [3_600_i64, -7_200, 86_400, 0] {
        let spanning = call();
        let before = unix();
        moved_by.write_all_at(&by.to_ne_bytes(), 0).expect("written");
        let set = Instant::now();
        assert!(unix().abs_diff(before) > Duration::from_secs(1_000), "the date of this process has moved");
        loop {
            call().finish();
            let started = Duration::from_nanos(finished().stats().started_unix_nanos());
            if started.abs_diff(unix()) < Duration::from_millis(100) {
                break;
            }
            assert!(set.elapsed() < Duration::from_secs(2), "calls start at {started:?}, and it is {:?}", unix());
        }
        assert!(finished().stats().duration() < Duration::from_secs(2), "{:?}", finished().stats().duration());
        spanning.finish();
        let (call, passed) = (finished(), set.elapsed());
        let told = call.stats();
        assert!(told.duration().abs_diff(passed) < Duration::from_millis(100), "{:?}, not {passed:?}", told.duration());
        let started = Duration::from_nanos(told.started_unix_nanos());
        assert!(started.abs_diff(before) < Duration::from_millis(100), "it started before the date was moved");
    }
    println!("{DONE}");
}
