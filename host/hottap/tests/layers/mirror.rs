//! A server that speaks gRPC, gRPC-web and Connect by hand, over HTTP/1.1 and HTTP/2, with whatever bytes for messages:
//! it gives back what it got, compressed if it was. It is no library's, so that its peers are measured against nothing
//! but the protocols.
//!
//! `Unary` and `Chat` give every message back, `Download` gives its message three times, `Upload` its last one. If the
//! first message has the word `fail` in it, the call fails: a download with DATA_LOSS after one message, others with
//! NOT_FOUND at once.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use bytes::{BufMut, Bytes, BytesMut};
use hottap::Hottap;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A code in gRPC and in Connect, the status of HTTP that Connect gives with it, and words.
struct Failure {
    grpc: &'static str,
    connect: &'static str,
    http: StatusCode,
    words: &'static str,
}

const NOT_FOUND: Failure =
    Failure { grpc: "5", connect: "not_found", http: StatusCode::NOT_FOUND, words: "no such é" };
const DATA_LOSS: Failure =
    Failure { grpc: "15", connect: "data_loss", http: StatusCode::INTERNAL_SERVER_ERROR, words: "in the middle of it" };

impl Failure {
    fn json(&self) -> String {
        format!(r#"{{"code":"{}","message":"{}"}}"#, self.connect, self.words)
    }
}

pub(crate) struct Mirror {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Mirror {
    pub(crate) async fn start(tap: &Hottap) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        Self { address, task: crate::stand::serve_router(tap, listener, Router::new().fallback(mirror)) }
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How a call's messages and its end are written down.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Grpc,
    GrpcWeb,
    ConnectUnary,
    ConnectStream,
}

async fn mirror(request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("all of the request").to_bytes();
    let content_type = head.headers.get("content-type").cloned();
    let text = content_type.as_ref().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = match text {
        _ if text.starts_with("application/grpc-web") => Form::GrpcWeb,
        _ if text.starts_with("application/grpc") => Form::Grpc,
        _ if text.starts_with("application/connect+") => Form::ConnectStream,
        _ => Form::ConnectUnary,
    };
    if head.method == Method::GET {
        return connect_get(head.uri.query().unwrap_or_default());
    }
    let messages = if form == Form::ConnectUnary { vec![body] } else { frames(body) };
    let fails = messages.first().is_some_and(|message| message.windows(4).any(|bytes| bytes == b"fail"));
    let method = head.uri.path().rsplit('/').next().unwrap_or_default();
    let (messages, failure) = match (method, fails) {
        ("Download", true) => (vec![messages[0].clone()], Some(DATA_LOSS)),
        (_, true) => (Vec::new(), Some(NOT_FOUND)),
        ("Download", false) => (vec![messages[0].clone(); 3], None),
        ("Upload", false) => (messages.last().cloned().into_iter().collect(), None),
        (_, false) => (messages, None),
    };
    let mut response = match form {
        Form::ConnectUnary => connect_unary(messages, failure),
        Form::ConnectStream => connect_stream(messages, failure),
        Form::GrpcWeb => grpc_web(messages, failure),
        Form::Grpc => grpc(messages, failure),
    };
    for name in ["grpc-encoding", "connect-content-encoding"] {
        if let Some(value) = head.headers.get(name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    if let Some(content_type) = content_type
        && !response.headers().contains_key("content-type")
    {
        response.headers_mut().insert("content-type", content_type);
    }
    response
}

/// The messages of a body, their prefixes with them, so that they can be given back as they are.
fn frames(mut body: Bytes) -> Vec<Bytes> {
    let mut frames = Vec::new();
    while body.len() >= 5 {
        let length = u32::from_be_bytes([body[1], body[2], body[3], body[4]]) as usize;
        frames.push(body.split_to(5 + length));
    }
    assert!(body.is_empty(), "a message is cut short");
    frames
}

fn frame(flag: u8, content: &str) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(flag);
    frame.put_u32(content.len() as u32);
    frame.put(content.as_bytes());
    frame.freeze()
}

fn body(messages: Vec<Bytes>, trailers: Option<HeaderMap>) -> Body {
    let frames = messages.into_iter().map(Frame::data).chain(trailers.map(Frame::trailers));
    Body::new(StreamBody::new(tokio_stream::iter(frames.map(Ok::<_, Infallible>))))
}

fn connect_unary(messages: Vec<Bytes>, failure: Option<Failure>) -> Response<Body> {
    let Some(failure) = failure else { return Response::new(body(messages, None)) };
    let mut response = Response::new(Body::from(failure.json()));
    *response.status_mut() = failure.http;
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}

/// A unary call whose message is in the URL, as JSON with percent signs for what may not stand there.
fn connect_get(query: &str) -> Response<Body> {
    let message = query.split('&').find_map(|pair| pair.strip_prefix("message=")).unwrap_or_default();
    let mut bytes = Vec::new();
    let mut rest = message.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next(), rest.next()].map(|digit| (digit.unwrap_or_default() as char).to_digit(16));
                let [Some(high), Some(low)] = digits else { panic!("{message}") };
                (high << 4 | low) as u8
            }
            byte => byte,
        });
    }
    let fails = bytes.windows(4).any(|bytes| bytes == b"fail");
    let mut response = connect_unary(vec![bytes.into()], fails.then_some(NOT_FOUND));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}

fn connect_stream(mut messages: Vec<Bytes>, failure: Option<Failure>) -> Response<Body> {
    let end = failure.map_or("{}".to_owned(), |failure| format!(r#"{{"error":{}}}"#, failure.json()));
    messages.push(frame(2, &end));
    Response::new(body(messages, None))
}

fn grpc_web(mut messages: Vec<Bytes>, failure: Option<Failure>) -> Response<Body> {
    let end = failure.map_or("grpc-status: 0\r\n".to_owned(), |failure| {
        format!("grpc-status: {}\r\ngrpc-message: {}\r\n", failure.grpc, escaped(failure.words))
    });
    messages.push(frame(0x80, &end));
    Response::new(body(messages, None))
}

fn grpc(messages: Vec<Bytes>, failure: Option<Failure>) -> Response<Body> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(failure.as_ref().map_or("0", |failure| failure.grpc)));
    if let Some(failure) = failure {
        trailers.insert("grpc-message", escaped(failure.words).parse().expect("a header's value"));
    }
    Response::new(body(messages, Some(trailers)))
}

/// gRPC's percent-encoding.
fn escaped(words: &str) -> String {
    words.bytes().map(|byte| if byte.is_ascii() { (byte as char).into() } else { format!("%{byte:02X}") }).collect()
}
