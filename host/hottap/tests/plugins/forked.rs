//! A child made by `fork` of a service that is traced: it has none of Hottap's threads. It serves on, untraced.

#![expect(unsafe_code, reason = "fork is")]

use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use hottap::rpc::{Side, TraceContext};
use hottap::{CallContext, Hottap, Tracer};

use crate::apart::{self, resident};
use crate::guests::QUIET;
use crate::house::House;
use crate::log;

/// Calls that the child makes: their rows would be megabytes.
const CALLS: u64 = 200_000;

struct Everything;

impl Tracer for Everything {
    fn start(&self, _: &mut CallContext) {}
    fn finish(&self, _: &CallContext) {
        assert!(!IN_CHILD.load(std::sync::atomic::Ordering::Relaxed), "no tracer is called in the child");
    }
}

static IN_CHILD: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

#[test]
fn a_forked_child_serves_on_untraced_and_says_so_once() {
    if apart::run("forked::a_forked_child_serves_on_untraced_and_says_so_once") {
        return;
    }
    log::listen();
    let house = House::with(Hottap::builder().tracer(Everything));
    house.drop_in("quiet.wasm", QUIET.component());
    house.until_live("quiet");
    house.calls(100);
    house.settled("quiet", 100);
    let open = house.tap.start_call(Side::Server, "house.v1.House/Open").expect("somebody wants it");

    let said = in_child(move || {
        IN_CHILD.store(true, std::sync::atomic::Ordering::Relaxed);
        let lines = log::lines().len();
        // A call that was open at the fork is the parent's to tell of.
        open.finish();
        house.calls(1_000);
        let before = resident();
        house.calls(CALLS);
        let grown = resident().saturating_sub(before);
        assert!(grown < 1 << 20, "{CALLS} calls have left {grown} bytes");
        assert!(house.tap.start_call(Side::Client, "house.v1.House/Call").is_none());
        assert_eq!((house.tap.tracers()["disabled"].as_bool(), house.tap.metrics().as_str()), (Some(true), ""));
        let began = Instant::now();
        assert!(house.tap.ready(Duration::from_secs(60)).wait().is_ok());
        assert!(house.tap.shutdown(Duration::from_secs(60)));
        drop(house);
        assert!(began.elapsed() < Duration::from_secs(5), "nobody waits for threads that are not there");
        let new = log::lines().split_off(lines);
        assert_eq!(new.lines().count(), 1, "one line, and no more: {new}");
        assert!(new.contains("this process was forked") && new.contains(&std::process::id().to_string()), "{new}");

        // The child's own Hottap has its own threads.
        let house = House::with(Hottap::builder());
        house.drop_in("quiet.wasm", QUIET.component());
        house.until_live("quiet");
        house.calls(10);
        house.settled("quiet", 10);
        // And so has what the child forks a child without them.
        let said = in_child(move || assert!(house.tap.start_call(Side::Client, "house.v1.House/Call").is_none()));
        assert_eq!(said, "well");
    });
    assert_eq!(said, "well");
}

#[test]
fn a_forked_child_makes_other_ids_than_its_parent() {
    apart::run("forked::a_process_forks_between_two_traces");
}

#[test]
#[ignore = "forks: the test above runs it in a process of its own"]
fn a_process_forks_between_two_traces() {
    let ids = || {
        let trace = TraceContext::root();
        format!("{:032x} {:016x} {:016x}", trace.trace_id, trace.span_id, trace.child().span_id)
    };
    ids();
    let [first, second] = [(), ()].map(|()| said_in_child(ids));
    let own = ids();
    assert_eq!((first.len(), own.len()), (66, 66), "{first}");
    for (one, other) in [(&first, &own), (&second, &own), (&first, &second)] {
        assert!(one.split(' ').all(|id| !other.contains(id)), "{one}, {other}");
    }
}

/// Runs something in a child that is forked, and returns its last words: "well", or its panic.
///
/// The closure is moved into the child. The parent's copy of what it holds is dropped.
fn in_child(run: impl FnOnce()) -> String {
    said_in_child(move || {
        run();
        "well".to_owned()
    })
}

/// The same with last words that the closure chooses.
fn said_in_child(run: impl FnOnce() -> String) -> String {
    let mut ends = [0; 2];
    // SAFETY: the array has room for two.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: the two were just opened, and are used nowhere else.
    let [read, write] = ends.map(|end| std::fs::File::from(unsafe { OwnedFd::from_raw_fd(end) }));
    let (mut read, mut write) = (read, write);
    // SAFETY: the child goes on with this thread alone, as a service that forks does, and ends below.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "no fork");
    if child == 0 {
        let words = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
            Ok(words) => words,
            Err(panic) => panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".to_owned()),
        };
        let _ = write.write_all(words.as_bytes());
        // SAFETY: it ends here, without the handlers of the parent's test harness.
        unsafe { libc::_exit(0) };
    }
    drop(write);
    let mut words = String::new();
    read.read_to_string(&mut words).expect("text");
    // SAFETY: it is this process's own child.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    words
}
