//! The server runtime shuts down while peers that others made are calling it: what they got is what was recorded.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use hottap::rpc::Outcome;
use hottap::server::{Body, Served};
use http::{Request, Response};
use http_body_util::Full;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::echo::Echo;
use crate::h2load::{Load, h2load};
use crate::program::Peer;
use crate::python::{self, CLIENT, python};
use crate::recorder::Recorder;
use crate::world::Running;

/// A server has begun to stop when nobody is accepted any more.
async fn until_it_stops(address: SocketAddr) {
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
#[ignore = "needs Python with grpcio"]
async fn a_stream_of_a_python_client_ends_well_while_the_server_shuts_down() {
    let python = python();
    let served = Recorder::default();
    let running = Running::start(&served.start("echo"), Echo::default()).await;
    let address = running.address;
    let mut client = python::run(&python, CLIENT, &[&address.to_string(), "linger"]);
    let mut input = client.stdin.take().expect("piped");
    let mut output = BufReader::new(client.stdout.take().expect("piped")).lines();
    assert_eq!(output.next_line().await.expect("readable").expect("a line"), "open");
    let stopping = tokio::spawn(running.stop());
    until_it_stops(address).await;
    input.write_all(b"\n").await.expect("it reads");
    assert_eq!(output.next_line().await.expect("readable").expect("a line"), "done");
    assert!(client.wait().await.expect("it ends").success());
    // Nothing was cut, which is the stand's to look at.
    stopping.await.expect("no panic");
    let info = served.one().await;
    assert_eq!((info.stats().outcome(), info.stats().rpc_status()), (Outcome::Ok, Some(0)));
    assert_eq!((info.stats().received().messages, info.stats().sent().messages), (2, 2));
    served.assert_each_finished_once();
}

#[tokio::test]
#[ignore = "needs h2load"]
async fn what_was_answered_before_a_shutdown_h2load_got() {
    let program = fixtures::peer("HOTTAP_TEST_H2LOAD");
    for options in [&[][..], &["--h1"]] {
        let served = Recorder::default();
        let bound = served.start("house").server().bind("127.0.0.1:0").await.expect("binds");
        let address = bound.local_addr().expect("over TCP");
        let (stop, stopped) = oneshot::channel::<()>();
        let service = tower::service_fn(async |_: Request<Body>| {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
        });
        let server = tokio::spawn(bound.serve_until(service, async { _ = stopped.await }));
        // More than it gets done.
        let mut command = h2load(&program, 100_000, address, "/hello");
        let load = Peer::start(command.args(options));
        served.finished(1_000).await;
        let _ = stop.send(());
        assert_eq!(server.await.expect("no panic"), Served::default());
        let load = Load::read(&load.rest().await);
        let calls = served.finished(1_000).await;
        assert!(calls.iter().all(|info| info.stats().outcome() == Outcome::Ok));
        assert_eq!((load.succeeded, load.data), (calls.len() as u64, 5 * calls.len() as u64), "{options:?}");
        assert!(load.failed > 0, "{load:?}");
        served.assert_each_finished_once();
    }
}
