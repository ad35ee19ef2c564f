//! gRPC-web and Connect, unary and streaming, in JSON and protobuf, over both versions of HTTP: connect-node as a client
//! of our server's layer and as a server of our client's.

use bytes::{BufMut, Bytes, BytesMut};
use hottap::Hottap;
use hottap::rpc::{Outcome, Protocol, RpcInfo, Streaming};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::ServiceExt;

use crate::mirror::Mirror;
use crate::program::Peer;
use crate::recorder::Recorder;
use crate::stand::{HttpClient, http_client};
use crate::wire::{Node, Seen};

/// How a call ended: its status, the type of its error and what it says.
type End = (Outcome, u16, &'static str, &'static str);

const OK: End = (Outcome::Ok, 0, "", "");

#[track_caller]
fn check(info: &RpcInfo, seen: &Seen, protocol: Protocol, streaming: Streaming, end: End) {
    seen.check(info);
    let (invocation, stats) = (info.invocation(), info.stats());
    assert_eq!((invocation.protocol(), invocation.streaming()), (protocol, streaming), "{seen:#?}");
    let (outcome, status, error_type, message) = end;
    assert_eq!((stats.outcome(), stats.rpc_status()), (outcome, Some(status)), "{seen:#?}");
    assert_eq!((stats.error_type().as_str(), stats.error_message()), (error_type, message), "{seen:#?}");
}

#[tokio::test]
#[ignore = "needs Node.js"]
async fn a_connect_node_client_is_recorded() {
    let node = Node::find();
    const NOT_FOUND: End = (Outcome::Error, 5, "NOT_FOUND", "no such é");
    const DATA_LOSS: End = (Outcome::Error, 15, "DATA_LOSS", "in the middle of it");
    for (name, format, version, protocol) in [
        ("connect", "json", "1.1", Protocol::Connect),
        ("connect", "proto", "1.1", Protocol::Connect),
        ("connect", "json", "2", Protocol::Connect),
        ("connect", "proto", "2", Protocol::Connect),
        ("get", "json", "1.1", Protocol::Connect),
        ("get", "json", "2", Protocol::Connect),
        ("grpc-web", "json", "1.1", Protocol::GrpcWeb),
        ("grpc-web", "proto", "1.1", Protocol::GrpcWeb),
        ("grpc-web", "proto", "2", Protocol::GrpcWeb),
    ] {
        let served = Recorder::default();
        let mirror = Mirror::start(&served.start("mirror")).await;
        let arguments = [&mirror.address.to_string(), name, format, version];
        let seen = Seen::all(&node.run("connect_client.js", &arguments).rest().await);
        // Where a chat is not possible, none is tried.
        let count = if version == "2" { 7 } else { 6 };
        let calls = served.finished(count).await;
        assert_eq!((seen.len(), calls.len()), (count, count));
        for ((info, seen), (streaming, end)) in calls.iter().zip(&seen).zip([
            (Streaming::Unary, OK),
            (Streaming::Unary, OK),
            (Streaming::Unary, NOT_FOUND),
            (Streaming::Server, OK),
            (Streaming::Unary, DATA_LOSS),
            (Streaming::Client, OK),
            (Streaming::Both, OK),
        ]) {
            check(info, seen, protocol, streaming, end);
        }
        drop(mirror);
        served.assert_each_finished_once();
    }
}

fn client(tap: &Hottap, port: &str, version: &str) -> HttpClient {
    http_client(tap, format!("127.0.0.1:{port}").parse().expect("an address"), version == "2")
}

/// Messages with their prefixes.
fn frames(messages: &[&str]) -> Bytes {
    let mut frames = BytesMut::new();
    for message in messages {
        frames.put_u8(0);
        frames.put_u32(message.len() as u32);
        frames.put(message.as_bytes());
    }
    frames.freeze()
}

/// Calls a method and reads the whole answer.
async fn call(client: &HttpClient, url: &str, content_type: &str, body: Bytes) -> StatusCode {
    let request = Request::post(url)
        .header("content-type", content_type)
        .header("connect-protocol-version", "1")
        .header("accept-encoding", "gzip")
        .header("connect-accept-encoding", "gzip")
        .header("grpc-accept-encoding", "gzip")
        .body(Full::<Bytes>::from(body))
        .expect("a request");
    let response = client.clone().oneshot(request).await.expect("a response");
    let status = response.status();
    response.into_body().collect().await.expect("a body");
    status
}

/// The message test.Text as JSON.
fn json(text: &str) -> String {
    format!(r#"{{"text":"{text}"}}"#)
}

#[tokio::test]
#[ignore = "needs Node.js"]
async fn a_connect_node_server_is_recorded() {
    let node = Node::find();
    const FAILED: End = (Outcome::Error, 5, "NOT_FOUND", "what: é 100%");
    const LOST: End = (Outcome::Error, 15, "DATA_LOSS", "what: é 100%");
    let mut server: Peer = node.run("connect_server.js", &[]);
    let ports = server.line().await;
    let (second, first) = ports.split_once(' ').expect("two ports");
    let (fails, downloads) = (json("fail 5 what: é 100%"), json("3 5000"));
    let (hello, lost) = (json("hello é"), json("2 7 fail 15 what: é 100%"));
    let uploaded = ["\x0a\x03one", "", "\x0a\x05three"];
    let unary: [(&str, &str, u16, End); 3] = [
        ("application/json", &hello, 200, OK),
        ("application/proto", "\x0a\x05hello", 200, OK),
        ("application/json", &fails, 404, FAILED),
    ];
    let framed: [(&str, &str, &[&str], Streaming, End); 7] = [
        ("Download", "application/connect+json", &[&downloads], Streaming::Server, OK),
        ("Download", "application/connect+json", &[&lost], Streaming::Server, LOST),
        ("Upload", "application/connect+proto", &uploaded, Streaming::Client, OK),
        ("Unary", "application/grpc-web+proto", &["\x0a\x05hello"], Streaming::Unary, OK),
        ("Unary", "application/grpc-web+json", &[&fails], Streaming::Unary, FAILED),
        ("Download", "application/grpc-web+json", &[&downloads], Streaming::Server, OK),
        ("Download", "application/grpc-web+json", &[&lost], Streaming::Server, LOST),
    ];
    for (version, port) in [("1.1", first), ("2", second)] {
        let sent = Recorder::default();
        let client = client(&sent.start("shop"), port, version);
        let url = |method: &str| format!("http://127.0.0.1:{port}/test.Echo/{method}");
        for (i, (content_type, message, status, end)) in unary.into_iter().enumerate() {
            let got = call(&client, &url("Unary"), content_type, message.to_owned().into()).await;
            assert_eq!(got.as_u16(), status);
            let (info, seen) = (sent.finished(i + 1).await.remove(i), Seen::read(&server.line().await));
            check(&info, &seen, Protocol::Connect, Streaming::Unary, end);
        }
        for (i, (method, content_type, messages, streaming, end)) in (unary.len()..).zip(framed) {
            assert_eq!(call(&client, &url(method), content_type, frames(messages)).await, StatusCode::OK);
            let (info, seen) = (sent.finished(i + 1).await.remove(i), Seen::read(&server.line().await));
            let is_web = content_type.starts_with("application/grpc-web");
            check(&info, &seen, if is_web { Protocol::GrpcWeb } else { Protocol::Connect }, streaming, end);
            // Three times 5000 letters are sent in less.
            assert!(seen.responded.bytes < 5_000, "{seen:#?}");
        }
        sent.assert_each_finished_once();
    }
}

#[tokio::test]
#[ignore = "needs Node.js"]
async fn ends_that_a_connect_node_server_compresses_are_read() {
    let node = Node::find();
    // connect-node compresses what is longer than 1 KiB, be it a message, the end of a stream or an error.
    let words: &'static str = "such long words ".repeat(100).leak();
    let lost: End = (Outcome::Error, 15, "DATA_LOSS", &words[..1024]);
    let (unary, download) = (json(&format!("fail 15 {words}")), json(&format!("2 7 fail 15 {words}")));
    let mut server: Peer = node.run("connect_server.js", &[]);
    let ports = server.line().await;
    let (second, first) = ports.split_once(' ').expect("two ports");
    for (version, port) in [("1.1", first), ("2", second)] {
        let sent = Recorder::default();
        let client = client(&sent.start("shop"), port, version);
        for (i, (method, content_type, message, protocol, streaming)) in [
            ("Unary", "application/json", &unary, Protocol::Connect, Streaming::Unary),
            ("Download", "application/connect+json", &download, Protocol::Connect, Streaming::Server),
            ("Unary", "application/grpc-web+json", &unary, Protocol::GrpcWeb, Streaming::Unary),
            ("Download", "application/grpc-web+json", &download, Protocol::GrpcWeb, Streaming::Server),
        ]
        .into_iter()
        .enumerate()
        {
            let is_framed = content_type != "application/json";
            let body = if is_framed { frames(&[message]) } else { Bytes::from(message.clone()) };
            call(&client, &format!("http://127.0.0.1:{port}/test.Echo/{method}"), content_type, body).await;
            let (info, seen) = (sent.finished(i + 1).await.remove(i), Seen::read(&server.line().await));
            check(&info, &seen, protocol, streaming, lost);
            assert_eq!(seen.ends_compressed(), is_framed, "{seen:#?}");
            // Without that, the words alone are more.
            assert!(seen.responded.bytes < 1_024, "{seen:#?}");
        }
        sent.assert_each_finished_once();
    }
}
