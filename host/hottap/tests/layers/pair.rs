//! A hyper server and a hyper client over TCP, each behind a layer, whose bytes the test makes by hand.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hottap::rpc::{Outcome, RpcInfo, Transport};
use hottap::{ClientService, RequestBody};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::{ServiceExt, service_fn};

use crate::recorder::Recorder;

pub(crate) type Body = BoxBody<Bytes, io::Error>;
pub(crate) type Answer = Response<Body>;

/// Which HTTP they speak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Http {
    One,
    Two,
}

/// A message with its prefix.
pub(crate) fn message(flag: u8, payload: &[u8]) -> Vec<u8> {
    [&[flag][..], &(payload.len() as u32).to_be_bytes(), payload].concat()
}

/// The bytes compressed.
pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).expect("into memory");
    encoder.finish().expect("into memory")
}

/// A body that comes in these pieces.
pub(crate) fn body<P: AsRef<[u8]>>(pieces: &[P]) -> Body {
    with_trailers(pieces, None)
}

fn with_trailers<P: AsRef<[u8]>>(pieces: &[P], trailers: Option<HeaderMap>) -> Body {
    let data = pieces.iter().map(|piece| Frame::data(Bytes::copy_from_slice(piece.as_ref())));
    let frames: Vec<Result<Frame<Bytes>, io::Error>> = data.chain(trailers.map(Frame::trailers)).map(Ok).collect();
    BoxBody::new(StreamBody::new(tokio_stream::iter(frames)))
}

pub(crate) fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    let mut headers = HeaderMap::new();
    for (name, value) in pairs.iter().map(pair) {
        headers.append(name, value);
    }
    headers
}

pub(crate) fn answer<P: AsRef<[u8]>>(
    status: u16,
    head: &[(&'static str, &'static str)],
    pieces: &[P],
    trailers: &[(&'static str, &'static str)],
) -> Answer {
    let trailers = (!trailers.is_empty()).then(|| headers(trailers));
    let mut response = Response::new(with_trailers(pieces, trailers));
    *response.status_mut() = status.try_into().expect("a status");
    *response.headers_mut() = headers(head);
    response
}

pub(crate) struct Pair {
    http: Http,
    client: ClientService<Client<HttpConnector, RequestBody<Body>>>,
    pub(crate) sent: Recorder,
    pub(crate) served: Recorder,
    pub(crate) address: SocketAddr,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    calls: usize,
    server: JoinHandle<()>,
}

impl Pair {
    pub(crate) async fn start(http: Http) -> Self {
        let (sent, served) = (Recorder::default(), Recorder::default());
        let (client_tap, server_tap) = (sent.start("shop"), served.start("echo"));
        let answers = Arc::new(Mutex::new(VecDeque::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        let next = answers.clone();
        let service = server_tap.server_layer().layer(service_fn(move |request: Request<RequestBody<Incoming>>| {
            let next = next.clone();
            async move {
                // That it is malformed is nothing to a handler that reads bytes.
                let _ = request.into_body().collect().await;
                let answer: Option<Answer> = next.lock().expect("not poisoned").pop_front();
                Ok::<_, Infallible>(answer.expect("an answer for each request"))
            }
        }));
        let server = tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.expect("accepts");
                let (connection, service) = (TokioIo::new(connection), TowerToHyperService::new(service.clone()));
                tokio::spawn(async move {
                    // Clients may break the connection.
                    let _ = match http {
                        Http::One => {
                            hyper::server::conn::http1::Builder::new().serve_connection(connection, service).await
                        }
                        Http::Two => {
                            hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                                .serve_connection(connection, service)
                                .await
                        }
                    };
                });
            }
        });
        let client = Client::builder(TokioExecutor::new()).http2_only(http == Http::Two).build_http();
        let client = client_tap.client_layer().callee("echo").layer(client);
        Self { http, client, sent, served, address, answers, calls: 0, server }
    }

    /// Sends a request, which the server reads and answers, and reads the answer; gives what client and server recorded.
    pub(crate) async fn call(&mut self, request: http::request::Builder, body: Body, answer: Answer) -> [RpcInfo; 2] {
        self.answers.lock().expect("not poisoned").push_back(answer);
        let request = request.body(body).expect("a request");
        let transport = match self.http {
            Http::One => Transport::Http1,
            Http::Two => Transport::Http2,
        };
        let response = self.client.clone().oneshot(request).await;
        // What carried a request is known once something came back.
        let known = if response.is_ok() { transport } else { Transport::Unknown };
        if let Ok(response) = response {
            let _ = response.into_body().collect().await;
        }
        self.calls += 1;
        let mut both = [self.sent.finished(self.calls).await, self.served.finished(self.calls).await];
        let both = both.each_mut().map(|calls| calls.pop().expect("it has finished"));
        assert_eq!(both.each_ref().map(|info| info.config().transport()), [known, transport]);
        both
    }

    /// A POST to a path.
    pub(crate) fn post(&self, path: &str, head: &[(&'static str, &'static str)]) -> http::request::Builder {
        let mut request = Request::post(format!("http://{}{path}", self.address));
        if let Some(map) = request.headers_mut() {
            map.extend(headers(head));
        }
        request
    }

    pub(crate) async fn close(self) {
        drop(self.client);
        self.server.abort();
        self.sent.assert_each_finished_once();
        self.served.assert_each_finished_once();
    }
}

/// How a call ended, for tables: the status, how it is counted, and what kind of error it was.
#[track_caller]
pub(crate) fn check_end(info: &RpcInfo, expected: (Option<u16>, Outcome, &str), reason: &str) {
    let stats = info.stats();
    let actual = (stats.rpc_status(), stats.outcome(), stats.error_type().as_str());
    assert_eq!(actual, expected, "{reason}, {}: {}", info.side().as_str(), stats.error_message());
}
