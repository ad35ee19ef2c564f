//! Servers that are not there, close, send garbage or never end.

use std::io::Write;
use std::net::{Shutdown, TcpListener};
use std::sync::mpsc::channel;

use super::server::{Server, raw, read_request, says, status};
use super::{Desk, words};

#[test]
fn a_server_that_is_not_there_is_waited_for() {
    let address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let desk = Desk::with(&format!("url = \"http://{address}/\""));
    desk.send("early");
    let state = desk.until("failing", |state| state.state == "failing" && state.retries > 2);
    assert!(words(&state).contains("no connection to 127.0.0.1"), "{}", words(&state));
    assert_eq!((state.queued.payloads, state.delivered), (1, 0));
    let server = Server::start_at(address, |_, _| status(200));
    assert_eq!(server.next().text(), "early");
    assert_eq!(desk.until("delivered", |state| state.delivered == 1).state, "ok");
}

#[test]
fn an_unknown_host_is_named() {
    let desk = Desk::with("url = \"http://no-such-host.invalid/\"\ntimeout = \"2s\"");
    desk.send("lost");
    let state = desk.until("failing", |state| state.state == "failing");
    assert!(words(&state).contains("no-such-host.invalid was not found"), "{}", words(&state));
}

#[test]
fn garbage_and_closed_connections_are_tried_again() {
    let endless_head = format!("HTTP/1.1 200 OK\r\n{}", "x-long: yyyyyyyyyyyyyyyy\r\n".repeat(4_000));
    let many_heads = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(200));
    let answers: Vec<Vec<u8>> = vec![
        b"garbage\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x00\x05hello".to_vec(),
        b"SSH-2.0-OpenSSH\r\n".to_vec(),
        b"".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-le".to_vec(),
        b"HTTP/1.1 999999 What\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n".to_vec(),
        endless_head.into_bytes(),
        many_heads.into_bytes(),
    ];
    let bad = answers.len();
    let address = raw(move |n, mut stream| {
        read_request(&mut stream);
        let good = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec();
        let _ = stream.write_all(answers.get(n).unwrap_or(&good));
        let _ = stream.shutdown(Shutdown::Both);
    });
    let desk = Desk::with(&format!("url = \"http://{address}/\""));
    desk.send("one");
    let state = desk.until("delivered", |state| state.delivered == 1);
    assert_eq!(state.retries, bad as u64);
    assert!(words(&state).contains("no answer from"), "{}", words(&state));
}

#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    for (code, delivered) in [(200, true), (400, false)] {
        let (ended, is_ended) = channel();
        let address = raw(move |_, mut stream| {
            read_request(&mut stream);
            let _ = write!(stream, "HTTP/1.1 {code} Whatever\r\ntransfer-encoding: chunked\r\n\r\n");
            while stream.write_all(b"10\r\nno such database\r\n").is_ok() {}
            let _ = ended.send(());
        });
        let desk = Desk::with(&format!("url = \"http://{address}/\""));
        desk.send("one");
        let state = desk.until("settled", |state| state.queued.payloads == 0);
        assert_eq!((state.delivered == 1, state.dropped.contains_key("rejected")), (delivered, !delivered));
        assert!(words(&state).len() < 500, "{}", words(&state));
        is_ended.recv_timeout(super::PATIENCE).expect("the connection is closed");
    }
}

#[test]
fn a_long_answer_in_one_piece_is_shown_by_its_beginning() {
    let page = "no such database. ".repeat(2_000);
    let server = Server::start(move |_, _| says(400, &[], page.clone()));
    let desk = Desk::with(&server.url("/"));
    desk.send("one");
    let state = desk.until("dropped", |state| state.dropped.get("rejected") == Some(&1));
    assert!(words(&state).contains("it answered 400 Bad Request: no such database. no such"), "{}", words(&state));
    assert!(words(&state).len() < 500, "{}", words(&state));
}

#[test]
fn an_answer_that_stops_in_its_middle_has_said_what_counts() {
    let address = raw(|_, mut stream| {
        read_request(&mut stream);
        let _ = write!(stream, "HTTP/1.1 400 Bad Request\r\ncontent-length: 100\r\n\r\nno such database");
        let _ = stream.shutdown(Shutdown::Both);
    });
    let desk = Desk::with(&format!("url = \"http://{address}/\""));
    desk.send("one");
    let state = desk.until("dropped", |state| state.dropped.get("rejected") == Some(&1));
    assert!(words(&state).contains("no such database"), "{}", words(&state));
}

#[test]
fn a_kept_connection_that_the_server_closed_is_replaced_without_a_retry() {
    let address = raw(|_, mut stream| {
        read_request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        let _ = stream.shutdown(Shutdown::Both);
    });
    let desk = Desk::with(&format!("url = \"http://{address}/\""));
    for n in 1..=20 {
        desk.send("again");
        desk.until("delivered", |state| state.delivered == n);
    }
    assert_eq!((desk.state("d").retries, words(&desk.state("d"))), (0, String::new()));
}
