//! curl against an axum server with our layer, over HTTP/1.1 and HTTP/2: what it counts is what was recorded.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Path as Segment;
use axum::routing::{get, post};
use bytes::Bytes;
use hottap::Hottap;
use hottap::rpc::{Outcome, Protocol};
use http::StatusCode;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::program::Peer;
use crate::recorder::Recorder;

/// A server that speaks both versions of HTTP without TLS.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// A handler has got as far as to hang.
    reached: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(tap: &Hottap) -> Self {
        let reached = Arc::new(Notify::new());
        let notify = reached.clone();
        let hang = async move || {
            notify.notify_one();
            std::future::pending::<()>().await;
        };
        let router = Router::new()
            .route("/users/{id}", get(async |Segment(id): Segment<String>| format!("user {id}")))
            .route("/echo", post(async |body: Bytes| body))
            .route("/broken", get(async || StatusCode::INTERNAL_SERVER_ERROR))
            .route("/hang", get(hang))
            .route("/endless", get(async || Body::from_stream(tokio_stream::iter(std::iter::repeat_with(line)))));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        Self { address, reached, task: crate::stand::serve_router(tap, listener, router) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A piece of a body that has no end.
fn line() -> Result<Bytes, Infallible> {
    Ok(Bytes::from_static(b"and one more\n"))
}

/// What curl knows of a transfer.
#[derive(Debug, Deserialize)]
pub(crate) struct Transfer {
    pub(crate) method: String,
    pub(crate) http_code: u16,
    pub(crate) http_version: String,
    pub(crate) size_upload: u64,
    pub(crate) size_download: u64,
    pub(crate) num_connects: u32,
}

/// Ready for its first transfer. It does not read the user's settings.
pub(crate) fn curl(program: &Path, version: &str) -> Command {
    let mut command = Command::new(program);
    settings(command.arg("--disable"), plain(version));
    command
}

/// What each transfer of a curl needs. No proxy of the machine's is between.
pub(crate) fn settings(command: &mut Command, version: &str) {
    command.args(["--noproxy", "*", "--silent", "--show-error", version]);
}

/// How curl is told the version of HTTP where there is no TLS to agree on one.
fn plain(version: &str) -> &'static str {
    if version == "2" { "--http2-prior-knowledge" } else { "--http1.1" }
}

#[tokio::test]
#[ignore = "needs curl"]
async fn curl_is_recorded_over_both_versions_of_http() {
    let program = fixtures::peer("HOTTAP_TEST_CURL");
    let folder = tempfile::tempdir().expect("the temporary folder can be made");
    let upload = folder.path().join("upload");
    // More than curl sends without asking whether it may (100-continue), less than axum takes.
    std::fs::write(&upload, vec![b'x'; 1_500_000]).expect("the folder is ours");
    let upload = format!("@{}", upload.display());

    for version in ["1.1", "2"] {
        let served = Recorder::default();
        let server = Server::start(&served.start("users")).await;
        let url = |path: &str| format!("http://{}{path}", server.address);
        let calls: [(&[&str], &str, &str, Outcome); 8] = [
            (&[], "/users/17", "GET /users/{id}", Outcome::Ok),
            (&["--data", "twelve bytes"], "/echo", "POST /echo", Outcome::Ok),
            (&["--data-binary", &upload], "/echo", "POST /echo", Outcome::Ok),
            (&["--header", "transfer-encoding: chunked", "--data", "ten  bytes"], "/echo", "POST /echo", Outcome::Ok),
            (&["--head"], "/users/17", "HEAD /users/{id}", Outcome::Ok),
            (&["--request", "DELETE"], "/users/17", "DELETE /users/{id}", Outcome::Ok),
            (&[], "/nowhere", "GET", Outcome::Ok),
            (&[], "/broken", "GET /broken", Outcome::Error),
        ];
        let mut lines = Vec::new();
        // One connection for all; but not over HTTP/2, which curl 7.88 takes up again on a connection that has it, and
        // fails.
        for group in calls.chunks(if version == "2" { 1 } else { calls.len() }) {
            let mut command = curl(&program, version);
            for (i, (options, path, ..)) in group.iter().enumerate() {
                if i > 0 {
                    // What follows is a transfer of its own, with options of its own.
                    settings(command.arg("--next"), plain(version));
                }
                command.args(["--output", "/dev/null", "--write-out", "%{json}\n"]).args(*options).arg(url(path));
            }
            lines.extend(Peer::start(&mut command).rest().await);
        }
        let served_calls = served.finished(calls.len()).await;
        assert_eq!(lines.len(), calls.len());
        for (i, (options, _, method, outcome)) in calls.iter().enumerate() {
            let transfer: Transfer = serde_json::from_str(&lines[i]).expect("JSON");
            let (info, stats) = (&served_calls[i], served_calls[i].stats());
            assert_eq!((info.invocation().method().as_str(), stats.outcome()), (*method, *outcome), "{transfer:?}");
            assert_eq!(info.invocation().protocol(), Protocol::Http);
            assert_eq!(transfer.http_version, version);
            assert_eq!(method.split(' ').next(), Some(transfer.method.as_str()));
            assert_eq!(stats.http_status(), Some(transfer.http_code));
            let (mut received, sent) = (stats.received().bytes, stats.sent().bytes);
            if options.contains(&"transfer-encoding: chunked") && transfer.size_upload != received {
                // Over HTTP/1.1 curl 7.88 also counts what stands around the one piece, and the end.
                received += "a\r\n\r\n0\r\n\r\n".len() as u64;
            }
            assert_eq!((received, sent), (transfer.size_upload, transfer.size_download), "{version}: {transfer:?}");
            assert_eq!(transfer.num_connects, u32::from(i == 0 || version == "2"), "{version}");
        }
        drop(server);
        served.assert_each_finished_once();
    }
}

#[tokio::test]
#[ignore = "needs curl"]
async fn curl_that_gives_up_is_recorded() {
    let program = fixtures::peer("HOTTAP_TEST_CURL");
    for version in ["1.1", "2"] {
        let served = Recorder::default();
        let server = Server::start(&served.start("users")).await;
        let peer = Peer::start(curl(&program, version).arg(format!("http://{}/hang", server.address)));
        server.reached.notified().await;
        peer.kill().await;
        let info = served.one().await;
        assert_eq!((info.stats().outcome(), info.stats().http_status()), (Outcome::Cancelled, None), "{version}");
        drop(server);
        served.assert_each_finished_once();
    }
}

#[tokio::test]
#[ignore = "needs curl"]
async fn curl_that_gives_up_in_the_middle_of_a_body_is_recorded() {
    let program = fixtures::peer("HOTTAP_TEST_CURL");
    for version in ["1.1", "2"] {
        let served = Recorder::default();
        let server = Server::start(&served.start("users")).await;
        let mut peer = Peer::start(curl(&program, version).arg(format!("http://{}/endless", server.address)));
        assert_eq!(peer.line().await, "and one more");
        peer.kill().await;
        let info = served.one().await;
        assert_eq!((info.stats().outcome(), info.stats().http_status()), (Outcome::Cancelled, Some(200)), "{version}");
        assert!(info.stats().sent().bytes > 0);
        drop(server);
        served.assert_each_finished_once();
    }
}
