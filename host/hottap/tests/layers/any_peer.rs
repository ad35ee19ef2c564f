//! Whatever heads, bodies and endings a peer makes up, in any protocol and on either side: nothing panics, every call
//! finishes once, and what is recorded of it does not contradict itself. It does not judge which record is the right one.

use std::convert::Infallible;
use std::io;

use bytes::Bytes;
use fastrand::Rng;
use hottap::RequestBody;
use hottap::rpc::{Outcome, RpcInfo, Side};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tower::{ServiceExt, service_fn};

use crate::pair::{gzip, message};
use crate::recorder::Recorder;

const ROUNDS: usize = 3_000;

const CONTENT_TYPES: &[&str] = &[
    "application/grpc",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/connect+json",
    "application/json",
    "application/proto",
    "text/html",
];
/// Headers, or trailers, that mean something to one of the protocols.
const TELLING: &[(&str, &str)] = &[
    ("connect-protocol-version", "1"),
    ("connect-content-encoding", "gzip"),
    ("connect-timeout-ms", "99999999999"),
    ("content-encoding", "gzip"),
    ("content-encoding", "br"),
    ("grpc-encoding", "gzip"),
    ("grpc-encoding", "deflate"),
    ("grpc-message", "%zz%"),
    ("grpc-status", "0"),
    ("grpc-status", "5"),
    ("grpc-status", "nonsense"),
    ("grpc-timeout", "99999999H"),
];
const STATUSES: &[u16] = &[101, 200, 200, 200, 200, 204, 304, 404, 500, 503, 999];
const PAYLOADS: &[&[u8]] = &[
    b"",
    b"{}",
    b"[null]",
    br#"{"error":{"code":"aborted"}}"#,
    br#"{"code":"not_found","message":"x"}"#,
    b"grpc-status: 0\r\n",
    b"grpc-status: 13\r\ngrpc-message: x\r\n",
    b"AAAAAANhYmM=gAAAABBncnBjLXN0YXR1czogNQ0K",
];
const FLAGS: &[u8] = &[0, 0, 1, 2, 3, 0x80, 0x81, 7];

fn any<'a, T>(rng: &mut Rng, of: &'a [T]) -> &'a T {
    &of[rng.usize(..of.len())]
}

/// A piece of a body: bare or as a message, compressed or not, whole or cut.
fn piece(rng: &mut Rng) -> Vec<u8> {
    let mut payload = any(rng, PAYLOADS).to_vec();
    if rng.u8(..) < 90 {
        payload = gzip(&payload);
    }
    if rng.u8(..) < 180 {
        payload = message(*any(rng, FLAGS), &payload);
    }
    if rng.u8(..) < 25 {
        payload.truncate(rng.usize(..=payload.len()));
    }
    payload
}

fn headers(rng: &mut Rng) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for _ in 0..rng.usize(..4) {
        let (name, value) = *any(rng, TELLING);
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers
}

type Frames = Vec<Result<Frame<Bytes>, io::Error>>;

/// The frames of a body, and how many bytes there are in them.
fn frames(rng: &mut Rng) -> (Frames, u64) {
    let pieces: Vec<Vec<u8>> = (0..rng.usize(..5)).map(|_| piece(rng)).collect();
    let bytes = pieces.iter().map(|piece| piece.len() as u64).sum();
    let mut frames: Frames = pieces.into_iter().map(|piece| Ok(Frame::data(piece.into()))).collect();
    match rng.u8(..4) {
        0 => frames.push(Ok(Frame::trailers(headers(rng)))),
        1 => frames.push(Err(io::Error::other("the pipe burst"))),
        _ => {}
    }
    (frames, bytes)
}

#[track_caller]
fn check(info: &RpcInfo, responded: u64) {
    let stats = info.stats();
    let (outcome, error_type, status) = (stats.outcome(), stats.error_type().as_str(), stats.rpc_status());
    assert_eq!(outcome == Outcome::Ok, error_type.is_empty(), "{info:#?}");
    assert!(outcome != Outcome::Panicked && status.is_none_or(|status| status <= 16), "{info:#?}");
    assert!(status.is_none_or(|status| status == 0) || outcome != Outcome::Ok, "{info:#?}");
    let traffic = if info.side() == Side::Server { stats.sent() } else { stats.received() };
    // What was read after the call had ended is not the call's.
    assert!(traffic.bytes <= responded && traffic.last_bytes <= responded, "{responded}: {info:#?}");
}

#[tokio::test]
async fn whatever_a_peer_sends_every_call_finishes_once_and_does_not_contradict_itself() {
    for round in 0..ROUNDS {
        let mut rng = Rng::with_seed(round as u64);
        let mut request = Request::new(StreamBody::new(tokio_stream::iter(frames(&mut rng).0)));
        *request.method_mut() = any(&mut rng, &[Method::POST, Method::POST, Method::POST, Method::GET]).clone();
        *request.uri_mut() = any(&mut rng, &["/a.B/C", "/a.B/C?connect=v1&encoding=json"]).parse().expect("a URI");
        *request.headers_mut() = headers(&mut rng);
        let kind = *any(&mut rng, CONTENT_TYPES);
        request.headers_mut().insert("content-type", HeaderValue::from_static(kind));

        let (response_frames, bytes) = frames(&mut rng);
        let mut response = Response::new(StreamBody::new(tokio_stream::iter(response_frames)));
        *response.status_mut() = any(&mut rng, STATUSES).to_owned().try_into().expect("a status");
        *response.headers_mut() = headers(&mut rng);
        // Mostly it answers in the words that it was asked in.
        let answered = if rng.u8(..) < 180 { kind } else { any(&mut rng, CONTENT_TYPES) };
        response.headers_mut().insert("content-type", HeaderValue::from_static(answered));

        let recorder = Recorder::default();
        let tap = recorder.start("unit");
        let (reads_request, response) = (rng.bool(), std::sync::Mutex::new(Some(response)));
        let service = service_fn(move |request: Request<RequestBody<_>>| {
            let response = response.lock().expect("not poisoned").take().expect("one call");
            async move {
                if reads_request {
                    let _ = BodyExt::collect(request.into_body()).await;
                }
                Ok::<_, Infallible>(response)
            }
        });
        let response = match rng.bool() {
            true => tap.server_layer().layer(service).oneshot(request).await,
            false => tap.client_layer().layer(service).oneshot(request).await,
        };
        let mut body = response.expect("infallible").into_body();
        for _ in 0..rng.usize(..8) {
            let _ = body.frame().await;
        }
        drop(body);
        check(&recorder.one().await, bytes);
        recorder.assert_each_finished_once();
    }
}
