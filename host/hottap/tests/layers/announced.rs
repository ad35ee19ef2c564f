//! Bodies and the length that their heads announce: a body is complete once that has been counted, and broken if it has
//! another one.

use std::io;
use std::pin::pin;
use std::task::{Context, Waker};

use hottap::RequestBody;
use hottap::rpc::{EventKind, Outcome, RpcInfo};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::BodyExt;
use tower::{Service, ServiceExt, service_fn};

use crate::recorder::Recorder;
use crate::steps::Step::{Data, Fails, Hangs, Trailers};
use crate::steps::{Around, BOTH, Step, Steps, response, value};

/// The extent to which a response is read before it is dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reads {
    /// It is read to its end, and then dropped.
    All,
    /// So many frames are read, and it is dropped.
    Frames(usize),
    /// So many frames are read, and the call must have finished before the response is dropped.
    Keeps(usize),
}
use Reads::{All, Keeps};

/// A call through a layer whose service reads the request to its end and gives the response.
async fn call(around: Around, request: Request<Steps>, response: Response<Steps>, reads: Reads) -> RpcInfo {
    let recorder = Recorder::default();
    let tap = recorder.start("unit");
    let inner = service_fn(move |request: Request<RequestBody<Steps>>| {
        let response = response.clone();
        async move {
            let mut body = request.into_body();
            // As a handler that reads what comes, whatever becomes of it.
            while let Some(Ok(_)) = body.frame().await {}
            Ok::<_, io::Error>(response)
        }
    });
    let response = match around {
        Around::Server => tap.server_layer().layer(inner).oneshot(request).await,
        Around::Client => tap.client_layer().layer(inner).oneshot(request).await,
    };
    let mut body = response.expect("a response").into_body();
    let mut context = Context::from_waker(Waker::noop());
    let (Reads::Frames(most) | Keeps(most)) = reads else {
        while let Some(Ok(_)) = body.frame().await {}
        drop(body);
        return finished(&recorder).await;
    };
    for _ in 0..most {
        let _ = pin!(&mut body).poll_frame(&mut context);
    }
    if matches!(reads, Keeps(_)) {
        let _ = recorder.one().await;
    }
    drop(body);
    finished(&recorder).await
}

async fn finished(recorder: &Recorder) -> RpcInfo {
    let info = recorder.one().await;
    recorder.assert_each_finished_once();
    info
}

fn request() -> Request<Steps> {
    Request::get("/files/a").body(Steps::default()).expect("a request")
}

#[track_caller]
fn check(info: &RpcInfo, outcome: Outcome, error_type: &str, reason: &str) {
    let stats = info.stats();
    let actual = (stats.outcome(), stats.error_type().as_str());
    assert_eq!(actual, (outcome, error_type), "{:?}, {reason}: {}", info.side(), stats.error_message());
}

const FIVE: (&str, &str) = ("content-length", "5");
const OK: (Outcome, &str) = (Outcome::Ok, "");
const CANCELLED: (Outcome, &str) = (Outcome::Cancelled, "cancelled");
const BROKEN: (Outcome, &str) = (Outcome::Error, "body");

#[tokio::test]
async fn a_response_is_complete_once_its_announced_length_has_been_counted() {
    const HELLO: &[Step] = &[Data("hel"), Data("lo"), Hangs];
    for (headers, steps, reads, (outcome, error_type), reason) in [
        (&[FIVE][..], HELLO, Keeps(2), OK, "nothing but the length tells its end"),
        (&[FIVE], HELLO, Reads::Frames(1), CANCELLED, "dropped in the middle of it"),
        (&[FIVE], HELLO, Reads::Frames(0), CANCELLED, "dropped unread"),
        (&[("content-length", "0")], &[Hangs], Keeps(0), OK, "an empty file"),
        (&[FIVE, FIVE], HELLO, Keeps(2), OK, "the same length again is the same length"),
        (&[("content-length", "5, 5")], HELLO, Keeps(2), OK, "or in a list"),
        (&[FIVE, ("content-length", "6")], HELLO, Reads::Frames(2), CANCELLED, "no length is trusted"),
        (&[FIVE, ("content-length", "6")], &[Data("hello")], All, OK, "its end is its own"),
        (&[("content-length", "5x")], HELLO, Reads::Frames(2), CANCELLED, "no number"),
        (&[FIVE, ("transfer-encoding", "chunked")], HELLO, Reads::Frames(2), CANCELLED, "chunks end it"),
        (&[FIVE, ("transfer-encoding", "chunked")], &[Data("longer than five")], All, OK, "chunks end it"),
        (&[], HELLO, Reads::Frames(2), CANCELLED, "nothing is announced"),
        (&[], &[Data("hello")], All, OK, "nothing is announced"),
        (&[FIVE], &[Data(""), Data("hello"), Hangs], Keeps(2), OK, "a piece of nothing"),
    ] {
        for around in BOTH {
            let info = call(around, request(), response(headers, steps), reads).await;
            check(&info, outcome, error_type, reason);
        }
    }
}

#[tokio::test]
async fn a_response_that_is_not_as_long_as_announced_is_an_error() {
    for (headers, steps, reads, words, reason) in [
        (&[FIVE][..], &[Data("hel")][..], All, "ended after 3 of 5 announced bytes", "it ends too early"),
        (&[FIVE], &[], All, "ended after 0 of 5 announced bytes", "nothing comes"),
        (&[FIVE], &[Data("hel"), Fails], All, "the pipe burst", "it says so itself"),
        (&[FIVE], &[Data("hello, world")], All, "longer than the 5 bytes", "too much in one piece"),
        (&[FIVE], &[Data("hel"), Data("lo!"), Hangs], Keeps(2), "longer than the 5 bytes", "too much in two"),
        (&[("content-length", "0")], &[Data("hello")], All, "", "over HTTP/1 nothing is asked of it"),
        (&[FIVE], &[Data("hello"), Data("!")], All, "", "over HTTP/1 nothing more is asked of it"),
        (&[("content-length", "18446744073709551615")], &[Data("hel")], All, "3 of 18446744073709551615", "the most"),
    ] {
        let (outcome, error_type) = if words.is_empty() { OK } else { BROKEN };
        for around in BOTH {
            let info = call(around, request(), response(headers, steps), reads).await;
            check(&info, outcome, error_type, reason);
            assert!(info.stats().error_message().contains(words), "{reason}: {}", info.stats().error_message());
        }
    }
}

#[tokio::test]
async fn over_http_2_a_body_ends_by_itself_and_its_length_is_checked() {
    for (headers, steps, reads, (outcome, error_type), reason) in [
        (&[FIVE][..], &[Data("hello")][..], All, OK, "as announced"),
        (&[FIVE], &[Data("hello"), Hangs], Reads::Frames(1), OK, "dropped with nothing left"),
        (&[FIVE], &[Data("hel"), Hangs], Reads::Frames(1), CANCELLED, "dropped in the middle of it"),
        (&[FIVE], &[Data("hel")], All, BROKEN, "it ends too early"),
        (&[FIVE], &[Data("hello"), Data("!")], All, BROKEN, "more than announced"),
        (&[FIVE], &[Data("hello"), Fails], All, BROKEN, "its stream is reset"),
        (&[("content-length", "0")], &[Data("hello")], All, BROKEN, "more than announced"),
        (&[("content-length", "0")], &[Hangs], Reads::Frames(0), OK, "dropped with nothing left"),
    ] {
        for around in BOTH {
            let mut request = request();
            *request.version_mut() = Version::HTTP_2;
            let mut response = response(headers, steps);
            *response.version_mut() = Version::HTTP_2;
            let info = call(around, request, response, reads).await;
            check(&info, outcome, error_type, reason);
        }
    }
}

#[tokio::test]
async fn the_size_that_a_body_knows_is_announced_where_no_header_says_one() {
    for (headers, size, steps, reads, (outcome, error_type)) in [
        (&[][..], 5, &[Data("hello"), Hangs][..], Keeps(1), OK),
        (&[], 5, &[Data("hel")], All, BROKEN),
        (&[], 5, &[Data("hello!")], All, BROKEN),
        (&[FIVE], 9, &[Data("hello"), Hangs], Keeps(1), OK),
        (&[("content-length", "x")], 5, &[Data("hel")], All, OK),
    ] {
        for around in BOTH {
            let mut response = response(headers, steps);
            response.body_mut().size = Some(size);
            let info = call(around, request(), response, reads).await;
            check(&info, outcome, error_type, &format!("{headers:?} {size} {steps:?}"));
        }
    }
}

#[tokio::test]
async fn a_length_that_announces_no_body_is_none() {
    for (method, status, reason) in [
        (Method::HEAD, StatusCode::OK, "that of a GET"),
        (Method::HEAD, StatusCode::NOT_FOUND, "that of a GET"),
        (Method::GET, StatusCode::NOT_MODIFIED, "that of what the caller has"),
        (Method::GET, StatusCode::NO_CONTENT, "a mistake, and no body"),
        (Method::GET, StatusCode::SWITCHING_PROTOCOLS, "another protocol follows"),
        (Method::CONNECT, StatusCode::OK, "a tunnel follows"),
    ] {
        for around in BOTH {
            for steps in [&[][..], &[Hangs], &[Data("hel")]] {
                let mut request = request();
                *request.method_mut() = method.clone();
                request.headers_mut().append("content-length", value("7"));
                if method != Method::CONNECT {
                    request.body_mut().left.push_back(Data("seven b"));
                }
                let mut response = response(&[FIVE], steps);
                *response.status_mut() = status;
                let info = call(around, request, response, Keeps(0)).await;
                let fails = around == Around::Client && status == StatusCode::NOT_FOUND;
                let (outcome, error_type) = if fails { (Outcome::Error, "404") } else { OK };
                check(&info, outcome, error_type, &format!("{method} {status}, {reason}"));
            }
        }
    }
}

#[tokio::test]
async fn a_request_has_to_be_as_long_as_announced() {
    for (headers, steps, (outcome, error_type), words, reason) in [
        (&[FIVE][..], &[Data("hello")][..], OK, "", "as announced"),
        (&[FIVE], &[Data("hel")], BROKEN, "the request's body ended after 3 of 5 announced bytes", "too short"),
        (&[FIVE], &[], BROKEN, "the request's body ended after 0 of 5 announced bytes", "nothing comes"),
        (&[FIVE], &[Data("hello!")], BROKEN, "the request's body is longer than the 5 bytes", "too long"),
        (&[FIVE], &[Data("hello"), Data("!")], BROKEN, "the request's body is longer than the 5 bytes", "too long"),
        (&[FIVE, ("content-length", "6")], &[Data("hel")], OK, "", "no length is trusted"),
        (&[FIVE, ("transfer-encoding", "chunked")], &[Data("hel")], OK, "", "chunks end it"),
        (&[], &[Data("hel")], OK, "", "nothing is announced"),
    ] {
        for around in BOTH {
            let mut request = request();
            *request.method_mut() = Method::POST;
            for (name, text) in headers {
                request.headers_mut().append(*name, value(text));
            }
            *request.body_mut() = Steps::new(steps);
            let info = call(around, request, response(&[], &[Data("thanks")]), All).await;
            check(&info, outcome, error_type, reason);
            assert!(info.stats().error_message().starts_with(words), "{reason}: {}", info.stats().error_message());
        }
    }
}

#[tokio::test]
async fn a_request_that_breaks_off_before_its_announced_end_is_an_error_of_the_server() {
    for (headers, expected, reason) in [
        (&[FIVE][..], BROKEN, "the handler answers as if nothing were wrong"),
        (&[], OK, "nothing was announced: the handler has seen the error, and its answer counts"),
    ] {
        let mut request = request();
        *request.method_mut() = Method::POST;
        for (name, text) in headers {
            request.headers_mut().append(*name, value(text));
        }
        *request.body_mut() = Steps::new(&[Data("hel"), Fails]);
        let info = call(Around::Server, request, response(&[], &[Data("thanks")]), All).await;
        check(&info, expected.0, expected.1, reason);
    }
}

#[tokio::test]
async fn a_request_that_no_handler_reads_is_no_error() {
    let recorder = Recorder::default();
    let inner = service_fn(async |_: Request<RequestBody<Steps>>| Ok::<_, io::Error>(response(&[], &[Data("no")])));
    let mut request = request();
    request.headers_mut().append("content-length", value("5"));
    request.body_mut().left.push_back(Hangs);
    let response = recorder.start("unit").server_layer().layer(inner).oneshot(request).await.expect("a response");
    response.into_body().collect().await.expect("a body");
    check(&recorder.one().await, Outcome::Ok, "", "unread");
}

#[tokio::test]
async fn the_last_byte_that_was_announced_is_the_end_of_reading_and_writing() {
    for (around, expected) in [
        (Around::Server, [EventKind::READ_FINISH, EventKind::WRITE_FINISH]),
        (Around::Client, [EventKind::WRITE_FINISH, EventKind::READ_FINISH]),
    ] {
        let recorder = Recorder::default();
        let tap = recorder.start("unit");
        // What a transport does that asks for no more than what is announced.
        let inner = service_fn(async |request: Request<RequestBody<Steps>>| {
            request.into_body().frame().await.expect("a frame").expect("no error");
            Ok::<_, io::Error>(response(&[FIVE], &[Data("hello"), Hangs]))
        });
        let mut request = request();
        request.headers_mut().append("content-length", value("3"));
        *request.body_mut() = Steps::new(&[Data("hey"), Hangs]);
        let mut body = match around {
            Around::Server => tap.server_layer().layer(inner).call(request).await.expect("a response"),
            Around::Client => tap.client_layer().layer(inner).call(request).await.expect("a response"),
        }
        .into_body();
        body.frame().await.expect("a frame").expect("no error");
        let info = recorder.one().await;
        for kind in expected {
            assert!(info.stats().event(kind).is_some(), "{around:?}: {kind:?}");
        }
    }
}

/// The protocols whose responses tell a status of their own.
#[tokio::test]
async fn a_status_that_is_still_to_come_is_waited_for() {
    const GRPC: &str = "application/grpc";
    const WEB: &str = "application/grpc-web";
    const JSON: &str = "application/json";
    const MESSAGE: &str = "\0\0\0\0\0";
    const LAST: &[u8] = b"\x80\0\0\0\x0fgrpc-status: 0\n";
    let missing = (Outcome::Error, "missing_status");
    for (kind, length, steps, reads, expected, status, reason) in [
        (GRPC, "5", &[Data(MESSAGE), Trailers("0")][..], All, OK, Some(0), "after its bytes come trailers"),
        (GRPC, "5", &[Data(MESSAGE), Trailers("5")], All, (Outcome::Error, "NOT_FOUND"), Some(5), "and count"),
        (GRPC, "5", &[Data(MESSAGE), Hangs], Reads::Frames(1), CANCELLED, None, "dropped before its trailers"),
        (GRPC, "9", &[Data(MESSAGE), Trailers("0")], All, BROKEN, Some(0), "too short, whatever the trailers say"),
        (WEB, "5", &[Data(MESSAGE), Hangs], Keeps(1), missing, Some(2), "complete, and without a status"),
        (WEB, "20", &[Step::Bytes(LAST), Hangs], Keeps(1), OK, Some(0), "complete, and its last frame has the status"),
        (WEB, "9", &[Data(MESSAGE)], All, BROKEN, None, "the status was cut off"),
        (JSON, "2", &[Data("{}"), Hangs], Keeps(1), OK, Some(0), "complete"),
        (JSON, "9", &[Data("{}")], All, BROKEN, None, "a message that was cut short is no success"),
        (JSON, "9", &[Data("{}"), Hangs], Reads::Frames(1), CANCELLED, Some(0), "the head has told of success"),
    ] {
        for around in BOTH {
            let mut request = request();
            *request.method_mut() = Method::POST;
            request.headers_mut().append("content-type", value(kind));
            request.headers_mut().append("connect-protocol-version", value("1"));
            let mut response = response(&[("content-type", kind), ("content-length", length)], steps);
            if kind == GRPC {
                *response.version_mut() = Version::HTTP_2;
                *request.version_mut() = Version::HTTP_2;
            }
            let info = call(around, request, response, reads).await;
            check(&info, expected.0, expected.1, reason);
            assert_eq!(info.stats().rpc_status(), status, "{reason}");
        }
    }
}
