//! The end of a server: what is under way may end, up to a time.

use std::time::Duration;

use hottap::rpc::Outcome;

use crate::frames::{ACK, GOAWAY, PING, Two, frame, get};
use crate::house::{House, SHORT};

#[tokio::test]
async fn streams_that_end_in_time_end_well() {
    let house = House::start(|server| server).await;
    let (mut one, mut two, mut idle) = (house.connect().await, Two::connect(&house).await, house.connect().await);
    one.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    house.handler.reached.notified().await;
    two.send(get(1, "/wait")).await;
    house.handler.reached.notified().await;
    idle.send("GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await;
    idle.until("hello").await;

    let (address, handler) = (house.address(), house.handler.clone());
    let stopping = house.begin_to_stop();
    assert_eq!(idle.rest().await, "", "who waits for nothing is let go at once");
    let goaway = two.await_frame(|frame| frame.kind == GOAWAY).await;
    assert_eq!(goaway.code(), 0);
    let refused = tokio::net::TcpStream::connect(address).await;
    assert!(refused.is_err(), "nobody is accepted any more");
    handler.go.notify_waiters();
    let answer = one.rest().await;
    assert!(answer.contains("connection: close") && answer.ends_with("hello"), "{answer}");
    two.await_end(1).await;
    two.send(frame(PING, ACK, 0, b"\x0b\x7b\xa2\xf0\x8b\x9b\xfe\x54")).await;
    two.rest().await;
    let (ended, seen) = stopping.ended().await;
    assert_eq!((ended.connections_cut, ended.requests_cut), (0, 0));
    assert_eq!(seen.closed.shutdown, 3, "{seen:?}");
}

#[tokio::test]
async fn streams_that_do_not_end_are_cut_and_counted() {
    let house = House::start(|server| server.shutdown_timeout(SHORT)).await;
    let (mut one, mut two) = (house.connect().await, Two::connect(&house).await);
    one.send("GET /hang HTTP/1.1\r\nhost: x\r\n\r\n").await;
    house.handler.reached.notified().await;
    for stream in [1, 3] {
        two.send(get(stream, "/hang")).await;
        house.handler.reached.notified().await;
    }
    let served = house.served.clone();
    let (ended, seen) = house.close().await;
    assert_eq!((ended.connections_cut, ended.requests_cut), (2, 3));
    assert_eq!((seen.closed.cut, seen.open), (2, 0));
    assert_eq!(one.rest().await, "");
    two.rest().await;
    let calls = served.finished(3).await;
    assert!(calls.iter().all(|call| call.stats().outcome() == Outcome::Cancelled));
    served.assert_each_finished_once();
}

#[tokio::test]
async fn a_server_that_is_dropped_closes_everything_at_once() {
    let house = House::start(|server| server).await;
    let (mut one, mut two) = (house.connect().await, Two::connect(&house).await);
    one.send("GET /hang HTTP/1.1\r\nhost: x\r\n\r\n").await;
    house.handler.reached.notified().await;
    two.send(get(1, "/hang")).await;
    house.handler.reached.notified().await;
    let served = house.served.clone();
    let seen = house.kill().await;
    assert_eq!(seen.closed.cut, 2);
    assert_eq!(one.rest().await, "");
    two.rest().await;
    assert_eq!(served.finished(2).await.len(), 2);
    served.assert_each_finished_once();
}

#[tokio::test]
async fn a_peer_in_a_handshake_or_a_head_does_not_hold_up_the_end() {
    let house = House::start(|server| server.shutdown_timeout(Duration::from_secs(60))).await;
    let mut silent = house.connect().await;
    house.until(|seen| seen.open == 1).await;
    let (ended, seen) = house.close().await;
    assert_eq!((ended.connections_cut, seen.closed.shutdown), (0, 1));
    assert_eq!(silent.rest().await, "");
}
