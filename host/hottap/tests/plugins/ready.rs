//! A service that waits for its plugins before it serves: no call after that goes unseen.

use std::fs;
use std::time::{Duration, Instant};

use hottap::{Hottap, NotReady};
use tempfile::TempDir;

use crate::guests::{INIT_REFUSES, QUIET, Wat};
use crate::house::House;

/// A busy machine takes its time to compile; nothing waits longer than it must.
const PATIENCE: Duration = Duration::from_secs(300);

fn holding(modules: &[(&str, Vec<u8>)]) -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir(directory.path().join("plugins")).expect("made");
    for (name, bytes) in modules {
        fs::write(directory.path().join("plugins").join(name), bytes).expect("written");
    }
    directory
}

#[track_caller]
fn names(error: &NotReady) -> Vec<&str> {
    error.plugins().map(|(name, _)| name).collect()
}

#[test]
fn once_it_is_ready_no_call_goes_unseen() {
    let names: Vec<String> = (0..8).map(|i| format!("quiet-{i}")).collect();
    let modules: Vec<(String, Vec<u8>)> =
        names.iter().map(|name| (format!("{name}.wasm"), QUIET.component())).collect();
    let modules: Vec<(&str, Vec<u8>)> = modules.iter().map(|(name, bytes)| (&**name, bytes.clone())).collect();
    let house = House::over(holding(&modules), Hottap::builder());
    house.tap.ready(PATIENCE).wait().expect("all of them are good");
    house.calls(10);
    for name in &names {
        assert_eq!(house.settled(name, 10)["committed"], 10, "{name}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_task_waits_without_blocking_its_executor() {
    let house = House::over(holding(&[("quiet.wasm", QUIET.component())]), Hottap::builder());
    let ticks = async {
        loop {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ready = house.tap.ready(PATIENCE) => ready.expect("it is good"),
        () = ticks => unreachable!("it never ends"),
    }
    house.calls(10);
    assert_eq!(house.settled("quiet", 10)["committed"], 10);
    house.tap.ready(Duration::ZERO).await.expect("it stays so");
}

#[test]
fn a_refused_plugin_is_named_with_its_reason_and_the_others_are_live() {
    let refuses = Wat { init: INIT_REFUSES, ..QUIET };
    let modules =
        [("bad.wasm", refuses.component()), ("cut.wasm", b"\0asm".to_vec()), ("good.wasm", QUIET.component())];
    let house = House::over(holding(&modules), Hottap::builder());
    let error = house.tap.ready(PATIENCE).wait().expect_err("two of them are not good");
    assert_eq!((names(&error), error.timed_out()), (vec!["bad", "cut"], false));
    assert!(error.to_string().contains("not today"), "{error}");
    house.calls(10);
    assert_eq!(house.settled("good", 10)["committed"], 10);
    // Once they are mended, it is ready.
    house.drop_in("bad.wasm", QUIET.component());
    house.remove("cut.wasm");
    house.until("bad", "mended", |tracer| tracer["state"] == "live");
    house.until("cut", "gone", |tracer| tracer["state"] == "removed");
    house.tap.ready(PATIENCE).wait().expect("nothing is refused any more");
}

#[test]
fn the_time_that_was_given_is_kept_and_what_is_still_loading_goes_live_later() {
    let bytes = QUIET.component();
    let modules: Vec<String> = (0..60).map(|i| format!("p{i:02}.wasm")).collect();
    let modules: Vec<(&str, Vec<u8>)> = modules.iter().map(|name| (&**name, bytes.clone())).collect();
    let house = House::over(holding(&modules), Hottap::builder());
    let error = house.tap.ready(Duration::ZERO).wait().expect_err("sixty modules are not compiled in no time");
    assert!(error.timed_out(), "{error}");
    house.tap.ready(PATIENCE).wait().expect("all of them are good");
}

#[test]
fn nothing_to_wait_for_is_ready_at_once() {
    let began = Instant::now();
    let ready = |tap: &Hottap| tap.ready(PATIENCE).wait();
    assert_eq!(ready(&Hottap::disabled()), Ok(()));
    assert_eq!(ready(&Hottap::builder().start().expect("starts")), Ok(()), "no plugin dir");
    assert_eq!(ready(&House::new().tap), Ok(()), "an empty one");
    assert_eq!(ready(&House::without_directory().tap), Ok(()), "one that is not there");
    let disabled = House::over(
        holding(&[("off.wasm", QUIET.component()), ("off.toml", b"enabled = false\n".to_vec())]),
        Hottap::builder(),
    );
    assert_eq!(ready(&disabled.tap), Ok(()), "a plugin that is disabled");
    assert!(began.elapsed() < PATIENCE);
}

#[test]
fn a_plugin_dir_that_is_no_directory_is_told() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::write(directory.path().join("plugins"), "a file").expect("written");
    let house = House::over(directory, Hottap::builder());
    let error = house.tap.ready(PATIENCE).wait().expect_err("it cannot be read");
    assert!(error.to_string().contains("plugins cannot be read") && !error.timed_out(), "{error}");
    assert_eq!(
        house.tap.tracers()["plugin_dir_error"].as_str().map(|told| told.contains("cannot be read")),
        Some(true)
    );
}

#[test]
fn a_shutdown_ends_the_wait() {
    let modules: Vec<String> = (0..60).map(|i| format!("p{i:02}.wasm")).collect();
    let modules: Vec<(&str, Vec<u8>)> = modules.iter().map(|name| (&**name, QUIET.component())).collect();
    let house = House::over(holding(&modules), Hottap::builder());
    let ready = house.tap.ready(PATIENCE);
    let waiting = std::thread::spawn(|| ready.wait());
    assert!(house.tap.shutdown(PATIENCE));
    let error = waiting.join().expect("no panic").expect_err("it was shut down");
    assert!(error.to_string().contains("Hottap was shut down"), "{error}");
}
