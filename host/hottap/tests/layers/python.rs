//! gRPC's own Python: its client against our server's layer, its server against our client's.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use hottap::rpc::{Outcome, RpcInfo, Streaming};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::mirror::Mirror;
use crate::recorder::Recorder;
use crate::world::{Client, World, collect};

/// Calls what it is told to.
pub(crate) const CLIENT: &str = include_str!("client.py");
/// Serves until its input ends.
pub(crate) const SERVER: &str = include_str!("server.py");

/// The interpreter that has grpcio.
pub(crate) fn python() -> String {
    fixtures::peer("HOTTAP_TEST_PYTHON").into_os_string().into_string().expect("text")
}

pub(crate) fn run(python: &str, script: &str, arguments: &[&str]) -> Child {
    Command::new(python)
        .arg("-c")
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("Python runs")
}

/// Runs the client until it has done what it is to do.
async fn call(python: &str, address: SocketAddr, what: &str) {
    done(run(python, CLIENT, &[&address.to_string(), what])).await;
}

/// Waits until a client has ended well.
pub(crate) async fn done(client: Child) {
    let client = client.wait_with_output().await.expect("Python ends");
    assert!(client.status.success());
    assert_eq!(String::from_utf8_lossy(&client.stdout).trim(), "done");
}

/// What a call was, in a line: method, outcome, status, messages and bytes each way.
fn line(info: &RpcInfo) -> String {
    let (stats, invocation) = (info.stats(), info.invocation());
    let (sent, received) = (stats.sent(), stats.received());
    format!(
        "{} {} {} {:?} {}/{} {}/{}",
        invocation.method().name(),
        invocation.streaming().as_str(),
        stats.outcome().as_str(),
        stats.rpc_status(),
        sent.messages,
        sent.bytes,
        received.messages,
        received.bytes,
    )
}

/// What the client's calls are when a server has them.
#[track_caller]
pub(crate) fn check_client(served: &[RpcInfo]) {
    let lines: Vec<String> = served.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "Unary unary ok Some(0) 1/15 1/15",
            "Unary unary error Some(5) 0/0 1/21",
            "Download server ok Some(0) 3/36 1/12",
            "Upload client ok Some(0) 1/7 3/27",
            "Chat both ok Some(0) 3/27 3/27",
            "Download unary cancelled None 1/12 1/13",
        ]
    );
    for info in served {
        assert_eq!(info.trace().trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!(info.trace().parent_span_id, 0xb7ad_6b71_6920_3331);
    }
    let deadline = served[0].config().deadline().expect("a deadline");
    assert!(Duration::from_secs(10) < deadline && deadline <= Duration::from_secs(20), "{deadline:?}");
}

#[tokio::test]
#[ignore = "needs Python with grpcio"]
async fn a_python_client_is_recorded() {
    let python = python();
    let world = World::start().await;
    call(&python, world.address, "calls").await;
    check_client(&world.served.finished(6).await);
    world.close().await;
}

#[tokio::test]
#[ignore = "needs Python with grpcio"]
async fn the_deadline_of_a_python_client_is_recorded() {
    let python = python();
    let world = World::start().await;
    let client = run(&python, CLIENT, &[&world.address.to_string(), "deadline"]);
    let info = world.served.one().await;
    done(client).await;
    // What the client has left of its 200 ms when it sends, rounded up.
    let deadline = info.config().deadline().expect("a deadline");
    assert!(Duration::ZERO < deadline && deadline <= Duration::from_millis(210), "{deadline:?}");
    // Its clock and ours need not agree on who was first: see the deadline of grpc-js.
    let late = info.stats().duration() + Duration::from_millis(2) >= deadline;
    let expected = if late { Outcome::TimedOut } else { Outcome::Cancelled };
    assert_eq!((info.stats().outcome(), info.stats().received().bytes), (expected, 9));
    world.close().await;
}

#[tokio::test]
#[ignore = "needs Python with grpcio"]
async fn compressed_messages_of_a_python_client_are_counted_as_they_are_sent() {
    let python = python();
    let served = Recorder::default();
    let mirror = Mirror::start(&served.start("mirror")).await;
    call(&python, mirror.address, "gzip").await;
    let calls = served.finished(2).await;
    for (info, messages) in calls.iter().zip([1, 2]) {
        let (received, sent) = (info.stats().received(), info.stats().sent());
        assert_eq!((info.stats().outcome(), info.stats().rpc_status()), (Outcome::Ok, Some(0)));
        assert_eq!((received.messages, received.bytes), (messages, sent.bytes));
        assert!(received.bytes < 100, "of 5000: {received:?}");
    }
    drop(mirror);
    served.assert_each_finished_once();
}

/// Calls a server's methods; they are what it was asked.
pub(crate) async fn check_server(client: Client, sent: &Recorder, lines: &mut Lines<BufReader<ChildStdout>>) {
    assert_eq!(client.unary("echo this").await.expect("succeeds"), "echo this");
    let told = lines.next_line().await.expect("readable").expect("what the server got");
    assert_eq!(client.unary("fail").await.expect_err("fails").message(), "no such thing: é");
    assert_eq!(collect(client.download("3").await.expect("starts")).await.len(), 3);
    let messages = || tokio_stream::iter(["one", "two", "three"].map(Bytes::from));
    assert_eq!(client.upload(messages()).await.expect("succeeds"), "11");
    assert_eq!(collect(client.chat(messages()).await.expect("starts")).await.len(), 3);
    let failure = client.send("/test.Echo/Nothing", tonic::Request::new(Bytes::new())).await.expect_err("not there");
    assert_eq!(failure.code(), tonic::Code::Unimplemented);

    let calls = sent.finished(6).await;
    let lines: Vec<String> = calls.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "Unary unary ok Some(0) 1/14 1/14",
            "Unary unary error Some(5) 1/9 0/0",
            "Download server ok Some(0) 1/6 3/24",
            "Upload client ok Some(0) 3/26 1/7",
            "Chat both ok Some(0) 3/26 3/26",
            "Nothing unary error Some(12) 1/5 0/0",
        ]
    );
    let trace = calls[0].trace();
    assert_eq!(told, format!("00-{:032x}-{:016x}-03", trace.trace_id, trace.span_id));
    assert_eq!(calls[1].stats().error_message(), "no such thing: é");
    assert_eq!((calls[0].stats().outcome(), calls[4].invocation().streaming()), (Outcome::Ok, Streaming::Both));
    sent.assert_each_finished_once();
}

#[tokio::test]
#[ignore = "needs Python with grpcio"]
async fn a_python_server_is_recorded() {
    let python = python();
    let mut server = run(&python, SERVER, &[]);
    let mut lines = BufReader::new(server.stdout.take().expect("piped")).lines();
    let port = lines.next_line().await.expect("readable").expect("a port");
    let sent = Recorder::default();
    let client = Client::new(&sent.start("shop"), format!("127.0.0.1:{port}").parse().expect("an address"));
    check_server(client, &sent, &mut lines).await;
    drop(server);
}
