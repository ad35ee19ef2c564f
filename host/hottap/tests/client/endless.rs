//! Servers that never come to an end: waits without bound, answers without end, heads that nothing follows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hottap::client::{ErrorKind, Phase, Retry};
use hottap::rpc::Outcome;
use http::Request;
use http_body_util::{BodyExt, Full};
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

use crate::counted::{World, check};
use crate::recorder::Recorder;
use crate::script::{Handler, Script, answer, get};
use crate::world::collect;

/// When a test gives up: long, so that a busy machine fails no test.
const PATIENCE: Duration = Duration::from_secs(20);
const MINUTE: Duration = Duration::from_secs(60);

fn retry() -> Retry {
    Retry::new(3).pauses(Duration::from_micros(1), Duration::from_micros(10))
}

#[tokio::test]
async fn a_server_that_wants_to_be_asked_in_a_million_years_is_not_asked_again() {
    for wait in ["18446744073709551615", "31536000", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let server = Handler::start(move |_, _| async move { answer(503, &[("retry-after", wait)], "busy") }).await;
        for limit in [None, Some(MINUTE)] {
            let sent = Recorder::default();
            let builder = sent.start("shop").client(server.url()).retry(retry());
            let builder = if let Some(limit) = limit { builder.timeout(limit) } else { builder };
            let client = builder.build().expect("builds");
            let response = timeout(PATIENCE, get(&client, "/")).await.expect("nobody waits").expect("a response");
            assert_eq!(response.status(), 503, "{wait}");
            assert_eq!(sent.one().await.attempts(), 1, "{wait}");
            sent.assert_each_finished_once();
        }
    }
}

#[tokio::test]
async fn a_response_that_always_has_more_ends_with_its_calls_time() {
    let sent = Recorder::default();
    let server = Script::start(|mut wire, _| async move {
        if wire.head().await {
            wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n").await;
            let more = vec![b'x'; 1 << 16];
            // Ends when the client hangs up.
            while tokio::io::AsyncWriteExt::write_all(&mut wire.0, &more).await.is_ok() {}
        }
    })
    .await;
    let builder = sent.start("shop").client(server.url()).timeout(Duration::from_millis(300));
    let request = Request::get("/").body(Full::<Bytes>::default()).expect("a request");
    let mut body = builder.build().expect("builds").oneshot(request).await.expect("a head").into_body();
    let read = async {
        loop {
            // Whoever reads slower than the server sends finds something there each time.
            sleep(Duration::from_millis(20)).await;
            if let Err(error) = body.frame().await.expect("there is more") {
                break error;
            }
        }
    };
    let error = timeout(PATIENCE, read).await.expect("the call's time is over");
    assert_eq!((error.kind(), error.phase()), (ErrorKind::CallTimedOut, Phase::Body));
    check(&sent.one().await, Outcome::TimedOut, "DEADLINE_EXCEEDED");
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn retries_do_not_hold_back_the_head_of_a_stream_that_has_no_message_yet() {
    let world = World::with(|builder| builder.retry(retry())).await;
    let stream = timeout(PATIENCE, world.client.download("0 8 hang")).await.expect("the head is there");
    drop(stream.expect("a stream"));
    check(&world.sent.one().await, Outcome::Cancelled, "cancelled");
    world.close().await;
}

#[tokio::test]
async fn the_time_for_the_next_piece_counts_with_retries_too() {
    let world = World::with(|builder| builder.retry(retry()).stream_recv_timeout(Duration::from_millis(200))).await;
    let received = timeout(PATIENCE, async { collect(world.client.download("0 8 hang").await.expect("a head")).await });
    let received = received.await.expect("ends in time");
    assert_eq!(received[0].as_ref().map_err(tonic::Status::code), Err(tonic::Code::DeadlineExceeded));
    check(&world.sent.one().await, Outcome::TimedOut, "timeout");
    world.close().await;
}

#[tokio::test]
async fn times_that_are_longer_than_time_itself_are_as_good_as_none() {
    const EVER: Duration = Duration::MAX;
    let world = World::with(|builder| {
        let builder = builder.timeout(EVER).attempt_timeout(EVER).connect_timeout(EVER).stream_recv_timeout(EVER);
        builder.idle(EVER, 1).http2_keep_alive(EVER, EVER).retry(Retry::new(2).pauses(EVER, EVER))
    })
    .await;
    for _ in 0..2 {
        assert_eq!(world.client.unary("echo").await.expect("succeeds"), "echo");
    }
    world.close().await;
}

#[tokio::test]
async fn pings_without_a_pause_are_not_sent() {
    const PING: u8 = 6;
    let pings = Arc::new(AtomicUsize::new(0));
    let count = pings.clone();
    let server = Script::start(move |mut wire, _| {
        let count = count.clone();
        async move {
            wire.preface().await;
            wire.write(&crate::frame::frame(4, 0, 0, &[])).await;
            let mut head = [0; 9];
            while tokio::io::AsyncReadExt::read_exact(&mut wire.0, &mut head).await.is_ok() {
                let [a, b, c, kind, flags, ..] = head;
                let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
                if tokio::io::AsyncReadExt::read_exact(&mut wire.0, &mut payload).await.is_err() {
                    break;
                }
                if kind == PING && flags == 0 {
                    wire.write(&crate::frame::frame(PING, 1, 0, &payload)).await;
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    })
    .await;
    let sent = Recorder::default();
    let builder = sent.start("shop").client(server.url()).http2_only().timeout(Duration::from_millis(500));
    let client = builder.http2_keep_alive(Duration::ZERO, MINUTE).build().expect("builds");
    assert_eq!(get(&client, "/").await.expect_err("no answer").kind(), ErrorKind::CallTimedOut);
    drop(client);
    let pings = pings.load(Ordering::Relaxed);
    assert!(pings <= 60, "{pings} in half a second");
}
