//! What peers send that no protocol allows: it is bounded, every call ends once, and with an error type.

use bytes::Bytes;
use hottap::rpc::{Outcome, RpcInfo, Streaming, Traffic};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::pair::{Http, Pair, answer, body, check_end, message};
use crate::recorder::Recorder;
use crate::world::{Client, World};

const GRPC: (&str, &str) = ("content-type", "application/grpc");
const PATH: &str = "/test.Echo/Unary";

#[tokio::test]
async fn a_body_that_is_no_sequence_of_messages_is_an_error() {
    let mut pair = Pair::start(Http::Two).await;
    let frame = (Some(0), Outcome::Error, "frame");
    let sound = message(0, b"abc");
    let lies = [0, 0xff, 0xff, 0xff, 0xff, b'x'];
    for (request, response, expected, reason) in [
        (vec![sound.clone()], vec![sound.clone()], (Some(0), Outcome::Ok, ""), "nothing is wrong"),
        (vec![sound[..6].to_vec()], vec![sound.clone()], frame, "a request that is cut inside a message"),
        (vec![sound[..3].to_vec()], vec![sound.clone()], frame, "a request that is cut inside a prefix"),
        (vec![lies.to_vec()], vec![sound.clone()], frame, "a request whose length lies"),
        (vec![message(7, b"abc")], vec![sound.clone()], frame, "a request with a flag that nobody knows"),
        (vec![sound.clone()], vec![sound[..6].to_vec()], frame, "a response that is cut inside a message"),
        (vec![sound.clone()], vec![lies.to_vec(), vec![b'x'; 100_000]], frame, "a response whose length lies"),
        (vec![sound.clone()], vec![b"<html>".to_vec()], frame, "a response that is a page"),
        (vec![sound.clone()], vec![message(0x80, b"grpc-status: 0")], frame, "another protocol's frame"),
    ] {
        let builder = pair.post(PATH, &[GRPC]);
        let answer = answer(200, &[GRPC], &response, &[("grpc-status", "0")]);
        let [client, server] = pair.call(builder, body(&request), answer).await;
        for info in [&client, &server] {
            check_end(info, expected, reason);
        }
        // Bytes are counted whatever they mean.
        assert_eq!(server.stats().received().bytes, request.concat().len() as u64, "{reason}");
        assert_eq!(client.stats().received().bytes, response.concat().len() as u64, "{reason}");
    }
    pair.close().await;
}

#[tokio::test]
async fn of_statuses_that_contradict_each_other_the_failure_counts() {
    let mut pair = Pair::start(Http::Two).await;
    for (status, head, trailers, expected, reason) in [
        (
            200,
            &[GRPC][..],
            &[("grpc-status", "0"), ("grpc-status", "5")][..],
            (Some(5), Outcome::Error, "NOT_FOUND"),
            "twice in trailers",
        ),
        (
            200,
            &[GRPC, ("grpc-status", "0")],
            &[("grpc-status", "13")],
            (Some(13), Outcome::Error, "INTERNAL"),
            "first success, then failure",
        ),
        (
            200,
            &[GRPC, ("grpc-status", "13")],
            &[("grpc-status", "0")],
            (Some(13), Outcome::Error, "INTERNAL"),
            "first failure, then success",
        ),
        (500, &[GRPC], &[("grpc-status", "0")], (Some(0), Outcome::Error, "500"), "HTTP says no"),
        (
            500,
            &[GRPC],
            &[("grpc-status", "8")],
            (Some(8), Outcome::Error, "RESOURCE_EXHAUSTED"),
            "gRPC says more than HTTP",
        ),
        (200, &[GRPC], &[("grpc-status", "nonsense")], (Some(2), Outcome::Error, "UNKNOWN"), "no number"),
        (200, &[GRPC], &[("x-other", "1")], (Some(2), Outcome::Error, "missing_status"), "trailers without a status"),
    ] {
        let request = pair.post(PATH, &[GRPC]);
        let answer = answer(status, head, &[message(0, b"abc")], trailers);
        for info in pair.call(request, body(&[message(0, b"")]), answer).await {
            check_end(&info, expected, reason);
        }
    }
    pair.close().await;
}

#[tokio::test]
async fn compressed_messages_are_counted_as_they_are_on_the_wire() {
    let mut pair = Pair::start(Http::Two).await;
    // The layers decompress no message: what these bytes would become does not matter, be it a bomb.
    let head = [GRPC, ("grpc-encoding", "gzip")];
    let bomb = [message(1, &[0x1f; 1_000]), message(1, b"")];
    let request = pair.post(PATH, &head);
    let both = pair.call(request, body(&bomb), answer(200, &head, &bomb, &[("grpc-status", "0")])).await;
    let traffic = Traffic { bytes: 1_010, messages: 2, last_bytes: 5 };
    for info in &both {
        check_end(info, (Some(0), Outcome::Ok, ""), "compressed");
        assert_eq!((info.stats().sent(), info.stats().received()), (traffic, traffic));
        assert_eq!(info.invocation().streaming(), Streaming::Both);
    }
    pair.close().await;
}

/// Sends a request to tonic's echo service, whose status it answers; gives what its layer recorded.
async fn to_tonic(body: Vec<u8>) -> RpcInfo {
    let world = World::start().await;
    let stream = TcpStream::connect(world.address).await.expect("connects");
    let (mut sender, connection) = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(stream),
    )
    .await
    .expect("shakes hands");
    let connection = tokio::spawn(connection);
    let request = http::Request::post(format!("http://{}{PATH}", world.address))
        .header("content-type", "application/grpc")
        .body(http_body_util::Full::new(Bytes::from(body)))
        .expect("a request");
    let response = sender.send_request(request).await.expect("a response");
    let status = response.headers().get("grpc-status").cloned();
    let info = world.served.one().await;
    let told = status.and_then(|value| value.to_str().ok()?.parse().ok());
    assert_eq!(info.stats().rpc_status(), told, "what the client was told");
    drop((sender, response));
    connection.abort();
    world.close().await;
    info
}

#[tokio::test]
async fn what_a_server_can_not_decode_ends_its_call_once() {
    for (body, reason) in [
        (message(7, b"abc"), "a flag that nobody knows"),
        (message(1, b"abc"), "compressed, and nobody said how"),
        (vec![0, 0, 0, 0, 9, b'x'], "a message that is cut"),
        (vec![0, 0xff, 0xff, 0xff, 0xff, b'x'], "a length that lies"),
        (Vec::new(), "no message at all"),
    ] {
        let info = to_tonic(body).await;
        assert_eq!(info.stats().outcome(), Outcome::Error, "{reason}");
        assert_ne!(info.stats().rpc_status(), Some(0), "{reason}");
    }
}

#[tokio::test]
async fn headers_beyond_the_limits_are_no_call() {
    let mut pair = Pair::start(Http::One).await;
    let mut stream = TcpStream::connect(pair.address).await.expect("connects");
    let head = format!("POST {PATH} HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "y".repeat(600_000));
    // It may be refused before all of it is written.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut refusal = Vec::new();
    let _ = stream.read_to_end(&mut refusal).await;
    drop(stream);
    // The next one is the first that the server has seen.
    let request = pair.post(PATH, &[("content-type", "application/grpc-web")]);
    let end = message(0x80, b"grpc-status: 0\r\n");
    let head = [("content-type", "application/grpc-web")];
    pair.call(request, body(&[message(0, b"")]), answer(200, &head, &[end], &[])).await;
    assert_eq!(pair.served.finished(1).await.len(), 1);
    pair.close().await;
}

#[tokio::test]
async fn words_and_names_beyond_their_bounds_are_cut() {
    let mut pair = Pair::start(Http::Two).await;
    let long: &'static str = "x".repeat(9_000).leak();
    let path: &'static str = format!("/a.B/{}", "C".repeat(5_000)).leak();
    let request = pair.post(path, &[GRPC]);
    let trailers = [("grpc-status", "9"), ("grpc-message", long)];
    for info in pair.call(request, body(&[message(0, b"")]), answer(200, &[GRPC], &[b""; 0], &trailers)).await {
        check_end(&info, (Some(9), Outcome::Error, "FAILED_PRECONDITION"), "long words");
        assert_eq!(info.stats().error_message().len(), 1024);
        assert_eq!(info.invocation().method().as_str(), "_OTHER");
    }
    pair.close().await;
}

#[tokio::test]
async fn what_a_client_can_not_decode_ends_its_call_once() {
    for (data, error_type, reason) in [
        (&b"\x07\0\0\0\x03abc"[..], "frame", "a flag that nobody knows"),
        (b"\x01\0\0\0\x03abc", "cancelled", "compressed, and nobody said how"),
    ] {
        let sent = Recorder::default();
        // A head with the status 200, and no end.
        let mut frames = vec![0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88];
        frames.extend([0, 0, data.len() as u8, 0, 0, 0, 0, 0, 1]);
        frames.extend(data);
        let (address, peer) = crate::peer::answering(frames).await;
        let client = Client::new(&sent.start("shop"), address);
        client.unary("echo").await.expect_err("that is no message");
        let info = sent.one().await;
        assert_ne!(info.stats().outcome(), Outcome::Ok, "{reason}");
        assert_eq!(info.stats().error_type().as_str(), error_type, "{reason}");
        drop(client);
        peer.abort();
        sent.assert_each_finished_once();
    }
}
