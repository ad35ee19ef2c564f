//! Bodies that nobody reads, over real connections: every call finishes once, and its outcome says whose fault it was.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use hottap::RequestBody;
use hottap::rpc::{Outcome, RpcInfo};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tower::{ServiceExt, service_fn};

use crate::handler::{BOTH, Endless, Served, client};
use crate::pair::Http;
use crate::recorder::Recorder;

#[track_caller]
fn check(info: &RpcInfo, outcome: Outcome, error_type: &str) {
    let stats = info.stats();
    assert_eq!((stats.outcome(), stats.error_type().as_str()), (outcome, error_type), "{}", stats.error_message());
}

#[tokio::test]
async fn a_stream_that_is_reset_while_its_head_is_made_is_cancelled_with_its_body_unpolled() {
    for leaves in [false, true] {
        let (served, body, reached) = (Recorder::default(), Endless::default(), Arc::new(Notify::new()));
        let (answer, at) = (body.clone(), reached.clone());
        let service =
            served.start("echo").server_layer().layer(service_fn(move |_: Request<RequestBody<Incoming>>| {
                let (answer, at) = (answer.clone(), at.clone());
                let mut waits = true;
                std::future::poll_fn(move |_| {
                    // Nothing but the end of its stream wakes it: so the head is there when nobody can get it any more.
                    if std::mem::take(&mut waits) {
                        at.notify_one();
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok::<_, Infallible>(Response::new(answer.clone())))
                })
            }));
        let server = Served::start(Http::Two, service).await;
        let stream = TcpStream::connect(server.address).await.expect("connects");
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .expect("shakes hands");
        let connection = tokio::spawn(connection);
        let request = Request::get(server.url("/")).body(Empty::<Bytes>::new()).expect("a request");
        let response = tokio::spawn(sender.send_request(request));
        reached.notified().await;
        if leaves {
            connection.abort();
        }
        response.abort();
        let info = served.one().await;
        check(&info, Outcome::Cancelled, "cancelled");
        assert_eq!((info.stats().http_status(), info.stats().sent().bytes), (Some(200), 0));
        assert!(!body.was_asked());
        connection.abort();
        served.assert_each_finished_once();
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_it_has_the_head_cancels_an_unpolled_body() {
    // More than what the sockets of both sides hold between them: the head is stuck, and the body behind it.
    const HEAD_BYTES: usize = 32 << 20;
    let (served, body, reached) = (Recorder::default(), Endless::default(), Arc::new(Notify::new()));
    let (answer, at) = (body.clone(), reached.clone());
    let service = served.start("echo").server_layer().layer(service_fn(move |_: Request<RequestBody<Incoming>>| {
        at.notify_one();
        let long = HeaderValue::from_bytes(&vec![b'x'; HEAD_BYTES]).expect("a value");
        let response = Response::builder().header("x-long", long).body(answer.clone()).expect("a response");
        async { Ok::<_, Infallible>(response) }
    }));
    let server = Served::start(Http::One, service).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a size");
    let mut stream = socket.connect(server.address).await.expect("connects");
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("writes");
    reached.notified().await;
    drop(stream);
    let info = served.one().await;
    check(&info, Outcome::Cancelled, "cancelled");
    assert_eq!(info.stats().sent().bytes, 0);
    assert!(!body.was_asked());
    served.assert_each_finished_once();
}

#[tokio::test]
async fn a_body_that_may_not_be_sent_ends_with_its_head() {
    for http in BOTH {
        let (sent, served, body) = (Recorder::default(), Recorder::default(), Endless::default());
        let answer = body.clone();
        let service =
            served.start("echo").server_layer().layer(service_fn(move |request: Request<RequestBody<Incoming>>| {
                let status = request.uri().path().trim_start_matches('/').parse::<u16>().expect("a status");
                let response = Response::builder().status(status).body(answer.clone()).expect("a response");
                async { Ok::<_, Infallible>(response) }
            }));
        let server = Served::start(http, service).await;
        let client = client(&sent, http);
        let cases = [(Method::GET, 204), (Method::GET, 304), (Method::HEAD, 200), (Method::HEAD, 404)];
        for (i, (method, status)) in cases.into_iter().enumerate() {
            let request = Request::builder().method(method.clone()).uri(server.url(&format!("/{status}")));
            let request = request.body(Empty::<Bytes>::new()).expect("a request");
            let response = client.clone().oneshot(request).await.expect("a head");
            assert_eq!(response.status(), status);
            drop(response);
            let (client, server) = (sent.finished(i + 1).await.remove(i), served.finished(i + 1).await.remove(i));
            let is_error = status == 404;
            check(&client, if is_error { Outcome::Error } else { Outcome::Ok }, if is_error { "404" } else { "" });
            check(&server, Outcome::Ok, "");
            for info in [client, server] {
                assert_eq!(info.stats().http_status(), Some(status), "{http:?} {method}");
                assert_eq!((info.stats().sent().bytes, info.stats().received().bytes), (0, 0), "{http:?} {method}");
            }
        }
        // Over HTTP/2 hyper may begin to send what may not be sent; the calls have finished all the same.
        assert!(http == Http::Two || !body.was_asked());
        drop(client);
        sent.assert_each_finished_once();
        served.assert_each_finished_once();
    }
}

#[tokio::test]
async fn a_response_that_a_client_drops_unread_is_cancelled_on_both_sides() {
    for http in BOTH {
        let (sent, served) = (Recorder::default(), Recorder::default());
        let service =
            served.start("echo").server_layer().layer(service_fn(async |_: Request<RequestBody<Incoming>>| {
                Ok::<_, Infallible>(Response::new(Endless::default()))
            }));
        let server = Served::start(http, service).await;
        let request = Request::get(server.url("/")).body(Empty::<Bytes>::new()).expect("a request");
        drop(client(&sent, http).oneshot(request).await.expect("a head"));
        let (client, server) = (sent.one().await, served.one().await);
        for info in [&client, &server] {
            check(info, Outcome::Cancelled, "cancelled");
            assert_eq!(info.stats().http_status(), Some(200));
        }
        assert_eq!(client.stats().received().bytes, 0, "it was never asked for");
        sent.assert_each_finished_once();
        served.assert_each_finished_once();
    }
}

#[tokio::test]
async fn requests_that_no_handler_reads_succeed_one_after_the_other() {
    for http in BOTH {
        let (sent, served) = (Recorder::default(), Recorder::default());
        let service =
            served.start("echo").server_layer().layer(service_fn(async |_: Request<RequestBody<Incoming>>| {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"enough"))))
            }));
        let server = Served::start(http, service).await;
        let client = client(&sent, http);
        for i in 0..3 {
            let body = Full::new(Bytes::from_static(b"nobody reads it"));
            let request = Request::post(server.url("/")).body(body).expect("a request");
            let response = client.clone().oneshot(request).await.expect("a response");
            assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "enough");
            let (client, server) = (sent.finished(i + 1).await.remove(i), served.finished(i + 1).await.remove(i));
            check(&client, Outcome::Ok, "");
            check(&server, Outcome::Ok, "");
            assert_eq!((server.stats().received().bytes, server.stats().sent().bytes), (0, 6), "{http:?}");
        }
        drop(client);
        sent.assert_each_finished_once();
        served.assert_each_finished_once();
    }
}

#[tokio::test]
async fn an_upload_without_end_that_no_handler_reads_is_answered_and_succeeds() {
    for http in BOTH {
        let (sent, served) = (Recorder::default(), Recorder::default());
        let service =
            served.start("echo").server_layer().layer(service_fn(async |_: Request<RequestBody<Incoming>>| {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"enough"))))
            }));
        let server = Served::start(http, service).await;
        let upload = BodyExt::boxed(Endless::default());
        let request = Request::post(server.url("/")).body(upload).expect("a request");
        let response = client(&sent, http).oneshot(request).await.expect("a response");
        assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "enough");
        for info in [sent.one().await, served.one().await] {
            check(&info, Outcome::Ok, "");
        }
        assert_eq!(served.one().await.stats().received().bytes, 0, "{http:?}");
        sent.assert_each_finished_once();
        served.assert_each_finished_once();
    }
}
