//! Whoever keeps the server waiting is waited for as long as it was told, and no longer.

use std::time::Duration;

use hottap::rpc::Outcome;

use crate::frames::{self, GOAWAY, HEADERS, PING, PREFACE, Two, frame, get, post};
use crate::house::{House, SHORT};

#[tokio::test]
async fn a_head_that_does_not_come_in_time_ends_the_connection() {
    let house = House::start(|server| server.header_timeout(SHORT)).await;
    for (first, why) in [
        ("", "not a byte"),
        ("GET /hello HT", "an unfinished line"),
        ("GET /hello HTTP/1.1\r\nhost: x\r\n", "an unfinished head"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r", "an unfinished preface"),
    ] {
        let mut raw = house.connect().await;
        raw.send(first).await;
        assert_eq!(raw.rest().await, "", "{why}");
    }
    let seen = house.until(|seen| seen.open == 0).await;
    assert_eq!(seen.closed.header_timeout, 4, "{seen:?}");
    assert!(house.served.finished(0).await.is_empty(), "before its head there is no call");
    house.close().await;
}

#[tokio::test]
async fn the_time_for_a_head_begins_anew_with_each_request_and_not_before_its_first_byte() {
    let house = House::start(|server| server.header_timeout(SHORT).idle_timeout(Duration::from_secs(60))).await;
    let mut raw = house.connect().await;
    raw.send("GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await;
    raw.until("hello").await;
    raw.assert_silent(SHORT * 3).await;
    raw.send("GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await;
    raw.until("hello").await;
    raw.send("GET /hel").await;
    assert_eq!(raw.rest().await, "");
    let seen = house.until(|seen| seen.open == 0).await;
    assert_eq!(seen.closed.header_timeout, 1);
    assert_eq!(house.served.finished(2).await.len(), 2);
    house.close().await;
}

#[tokio::test]
async fn a_body_that_stops_coming_is_an_error_to_the_handler() {
    let house = House::start(|server| server.body_timeout(SHORT)).await;
    let mut one = house.connect().await;
    one.send("POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345").await;
    let answer = one.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.ends_with("no more of the request's body came for 150ms"), "{answer}");

    let mut two = Two::connect(&house).await;
    two.send(post(1, "/read")).await;
    two.send(frame(frames::DATA, 0, 1, b"12345")).await;
    two.await_end(1).await;
    two.send(get(3, "/hello")).await;
    two.await_end(3).await;
    let calls = house.served.finished(3).await;
    assert_eq!(calls.iter().filter(|call| call.stats().http_status() == Some(408)).count(), 2);
    drop(two);
    house.close().await;
}

#[tokio::test]
async fn a_body_that_comes_slowly_but_comes_is_none() {
    let house = House::start(|server| server.body_timeout(Duration::from_secs(10))).await;
    let mut one = house.connect().await;
    one.send("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nconnection: close\r\n\r\n").await;
    one.until("\r\n\r\n").await;
    for byte in ["a", "b", "c"] {
        one.send(byte).await;
        one.until(byte).await;
    }
    assert_eq!(one.rest().await, "");
    house.close().await;
}

#[tokio::test]
async fn a_stream_of_grpc_may_be_silent_unless_it_is_bounded_too() {
    let head = [frames::head("POST", "/read"), frames::literal("content-type", "application/grpc")].concat();
    let head = frame(HEADERS, frames::END_HEADERS, 1, &head);

    let house = House::start(|server| server.body_timeout(SHORT)).await;
    let mut two = Two::connect(&house).await;
    two.send(&head).await;
    two.assert_unanswered(1, SHORT * 3).await;
    two.send(frame(frames::DATA, frames::END_STREAM, 1, b"")).await;
    two.await_end(1).await;
    drop(two);
    house.close().await;

    let house = House::start(|server| server.stream_timeout(SHORT)).await;
    let mut two = Two::connect(&house).await;
    two.send(&head).await;
    two.await_end(1).await;
    drop(two);
    house.close().await;
}

#[tokio::test]
async fn a_connection_without_requests_is_closed() {
    let house = House::start(|server| server.idle_timeout(SHORT)).await;
    let mut one = house.connect().await;
    one.send("GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await;
    one.until("hello").await;
    assert_eq!(one.rest().await, "");
    house.until(|seen| seen.closed.idle == 1).await;

    let mut two = Two::connect(&house).await;
    two.send(get(1, "/hello")).await;
    two.await_end(1).await;
    let goaway = two.await_frame(|frame| frame.kind == GOAWAY).await;
    assert_eq!(goaway.code(), 0, "nobody is to blame");
    // It pings, to know what is on its way; who answers is left at once.
    let ping = two.await_frame(|frame| frame.kind == PING).await;
    two.send(frame(PING, frames::ACK, 0, &ping.payload)).await;
    two.rest().await;
    house.until(|seen| seen.closed.idle == 2).await;
    house.close().await;
}

#[tokio::test]
async fn a_request_under_way_is_no_idle_time_however_long_it_takes() {
    let house = House::start(|server| server.idle_timeout(SHORT)).await;
    let (mut one, mut two) = (house.connect().await, Two::connect(&house).await);
    one.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    house.handler.reached.notified().await;
    two.send(get(1, "/wait")).await;
    house.handler.reached.notified().await;
    one.assert_silent(SHORT * 3).await;
    assert_eq!(house.connections().closed.total(), 0);
    house.handler.go.notify_waiters();
    one.until("hello").await;
    two.await_end(1).await;
    house.until(|seen| seen.closed.idle >= 1).await;
    drop(two);
    house.close().await;
}

#[tokio::test]
async fn a_peer_that_answers_no_pings_is_given_up_and_its_streams_with_it() {
    let house = House::start(|server| server.pings(SHORT, SHORT)).await;
    let mut two = Two::connect(&house).await;
    two.send(get(1, "/hang")).await;
    house.handler.reached.notified().await;
    two.await_frame(|frame| frame.kind == PING).await;
    two.rest().await;
    let call = house.served.one().await;
    assert_eq!(call.stats().outcome(), Outcome::Cancelled);
    let seen = house.until(|seen| seen.open == 0).await;
    assert_eq!(seen.closed.ping_timeout, 1, "{seen:?}");
    house.close().await;
}

#[tokio::test]
async fn a_preface_is_enough_to_be_waited_for_as_an_idle_connection() {
    let house = House::start(|server| server.header_timeout(SHORT).idle_timeout(SHORT * 4)).await;
    let mut raw = house.connect().await;
    raw.send(PREFACE).await;
    let mut two = Two(raw);
    two.send(frame(frames::SETTINGS, 0, 0, &[])).await;
    two.await_frame(|frame| frame.kind == GOAWAY).await;
    drop(two);
    house.close().await;
}

#[tokio::test]
async fn a_call_of_grpc_ends_at_its_deadline_and_its_handler_with_it() {
    let house = House::start(|server| server).await;
    let mut two = Two::connect(&house).await;
    let late = |stream, path, timeout| {
        let kind = [frames::literal("content-type", "application/grpc"), frames::literal("grpc-timeout", timeout)];
        frame(HEADERS, frames::END_HEADERS, stream, &[frames::head("POST", path), kind.concat()].concat())
    };
    two.send(late(1, "/hang", "150m")).await;
    let answer = two.await_frame(|frame| frame.stream == 1).await;
    assert_eq!((answer.kind, answer.flags & frames::END_STREAM), (HEADERS, frames::END_STREAM), "trailers-only");
    // A response that has begun is ended by trailers.
    two.send(late(3, "/echo", "150m")).await;
    let head = two.await_frame(|frame| frame.stream == 3).await;
    assert_eq!((head.kind, head.flags & frames::END_STREAM), (HEADERS, 0));
    let trailers = two.await_frame(|frame| frame.stream == 3).await;
    assert_eq!((trailers.kind, trailers.flags & frames::END_STREAM), (HEADERS, frames::END_STREAM));
    // Who has no time left says 0: that is no call without a deadline.
    two.send(late(5, "/hang", "0n")).await;
    let answer = two.await_frame(|frame| frame.stream == 5).await;
    assert_eq!((answer.kind, answer.flags & frames::END_STREAM), (HEADERS, frames::END_STREAM), "trailers-only");
    for call in house.served.finished(3).await {
        let stats = call.stats();
        assert_eq!((stats.outcome(), stats.error_type().as_str()), (Outcome::TimedOut, "DEADLINE_EXCEEDED"));
    }
    drop(two);
    house.close().await;
}

#[tokio::test]
async fn a_peer_that_takes_nothing_of_its_response_is_let_go() {
    let house = House::start(|server| server.write_timeout(SHORT * 2)).await;
    let mut one = house.connect().await;
    one.send("GET /down/1000000000 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut two = Two::connect(&house).await;
    two.send(frame(frames::WINDOW_UPDATE, 0, 0, &0x7000_0000_u32.to_be_bytes())).await;
    two.send(frame(frames::SETTINGS, 0, 0, &[&[0, 4][..], &0x7000_0000_u32.to_be_bytes()].concat())).await;
    two.send(get(1, "/down/1000000000")).await;
    let seen = house.until(|seen| seen.closed.write_timeout == 2).await;
    assert_eq!(seen.open, 0, "{seen:?}");
    for call in house.served.finished(2).await {
        assert_eq!(call.stats().outcome(), Outcome::Cancelled);
    }
    house.assert_serves().await;
    house.close().await;
}
