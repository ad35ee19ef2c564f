//! Servers of others that are not available, or not any more, and the client runtime that tries again: what they were asked
//! is what the row says.

use std::time::Duration;

use hottap::client::Retry;
use hottap::rpc::{EventKind, Outcome, RpcInfo};
use tokio::io::{AsyncBufReadExt, BufReader};
use tonic::Code;

use crate::recorder::Recorder;
use crate::wire::{Node, Seen};
use crate::world::Client;
use crate::{python, stand};

/// Three attempts, without pauses that anybody notices.
fn retry() -> Retry {
    Retry::new(3).pauses(Duration::from_micros(1), Duration::from_micros(10))
}

fn client(sent: &Recorder, port: &str) -> Client {
    let builder = sent.start("shop").client(format!("http://127.0.0.1:{port}")).retry(retry());
    let channel: stand::Channel = builder.build().expect("builds");
    Client::over(channel)
}

fn failures(info: &RpcInfo) -> usize {
    info.stats().events().iter().filter(|event| event.kind == EventKind::ATTEMPT_FAILED).count()
}

#[tokio::test]
#[ignore = "needs Node.js"]
async fn a_grpc_js_server_that_is_not_available_is_asked_again() {
    let node = Node::find();
    let mut server = node.run("grpc_server.js", &[]);
    let port = server.line().await;
    let sent = Recorder::default();
    let failure = client(&sent, &port).unary("fail 14 busy").await.expect_err("busy");
    assert_eq!((failure.code(), failure.message()), (Code::Unavailable, "busy"));
    let info = sent.one().await;
    assert_eq!((info.stats().outcome(), info.stats().error_type().as_str()), (Outcome::Error, "UNAVAILABLE"));
    assert_eq!((info.attempts(), failures(&info), info.stats().rpc_status()), (3, 3, Some(14)));
    for attempt in 0..3 {
        let seen = Seen::read(&server.line().await);
        // Each attempt is the call as a whole, and says which it is.
        seen.check(&info);
        let before = seen.header("grpc-previous-rpc-attempts").map_or(0, |count| count.parse().expect("a number"));
        assert_eq!((before, seen.grpc_status()), (attempt, Some(14)));
    }
    sent.assert_each_finished_once();
}

#[tokio::test]
#[ignore = "needs Python with grpcio"]
async fn a_python_server_that_becomes_available_answers_the_call() {
    let python = python::python();
    let mut server = python::run(&python, python::SERVER, &[]);
    let mut lines = BufReader::new(server.stdout.take().expect("piped")).lines();
    let port = lines.next_line().await.expect("readable").expect("a port");
    let sent = Recorder::default();
    assert_eq!(client(&sent, &port).unary("busy 2").await.expect("succeeds"), "busy 2");
    let info = sent.one().await;
    assert_eq!((info.stats().outcome(), info.attempts(), failures(&info)), (Outcome::Ok, 3, 2));
    // What is sent again is counted once.
    assert_eq!((info.stats().sent().bytes, info.stats().received().bytes), (11, 11));
    for attempt in ["None", "1", "2"] {
        assert_eq!(lines.next_line().await.expect("readable").expect("a line"), attempt);
    }
    sent.assert_each_finished_once();
    drop(server);
}

#[tokio::test]
#[ignore = "needs Node.js"]
async fn a_grpc_js_server_that_is_killed_fails_its_streams_and_later_calls() {
    let node = Node::find();
    let mut server = node.run("grpc_server.js", &[]);
    let port = server.line().await;
    let sent = Recorder::default();
    let client = client(&sent, &port);
    let mut stream = client.download("1 7 hang").await.expect("starts");
    assert_eq!(stream.message().await.expect("a message").expect("one").len(), 7);
    server.kill().await;
    let failure = stream.message().await.expect_err("nobody sends any more");
    assert_eq!(failure.code(), Code::Unavailable, "{failure}");
    let info = sent.one().await;
    assert_eq!((info.stats().outcome(), info.stats().error_type().as_str()), (Outcome::Error, "reset"));
    // What came is told, and that it is not tried again.
    assert_eq!((info.stats().received().messages, info.stats().received().bytes, info.attempts()), (1, 12, 1));

    let failure = client.unary("echo").await.expect_err("nobody listens");
    assert_eq!(failure.code(), Code::Unavailable, "{failure}");
    let info = sent.finished(2).await.remove(1);
    assert_eq!((info.stats().error_type().as_str(), info.attempts()), ("connection_refused", 3));
    sent.assert_each_finished_once();
}

#[tokio::test]
#[ignore = "needs Python with grpcio"]
async fn a_call_whose_server_is_gone_is_answered_by_another() {
    let python = python::python();
    let mut servers = Vec::new();
    let sent = Recorder::default();
    let mut builder = sent.start("shop").client("http://127.0.0.1:1").retry(retry());
    for _ in 0..2 {
        let mut server = python::run(&python, python::SERVER, &[]);
        let mut lines = BufReader::new(server.stdout.take().expect("piped")).lines();
        let port = lines.next_line().await.expect("readable").expect("a port");
        builder = builder.endpoint(format!("http://127.0.0.1:{port}"));
        servers.push((server, lines));
    }
    let client = Client::over(builder.build().expect("builds"));
    for _ in 0..20 {
        assert_eq!(client.unary("hello").await.expect("succeeds"), "hello");
    }
    let (mut first, _) = servers.remove(0);
    first.kill().await.expect("it is ours");
    for _ in 0..20 {
        assert_eq!(client.unary("hello").await.expect("succeeds"), "hello");
    }
    let calls = sent.finished(40).await;
    assert!(calls.iter().all(|info| info.stats().outcome() == Outcome::Ok && info.attempts() <= 3));
    sent.assert_each_finished_once();
}
