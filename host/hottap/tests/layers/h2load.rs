//! h2load against axum and tonic with our layer: thousands of requests, not one of them recorded twice or not at all.

use std::net::SocketAddr;
use std::path::Path;

use hottap::rpc::Outcome;
use tokio::process::Command;

use crate::curl::Server;
use crate::program::Peer;
use crate::recorder::Recorder;
use crate::world::World;

/// What h2load says at its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    /// Bytes of all bodies that it received.
    pub(crate) data: u64,
}

impl Load {
    pub(crate) fn read(lines: &[String]) -> Self {
        let number_before = |start: &str, word: &str| {
            let line = lines.iter().find(|line| line.starts_with(start)).expect("the line");
            let before = line.split(", ").find_map(|part| part.strip_suffix(word)).expect("the word").trim();
            // A size has its exact number in parentheses.
            let number = before.rsplit(['(', ' ']).next().unwrap_or_default().trim_end_matches(')');
            number.parse().unwrap_or_else(|_| panic!("{line}"))
        };
        Self {
            succeeded: number_before("requests:", "succeeded"),
            failed: number_before("requests:", "failed"),
            data: number_before("traffic:", "data"),
        }
    }
}

const REQUESTS: usize = 2_000;

/// So many requests over four connections, ten at a time on each.
pub(crate) fn h2load(program: &Path, requests: usize, address: SocketAddr, path: &str) -> Command {
    let mut command = Command::new(program);
    command.args(["-n", &requests.to_string(), "-c", "4", "-m", "10"]).arg(format!("http://{address}{path}"));
    command
}

#[tokio::test]
#[ignore = "needs h2load"]
async fn every_request_of_h2load_is_recorded() {
    let program = fixtures::peer("HOTTAP_TEST_H2LOAD");
    for options in [&["--h1"][..], &[]] {
        let served = Recorder::default();
        let server = Server::start(&served.start("users")).await;
        let load = Load::read(
            &Peer::start(h2load(&program, REQUESTS, server.address, "/users/17").args(options)).rest().await,
        );
        let calls = served.finished(REQUESTS).await;
        assert_eq!(calls.len(), REQUESTS);
        let ok = calls.iter().filter(|info| info.stats().outcome() == Outcome::Ok).count() as u64;
        let bytes = calls.iter().map(|info| info.stats().sent().bytes).sum();
        assert_eq!(load, Load { succeeded: ok, failed: 0, data: bytes });
        assert_eq!((ok, bytes), (2_000, 14_000));
        drop(server);
        served.assert_each_finished_once();
    }
}

#[tokio::test]
#[ignore = "needs h2load"]
async fn what_h2load_sends_at_once_is_recorded_to_the_byte() {
    let program = fixtures::peer("HOTTAP_TEST_H2LOAD");
    let folder = tempfile::tempdir().expect("the temporary folder can be made");
    let upload = folder.path().join("upload");
    // Ten at once are more than a connection's window.
    std::fs::write(&upload, vec![b'x'; 50_021]).expect("the folder is ours");
    let served = Recorder::default();
    let server = Server::start(&served.start("users")).await;
    let mut command = h2load(&program, 200, server.address, "/echo");
    let load = Load::read(&Peer::start(command.arg("-d").arg(&upload)).rest().await);
    let calls = served.finished(200).await;
    assert_eq!(calls.len(), 200);
    for info in &calls {
        let (received, sent) = (info.stats().received().bytes, info.stats().sent().bytes);
        assert_eq!((info.stats().outcome(), received, sent), (Outcome::Ok, 50_021, 50_021));
    }
    assert_eq!(load, Load { succeeded: 200, failed: 0, data: 200 * 50_021 });
    drop(server);
    served.assert_each_finished_once();
}

#[tokio::test]
#[ignore = "needs h2load"]
async fn every_grpc_call_of_h2load_is_recorded() {
    let program = fixtures::peer("HOTTAP_TEST_H2LOAD");
    let folder = tempfile::tempdir().expect("the temporary folder can be made");
    let message = folder.path().join("message");
    std::fs::write(&message, b"\0\0\0\0\x0aecho hello").expect("the folder is ours");
    let world = World::start().await;
    let mut command = h2load(&program, REQUESTS, world.address, "/test.Echo/Unary");
    command.args(["-H", "content-type: application/grpc", "-H", "te: trailers", "-d"]).arg(&message);
    let load = Load::read(&Peer::start(&mut command).rest().await);
    let calls = world.served.finished(REQUESTS).await;
    assert_eq!(calls.len(), REQUESTS);
    for info in &calls {
        let stats = info.stats();
        assert_eq!((stats.rpc_status(), stats.outcome()), (Some(0), Outcome::Ok));
        assert_eq!((stats.received().bytes, stats.received().messages), (15, 1));
        assert_eq!((stats.sent().bytes, stats.sent().messages), (15, 1));
    }
    assert_eq!(load, Load { succeeded: 2_000, failed: 0, data: 30_000 });
    world.close().await;
}
