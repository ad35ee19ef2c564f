//! There is room for so many, and whoever comes then is told so at once.

use hottap::rpc::Outcome;

use crate::apart;
use crate::frames::{self, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, Two, frame, get};
use crate::house::House;

#[tokio::test]
async fn a_connection_beyond_the_limit_is_closed_and_counted() {
    let house = House::start(|server| server.max_connections(2)).await;
    let (mut first, mut second) = (house.connect().await, house.connect().await);
    house.until(|seen| seen.open == 2).await;
    let mut third = house.connect().await;
    assert_eq!(third.rest().await, "");
    let seen = house.until(|seen| seen.refused.limit == 1).await;
    assert_eq!((seen.accepted, seen.open), (3, 2));
    first.finish().await;
    first.rest().await;
    house.until(|seen| seen.open == 1).await;
    house.assert_serves().await;
    second.send("GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await;
    second.until("hello").await;
    house.close().await;
}

#[tokio::test]
async fn a_peer_has_no_more_connections_than_its_share() {
    let house = House::start(|server| server.max_connections_per_peer(1)).await;
    let held = house.connect().await;
    house.until(|seen| seen.open == 1).await;
    assert_eq!(house.connect().await.rest().await, "");
    house.until(|seen| seen.refused.peer_limit == 1).await;
    drop(held);
    house.until(|seen| seen.open == 0).await;
    house.assert_serves().await;
    house.close().await;
}

#[tokio::test]
async fn a_request_beyond_the_limit_is_answered_and_is_a_call_that_failed() {
    let house = House::start(|server| server.max_requests(1)).await;
    let mut held = house.connect().await;
    held.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    house.handler.reached.notified().await;

    let mut one = house.connect().await;
    one.send("GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let answer = one.rest().await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1"), "{answer}");

    let mut two = Two::connect(&house).await;
    let head = [frames::head("POST", "/a.B/C"), frames::literal("content-type", "application/grpc")].concat();
    two.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &head)).await;
    two.await_end(1).await;
    let calls = house.served.finished(2).await;
    let seen: Vec<_> = calls
        .iter()
        .map(|call| (call.stats().outcome(), call.stats().error_type().as_str(), call.stats().rpc_status()))
        .collect();
    assert_eq!(
        seen,
        [(Outcome::Error, "503", None), (Outcome::Error, "RESOURCE_EXHAUSTED", Some(8))],
        "each has finished once, with its error"
    );
    house.handler.go.notify_one();
    held.until("hello").await;
    house.assert_serves().await;
    drop(two);
    house.close().await;
}

#[tokio::test]
async fn a_place_is_taken_until_the_last_of_the_response_is_gone() {
    let house = House::start(|server| server.max_requests(1)).await;
    let mut held = house.connect().await;
    held.send("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n").await;
    held.until("\r\n\r\n").await;
    let mut other = house.connect().await;
    other.send("GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(other.rest().await.starts_with("HTTP/1.1 503"));
    held.send("a").await;
    held.until("a").await;
    house.served.finished(2).await;
    house.assert_serves().await;
    house.close().await;
}

#[tokio::test]
async fn a_stream_beyond_the_limit_is_refused_and_the_others_go_on() {
    let house = House::start(|server| server.max_streams(2)).await;
    let mut two = Two::connect(&house).await;
    for stream in [1, 3] {
        two.send(get(stream, "/wait")).await;
        house.handler.reached.notified().await;
    }
    two.send(get(5, "/hello")).await;
    let reset = two.await_frame(|frame| frame.kind == RST_STREAM && frame.stream == 5).await;
    assert_eq!(reset.code(), 7, "REFUSED_STREAM");
    house.handler.go.notify_waiters();
    two.await_frame(|frame| frame.flags & END_STREAM != 0 && frame.kind == 0).await;
    two.await_frame(|frame| frame.flags & END_STREAM != 0 && frame.kind == 0).await;
    assert_eq!(house.served.finished(2).await.len(), 2);
    drop(two);
    house.close().await;
}

#[tokio::test]
async fn a_head_beyond_the_limit_is_answered_as_one() {
    let house = House::start(|server| server.header_bytes(8 << 10)).await;
    for (head, expected, why) in [
        (format!("x: {}\r\n", "y".repeat(9 << 10)), "HTTP/1.1 431", "one long header"),
        ("x: y\r\n".repeat(2_000), "HTTP/1.1 431", "many short ones"),
    ] {
        let mut raw = house.connect().await;
        let _ = raw.try_send(format!("GET /hello HTTP/1.1\r\nhost: x\r\n{head}\r\n")).await;
        let answer = raw.rest().await;
        assert!(answer.starts_with(expected), "{why}: {answer:?}");
    }
    let seen = house.until(|seen| seen.closed.header_too_large == 2).await;
    assert_eq!(seen.closed.total(), 2);

    let mut two = Two::connect(&house).await;
    let long: Vec<u8> = (0..100).flat_map(|i| frames::literal(&format!("x-{i}"), &"y".repeat(120))).collect();
    two.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &[frames::head("GET", "/hello"), long].concat())).await;
    two.await_frame(|frame| frame.stream == 1 && matches!(frame.kind, HEADERS | RST_STREAM)).await;
    two.send(get(3, "/hello")).await;
    two.await_end(3).await;
    assert_eq!(house.served.finished(1).await.len(), 1, "the first was no request");
    drop(two);
    house.close().await;
}

#[tokio::test]
async fn a_server_that_may_open_no_more_files_waits_and_goes_on() {
    if apart::run("limits::a_server_that_may_open_no_more_files_waits_and_goes_on") {
        return;
    }
    use rustix::process::{Resource, Rlimit, setrlimit};
    let house = House::start(|server| server).await;
    house.assert_serves().await;
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: Some(64) }).expect("lowered");
    let mut files = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        files.push(file);
    }
    // One for the client; there is none for the server.
    files.pop();
    let mut raw = house.connect().await;
    house.until(|seen| seen.accept_errors > 2).await;
    drop(files);
    raw.send("GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(raw.rest().await.ends_with("hello"));
    house.assert_serves().await;
    house.close().await;
}
