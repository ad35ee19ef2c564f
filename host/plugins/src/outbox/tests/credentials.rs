//! Secrets that are missing, come late, or are renewed.

use std::fs;

use super::server::{Server, says, status};
use super::{Desk, words};

#[test]
fn a_destination_waits_for_its_secret_and_says_which() {
    let server = Server::start(|_, _| status(200));
    let directory = tempfile::tempdir().expect("a directory");
    let secret = directory.path().join("token");
    let desk = Desk::with(&format!("{}\nheaders = {{ x-token = {{ file = {secret:?} }} }}", server.url("/")));
    desk.send("patient");
    let state = desk.until("waiting", |state| state.state == "waiting");
    assert!(words(&state).contains("token cannot be read"), "{}", words(&state));
    assert_eq!((state.queued.payloads, state.retries), (1, 0));
    fs::write(&secret, " \n").expect("written");
    desk.until("empty", |state| words(state).contains("is empty"));
    fs::write(&secret, "two\nlines").expect("written");
    desk.until("two lines", |state| words(state).contains("cannot stand in a header"));
    let draft = directory.path().join("draft");
    fs::write(&draft, "good\n").expect("written");
    fs::rename(draft, secret).expect("renamed");
    assert_eq!(server.next().header("x-token"), Some("good"));
    assert_eq!(desk.until("delivered", |state| state.delivered == 1).state, "ok");
}

#[test]
fn what_is_missing_is_seen_before_anything_is_sent() {
    let directory = tempfile::tempdir().expect("a directory");
    let secret = directory.path().join("token");
    let desk = Desk::with(&format!("url = \"http://127.0.0.1:9/\"\nheaders = {{ x-token = {{ file = {secret:?} }} }}"));
    let state = desk.until("waiting", |state| state.state == "waiting");
    assert!(words(&state).contains("token cannot be read") && state.accepted == 0, "{}", words(&state));
    fs::write(&secret, "good").expect("written");
    desk.until("ok", |state| state.state == "ok");
    assert!(desk.shutdown());
}

#[test]
fn a_missing_environment_variable_is_named() {
    let desk = Desk::with(
        "url = \"http://127.0.0.1:9/\"\nheaders = { authorization = { env = \"HOTTAP_TEST_THAT_NOBODY_SETS\" } }",
    );
    desk.send("kept");
    let state = desk.until("waiting", |state| state.state == "waiting");
    assert!(words(&state).contains("HOTTAP_TEST_THAT_NOBODY_SETS is not set"), "{}", words(&state));
}

#[test]
fn a_renewed_secret_is_read_after_a_401_and_the_payload_is_not_lost() {
    for code in [401, 403] {
        let directory = tempfile::tempdir().expect("a directory");
        let secret = directory.path().join("token");
        fs::write(&secret, "old").expect("written");
        let rotated = secret.clone();
        let server = Server::start(move |_, seen| match seen.header("x-token") {
            Some("new") => status(200),
            // The secret is rotated just before the old one is refused.
            _ => {
                fs::write(&rotated, "new").expect("written");
                status(code)
            }
        });
        let desk = Desk::with(&format!("{}\nheaders = {{ x-token = {{ file = {secret:?} }} }}", server.url("/")));
        desk.send("one");
        let state = desk.until("delivered", |state| state.delivered == 1);
        assert_eq!((state.retries, state.dropped.len()), (1, 0));
    }
}

#[test]
fn a_secret_that_is_refused_and_stays_the_same_loses_the_payload() {
    let directory = tempfile::tempdir().expect("a directory");
    let secret = directory.path().join("token");
    fs::write(&secret, "wrong").expect("written");
    let server = Server::start(|_, _| says(401, &[], "who are you"));
    let desk = Desk::with(&format!("{}\nheaders = {{ x-token = {{ file = {secret:?} }} }}", server.url("/")));
    desk.send("one");
    let state = desk.until("dropped", |state| state.dropped.get("rejected") == Some(&1));
    assert!(words(&state).contains("401") && words(&state).contains("credentials"), "{}", words(&state));
    assert_eq!(server.rest().len(), 1);
}

#[test]
fn a_secret_that_vanishes_makes_the_destination_wait() {
    let directory = tempfile::tempdir().expect("a directory");
    let secret = directory.path().join("token");
    fs::write(&secret, "old").expect("written");
    let rotated = secret.clone();
    let server = Server::start(move |n, seen| {
        if n == 0 {
            fs::remove_file(&rotated).expect("removed");
        }
        status(if seen.header("x-token") == Some("new") { 200 } else { 401 })
    });
    let desk = Desk::with(&format!("{}\nheaders = {{ x-token = {{ file = {secret:?} }} }}", server.url("/")));
    desk.send("one");
    let state = desk.until("waiting", |state| state.state == "waiting");
    assert_eq!(state.queued.payloads, 1);
    let draft = directory.path().join("draft");
    fs::write(&draft, "new").expect("written");
    fs::rename(draft, secret).expect("renamed");
    desk.until("delivered", |state| state.delivered == 1 && state.dropped.is_empty());
}
