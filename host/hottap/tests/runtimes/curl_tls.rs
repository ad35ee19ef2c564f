//! curl and the server runtime over TLS, and uploads that curl asks about before it makes them (`Expect: 100-continue`).

use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use bytes::Bytes;
use hottap::rpc::{Outcome, RpcInfo, Transport};
use hottap::server::{ConnectionCounters, Server, Tls};
use http::StatusCode;
use tokio::process::Command;
use tokio::task::JoinHandle;

use crate::certificate::Certificate;
use crate::curl::{Transfer, curl, settings};
use crate::program::Peer;
use crate::recorder::Recorder;

/// More than curl sends without asking whether it may.
const UPLOAD: usize = 5_000_003;

struct House {
    port: u16,
    connections: ConnectionCounters,
    task: JoinHandle<()>,
}

impl House {
    async fn start(server: Server) -> Self {
        let router = Router::new()
            .route("/hello", get(async || "hello"))
            .route("/length", post(async |body: Bytes| body.len().to_string()))
            .route("/refuse", post(async |_: Body| StatusCode::UNAUTHORIZED))
            .layer(DefaultBodyLimit::disable());
        let bound = server.bind("127.0.0.1:0").await.expect("binds");
        let (port, connections) = (bound.local_addr().expect("bound").port(), bound.connections());
        Self { port, connections, task: tokio::spawn(async move { match bound.serve(router).await {} }) }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn upload(folder: &Path) -> String {
    let path = folder.join("upload");
    std::fs::write(&path, vec![b'x'; UPLOAD]).expect("the folder is ours");
    format!("@{}", path.display())
}

/// What curl counted is what the server did.
#[track_caller]
fn check(transfer: &Transfer, info: &RpcInfo) {
    let stats = info.stats();
    let method = info.invocation().method().as_str();
    assert_eq!(method.split(' ').next(), Some(transfer.method.as_str()));
    assert_eq!(stats.http_status(), Some(transfer.http_code), "{transfer:?}");
    assert_eq!((stats.received().bytes, stats.sent().bytes), (transfer.size_upload, transfer.size_download));
}

#[tokio::test]
#[ignore = "needs curl"]
async fn curl_is_recorded_over_tls_in_the_version_that_both_agree_on() {
    let program = fixtures::peer("HOTTAP_TEST_CURL");
    let folder = tempfile::tempdir().expect("the temporary folder can be made");
    let certificate = Certificate::new();
    let (pem, _) = certificate.write(folder.path());
    let upload = upload(folder.path());
    for (option, version, transport) in [("--http1.1", "1.1", Transport::Http1), ("--http2", "2", Transport::Http2)] {
        let served = Recorder::default();
        let tls = Tls::from_pem(certificate.pem.as_bytes(), certificate.key.as_bytes()).expect("a pair");
        let house = House::start(served.start("house").server().tls(tls)).await;
        let calls: [(&[&str], &str, &str); 4] = [
            (&[], "/hello", "GET /hello"),
            (&["--head"], "/hello", "HEAD /hello"),
            (&["--data-binary", &upload], "/length", "POST /length"),
            (&[], "/nowhere", "GET"),
        ];
        let mut command = Command::new(&program);
        command.arg("--disable");
        for (i, (options, path, _)) in calls.iter().enumerate() {
            if i > 0 {
                command.arg("--next");
            }
            settings(&mut command, option);
            command.arg("--cacert").arg(&pem).args(["--resolve", &format!("localhost:{}:127.0.0.1", house.port)]);
            command.args(["--output", "/dev/null", "--write-out", "%{json}\n"]).args(*options);
            command.arg(format!("https://localhost:{}{path}", house.port));
        }
        let lines = Peer::start(&mut command).rest().await;
        let infos = served.finished(calls.len()).await;
        assert_eq!((lines.len(), infos.len()), (calls.len(), calls.len()));
        for ((line, info), (.., method)) in lines.iter().zip(&infos).zip(calls) {
            let transfer: Transfer = serde_json::from_str(line).expect("JSON");
            check(&transfer, info);
            assert_eq!((transfer.http_version.as_str(), info.config().transport()), (version, transport));
            assert_eq!((info.invocation().method().as_str(), info.stats().outcome()), (method, Outcome::Ok));
        }
        // One connection for all.
        assert_eq!(house.connections.snapshot().accepted, 1);
        drop(house);
        served.assert_each_finished_once();
    }
}

#[tokio::test]
#[ignore = "needs curl"]
async fn curl_sends_a_large_body_when_it_is_asked_for() {
    let program = fixtures::peer("HOTTAP_TEST_CURL");
    let folder = tempfile::tempdir().expect("the temporary folder can be made");
    let upload = upload(folder.path());
    let served = Recorder::default();
    let house = House::start(served.start("house").server()).await;
    for (i, (path, status, sent)) in [("/length", 200, UPLOAD), ("/refuse", 401, 0)].into_iter().enumerate() {
        let mut command = curl(&program, "1.1");
        command.args(["--header", "expect: 100-continue", "--expect100-timeout", "60", "--data-binary", &upload]);
        command.args(["--dump-header", "-", "--output", "/dev/null", "--write-out", "%{json}\n"]);
        let lines = Peer::start(command.arg(format!("http://127.0.0.1:{}{path}", house.port))).rest().await;
        let asked = lines.iter().any(|line| line.trim_end() == "HTTP/1.1 100 Continue");
        assert_eq!(asked, sent > 0, "{lines:#?}");
        let transfer: Transfer = serde_json::from_str(lines.last().expect("a line")).expect("JSON");
        let info = served.finished(i + 1).await.remove(i);
        check(&transfer, &info);
        assert_eq!((transfer.http_code, transfer.size_upload), (status, sent as u64));
    }
    drop(house);
    served.assert_each_finished_once();
}
