//! What is recorded of gRPC calls over TCP: names, sizes, messages, statuses, deadlines.

use std::time::Duration;

use bytes::Bytes;
use hottap::rpc::{Outcome, Peer, Protocol, RpcInfo, Side, Streaming, Traffic};

use tonic::transport::{Endpoint, Server};

use crate::echo::Echo;
use crate::recorder::Recorder;
use crate::world::{Client, World, collect};

/// What messages of these sizes are on the wire.
fn traffic(sizes: &[u64]) -> Traffic {
    Traffic {
        bytes: sizes.iter().map(|size| size + 5).sum(),
        messages: sizes.len() as u32,
        last_bytes: sizes.last().map_or(0, |size| size + 5),
    }
}

/// What one side sent the other has received, and both are what the test knows.
#[track_caller]
fn check_traffic(client: &RpcInfo, server: &RpcInfo, requests: &[u64], responses: &[u64]) {
    assert_eq!((client.stats().sent(), client.stats().received()), (traffic(requests), traffic(responses)), "client");
    assert_eq!((server.stats().received(), server.stats().sent()), (traffic(requests), traffic(responses)), "server");
}

#[track_caller]
fn check_end(info: &RpcInfo, outcome: Outcome, rpc_status: Option<u16>, error_type: &str) {
    let stats = info.stats();
    assert_eq!(
        (stats.outcome(), stats.rpc_status(), stats.error_type().as_str()),
        (outcome, rpc_status, error_type),
        "{}: {}",
        info.side().as_str(),
        stats.error_message()
    );
}

#[tokio::test]
async fn a_unary_call_is_recorded_by_both_sides() {
    let world = World::start().await;
    assert_eq!(world.client.unary("echo hello").await.expect("succeeds"), "echo hello");
    let (client, server) = (world.sent.one().await, world.served.one().await);
    for (info, side) in [(&client, Side::Client), (&server, Side::Server)] {
        assert_eq!(info.side(), side);
        let method = info.invocation().method();
        assert_eq!((method.package(), method.service(), method.name()), ("test", "Echo", "Unary"));
        assert!(method.symbol().is_some());
        assert_eq!(info.invocation().protocol(), Protocol::Grpc);
        assert_eq!(info.invocation().streaming(), Streaming::Unary);
        assert_eq!(info.stats().http_status(), Some(200));
        assert!(info.stats().duration() > Duration::ZERO);
        assert_eq!(info.config().deadline(), None);
        check_end(info, Outcome::Ok, Some(0), "");
    }
    check_traffic(&client, &server, &[10], &[10]);
    assert_eq!((client.from().service().as_str(), client.to().service().as_str()), ("shop", "echo"));
    assert_eq!((server.from().service().as_str(), server.to().service().as_str()), ("", "echo"));
    assert!(matches!(server.peer(), Peer::Socket(address) if address.ip().is_loopback()), "{:?}", server.peer());
    world.close().await;
}

#[tokio::test]
async fn large_and_empty_messages_are_counted_to_the_byte() {
    let world = World::start().await;
    let large = format!("echo {}", "x".repeat(1_000_000));
    assert_eq!(world.client.unary(&large).await.expect("succeeds").len(), large.len());
    assert_eq!(world.client.unary("").await.expect("succeeds").len(), 0);
    let (client, server) = (world.sent.finished(2).await, world.served.finished(2).await);
    check_traffic(&client[0], &server[0], &[1_000_005], &[1_000_005]);
    check_traffic(&client[1], &server[1], &[0], &[0]);
    world.close().await;
}

#[tokio::test]
async fn streams_are_recorded_by_both_sides() {
    let world = World::start().await;
    let sizes = [3, 0, 70_000, 1, 12];
    let messages = || tokio_stream::iter(sizes.map(|size| Bytes::from(vec![b'x'; size as usize])));

    assert_eq!(world.client.upload(messages()).await.expect("succeeds"), "70016");
    let (client, server) = (world.sent.finished(1).await, world.served.finished(1).await);
    assert_eq!(client[0].invocation().streaming(), Streaming::Client);
    assert_eq!(server[0].invocation().streaming(), Streaming::Client);
    check_traffic(&client[0], &server[0], &sizes, &[5]);

    let received = collect(world.client.download("4 9 end").await.expect("starts")).await;
    assert_eq!(received.len(), 4);
    let (client, server) = (world.sent.finished(2).await, world.served.finished(2).await);
    assert_eq!(client[1].invocation().streaming(), Streaming::Server);
    assert_eq!(server[1].invocation().streaming(), Streaming::Server);
    check_traffic(&client[1], &server[1], &[7], &[9; 4]);

    let received = collect(world.client.chat(messages()).await.expect("starts")).await;
    assert_eq!(received.len(), 5);
    let (client, server) = (world.sent.finished(3).await, world.served.finished(3).await);
    assert_eq!(client[2].invocation().streaming(), Streaming::Both);
    assert_eq!(server[2].invocation().streaming(), Streaming::Both);
    check_traffic(&client[2], &server[2], &sizes, &sizes);

    for info in client.iter().chain(&server) {
        check_end(info, Outcome::Ok, Some(0), "");
    }
    world.close().await;
}

#[tokio::test]
async fn a_status_without_a_body_is_recorded() {
    let world = World::start().await;
    for (i, (code, outcome, error_type)) in [
        (1, Outcome::Cancelled, "CANCELLED"),
        (3, Outcome::Error, "INVALID_ARGUMENT"),
        (4, Outcome::TimedOut, "DEADLINE_EXCEEDED"),
        (5, Outcome::Error, "NOT_FOUND"),
        (16, Outcome::Error, "UNAUTHENTICATED"),
    ]
    .into_iter()
    .enumerate()
    {
        let status = world.client.unary(&format!("fail {code} what: é 100%")).await.expect_err("fails");
        assert_eq!(i32::from(status.code()), code);
        let (client, server) = (world.sent.finished(i + 1).await, world.served.finished(i + 1).await);
        for info in [&client[i], &server[i]] {
            check_end(info, outcome, Some(code as u16), error_type);
            assert_eq!(info.stats().error_message(), "what: é 100%");
            assert_eq!(info.stats().http_status(), Some(200));
        }
    }
    world.close().await;
}

#[tokio::test]
async fn a_status_in_trailers_is_recorded() {
    let world = World::start().await;
    let received = collect(world.client.download("2 3 fail").await.expect("starts")).await;
    assert_eq!(received.len(), 3);
    let (client, server) = (world.sent.one().await, world.served.one().await);
    for info in [&client, &server] {
        check_end(info, Outcome::Error, Some(15), "DATA_LOSS");
        assert_eq!(info.stats().error_message(), "in the middle of it");
    }
    check_traffic(&client, &server, &[8], &[3, 3]);
    world.close().await;
}

#[tokio::test]
async fn a_deadline_is_recorded_and_its_passing_is_a_timeout() {
    let world = World::start().await;
    let deadline = Duration::from_millis(60);
    world.client.unary_within("hang", deadline).await.expect_err("nobody answers");
    let (client, server) = (world.sent.one().await, world.served.one().await);
    for info in [&client, &server] {
        assert_eq!(info.config().deadline(), Some(deadline));
        check_end(info, Outcome::TimedOut, None, "DEADLINE_EXCEEDED");
        assert!(info.stats().duration() >= deadline - Duration::from_millis(5));
    }
    world.close().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_failure_of_the_transport() {
    let world = World::start().await;
    let (sent, client) = (world.sent.clone(), world.client.clone());
    world.close().await;
    client.unary("echo").await.expect_err("nobody is there");
    let info = sent.one().await;
    check_end(&info, Outcome::Error, None, "transport");
    assert!(info.stats().error_message().contains("refused"), "{}", info.stats().error_message());
    sent.assert_each_finished_once();
}

#[cfg(unix)]
#[tokio::test]
async fn a_call_over_a_unix_socket_has_that_for_a_peer() {
    // A folder of its own: the name of a process that was killed may come again, and its socket is still there.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("echo.sock");
    let listener = tokio::net::UnixListener::bind(&path).expect("binds");
    let (sent, served) = (Recorder::default(), Recorder::default());
    let connections = tokio_stream::wrappers::UnixListenerStream::new(listener);
    // Around one service instead of all.
    let layered = Server::builder().add_service(served.start("echo").server_layer().layer(Echo::default()));
    let server = tokio::spawn(layered.serve_with_incoming(connections));
    let channel = Endpoint::from_shared(format!("unix://{}", path.display())).expect("a URL").connect_lazy();
    let client = Client::over(crate::stand::over(&sent.start("shop"), channel));
    client.unary("echo").await.expect("succeeds");
    assert_eq!(served.one().await.peer(), &Peer::text("unix:"));
    server.abort();
}
