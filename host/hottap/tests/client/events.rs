//! The events of a call that only a runtime sees, where they truly happen.

use hottap::rpc::{Level, RpcInfo};

use crate::broken::nobody;
use crate::counted::World;
use crate::recorder::Recorder;
use crate::script::{OK, Script, get};
use crate::world::collect;

fn kinds(info: &RpcInfo) -> Vec<&'static str> {
    let events = info.stats().events();
    let times: Vec<u64> = events.iter().map(|event| event.at).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(times.iter().all(|at| u128::from(*at) <= info.stats().duration().as_nanos()), "{times:?}");
    events.iter().map(|event| event.kind.as_str()).collect()
}

#[tokio::test]
async fn a_call_tells_of_its_connection_and_of_what_it_waits_for() {
    let world = World::start().await;
    // The first makes a connection, the second finds it.
    for _ in 0..2 {
        world.client.unary("echo").await.expect("succeeds");
    }
    for info in world.sent.finished(2).await {
        let kinds = kinds(&info);
        let (before, after) = kinds.split_at(8.min(kinds.len()));
        assert_eq!(
            before,
            [
                "client_conn_start",
                "client_conn_finish",
                "write_start",
                "stream_send",
                "write_finish",
                "wait_read_start",
                "wait_read_finish",
                "stream_recv_header",
            ],
            "{kinds:?}"
        );
        // Whether the message or the trailers let anybody wait is up to the peer.
        let read: Vec<_> = after.iter().filter(|kind| !kind.starts_with("wait_read")).copied().collect();
        assert_eq!(read, ["read_start", "stream_recv", "read_finish"], "{kinds:?}");
    }
    world.close().await;
}

#[tokio::test]
async fn a_request_without_a_body_is_handed_over_with_its_connection() {
    let sent = Recorder::default();
    let server = Script::start(|mut wire, _| async move {
        wire.head().await;
        wire.write(OK).await;
    })
    .await;
    let client = sent.start("shop").client(server.url()).build().expect("builds");
    get(&client, "/").await.expect("a response");
    let kinds = kinds(&sent.one().await);
    assert_eq!(kinds[..4], ["client_conn_start", "client_conn_finish", "wait_read_start", "wait_read_finish"]);
    assert_eq!((kinds[4], kinds.last().copied()), ("read_start", Some("read_finish")));
}

#[tokio::test]
async fn without_a_connection_there_is_none_that_was_found() {
    let sent = Recorder::default();
    let client = sent.start("shop").client(format!("http://{}", nobody().await)).build().expect("builds");
    get(&client, "/").await.expect_err("nobody listens");
    assert_eq!(kinds(&sent.one().await), ["client_conn_start"]);
}

#[tokio::test]
async fn each_wait_inside_a_response_is_told() {
    let sent = Recorder::default();
    let (tell, told) = tokio::sync::mpsc::channel::<()>(1);
    let told = std::sync::Arc::new(tokio::sync::Mutex::new(told));
    let server = Script::start(move |mut wire, _| {
        let told = told.clone();
        async move {
            wire.head().await;
            wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n").await;
            while told.lock().await.recv().await.is_some() {
                wire.write(b"x").await;
            }
        }
    })
    .await;
    let client = sent.start("shop").client(server.url()).build().expect("builds");
    let request = http::Request::get("/").body(http_body_util::Empty::<bytes::Bytes>::new()).expect("a request");
    let mut body = tower::ServiceExt::oneshot(client, request).await.expect("a head").into_body();
    for _ in 0..3 {
        use http_body_util::BodyExt;
        let mut next = std::pin::pin!(body.frame());
        // Nobody has told the server to go on, so the reader waits.
        assert!(std::future::poll_fn(|context| std::task::Poll::Ready(next.as_mut().poll(context).is_pending())).await);
        tell.send(()).await.expect("the server lives");
        next.await.expect("a piece").expect("no error");
    }
    let wait = ["wait_read_start", "wait_read_finish"];
    let kinds = kinds(&sent.one().await);
    assert_eq!(kinds[2..], [&wait[..], &["read_start"], &wait, &wait, &wait, &["read_finish"]].concat());
}

#[tokio::test]
async fn at_the_base_level_nothing_is_recorded() {
    let sent = Recorder::default();
    let server = Script::start(|mut wire, _| async move {
        wire.head().await;
        wire.write(OK).await;
    })
    .await;
    let client = sent.start_with("shop", Level::Base).client(server.url()).build().expect("builds");
    get(&client, "/").await.expect("a response");
    assert!(sent.one().await.stats().events().is_empty());
}

#[tokio::test]
async fn a_response_that_begins_before_its_request_has_ended_waits_for_nothing_before() {
    let world = World::start().await;
    let (tell, told) = tokio::sync::mpsc::channel(1);
    let mut stream = world.client.chat(tokio_stream::wrappers::ReceiverStream::new(told)).await.expect("a head");
    tell.send("one".into()).await.expect("is taken");
    assert!(stream.message().await.expect("no error").is_some());
    drop(tell);
    assert!(collect(stream).await.is_empty());
    let kinds = kinds(&world.sent.one().await);
    let head = kinds.iter().position(|kind| *kind == "stream_recv_header").expect("a head");
    assert!(!kinds[..head].contains(&"wait_read_start"), "{kinds:?}");
    world.close().await;
}
