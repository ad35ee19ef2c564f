//! The runtime as tonic's transport.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use hottap::rpc::{Outcome, Protocol, Streaming, Transport};
use tokio::net::UnixListener;
use tokio::task::JoinSet;

use crate::counted::{Running, World, check, client};
use crate::echo::Echo;
use crate::recorder::Recorder;
use crate::world::{Client, collect};

fn messages(count: usize) -> impl tokio_stream::Stream<Item = Bytes> + Send {
    tokio_stream::iter((0..count).map(|number| Bytes::from(format!("message {number}"))))
}

#[tokio::test]
async fn a_call_is_one_row_with_all_that_the_runtime_knows() {
    let world = World::start().await;
    assert_eq!(world.client.unary("echo hello").await.expect("succeeds"), "echo hello");
    let info = world.sent.one().await;
    check(&info, Outcome::Ok, "");
    assert_eq!(info.invocation().method().as_str(), "test.Echo/Unary");
    assert_eq!((info.invocation().protocol(), info.config().transport()), (Protocol::Grpc, Transport::Http2));
    assert_eq!((info.attempts(), info.stats().rpc_status(), info.stats().http_status()), (1, Some(0), Some(200)));
    assert_eq!(info.peer().to_string(), world.server.address.to_string());
    assert!(info.local().to_string().starts_with("127.0.0.1:"));
    assert_eq!(info.config().connect_timeout(), Some(std::time::Duration::from_secs(10)));
    assert_eq!(info.config().deadline(), None);
    assert_eq!((info.to().service().as_str(), info.from().service().as_str()), ("echo", "shop"));
    let served = world.served.one().await;
    assert_eq!(served.trace().parent_span_id, info.trace().span_id);
    assert_eq!(served.from().address().to_string(), info.local().to_string());
    world.close().await;
}

#[tokio::test]
async fn all_four_ways_of_streaming_pass() {
    let world = World::start().await;
    assert_eq!(world.client.unary("echo").await.expect("succeeds"), "echo");
    let downloaded = collect(world.client.download("3 40000 end").await.expect("starts")).await;
    assert_eq!(downloaded.into_iter().map(|message| message.expect("a message").len()).sum::<usize>(), 120_000);
    assert_eq!(world.client.upload(messages(20)).await.expect("succeeds"), "190");
    let chat = collect(world.client.chat(messages(5)).await.expect("starts")).await;
    assert_eq!(chat.len(), 5);
    let rows = world.sent.finished(4).await;
    let seen: Vec<_> = rows.iter().map(|info| info.invocation().streaming()).collect();
    assert_eq!(seen, [Streaming::Unary, Streaming::Server, Streaming::Client, Streaming::Both]);
    rows.iter().for_each(|info| check(info, Outcome::Ok, ""));
    assert_eq!(world.server.connections.load(Ordering::Relaxed), 1);
    world.close().await;
}

#[tokio::test]
async fn a_status_of_the_server_is_the_calls() {
    let world = World::start().await;
    let status = world.client.unary("fail 5 no such item").await.expect_err("fails");
    assert_eq!((status.code(), status.message()), (tonic::Code::NotFound, "no such item"));
    check(&world.sent.one().await, Outcome::Error, "NOT_FOUND");
    world.close().await;
}

#[tokio::test]
async fn grpc_goes_over_a_unix_socket() {
    let (sent, served) = (Recorder::default(), Recorder::default());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("echo.sock");
    let incoming = tokio_stream::wrappers::UnixListenerStream::new(UnixListener::bind(&path).expect("binds"));
    let layer = served.start("echo").server_layer();
    let server = tonic::transport::Server::builder().layer(layer).add_service(Echo::default());
    tokio::spawn(server.serve_with_incoming(incoming));
    let endpoint = format!("unix:{}", path.display());
    let client = client(sent.start("shop").client(endpoint.clone()));
    assert_eq!(client.unary("echo").await.expect("succeeds"), "echo");
    let info = sent.one().await;
    check(&info, Outcome::Ok, "");
    assert_eq!(info.peer().to_string(), endpoint);
    assert_eq!(served.one().await.trace().parent_span_id, info.trace().span_id);
}

#[tokio::test]
async fn a_connection_that_the_server_gives_up_costs_no_later_call() {
    let (sent, served, echo) = (Recorder::default(), Recorder::default(), Echo::default());
    let (client_tap, server_tap) = (sent.start("shop"), served.start("echo"));
    let server = Running::start(&server_tap, echo.clone()).await;
    let address = server.address;
    let client = Client::new(&client_tap, address);
    client.unary("echo").await.expect("succeeds");
    server.stop().await;
    let server = Running::at(address, &server_tap, echo).await;
    for _ in 0..10 {
        client.unary("echo").await.expect("succeeds");
    }
    sent.finished(11).await.iter().for_each(|info| check(info, Outcome::Ok, ""));
    server.stop().await;
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn a_thousand_calls_at_once_share_one_connection() {
    let world = World::start().await;
    let mut calls = JoinSet::new();
    for number in 0..1000 {
        let client = world.client.clone();
        calls.spawn(async move {
            let message = format!("echo {number}");
            assert_eq!(client.unary(&message).await.expect("succeeds"), message);
        });
    }
    while let Some(call) = calls.join_next().await {
        call.expect("does not panic");
    }
    let rows = world.sent.finished(1000).await;
    assert!(rows.iter().all(|info| info.stats().outcome() == Outcome::Ok && info.attempts() == 1));
    assert_eq!(world.server.connections.load(Ordering::Relaxed), 1);
    world.close().await;
}

#[tokio::test]
async fn a_call_that_is_dropped_is_cancelled_on_both_sides() {
    let world = World::start().await;
    let client = world.client.clone();
    let call = tokio::spawn(async move { client.unary("hang").await });
    world.echo.reached.notified().await;
    call.abort();
    check(&world.sent.one().await, Outcome::Cancelled, "cancelled");
    check(&world.served.one().await, Outcome::Cancelled, "cancelled");
    let stream = world.client.download("1 8 hang").await.expect("starts");
    world.echo.reached.notified().await;
    drop(stream);
    check(&world.sent.finished(2).await[1], Outcome::Cancelled, "cancelled");
    check(&world.served.finished(2).await[1], Outcome::Cancelled, "cancelled");
    // The connection has not suffered.
    world.client.unary("echo").await.expect("succeeds");
    assert_eq!(world.server.connections.load(Ordering::Relaxed), 1);
    world.close().await;
}
