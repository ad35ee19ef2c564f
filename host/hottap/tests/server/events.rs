//! What only a runtime sees of a call: when its handler waits for the peer.

use hottap::rpc::EventKind;

use crate::frames::{self, DATA, END_STREAM, Two, frame, post};
use crate::house::House;

fn kinds(call: &hottap::rpc::RpcInfo) -> Vec<&'static str> {
    call.stats().events().iter().map(|event| event.kind.as_str()).collect()
}

#[tokio::test]
async fn a_handler_that_waits_for_its_caller_is_seen_waiting() {
    let house = House::start(|server| server).await;
    let mut two = Two::connect(&house).await;
    two.send(post(1, "/echo")).await;
    // The head of the answer is there: the transport asks for its body, which is the request's, of which nothing came.
    two.await_frame(|frame| frame.stream == 1 && frame.kind == frames::HEADERS).await;
    two.send(frame(DATA, 0, 1, b"a")).await;
    two.await_frame(|frame| frame.stream == 1 && frame.kind == DATA).await;
    two.send(frame(DATA, END_STREAM, 1, b"b")).await;
    two.await_end(1).await;
    let call = house.served.one().await;
    let events = call.stats().events();
    let (start, finish) = (events.get(EventKind::WAIT_READ_START), events.get(EventKind::WAIT_READ_FINISH));
    let (start, finish) = (start.expect("it waited").at, finish.expect("something came").at);
    assert!(events.get(EventKind::READ_START).expect("asked").at <= start, "{:?}", kinds(&call));
    assert!(start <= finish && finish <= events.get(EventKind::READ_FINISH).expect("ended").at, "{:?}", kinds(&call));
    drop(two);
    house.close().await;
}

#[tokio::test]
async fn a_handler_that_need_not_wait_is_not_seen_waiting() {
    let house = House::start(|server| server).await;
    let mut one = house.connect().await;
    one.send("POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc").await;
    assert!(one.rest().await.ends_with('3'));
    let call = house.served.one().await;
    assert_eq!(
        kinds(&call),
        ["server_handle_start", "read_start", "read_finish", "server_handle_finish", "write_start", "write_finish"]
    );
    house.close().await;
}
