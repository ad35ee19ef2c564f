//! A handler that breaks is answered for, and takes nobody with it.

use hottap::rpc::Outcome;

use crate::frames::{self, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, Two, frame, get};
use crate::house::House;

#[tokio::test]
async fn a_panicking_handler_is_answered_for_with_500_and_the_connection_goes_on() {
    let house = House::start(|server| server).await;
    let mut one = house.connect().await;
    one.send("GET /panic HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let answer = one.until("\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 500") && answer.contains("content-length: 0"), "{answer}");
    one.send("GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await;
    one.until("hello").await;
    let calls = house.served.finished(2).await;
    assert_eq!(calls[0].stats().outcome(), Outcome::Panicked);
    assert_eq!(calls[1].stats().outcome(), Outcome::Ok);
    house.close().await;
}

#[tokio::test]
async fn a_panicking_handler_of_grpc_is_internal_and_the_other_streams_live_on() {
    let house = House::start(|server| server).await;
    let mut two = Two::connect(&house).await;
    two.send(get(1, "/wait")).await;
    house.handler.reached.notified().await;
    let head = [frames::head("POST", "/panic"), frames::literal("content-type", "application/grpc")].concat();
    two.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, &head)).await;
    let answer = two.await_frame(|frame| frame.stream == 3).await;
    assert_eq!((answer.kind, answer.flags & END_STREAM), (HEADERS, END_STREAM), "trailers-only");
    house.handler.go.notify_one();
    two.await_end(1).await;
    let calls = house.served.finished(2).await;
    let mut outcomes: Vec<_> = calls.iter().map(|call| call.stats().outcome().as_str()).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["ok", "panicked"]);
    drop(two);
    house.close().await;
}

#[tokio::test]
async fn a_body_that_panics_ends_its_own_stream_alone() {
    let house = House::start(|server| server).await;
    let mut two = Two::connect(&house).await;
    two.send(get(1, "/panic-body")).await;
    let reset = two.await_frame(|frame| frame.kind == RST_STREAM).await;
    assert_eq!((reset.stream, reset.code()), (1, 2), "INTERNAL_ERROR");
    two.send(get(3, "/hello")).await;
    two.await_end(3).await;

    let mut one = house.connect().await;
    one.send("GET /panic-body HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let answer = one.rest().await;
    assert!(!answer.ends_with("0\r\n\r\n"), "the client can tell that it is not complete: {answer}");
    let calls = house.served.finished(3).await;
    assert_eq!(calls.iter().filter(|call| call.stats().outcome() == Outcome::Panicked).count(), 2);
    drop(two);
    house.close().await;
}

#[tokio::test]
async fn an_error_of_the_service_is_told_to_the_tracers_and_not_to_the_caller() {
    let house = House::start(|server| server).await;
    let mut one = house.connect().await;
    one.send("GET /fail HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let answer = one.rest().await;
    assert!(answer.starts_with("HTTP/1.1 500") && !answer.contains("secret"), "{answer}");
    let call = house.served.one().await;
    assert_eq!(call.stats().outcome(), Outcome::Error);
    assert_eq!(call.stats().error_message(), "a secret");
    house.close().await;
}
