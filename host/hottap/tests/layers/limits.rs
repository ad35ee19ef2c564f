//! Headers beyond the limits of hyper, each way and in either version of HTTP: a request that is refused for them is no
//! call of the server's, and a response that is refused for them is a failed one of the client's.

use std::convert::Infallible;

use bytes::Bytes;
use hottap::RequestBody;
use hottap::rpc::{Outcome, RpcInfo};
use http::{HeaderValue, Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower::{ServiceExt, service_fn};

use crate::handler::{BOTH, Served, client};
use crate::recorder::Recorder;

/// More than hyper takes of headers: 16 KiB over HTTP/2, some 400 KiB over HTTP/1.
const LONG_BYTES: usize = 600_000;

fn long() -> HeaderValue {
    HeaderValue::from_bytes(&vec![b'x'; LONG_BYTES]).expect("a value")
}

#[track_caller]
fn check(info: &RpcInfo, outcome: Outcome, error_type: &str, http_status: Option<u16>) {
    let stats = info.stats();
    let end = (stats.outcome(), stats.error_type().as_str(), stats.http_status());
    assert_eq!(end, (outcome, error_type, http_status), "{}", stats.error_message());
}

#[tokio::test]
async fn a_request_with_headers_beyond_the_limits_is_no_call_of_the_servers() {
    for http in BOTH {
        let (sent, served) = (Recorder::default(), Recorder::default());
        let service =
            served.start("echo").server_layer().layer(service_fn(async |_: Request<RequestBody<Incoming>>| {
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            }));
        let server = Served::start(http, service).await;
        let client = client(&sent, http);
        let request = Request::get(server.url("/long")).header("x-long", long());
        let refused = client.clone().oneshot(request.body(Empty::<Bytes>::new()).expect("a request")).await;
        let info = sent.one().await;
        match refused {
            Ok(response) => {
                assert_eq!(response.status(), 431);
                check(&info, Outcome::Error, "431", Some(431));
            }
            // The server may close the connection before the client has read the refusal.
            Err(_) => check(&info, Outcome::Error, "transport", None),
        }
        // The next one is the first that the server's layer sees.
        let request = Request::get(server.url("/short")).body(Empty::new()).expect("a request");
        client.oneshot(request).await.expect("a response");
        check(&served.one().await, Outcome::Ok, "", Some(200));
        sent.assert_each_finished_once();
        served.assert_each_finished_once();
    }
}

#[tokio::test]
async fn a_response_with_headers_beyond_the_limits_is_a_failure_of_the_clients() {
    for http in BOTH {
        let (sent, served) = (Recorder::default(), Recorder::default());
        let service =
            served.start("echo").server_layer().layer(service_fn(async |_: Request<RequestBody<Incoming>>| {
                let response = Response::builder().header("x-long", long()).body(Empty::<Bytes>::new());
                Ok::<_, Infallible>(response.expect("a response"))
            }));
        let server = Served::start(http, service).await;
        let request = Request::get(server.url("/")).body(Empty::<Bytes>::new()).expect("a request");
        client(&sent, http).oneshot(request).await.expect_err("too much");
        check(&sent.one().await, Outcome::Error, "transport", None);
        // It ended with its head, and whether anybody took that is not the handler's matter.
        check(&served.one().await, Outcome::Ok, "", Some(200));
        sent.assert_each_finished_once();
        served.assert_each_finished_once();
    }
}

#[tokio::test]
async fn a_response_with_more_headers_than_the_limit_is_a_failure_of_the_clients() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let peer = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.expect("accepts");
        let mut start = [0; 16];
        connection.read_exact(&mut start).await.expect("a request");
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{}\r\n", "x: y\r\n".repeat(1_000));
        // The client may break the connection.
        let _ = connection.write_all(head.as_bytes()).await;
        let _ = connection.read_to_end(&mut Vec::new()).await;
    });
    let sent = Recorder::default();
    let request = Request::get(format!("http://{address}/")).body(Empty::<Bytes>::new()).expect("a request");
    client(&sent, crate::pair::Http::One).oneshot(request).await.expect_err("too many");
    check(&sent.one().await, Outcome::Error, "transport", None);
    peer.await.expect("ends");
    sent.assert_each_finished_once();
}
