//! What is recorded of Connect over HTTP/1 and HTTP/2: unary calls by POST and GET, streams, errors in JSON, deadlines.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use hottap::RequestBody;
use hottap::rpc::{Codec, Outcome, Protocol, Streaming, Traffic};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use tokio_stream::StreamExt;
use tower::{ServiceExt, service_fn};

use crate::pair::{Http, Pair, answer, body, check_end, gzip, message};
use crate::recorder::Recorder;

const VERSION: (&str, &str) = ("connect-protocol-version", "1");
const JSON: (&str, &str) = ("content-type", "application/json");
const PROTO: (&str, &str) = ("content-type", "application/proto");
const STREAM: (&str, &str) = ("content-type", "application/connect+proto");
/// Those envelopes that have the flag for it.
const GZIPPED: (&str, &str) = ("connect-content-encoding", "gzip");
const PATH: &str = "/shop.v1.Checkout/Place";

#[tokio::test]
async fn a_unary_call_is_one_message_each_way() {
    for http in [Http::One, Http::Two] {
        let mut pair = Pair::start(http).await;
        for (kind, sent, received) in [
            (JSON, vec![&b"{\"a\":"[..], b"1}"], vec![&b"{}"[..]]),
            (PROTO, vec![], vec![&b"\x08\x01"[..], b"\x10\x02\x18\x03"]),
            (PROTO, vec![&b"\x08\x01"[..]], vec![]),
        ] {
            let request = pair.post(PATH, &[kind, VERSION, ("connect-timeout-ms", "2500")]);
            let both = pair.call(request, body(&sent), answer(200, &[kind], &received, &[])).await;
            let traffic = |pieces: &[&[u8]]| {
                let bytes = pieces.concat().len() as u64;
                Traffic { bytes, messages: 1, last_bytes: bytes }
            };
            for info in &both {
                let invocation = info.invocation();
                assert_eq!((invocation.protocol(), invocation.streaming()), (Protocol::Connect, Streaming::Unary));
                assert_eq!(invocation.method().as_str(), "shop.v1.Checkout/Place");
                assert_eq!(info.config().deadline(), Some(Duration::from_millis(2500)));
                check_end(info, (Some(0), Outcome::Ok, ""), "success");
            }
            let [client, server] = both.each_ref().map(|info| info.stats());
            assert_eq!((client.sent(), client.received()), (traffic(&sent), traffic(&received)), "{http:?} {kind:?}");
            assert_eq!((server.received(), server.sent()), (traffic(&sent), traffic(&received)), "{http:?} {kind:?}");
        }
        pair.close().await;
    }
}

#[tokio::test]
async fn a_unary_call_by_get_is_a_call_and_a_plain_post_of_json_is_none() {
    let mut pair = Pair::start(Http::One).await;
    let query = "?connect=v1&encoding=json&message=%7B%7D";
    let get = Request::get(format!("http://{}/api{PATH}{query}", pair.address));
    let both = pair.call(get, body(&[b""; 0]), answer(200, &[JSON], &[b"{}"], &[])).await;
    for info in &both {
        assert_eq!(info.invocation().protocol(), Protocol::Connect);
        assert_eq!(info.invocation().method().as_str(), "shop.v1.Checkout/Place", "without the prefix of the route");
        assert_eq!(info.config().codec(), Codec::Json);
        check_end(info, (Some(0), Outcome::Ok, ""), "success");
    }
    // The message is in the URI.
    assert_eq!(both[1].stats().received(), Traffic { bytes: 0, messages: 1, last_bytes: 0 });
    let request = pair.post(PATH, &[JSON]);
    for info in pair.call(request, body(&[b"{}"]), answer(200, &[JSON], &[b"{}"], &[])).await {
        assert_eq!(info.invocation().protocol(), Protocol::Http);
        assert_eq!((info.invocation().method().as_str(), info.stats().rpc_status()), ("POST", None));
    }
    pair.close().await;
}

#[tokio::test]
async fn an_error_is_told_by_its_body_or_by_http() {
    let mut pair = Pair::start(Http::One).await;
    let long = format!(r#"{{"code":"not_found","message":"{}"}}"#, "x".repeat(20_000)).into_bytes();
    let not_found = br#"{"code":"not_found","message":"no such order"}"#;
    for (status, kind, pieces, expected, words) in [
        (404, JSON, vec![&not_found[..9], &not_found[9..]], (Some(5), Outcome::Error, "NOT_FOUND"), "no such order"),
        (499, JSON, vec![&br#"{"code":"canceled"}"#[..]], (Some(1), Outcome::Cancelled, "CANCELLED"), ""),
        (
            504,
            JSON,
            vec![&br#"{"code":"deadline_exceeded"}"#[..]],
            (Some(4), Outcome::TimedOut, "DEADLINE_EXCEEDED"),
            "",
        ),
        // Nobody reads the body for more than it says.
        (404, JSON, vec![&long[..]], (Some(12), Outcome::Error, "UNIMPLEMENTED"), ""),
        (503, ("content-type", "text/html"), vec![&b"<html>"[..]], (Some(14), Outcome::Error, "UNAVAILABLE"), ""),
        (401, JSON, vec![], (Some(16), Outcome::Error, "UNAUTHENTICATED"), ""),
        (500, JSON, vec![&b"{\"code\":17}"[..]], (Some(2), Outcome::Error, "UNKNOWN"), ""),
    ] {
        let request = pair.post(PATH, &[PROTO, VERSION]);
        let both = pair.call(request, body(&[b"\x08\x01"]), answer(status, &[kind], &pieces, &[])).await;
        for info in &both {
            check_end(info, expected, &format!("{status} {kind:?}"));
            assert_eq!(info.stats().error_message(), words);
            assert_eq!(info.stats().http_status(), Some(status));
        }
        assert_eq!(both[0].stats().received().bytes, pieces.concat().len() as u64, "all of it has passed");
        assert_eq!(both[0].stats().received().messages, 0, "an error is no message");
    }
    pair.close().await;
}

#[tokio::test]
async fn an_error_that_is_compressed_is_read() {
    let mut pair = Pair::start(Http::One).await;
    let gzipped = [JSON, ("content-encoding", "gzip")];
    for (error, expected, words) in [
        (gzip(br#"{"code":"aborted","message":"it is"}"#), (Some(10), Outcome::Error, "ABORTED"), "it is"),
        // What HTTP says is left.
        (gzip(&vec![b' '; 9_000_000]), (Some(2), Outcome::Error, "UNKNOWN"), ""),
    ] {
        let request = pair.post(PATH, &[PROTO, VERSION]);
        for info in pair.call(request, body(&[b"\x08\x01"]), answer(409, &gzipped, &[&error], &[])).await {
            check_end(&info, expected, "compressed");
            assert_eq!(info.stats().error_message(), words);
        }
    }
    pair.close().await;
}

#[tokio::test]
async fn a_stream_ends_with_an_envelope_that_is_no_message() {
    let mut pair = Pair::start(Http::Two).await;
    let error = br#"{"error":{"code":"data_loss","message":"in the middle of it"},"metadata":{"x":["y"]}}"#;
    let garbage = (Some(2), Outcome::Error, "frame");
    for (requests, pieces, mode, expected, reason) in [
        (1, vec![message(0, b"a"), message(2, b"{}")], Streaming::Unary, (Some(0), Outcome::Ok, ""), "one each way"),
        (
            3,
            vec![message(0, b"a"), message(1, b"bc"), message(2, b"{\"metadata\":{}}")],
            Streaming::Both,
            (Some(0), Outcome::Ok, ""),
            "many both ways",
        ),
        (1, vec![message(2, error)], Streaming::Unary, (Some(15), Outcome::Error, "DATA_LOSS"), "an error"),
        (1, vec![message(2, b"garbage")], Streaming::Unary, garbage, "no JSON"),
        (1, vec![message(2, &vec![b' '; 70_000])], Streaming::Unary, garbage, "more than is kept"),
        (
            1,
            vec![message(0, b"a"), message(3, &gzip(error))],
            Streaming::Unary,
            (Some(15), Outcome::Error, "DATA_LOSS"),
            "an error that is compressed",
        ),
        (1, vec![message(3, &gzip(b"{}"))], Streaming::Unary, (Some(0), Outcome::Ok, ""), "a compressed success"),
        (1, vec![message(3, &gzip(error)[..30])], Streaming::Unary, garbage, "a compressed end that is cut"),
        (1, vec![message(3, &gzip(&vec![b' '; 9_000_000]))], Streaming::Unary, garbage, "a bomb"),
        (1, vec![message(2, b"[null]")], Streaming::Unary, garbage, "an array"),
        (
            2,
            vec![message(0, b"a")],
            Streaming::Client,
            (Some(2), Outcome::Error, "missing_status"),
            "no end of the stream",
        ),
    ] {
        let request = pair.post("/shop.v1.Stock/Watch", &[STREAM, VERSION]);
        let sent = vec![message(0, b"hello"); requests];
        for info in pair.call(request, body(&sent), answer(200, &[STREAM, GZIPPED], &pieces, &[])).await {
            check_end(&info, expected, reason);
            assert_eq!(info.invocation().streaming(), mode, "{reason}");
            let (stats, is_client) = (info.stats(), info.side() == hottap::rpc::Side::Client);
            let sent = if is_client { stats.sent() } else { stats.received() };
            assert_eq!((sent.messages, sent.last_bytes), (requests as u32, 10), "{reason}");
            assert_eq!(info.invocation().protocol(), Protocol::Connect);
        }
    }
    pair.close().await;
}

#[tokio::test]
async fn a_name_that_no_router_knows_is_other() {
    let mut pair = Pair::start(Http::One).await;
    let unimplemented = br#"{"code":"unimplemented"}"#;
    let invalid = br#"{"code":"invalid_argument"}"#;
    for (path, status, kind, error, name) in [
        ("/flood.S1/Method", 404, ("content-type", "text/plain"), &b"404 page not found"[..], "_OTHER"),
        ("/flood.S2/Method", 501, JSON, unimplemented, "_OTHER"),
        ("/flood.S3/Method", 500, JSON, b"{}", "_OTHER"),
        // A page for every path, as single-page applications have it.
        ("/flood.S4/Method", 200, ("content-type", "text/html"), b"<html>", "_OTHER"),
        // Only what knows the method can say what is wrong with its message.
        ("/shop.v1.Checkout/Refund", 400, JSON, invalid, "shop.v1.Checkout/Refund"),
    ] {
        let request = pair.post(path, &[JSON, VERSION]);
        let [_, server] = pair.call(request, body(&[b"{}"]), answer(status, &[kind], &[error], &[])).await;
        assert_eq!(server.invocation().method().as_str(), name, "{path}");
    }
    pair.close().await;
}

#[tokio::test]
async fn a_stream_whose_end_was_read_is_no_cancellation() {
    let last = message(2, br#"{"error":{"code":"aborted","message":"x"}}"#);
    for (read, expected, reason) in [
        (1, (None, Outcome::Cancelled, "cancelled"), "dropped after a message"),
        (2, (Some(10), Outcome::Error, "ABORTED"), "dropped after its end, which it has told"),
    ] {
        let sent = Recorder::default();
        let pieces = [message(0, b"a"), last.clone()].map(Bytes::from);
        let service = service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| {
            let pieces = pieces.clone().map(|piece| Ok::<_, io::Error>(Frame::data(piece)));
            let endless = tokio_stream::iter(pieces).chain(tokio_stream::pending());
            let response = Response::builder().header(STREAM.0, STREAM.1).body(StreamBody::new(endless));
            async { Ok::<_, Infallible>(response.expect("a response")) }
        });
        let request = Request::post(PATH).header(STREAM.0, STREAM.1).body(Empty::new()).expect("a request");
        let response = sent.start("shop").client_layer().layer(service).oneshot(request).await.expect("succeeds");
        let mut body = response.into_body();
        for _ in 0..read {
            body.frame().await.expect("a piece").expect("no error");
        }
        drop(body);
        check_end(&sent.one().await, expected, reason);
        sent.assert_each_finished_once();
    }
}
