//! What is recorded of gRPC-web over HTTP/1 and HTTP/2: names, messages, statuses in the last frame, deadlines.

use std::time::Duration;

use hottap::rpc::{Outcome, Protocol, Side, Streaming, Traffic};

use crate::pair::{Http, Pair, answer, body, check_end, gzip, message};

const WEB: (&str, &str) = ("content-type", "application/grpc-web+proto");
const TEXT: (&str, &str) = ("content-type", "application/grpc-web-text");
const PATH: &str = "/shop.v1.Stock/Watch";

#[tokio::test]
async fn a_call_of_grpc_web_is_recorded_by_both_sides() {
    for http in [Http::One, Http::Two] {
        let mut pair = Pair::start(http).await;
        let end = message(0x80, b"grpc-status: 0\r\n");
        // Frames are cut wherever the pieces end.
        let stream = [message(0, b"abc"), message(1, &[7; 300]), end].concat();
        let (first, rest) = stream.split_at(7);
        let request = pair.post(PATH, &[WEB, ("grpc-timeout", "30S")]);
        let both = pair.call(request, body(&[message(0, b"hello")]), answer(200, &[WEB], &[first, rest], &[])).await;
        for info in &both {
            let invocation = info.invocation();
            assert_eq!((invocation.protocol(), invocation.streaming()), (Protocol::GrpcWeb, Streaming::Server));
            assert_eq!(invocation.method().as_str(), "shop.v1.Stock/Watch");
            assert_eq!(info.config().deadline(), Some(Duration::from_secs(30)));
            check_end(info, (Some(0), Outcome::Ok, ""), "success");
        }
        let requests = Traffic { bytes: 10, messages: 1, last_bytes: 10 };
        let responses = Traffic { bytes: stream.len() as u64, messages: 2, last_bytes: 305 };
        let [client, server] = both.each_ref().map(|info| info.stats());
        assert_eq!((client.sent(), client.received()), (requests, responses));
        assert_eq!((server.received(), server.sent()), (requests, responses));
        pair.close().await;
    }
}

#[tokio::test]
async fn text_is_decoded_to_count_its_messages() {
    let mut pair = Pair::start(Http::One).await;
    // Each of them base64 of its own, as servers flush them: a message of three bytes twice, and the status.
    let pieces = [&b"AAAAAANhYmM="[..], b"AAAAA", b"ANhYmM=gAAAABBncnBjLXN0", b"YXR1czogNQ0K"];
    let request = pair.post(PATH, &[TEXT]);
    let both = pair.call(request, body(&[b"AAAAAANhYmM="]), answer(200, &[TEXT], &pieces, &[])).await;
    let bytes = pieces.iter().map(|piece| piece.len() as u64).sum();
    for info in &both {
        check_end(info, (Some(5), Outcome::Error, "NOT_FOUND"), "told in text");
        assert_eq!(info.invocation().streaming(), Streaming::Server);
    }
    // Bytes are those on the wire; a message has the size that it has when it is decoded.
    let [client, server] = both.each_ref().map(|info| info.stats());
    assert_eq!(client.received(), Traffic { bytes, messages: 2, last_bytes: 8 });
    assert_eq!(client.received(), server.sent());
    assert_eq!(client.sent(), Traffic { bytes: 12, messages: 1, last_bytes: 8 });
    assert_eq!(client.sent(), server.received());
    pair.close().await;
}

#[tokio::test]
async fn the_status_comes_from_wherever_it_is_told() {
    let mut pair = Pair::start(Http::One).await;
    let (web, gzipped) = ([WEB], [WEB, ("grpc-encoding", "gzip")]);
    let frame = (Some(2), Outcome::Error, "frame");
    for (status, head, pieces, expected, reason) in [
        (
            200,
            &web[..],
            vec![message(0x80, b"grpc-status:7\r\ngrpc-message:not%20you\r\n")],
            (Some(7), Outcome::Error, "PERMISSION_DENIED"),
            "in the last frame",
        ),
        (
            200,
            &[WEB, ("grpc-status", "14")],
            Vec::new(),
            (Some(14), Outcome::Error, "UNAVAILABLE"),
            "in headers, with nothing after them",
        ),
        (
            200,
            &[WEB, ("grpc-status", "14")],
            vec![message(0x80, b"")],
            (Some(14), Outcome::Error, "UNAVAILABLE"),
            "in headers, with a last frame that is empty",
        ),
        (200, &web, vec![message(0, b"abc")], (Some(2), Outcome::Error, "missing_status"), "nowhere"),
        (503, &[], vec![b"<html>".to_vec()], (Some(14), Outcome::Error, "503"), "by HTTP"),
        (200, &web, vec![message(0x80, b"\0\0\0")], frame, "trailers that are none"),
        (
            200,
            &gzipped,
            vec![message(0x81, &gzip(b"grpc-status: 5\r\n"))],
            (Some(5), Outcome::Error, "NOT_FOUND"),
            "in a last frame that is compressed",
        ),
        (200, &gzipped, vec![message(0x81, b"\x1f\x8b")], frame, "compressed trailers that are cut"),
        (200, &gzipped, vec![message(0x81, &gzip(&vec![b' '; 9_000_000]))], frame, "trailers that are a bomb"),
        (200, &web, vec![message(0x81, &gzip(b"grpc-status: 0\r\n"))], frame, "compressed, and nobody said how"),
        (
            200,
            &[WEB, ("grpc-encoding", "br")],
            vec![message(0x81, b"\x1f\x8b")],
            (None, Outcome::Ok, ""),
            "in an encoding that is not read",
        ),
        (
            200,
            &web,
            vec![message(0x80, b"grpc-status: 0\r\ngrpc-status: 13\r\n")],
            (Some(13), Outcome::Error, "INTERNAL"),
            "twice",
        ),
        (
            200,
            &[WEB, ("grpc-status", "0")],
            vec![message(0x80, b"grpc-status: 1\r\n")],
            (Some(1), Outcome::Cancelled, "CANCELLED"),
            "otherwise in headers",
        ),
    ] {
        let request = pair.post(PATH, &[WEB]);
        for info in pair.call(request, body(&[message(0, b"")]), answer(status, head, &pieces, &[])).await {
            check_end(&info, expected, reason);
            assert!(info.stats().received().messages <= 1 && info.stats().sent().messages <= 1, "{reason}");
        }
    }
    pair.close().await;
}

#[tokio::test]
async fn a_name_that_no_router_knows_is_other() {
    let mut pair = Pair::start(Http::One).await;
    for (path, status, head, name) in [
        ("/flood.S1/Method", 404, &[][..], "_OTHER"),
        ("/flood.S2/Method", 200, &[WEB, ("grpc-status", "12")], "_OTHER"),
        ("/flood.S3/Method", 200, &[("content-type", "text/html")], "_OTHER"),
        ("/shop.v1.Stock/Count", 200, &[WEB, ("grpc-status", "9")], "shop.v1.Stock/Count"),
    ] {
        let request = pair.post(path, &[WEB]);
        let [_, server] = pair.call(request, body(&[message(0, b"")]), answer(status, head, &[b""; 0], &[])).await;
        assert_eq!(server.invocation().method().as_str(), name, "{path}");
    }
    pair.close().await;
}

#[tokio::test]
async fn a_body_that_is_compressed_as_a_whole_is_not_taken_for_malformed() {
    let mut pair = Pair::start(Http::One).await;
    // As a server's layer or a proxy does it for any content type.
    let whole = gzip(&[message(0, b"abc"), message(0x80, b"grpc-status: 5\r\n")].concat());
    for (kind, path) in [(WEB, PATH), (("content-type", "application/connect+json"), "/shop.v1.Stock/Count")] {
        let request = pair.post(path, &[kind]);
        let answer = answer(200, &[kind, ("content-encoding", "gzip")], &[&whole], &[]);
        for info in pair.call(request, body(&[message(0, b"")]), answer).await {
            check_end(&info, (None, Outcome::Ok, ""), "nobody knows");
            assert_eq!(info.invocation().streaming(), Streaming::Unknown);
            let stats = info.stats();
            let traffic = if info.side() == Side::Client { stats.received() } else { stats.sent() };
            assert_eq!(traffic, Traffic { bytes: whole.len() as u64, messages: 0, last_bytes: 0 });
        }
    }
    pair.close().await;
}
