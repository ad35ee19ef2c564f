//! What is posted, what is tried again, what is dropped.

use std::fs;
use std::time::{Duration, Instant};

use super::server::{Answer, Server, says, status};
use super::{Desk, words};

#[test]
fn a_payload_is_posted_with_its_media_type_and_the_operators_headers() {
    let server = Server::start(|_, _| status(204));
    let directory = tempfile::tempdir().expect("a directory");
    let secret = directory.path().join("secret");
    fs::write(&secret, "from-file\n").expect("written");
    let headers = format!(
        "headers = {{ x-text = \"from text\", authorization = {{ file = {secret:?}, prefix = \"Token \" }}, x-path = {{ env = \"PATH\" }} }}"
    );
    let desk = Desk::with(&format!("{}\n{headers}", server.url("/write?db=rpc")));
    desk.outbox.send("t", "d", "application/x-protobuf", b"one".to_vec()).expect("accepted").commit();
    let seen = server.next();
    assert_eq!((seen.head.method.as_str(), seen.head.uri.to_string().as_str()), ("POST", "/write?db=rpc"));
    assert_eq!(seen.text(), "one");
    assert_eq!(seen.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(seen.header("content-length"), Some("3"));
    assert_eq!(seen.header("host"), Some(server.address.to_string().as_str()));
    assert!(seen.header("user-agent").is_some_and(|agent| agent.starts_with("hottap/")));
    assert_eq!(seen.header("x-text"), Some("from text"));
    assert_eq!(seen.header("authorization"), Some("Token from-file"));
    assert_eq!(seen.header("x-path").map(str::to_owned), std::env::var("PATH").ok());
    let state = desk.until("delivered", |state| state.delivered == 1);
    assert_eq!((state.state, state.kind, state.retries), ("ok", "http", 0));
    assert_eq!(state.place, format!("http://{}/write", server.address));
}

#[test]
fn a_media_type_of_the_operators_own_wins_and_an_invalid_one_is_left_out() {
    let server = Server::start(|_, _| status(200));
    let desk = Desk::new();
    let own = format!("{}\nheaders = {{ Content-Type = \"text/x-own\", host = \"virtual\" }}", server.url("/"));
    desk.define(&[("own", &own), ("plain", &server.url("/"))]);
    for (destination, content_type, expected) in [
        ("own", "text/plain", Some("text/x-own")),
        ("plain", "text/plain; charset=utf-8", Some("text/plain; charset=utf-8")),
        ("plain", "", None),
        ("plain", "text/plain\r\nx-evil: 1", None),
    ] {
        desk.outbox.send("t", destination, content_type, vec![1]).expect("accepted").commit();
        let seen = server.next();
        assert_eq!(seen.header("content-type"), expected, "{content_type:?}");
        assert_eq!(seen.header("x-evil"), None);
        assert_eq!(seen.header("host") == Some("virtual"), destination == "own");
    }
}

#[test]
fn payloads_arrive_in_order_on_one_connection() {
    let server = Server::start(|_, _| status(200));
    let desk = Desk::with(&server.url("/"));
    for n in 0..100 {
        desk.send(format!("{n}"));
    }
    for n in 0..100 {
        let seen = server.next();
        assert_eq!((seen.text(), seen.connection), (n.to_string(), 0));
    }
    let state = desk.until("delivered", |state| state.delivered == 100);
    assert_eq!((state.accepted, state.queued.payloads, state.retries), (100, 0, 0));
}

#[test]
fn what_may_pass_is_tried_again_before_what_comes_after_it() {
    const STATUSES: [u16; 8] = [408, 425, 429, 500, 502, 503, 504, 200];
    let server = Server::start(|n, _| status(STATUSES.get(n).copied().unwrap_or(200)));
    let desk = Desk::with(&server.url("/"));
    desk.send("first");
    desk.send("second");
    for _ in STATUSES {
        assert_eq!(server.next().text(), "first");
    }
    assert_eq!(server.next().text(), "second");
    let state = desk.until("delivered", |state| state.delivered == 2);
    assert_eq!((state.retries, state.state), (7, "ok"));
    assert!(words(&state).contains("504"), "the last error stays to be read: {}", words(&state));
}

#[test]
fn what_will_not_pass_is_dropped_and_said() {
    for (code, reason, advice) in [
        (400, "rejected", "format"),
        (301, "rejected", "final address"),
        (404, "rejected", "path"),
        (413, "too_large", "max_payload"),
        (501, "rejected", "POST"),
    ] {
        let server = Server::start(move |n, _| {
            if n == 0 {
                says(code, &[("location", "http://127.0.0.1:1/")], "no \u{1b}such\ndatabase")
            } else {
                status(200)
            }
        });
        let desk = Desk::with(&server.url("/"));
        desk.send("bad");
        let state = desk.until("dropped", |state| state.dropped.get(reason) == Some(&1));
        assert_eq!((state.state, state.retries), ("failing", 0));
        let words = words(&state);
        assert!(words.contains(&code.to_string()) && words.contains("no  such database"), "{words}");
        assert!(words.contains(advice), "{words}");
        desk.send("good");
        assert_eq!(desk.until("delivered", |state| state.delivered == 1).state, "ok");
        assert_eq!(server.rest().iter().map(|seen| seen.text()).collect::<Vec<_>>(), ["bad", "good"]);
    }
}

#[test]
fn a_payload_that_was_taken_but_for_some_items_is_delivered_and_the_items_are_counted() {
    let conflict = r#"{"error":"partial write: field type conflict: input field \"n\" on measurement \"rpc\" is type integer, already exists as type float dropped=2"}"#;
    let long = format!(
        r#"{{"error":"partial write: {} dropped=0"}}"#,
        "unable to parse 'rpc,method=a.rather.long/Name n=': missing field value\\n".repeat(300)
    );
    let server = Server::start(move |n, _| match n {
        0 => says(400, &[("content-type", "application/json")], conflict),
        1 => says(200, &[("content-type", "application/x-protobuf")], &b"\x0a\x0b\x08\x03\x12\x07too old"[..]),
        2 => says(400, &[("content-type", "application/json")], long.clone()),
        _ => status(204),
    });
    let desk = Desk::with(&server.url("/"));
    for (items_refused, part) in [(2, "field type conflict"), (2 + 3, "too old"), (2 + 3 + 300, "unable to parse")] {
        desk.send(vec![b'x'; 1_000]);
        let state = desk.until("delivered in part", |state| state.items_refused == items_refused);
        assert_eq!((state.state, state.retries, state.dropped.len()), ("partial", 0, 0));
        assert!(
            words(&state).contains(part) && words(&state).contains("all other items were taken"),
            "{}",
            words(&state)
        );
    }
    desk.send("whole");
    let state = desk.until("delivered", |state| state.delivered == 4);
    assert_eq!((state.state, state.accepted, state.items_refused), ("ok", 4, 305));
    assert!(server.rest().iter().all(|seen| seen.connection == 0), "the connection is kept");
}

#[test]
fn a_server_cannot_refuse_more_items_than_a_payload_has_bytes() {
    let server = Server::start(|_, _| says(400, &[], "partial write: no dropped=18446744073709551615"));
    let desk = Desk::with(&server.url("/"));
    desk.send("four");
    assert_eq!(desk.until("delivered", |state| state.delivered == 1).items_refused, 4);
}

#[test]
fn a_servers_wish_to_be_left_alone_is_granted() {
    let server = Server::start(|n, _| if n == 0 { says(503, &[("retry-after", "1")], "") } else { status(200) });
    let desk = Desk::with(&server.url("/"));
    desk.send("patient");
    server.next();
    let began = Instant::now();
    server.next();
    assert!(began.elapsed() > Duration::from_millis(900), "{:?}", began.elapsed());
}

#[test]
fn a_payload_is_not_tried_for_ever() {
    let server = Server::start(|_, seen| status(if seen.text() == "late" { 503 } else { 200 }));
    let desk = Desk::with(&format!("{}\nretry_for = \"40ms\"", server.url("/")));
    desk.send("late");
    desk.send("next");
    let state = desk.until("delivered", |state| state.delivered == 1);
    assert_eq!(state.dropped.get("expired"), Some(&1));
    assert!(state.retries > 0);
}

#[test]
fn a_server_that_hangs_is_left_after_the_timeout_and_asked_again() {
    let server = Server::start(|n, _| if n == 0 { Answer::Hangs } else { status(200) });
    let desk = Desk::with(&format!("{}\ntimeout = \"1s\"", server.url("/")));
    desk.send("one");
    let state = desk.until("failing", |state| state.state == "failing");
    assert!(words(&state).contains("did not answer within"), "{}", words(&state));
    let state = desk.until("delivered", |state| state.delivered == 1);
    assert_eq!(state.retries, 1);
    let connections: Vec<_> = server.rest().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 1], "the connection that hung is not used again");
}
