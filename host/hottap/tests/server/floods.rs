//! Many at once: who says nothing, who says it slowly, and who means it. The server serves the others meanwhile, in bounded
//! memory.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::apart::{self, assert_grown_by_at_most, resident};
use crate::frames::{END_STREAM, Two, get};
use crate::house::{House, SHORT};

const MIB: u64 = 1 << 20;

#[tokio::test]
async fn two_hundred_clients_that_send_a_byte_at_a_time_are_all_let_go() {
    if apart::run("floods::two_hundred_clients_that_send_a_byte_at_a_time_are_all_let_go") {
        return;
    }
    const CLIENTS: usize = 200;
    let house = House::start(|server| server.header_timeout(SHORT * 4)).await;
    let before = resident();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let mut raw = house.connect().await;
        clients.spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(10));
            for byte in b"GET /hello HTTP/1.1\r\nhost: x\r\nx: ".iter().chain(std::iter::repeat_n(&b'y', 100_000)) {
                pace.tick().await;
                if !raw.try_send([*byte]).await {
                    return;
                }
            }
            panic!("the server has taken it all");
        });
    }
    house.assert_serves().await;
    while let Some(result) = clients.join_next().await {
        result.expect("let go");
    }
    house.assert_serves().await;
    let seen = house.until(|seen| seen.open == 0).await;
    assert_eq!(seen.closed.header_timeout, CLIENTS as u64, "{seen:?}");
    assert_eq!(house.served.finished(2).await.len(), 2, "they were no calls");
    assert_grown_by_at_most(before, 32 * MIB);
    house.close().await;
}

#[tokio::test]
async fn a_thousand_idle_connections_cost_little_and_end_when_they_are_to() {
    if apart::run("floods::a_thousand_idle_connections_cost_little_and_end_when_they_are_to") {
        return;
    }
    const CLIENTS: usize = 1000;
    let house = House::start(|server| server.idle_timeout(Duration::from_secs(5))).await;
    let before = resident();
    let mut idle = Vec::new();
    for i in 0..CLIENTS {
        if i % 2 == 0 {
            let mut raw = house.connect().await;
            raw.send("GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await;
            raw.until("hello").await;
            idle.push(raw);
        } else {
            let mut two = Two::connect(&house).await;
            two.send(get(1, "/hello")).await;
            two.await_end(1).await;
            idle.push(two.0);
        }
    }
    house.until(|seen| seen.open == CLIENTS as u64).await;
    // Both ends of each are in this process.
    assert_grown_by_at_most(before, 64 * MIB);
    house.assert_serves().await;
    for raw in &mut idle {
        // Those of HTTP/2 wait to be answered until they are dropped.
        raw.exactly(1).await;
    }
    drop(idle);
    let seen = house.until(|seen| seen.open == 0).await;
    assert_eq!(seen.closed.idle, CLIENTS as u64, "{seen:?}");
    house.close().await;
}

#[tokio::test]
async fn ten_thousand_streams_are_open_at_once_and_all_end_well() {
    if apart::run("floods::ten_thousand_streams_are_open_at_once_and_all_end_well") {
        return;
    }
    const CONNECTIONS: usize = 50;
    const STREAMS: usize = 200;
    let house = House::start(|server| server).await;
    let before = resident();
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut two = Two::connect(&house).await;
        let requests: Vec<u8> = (0..STREAMS as u32).flat_map(|i| get(2 * i + 1, "/wait")).collect();
        two.send(requests).await;
        connections.push(two);
    }
    while house.handler.hanging.load(Ordering::Relaxed) < CONNECTIONS * STREAMS {
        house.handler.reached.notified().await;
    }
    assert_eq!(house.connections().open, CONNECTIONS as u64);
    assert_grown_by_at_most(before, 256 * MIB);
    house.assert_serves().await;
    house.handler.go.notify_waiters();
    for two in &mut connections {
        let mut left = STREAMS;
        while left > 0 {
            two.await_frame(|frame| frame.kind == 0 && frame.flags & END_STREAM != 0).await;
            left -= 1;
        }
    }
    let calls = house.served.finished(CONNECTIONS * STREAMS + 1).await;
    assert!(calls.iter().all(|call| call.stats().http_status() == Some(200)));
    drop(connections);
    house.close().await;
}
