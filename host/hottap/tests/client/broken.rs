//! Servers that are not there, that break off at every point, that never answer, answer twice or answer garbage: a typed
//! error that says what happened and where, and one finish.

use std::time::Duration;

use hottap::client::{Client, ErrorKind, Phase};
use hottap::rpc::{Outcome, RpcInfo};
use http::Request;
use http_body_util::{BodyExt, Full};
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::counted::check;
use crate::frame::frame;
use crate::recorder::Recorder;
use crate::script::{OK, Script, Wire, get};
use crate::world;

/// A port where nobody listens.
pub(crate) async fn nobody() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    listener.local_addr().expect("bound")
}

fn plain(sent: &Recorder, server: &Script) -> Client {
    sent.start("shop").client(server.url()).build().expect("builds")
}

/// The one call of plain HTTP to such a server fails so.
async fn fails<P, F>(play: P, kind: ErrorKind, phase: Phase, error_type: &str) -> RpcInfo
where
    P: Fn(Wire) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let sent = Recorder::default();
    let server = Script::start(move |wire, _| play(wire)).await;
    let error = get(&plain(&sent, &server), "/").await.expect_err("fails");
    assert_eq!((error.kind(), error.phase()), (kind, phase), "{error:?}");
    assert_eq!(error.peer().to_string(), server.address.to_string(), "{error:?}");
    let info = sent.one().await;
    check(&info, Outcome::Error, error_type);
    assert_eq!(info.peer().to_string(), server.address.to_string());
    sent.assert_each_finished_once();
    info
}

#[tokio::test]
async fn a_connection_that_is_refused_is_told_with_its_peer() {
    let sent = Recorder::default();
    let address = nobody().await;
    let tap = sent.start("shop");
    let client = tap.client(format!("http://{address}")).build().expect("builds");
    let error = get(&client, "/").await.expect_err("nobody listens");
    assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectionRefused, Phase::Connect));
    assert_eq!(error.to_string(), format!("the connection was refused, connecting to {address}"));
    let status = world::Client::new(&tap, address).unary("echo").await.expect_err("nobody listens");
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert_eq!(status.message(), error.to_string());
    for info in sent.finished(2).await {
        check(&info, Outcome::Error, "connection_refused");
        assert!(info.stats().error_message().starts_with("the connection was refused, connecting to"));
        assert_eq!(info.peer().to_string(), address.to_string());
    }
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn a_server_that_breaks_off_is_told_with_how_far_it_had_come() {
    let (reset, head, body) = (ErrorKind::Reset, Phase::Head, Phase::Body);
    fails(async |wire: Wire| wire.reset(), reset, head, "reset").await;
    fails(async |wire: Wire| drop(wire), reset, head, "reset").await;
    let after_head = async |mut wire: Wire| {
        wire.head().await;
        wire.reset();
    };
    fails(after_head, reset, head, "reset").await;
    let closed = async |mut wire: Wire| _ = wire.head().await;
    fails(closed, reset, head, "reset").await;
    let in_head = async |mut wire: Wire| {
        wire.head().await;
        wire.write(b"HTTP/1.1 200 OK\r\ncontent-le").await;
    };
    fails(in_head, reset, head, "reset").await;
    let in_body = async |mut wire: Wire| {
        wire.head().await;
        wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
    };
    let info = fails(in_body, reset, body, "reset").await;
    assert_eq!((info.stats().received().bytes, info.stats().http_status()), (4, Some(200)));
    let in_chunk = async |mut wire: Wire| {
        wire.head().await;
        wire.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf").await;
    };
    fails(in_chunk, reset, body, "reset").await;
}

#[tokio::test]
async fn a_server_that_answers_garbage_has_broken_the_protocol() {
    for garbage in [
        &b"SSH-2.0-OpenSSH_9.2p1\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
    ] {
        let answer = async move |mut wire: Wire| {
            wire.head().await;
            wire.write(garbage).await;
            wire.drain().await;
        };
        fails(answer, ErrorKind::Protocol, Phase::Head, "protocol").await;
    }
    for chunk in ["no number\r\n", "fffffffffffffffffffff\r\n", "2\r\nok!!"] {
        let chunk = async move |mut wire: Wire| {
            wire.head().await;
            wire.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            wire.write(chunk.as_bytes()).await;
            wire.drain().await;
        };
        fails(chunk, ErrorKind::Protocol, Phase::Body, "protocol").await;
    }
}

#[tokio::test]
async fn a_head_without_end_has_a_bound() {
    let endless = async |mut wire: Wire| {
        wire.head().await;
        wire.write(b"HTTP/1.1 200 OK\r\n").await;
        for number in 0..200_000 {
            wire.write(format!("x-{number}: {}\r\n", "y".repeat(100)).as_bytes()).await;
        }
    };
    fails(endless, ErrorKind::Protocol, Phase::Head, "protocol").await;
}

const SETTINGS: u8 = 4;

/// The one call of gRPC to a server that sends this fails so.
async fn fails_over_http2(answer: Vec<u8>, breaks_off: bool, code: tonic::Code, error_type: &str) {
    let sent = Recorder::default();
    let server = Script::start(move |mut wire, _| {
        let answer = answer.clone();
        async move {
            wire.preface().await;
            if !answer.is_empty() {
                wire.stream().await;
            }
            wire.write(&answer).await;
            if breaks_off {
                return wire.reset();
            }
            wire.drain().await;
        }
    })
    .await;
    let client = world::Client::new(&sent.start("shop"), server.address);
    let status = client.unary("echo").await.expect_err("fails");
    assert_eq!(status.code(), code, "{status:?}");
    let info = sent.one().await;
    check(&info, Outcome::Error, error_type);
    assert_eq!(info.peer().to_string(), server.address.to_string());
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn a_server_that_breaks_off_http2_is_told_as_well() {
    use tonic::Code;
    let settings = frame(SETTINGS, 0, 0, &[]);
    let with = |more: Vec<u8>| [settings.clone(), more].concat();
    fails_over_http2(vec![], true, Code::Unavailable, "reset").await;
    fails_over_http2(settings.clone(), true, Code::Unavailable, "reset").await;
    // :status 200, and half a head more.
    let head = frame(1, 4, 1, &[0x88]);
    let half = frame(1, 0, 1, &[0x88]);
    fails_over_http2(with(half), true, Code::Unavailable, "reset").await;
    fails_over_http2(with([head.clone(), frame(0, 0, 1, &[0, 0, 0])].concat()), true, Code::Unavailable, "reset").await;
    // RST_STREAM: CANCEL, REFUSED_STREAM.
    fails_over_http2(with(frame(3, 0, 1, &[0, 0, 0, 8])), false, Code::Cancelled, "reset").await;
    fails_over_http2(with(frame(3, 0, 1, &[0, 0, 0, 7])), false, Code::Unavailable, "reset").await;
    // GOAWAY: it has not looked at any stream.
    fails_over_http2(with(frame(7, 0, 0, &[0; 8])), false, Code::Unavailable, "reset").await;
    // What is no HTTP/2: text, DATA on stream 0, a frame that is too long.
    fails_over_http2(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), false, Code::Internal, "protocol").await;
    fails_over_http2(with(frame(0, 0, 0, b"?")), false, Code::Internal, "protocol").await;
    fails_over_http2(vec![0xff; 64], false, Code::Internal, "protocol").await;
}

#[tokio::test]
async fn a_server_that_answers_twice_loses_its_connection_and_no_call() {
    let sent = Recorder::default();
    let server = Script::start(|mut wire, _| async move {
        while wire.head().await {
            wire.write(&[OK, OK].concat()).await;
        }
    })
    .await;
    let client = plain(&sent, &server);
    for _ in 0..5 {
        assert_eq!(get(&client, "/").await.expect("a response").into_body(), "ok");
    }
    assert_eq!(server.accepted(), 5, "what was said too much is taken for nobody's answer");
    sent.finished(5).await.iter().for_each(|info| check(info, Outcome::Ok, ""));
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_fails_no_call() {
    let sent = Recorder::default();
    let server = Script::start(|mut wire, _| async move {
        wire.head().await;
        wire.write(OK).await;
    })
    .await;
    let client = plain(&sent, &server);
    for _ in 0..20 {
        assert_eq!(get(&client, "/").await.expect("a response").into_body(), "ok");
    }
    assert_eq!(server.accepted(), 20);
    sent.assert_each_finished_once();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_timed_out() {
    let sent = Recorder::default();
    let server = Script::start(|mut wire, _| async move { wire.drain().await }).await;
    let client = sent.start("shop").client(server.url()).timeout(Duration::from_secs(3)).build().expect("builds");
    let error = get(&client, "/").await.expect_err("no answer");
    assert_eq!((error.kind(), error.phase()), (ErrorKind::CallTimedOut, Phase::Head));
    let info = sent.one().await;
    check(&info, Outcome::TimedOut, "DEADLINE_EXCEEDED");
    assert_eq!(info.config().deadline(), Some(Duration::from_secs(3)));
    sent.assert_each_finished_once();
}

#[tokio::test(start_paused = true)]
async fn a_response_that_comes_too_slowly_is_timed_out() {
    let sent = Recorder::default();
    let server = Script::start(|mut wire, _| async move {
        wire.head().await;
        wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await;
        loop {
            wire.write(b"x").await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    let tap = sent.start("shop");
    let client = tap.client(server.url()).timeout(Duration::from_millis(3_500)).build().expect("builds");
    let response = client.oneshot(Request::get("/").body(Full::<bytes::Bytes>::default()).expect("one")).await;
    let error = response.expect("a head").into_body().collect().await.expect_err("its time is over");
    assert_eq!((error.kind(), error.phase()), (ErrorKind::CallTimedOut, Phase::Body));
    let info = sent.one().await;
    check(&info, Outcome::TimedOut, "DEADLINE_EXCEEDED");
    assert_eq!(info.stats().received().bytes, 4);

    let client = tap.client(server.url()).stream_recv_timeout(Duration::from_millis(500)).build().expect("builds");
    let error = get(&client, "/").await.expect_err("the second piece is late");
    assert_eq!((error.kind(), error.phase()), (ErrorKind::StreamTimedOut, Phase::Body));
    let info = sent.finished(2).await.remove(1);
    check(&info, Outcome::TimedOut, "timeout");
    assert_eq!(info.config().stream_recv_timeout(), Some(Duration::from_millis(500)));
    sent.assert_each_finished_once();
}

#[tokio::test]
async fn a_body_of_the_applications_that_fails_is_its_own_fault() {
    let sent = Recorder::default();
    let server = Script::start(|mut wire, _| async move { wire.drain().await }).await;
    let client = plain(&sent, &server);
    let pieces = [Ok("piece"), Err(std::io::Error::other("the disk is gone"))];
    let body = axum::body::Body::from_stream(tokio_stream::iter(pieces));
    let request = Request::post("/").body(body).expect("a request");
    let error = client.oneshot(request).await.expect_err("half a request");
    assert_eq!((error.kind(), error.phase()), (ErrorKind::RequestBody, Phase::Head), "{error:?}");
    let info = sent.one().await;
    check(&info, Outcome::Error, "request");
    assert!(info.stats().error_message().contains("the disk is gone"), "{}", info.stats().error_message());
    sent.assert_each_finished_once();
}
