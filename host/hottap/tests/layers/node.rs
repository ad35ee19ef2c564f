//! gRPC in JavaScript: grpc-js and connect-node as clients of our server's layer and as servers of our client's. What
//! they say that passed through their HTTP is what the layer has recorded.

use std::time::Duration;

use bytes::Bytes;
use hottap::rpc::{Outcome, Protocol, RpcInfo, Streaming};
use tonic::{Code, Request};

use crate::mirror::Mirror;
use crate::program::Peer;
use crate::recorder::Recorder;
use crate::wire::{Node, Seen};
use crate::world::{Client, World, collect};

/// Each call as it ended.
#[track_caller]
fn check(calls: &[RpcInfo], seen: &[Seen], expected: &[(&str, Streaming, Outcome, &str)]) {
    assert_eq!((calls.len(), seen.len()), (expected.len(), expected.len()), "{seen:#?}");
    for ((info, seen), (method, streaming, outcome, message)) in calls.iter().zip(seen).zip(expected) {
        seen.check(info);
        assert_eq!(info.invocation().protocol(), Protocol::Grpc);
        assert_eq!(info.stats().rpc_status(), seen.grpc_status(), "{seen:#?}");
        assert_eq!(info.invocation().streaming(), *streaming, "{seen:#?}");
        assert_eq!(info.invocation().method().name(), *method);
        assert_eq!((info.stats().outcome(), info.stats().error_message()), (*outcome, *message), "{seen:#?}");
    }
}

#[tokio::test]
#[ignore = "needs Node.js"]
async fn a_grpc_js_client_is_recorded() {
    let node = Node::find();
    let world = World::start().await;
    let mut seen = Seen::all(&node.run("grpc_client.js", &[&world.address.to_string(), "calls"]).rest().await);
    let mut calls = world.served.finished(8).await;
    // The last call is of a method that is not there: nobody reads what it was sent.
    let (unread, unknown) = (calls.pop().expect("eight"), seen.pop().expect("eight"));
    assert_eq!((unread.stats().rpc_status(), unknown.grpc_status()), (Some(12), Some(12)));
    assert_eq!(unread.invocation().method().as_str(), "_OTHER");
    assert_eq!((unread.stats().received().bytes, unread.stats().sent()), (0, unknown.responded.traffic()));
    check(
        &calls,
        &seen,
        &[
            ("Unary", Streaming::Unary, Outcome::Ok, ""),
            ("Unary", Streaming::Unary, Outcome::Ok, ""),
            ("Unary", Streaming::Unary, Outcome::Error, "what: é 100%"),
            ("Download", Streaming::Server, Outcome::Ok, ""),
            ("Download", Streaming::Server, Outcome::Error, "in the middle of it"),
            ("Upload", Streaming::Client, Outcome::Ok, ""),
            ("Chat", Streaming::Both, Outcome::Ok, ""),
        ],
    );
    assert_eq!(seen[6].requested.messages.len(), 4);
    world.close().await;
}

#[tokio::test]
#[ignore = "needs Node.js"]
async fn compressed_messages_of_a_grpc_js_client_are_counted_as_they_are_sent() {
    let node = Node::find();
    let served = Recorder::default();
    let mirror = Mirror::start(&served.start("mirror")).await;
    let seen = Seen::all(&node.run("grpc_client.js", &[&mirror.address.to_string(), "gzip"]).rest().await);
    let calls = served.finished(2).await;
    check(&calls, &seen, &[("Unary", Streaming::Unary, Outcome::Ok, ""), ("Chat", Streaming::Both, Outcome::Ok, "")]);
    assert!(seen.iter().all(|seen| seen.requested.is_compressed() && seen.responded.is_compressed()), "{seen:#?}");
    assert!(calls[0].stats().received().bytes < 100, "of 5000");
    drop(mirror);
    served.assert_each_finished_once();
}

#[tokio::test]
#[ignore = "needs Node.js"]
async fn a_grpc_js_client_that_cancels_is_recorded() {
    let node = Node::find();
    let world = World::start().await;
    let seen = Seen::all(&node.run("grpc_client.js", &[&world.address.to_string(), "cancel"]).rest().await);
    let info = world.served.one().await;
    // One message is a unary call as far as anybody has seen.
    check(&[info], &seen, &[("Download", Streaming::Unary, Outcome::Cancelled, "dropped before it ended")]);
    world.close().await;
}

#[tokio::test]
#[ignore = "needs Node.js"]
async fn the_deadline_of_a_grpc_js_client_is_recorded() {
    let node = Node::find();
    let world = World::start().await;
    let mut client = node.run("grpc_client.js", &[&world.address.to_string(), "deadline"]);
    let info = world.served.one().await;
    let seen = Seen::read(&client.line().await);
    assert_eq!(client.rest().await, [""; 0]);
    // The client counts from before it sends. A call that it gives up earlier than the deadline by our clock, by more
    // than the slack that the layer gives, is one that was cancelled: on a busy machine that happens.
    let deadline = info.config().deadline().expect("a deadline");
    let late = info.stats().duration() + Duration::from_millis(2) >= deadline;
    let expected = if late { (Outcome::TimedOut, "DEADLINE_EXCEEDED") } else { (Outcome::Cancelled, "cancelled") };
    assert_eq!((info.stats().outcome(), info.stats().error_type().as_str()), expected);
    assert_eq!(seen.header("grpc-timeout"), Some(format!("{}m", deadline.as_millis()).as_str()));
    // The answer that is on its way when time is up is nobody's: sizes are what the request alone has.
    assert_eq!(info.stats().received(), seen.requested.traffic());
    world.close().await;
}

/// The next call that the server tells of.
async fn told(server: &mut Peer) -> Seen {
    Seen::read(&server.line().await)
}

#[tokio::test]
#[ignore = "needs Node.js"]
async fn a_grpc_js_server_is_recorded() {
    let node = Node::find();
    let mut server = node.run("grpc_server.js", &[]);
    let port = server.line().await;
    let sent = Recorder::default();
    let client = Client::new(&sent.start("shop"), format!("127.0.0.1:{port}").parse().expect("an address"));
    let mut seen = Vec::new();

    assert_eq!(client.unary("echo this").await.expect("succeeds"), "echo this");
    seen.push(told(&mut server).await);
    assert_eq!(client.unary("fail 5 what: é 100%").await.expect_err("fails").message(), "what: é 100%");
    seen.push(told(&mut server).await);
    assert_eq!(collect(client.download("3 70000 end").await.expect("starts")).await.len(), 3);
    seen.push(told(&mut server).await);
    let got = collect(client.download("2 7 fail").await.expect("starts")).await;
    assert_eq!(got.last().and_then(|end| end.as_ref().err()).map(tonic::Status::code), Some(Code::DataLoss));
    seen.push(told(&mut server).await);
    let messages = || tokio_stream::iter(["one", "", "three"].map(Bytes::from));
    assert_eq!(client.upload(messages()).await.expect("succeeds"), "8");
    seen.push(told(&mut server).await);
    assert_eq!(collect(client.chat(messages()).await.expect("starts")).await.len(), 3);
    seen.push(told(&mut server).await);
    let failure = client.send("/test.Echo/Nothing", Request::new(Bytes::new())).await.expect_err("not there");
    assert_eq!(failure.code(), Code::Unimplemented);
    seen.push(told(&mut server).await);

    let mut calls = sent.finished(7).await;
    // The server answers the last call without waiting for what it is sent.
    let (unread, unknown) = (calls.pop().expect("seven"), seen.pop().expect("seven"));
    assert_eq!((unread.stats().rpc_status(), unknown.grpc_status()), (Some(12), Some(12)));
    assert!(unread.stats().error_message().contains("method"), "{unread:?}");
    assert_eq!((unread.invocation().method().name(), unread.invocation().streaming()), ("Nothing", Streaming::Unary));
    assert_eq!(unread.stats().received(), unknown.responded.traffic());
    check(
        &calls,
        &seen,
        &[
            ("Unary", Streaming::Unary, Outcome::Ok, ""),
            ("Unary", Streaming::Unary, Outcome::Error, "what: é 100%"),
            ("Download", Streaming::Server, Outcome::Ok, ""),
            ("Download", Streaming::Server, Outcome::Error, "in the middle of it"),
            ("Upload", Streaming::Client, Outcome::Ok, ""),
            ("Chat", Streaming::Both, Outcome::Ok, ""),
        ],
    );
    sent.assert_each_finished_once();
}

#[tokio::test]
#[ignore = "needs Node.js"]
async fn what_is_cancelled_or_late_at_a_grpc_js_server_is_recorded() {
    let node = Node::find();
    let mut server = node.run("grpc_server.js", &[]);
    let port = server.line().await;
    let sent = Recorder::default();
    let client = Client::new(&sent.start("shop"), format!("127.0.0.1:{port}").parse().expect("an address"));

    let mut download = client.download("1 7 hang").await.expect("starts");
    assert_eq!(download.message().await.expect("a message").expect("one"), "x".repeat(7));
    drop(download);
    let cancelled = told(&mut server).await;
    let deadline = Duration::from_millis(200);
    client.unary_within("hang", deadline).await.expect_err("nobody answers");
    let late = told(&mut server).await;

    let calls = sent.finished(2).await;
    assert_eq!(calls[0].stats().outcome(), Outcome::Cancelled);
    assert_eq!(calls[0].stats().received(), cancelled.responded.traffic());
    assert_eq!(calls[0].stats().sent(), cancelled.requested.traffic());
    assert_eq!((calls[1].stats().outcome(), calls[1].config().deadline()), (Outcome::TimedOut, Some(deadline)));
    assert_eq!(late.header("grpc-timeout"), Some("200000u"));
    assert_eq!(calls[1].stats().sent(), late.requested.traffic());
    sent.assert_each_finished_once();
}

#[tokio::test]
#[ignore = "needs Node.js"]
async fn connect_node_is_recorded_as_a_grpc_client() {
    let node = Node::find();
    let served = Recorder::default();
    let mirror = Mirror::start(&served.start("mirror")).await;
    for (rounds, format) in ["proto", "json"].into_iter().enumerate() {
        let arguments = [&mirror.address.to_string(), "grpc", format, "2"];
        let seen = Seen::all(&node.run("connect_client.js", &arguments).rest().await);
        check(
            &served.finished(rounds * 7 + 7).await[rounds * 7..],
            &seen,
            &[
                ("Unary", Streaming::Unary, Outcome::Ok, ""),
                ("Unary", Streaming::Unary, Outcome::Ok, ""),
                ("Unary", Streaming::Unary, Outcome::Error, "no such é"),
                ("Download", Streaming::Server, Outcome::Ok, ""),
                ("Download", Streaming::Unary, Outcome::Error, "in the middle of it"),
                ("Upload", Streaming::Client, Outcome::Ok, ""),
                ("Chat", Streaming::Both, Outcome::Ok, ""),
            ],
        );
    }
    drop(mirror);
    served.assert_each_finished_once();
}

/// The message test.Text in protobuf; its text has to be short.
fn text(text: &str) -> Bytes {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 128).expect("a varint of one byte");
    [&[10, length], text.as_bytes()].concat().into()
}

#[tokio::test]
#[ignore = "needs Node.js"]
async fn connect_node_is_recorded_as_a_grpc_server() {
    let node = Node::find();
    let mut server = node.run("connect_server.js", &[]);
    let ports = server.line().await;
    let (port, _) = ports.split_once(' ').expect("two ports");
    let sent = Recorder::default();
    let client = Client::new(&sent.start("shop"), format!("127.0.0.1:{port}").parse().expect("an address"));
    let mut seen = Vec::new();

    let unary = |message| client.send("/test.Echo/Unary", Request::new(text(message)));
    assert_eq!(unary("echo this").await.expect("succeeds").into_inner(), text("echo this"));
    seen.push(told(&mut server).await);
    let failure = unary("fail 5 what: é 100%").await.expect_err("fails");
    assert_eq!((failure.code(), failure.message()), (Code::NotFound, "what: é 100%"));
    seen.push(told(&mut server).await);
    let messages = || tokio_stream::iter(["one", "", "three"].map(text));
    assert_eq!(client.upload(messages()).await.expect("succeeds"), text("8"));
    seen.push(told(&mut server).await);
    assert_eq!(collect(client.chat(messages()).await.expect("starts")).await.len(), 3);
    seen.push(told(&mut server).await);

    check(
        &sent.finished(4).await,
        &seen,
        &[
            ("Unary", Streaming::Unary, Outcome::Ok, ""),
            ("Unary", Streaming::Unary, Outcome::Error, "what: é 100%"),
            ("Upload", Streaming::Client, Outcome::Ok, ""),
            ("Chat", Streaming::Both, Outcome::Ok, ""),
        ],
    );
    sent.assert_each_finished_once();
}
