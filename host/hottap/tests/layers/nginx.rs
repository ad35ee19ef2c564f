//! nginx as a server of our client's layer: what its access log says that it sent is what was recorded.

use std::path::Path;

use bytes::Bytes;
use hottap::rpc::{Outcome, Peer as Address, RpcInfo};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::process::Command;
use tower::ServiceExt;

use crate::program::Peer;
use crate::recorder::Recorder;
use crate::stand::{HttpClient, http_client};

/// In the foreground, one process, nothing written outside its own folder, and a line on its output when it is up and
/// for each request.
const CONFIGURATION: &str = r#"
daemon off;
master_process off;
pid nginx.pid;
error_log /dev/stdout notice;
events {}
http {
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    log_format told "$request_method $status $body_bytes_sent $connection_requests $http_traceparent";
    access_log /dev/stdout told;
    server {
        listen ADDRESS OPTIONS;
        root files;
        location /included.txt {
            ssi on;
            ssi_types text/plain;
        }
    }
    types { text/plain txt; }
}
"#;

/// A body that compression or a buffer's size would show.
pub(crate) const LARGE: usize = 1_000_003;

pub(crate) struct Nginx {
    peer: Peer,
    pub(crate) address: std::net::SocketAddr,
}

impl Nginx {
    async fn start(program: &Path, folder: &Path) -> Self {
        Self::with(program, folder, "").await
    }

    /// With these options of its `listen`, and whatever directives follow them.
    pub(crate) async fn with(program: &Path, folder: &Path, options: &str) -> Self {
        // nginx takes no port 0; that the port is still free in a moment is likely, since ports are given out in turn.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
        let address = listener.local_addr().expect("bound");
        drop(listener);
        let files = folder.join("files");
        std::fs::create_dir_all(files.join("folder")).expect("the folder is ours");
        std::fs::write(files.join("small.txt"), "some words\n").expect("the folder is ours");
        std::fs::write(files.join("large.txt"), vec![b'x'; LARGE]).expect("the folder is ours");
        let included = r#"before <!--# include virtual="/small.txt" --> after"#;
        std::fs::write(files.join("included.txt"), included).expect("the folder is ours");
        let configuration = folder.join("nginx.conf");
        let words = CONFIGURATION.replace("ADDRESS", &address.to_string()).replace("OPTIONS", options);
        std::fs::write(&configuration, words).expect("the folder is ours");
        let mut command = Command::new(program);
        command.arg("-p").arg(folder).arg("-c").arg(&configuration).args(["-e", "stderr"]);
        let mut peer = Peer::start(&mut command);
        // It listens before it says its version.
        while !peer.line().await.contains("nginx/") {}
        Self { peer, address }
    }

    /// The next line of its access log.
    pub(crate) async fn told(&mut self) -> String {
        loop {
            let line = self.peer.line().await;
            // Notices are no requests; they begin with a date.
            if !line.starts_with(|first: char| first.is_ascii_digit()) {
                return line;
            }
        }
    }
}

pub(crate) async fn send(client: &HttpClient, request: http::request::Builder) -> (Response<()>, Bytes) {
    let request = request.body(Full::<Bytes>::default()).expect("a request");
    let (head, body) = client.clone().oneshot(request).await.expect("a response").into_parts();
    (Response::from_parts(head, ()), body.collect().await.expect("a body").to_bytes())
}

/// What nginx says in its log if all is as the layer recorded it.
pub(crate) fn line(info: &RpcInfo, requests: u32, body_bytes: u64) -> String {
    let (stats, trace) = (info.stats(), info.trace());
    let status = stats.http_status().expect("a response");
    let method = info.invocation().method().as_str();
    format!("{method} {status} {body_bytes} {requests} 00-{:032x}-{:016x}-03", trace.trace_id, trace.span_id)
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn a_client_of_nginx_is_recorded() {
    let program = fixtures::peer("HOTTAP_TEST_NGINX");
    let folder = tempfile::tempdir().expect("the temporary folder can be made");
    let mut nginx = Nginx::start(&program, folder.path()).await;
    let sent = Recorder::default();
    let client = http_client(&sent.start("shop"), nginx.address, false);
    let address = nginx.address;
    let url = |path: &str| format!("http://{address}{path}");

    let mut modified = None;
    for (i, (request, status, received, outcome)) in [
        (Request::get(url("/small.txt")), 200, Some(11), Outcome::Ok),
        (Request::get(url("/large.txt")), 200, Some(LARGE), Outcome::Ok),
        (Request::head(url("/large.txt")), 200, Some(0), Outcome::Ok),
        (Request::get(url("/large.txt")).header("range", "bytes=1000-1999"), 206, Some(1000), Outcome::Ok),
        (Request::get(url("/nothing.txt")), 404, None, Outcome::Error),
        (Request::post(url("/small.txt")), 405, None, Outcome::Error),
        (Request::get(url("/folder")), 301, None, Outcome::Ok),
        (Request::get(url("/small.txt")), 304, Some(0), Outcome::Ok),
    ]
    .into_iter()
    .enumerate()
    {
        let request = match (status, &modified) {
            (304, Some(modified)) => request.header("if-modified-since", modified),
            _ => request,
        };
        let (response, body) = send(&client, request).await;
        assert_eq!(response.status().as_u16(), status);
        modified = response.headers().get("last-modified").cloned().or(modified);
        let info = sent.finished(i + 1).await.remove(i);
        assert_eq!((info.stats().outcome(), info.peer()), (outcome, &Address::Socket(address)));
        assert_eq!(info.stats().received().bytes, body.len() as u64);
        assert_eq!(received.unwrap_or(body.len()), body.len());
        // One connection serves them all.
        assert_eq!(nginx.told().await, line(&info, i as u32 + 1, info.stats().received().bytes));
    }

    // Pieces of a length that nobody told beforehand; the log counts what stands between them too.
    let (response, body) = send(&client, Request::get(url("/included.txt"))).await;
    assert_eq!(response.headers()["transfer-encoding"], "chunked");
    assert_eq!(body, "before some words\n after");
    let info = sent.finished(9).await.remove(8);
    assert_eq!(info.stats().received().bytes, body.len() as u64);
    let told = nginx.told().await;
    let bytes: u64 = told.split(' ').nth(2).and_then(|word| word.parse().ok()).expect("the size");
    assert!(bytes > body.len() as u64, "{told}");
    assert_eq!(told, line(&info, 9, bytes));
    sent.assert_each_finished_once();
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn a_body_of_nginx_that_nobody_reads_to_its_end_is_recorded() {
    let program = fixtures::peer("HOTTAP_TEST_NGINX");
    let folder = tempfile::tempdir().expect("the temporary folder can be made");
    let nginx = Nginx::start(&program, folder.path()).await;
    let sent = Recorder::default();
    let client = http_client(&sent.start("shop"), nginx.address, false);
    let request = Request::get(format!("http://{}/large.txt", nginx.address)).body(Full::<Bytes>::default());
    let mut response = client.oneshot(request.expect("a request")).await.expect("a response");
    let first = response.frame().await.expect("a piece").expect("readable").into_data().expect("data");
    drop(response);
    let info = sent.one().await;
    assert_eq!((info.stats().outcome(), info.stats().received().bytes), (Outcome::Cancelled, first.len() as u64));
    sent.assert_each_finished_once();
}
