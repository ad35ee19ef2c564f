//! A collector that keeps what it gets, or behaves badly; it speaks OTLP over HTTP and over gRPC, on a thread of its own.

use std::convert::Infallible;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Takes,
    Refuses(i64),
    /// No message that is longer than so many bytes, as servers of gRPC do by default.
    TakesUpTo(usize),
    /// The same, but it says that it will be able to.
    IsBusyFrom(usize),
    /// The same, but it says nothing.
    HangsFrom(usize),
    /// With a status of HTTP.
    Answers(u16),
    /// With gRPC's RESOURCE_EXHAUSTED, and what stands in `grpc-status-details-bin`.
    IsFull(&'static str),
    /// With a status of HTTP and far more than anybody reads.
    Lengthy(u16),
    /// With something that is no answer.
    Babbles,
    /// It takes everything, and says so in an encoding of its own: the type and the text.
    Says(&'static str, &'static str),
    /// Never.
    Hangs,
}

#[derive(Clone)]
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// Ends it when the last clone is dropped.
    _stop: Arc<oneshot::Sender<()>>,
}

struct State {
    manner: Manner,
    attempts: u64,
    traces: Vec<ExportTraceServiceRequest>,
    metrics: Vec<ExportMetricsServiceRequest>,
    heads: Vec<(String, HeaderMap)>,
}

impl Collector {
    pub(crate) fn start(manner: Manner) -> Self {
        Self::listen(manner, None, "127.0.0.1:0".parse().expect("an address"))
    }

    pub(crate) fn tls(acceptor: TlsAcceptor) -> Self {
        Self::listen(Manner::Takes, Some(acceptor), "127.0.0.1:0".parse().expect("an address"))
    }

    pub(crate) fn at(address: SocketAddr) -> Self {
        Self::listen(Manner::Takes, None, address)
    }

    fn listen(manner: Manner, tls: Option<TlsAcceptor>, address: SocketAddr) -> Self {
        let state = State { manner, attempts: 0, traces: Vec::new(), metrics: Vec::new(), heads: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let kept = state.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("starts");
            runtime.block_on(async {
                let listener = TcpListener::bind(address).await.expect("binds");
                tell.send(listener.local_addr().expect("bound")).expect("somebody waits");
                tokio::select! {
                    () = accept(listener, tls, kept) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address: told.recv().expect("it binds"), state, _stop: Arc::new(stop) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    pub(crate) fn behave(&self, manner: Manner) {
        self.state().manner = manner;
    }

    pub(crate) fn attempts(&self) -> u64 {
        self.state().attempts
    }

    pub(crate) fn traces(&self) -> Vec<ExportTraceServiceRequest> {
        self.state().traces.clone()
    }

    /// The names of all spans that were taken.
    pub(crate) fn spans(&self) -> Vec<String> {
        let traces = self.traces();
        let scopes = traces.iter().flat_map(|request| &request.resource_spans).flat_map(|spans| &spans.scope_spans);
        scopes.flat_map(|scope| &scope.spans).map(|span| span.name.clone()).collect()
    }

    pub(crate) fn metrics(&self) -> Vec<ExportMetricsServiceRequest> {
        self.state().metrics.clone()
    }

    /// Path and headers of the requests.
    pub(crate) fn heads(&self) -> Vec<(String, HeaderMap)> {
        self.state().heads.clone()
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<Mutex<State>>) {
    loop {
        let (stream, _) = listener.accept().await.expect("accepts");
        let (tls, state) = (tls.clone(), state.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(state.clone(), request));
            let builder = auto::Builder::new(TokioExecutor::new());
            match tls {
                None => _ = builder.serve_connection(TokioIo::new(stream), service).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                    }
                }
            }
        });
    }
}

type Body = BoxBody<Bytes, Infallible>;

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("all of it").to_bytes();
    let is_grpc = head.headers.get("content-type").is_some_and(|value| value == "application/grpc");
    let message = message(&head.headers, is_grpc, body);
    let is_traces = head.uri.path().to_ascii_lowercase().contains("trace");
    let manner = {
        let mut state = state.lock().expect("not poisoned");
        state.attempts += 1;
        state.heads.push((head.uri.path().to_owned(), head.headers));
        let manner = match state.manner {
            Manner::TakesUpTo(most) if message.len() > most => Manner::IsFull(""),
            Manner::IsBusyFrom(most) if message.len() > most => Manner::Answers(503),
            Manner::HangsFrom(most) if message.len() > most => Manner::Hangs,
            Manner::TakesUpTo(_) | Manner::IsBusyFrom(_) | Manner::HangsFrom(_) => Manner::Takes,
            other => other,
        };
        if matches!(manner, Manner::Takes | Manner::Refuses(_) | Manner::Says(..)) {
            if is_traces {
                state.traces.push(ExportTraceServiceRequest::decode(message).expect("a request"));
            } else {
                state.metrics.push(ExportMetricsServiceRequest::decode(message).expect("a request"));
            }
        }
        manner
    };
    let said = match manner {
        Manner::Hangs => std::future::pending().await,
        Manner::Takes | Manner::TakesUpTo(_) | Manner::IsBusyFrom(_) | Manner::HangsFrom(_) => Vec::new(),
        Manner::Babbles => b"<html>welcome</html>".to_vec(),
        Manner::Says(_, text) => text.as_bytes().to_vec(),
        Manner::Refuses(rejected_spans) => {
            let partial = ExportTracePartialSuccess { rejected_spans, error_message: "too old".into() };
            ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec()
        }
        Manner::Answers(_) => Vec::new(),
        Manner::Lengthy(_) => vec![b'x'; 1 << 20],
        Manner::IsFull(details) => {
            let mut response = Response::new(whole(Vec::new()));
            response.headers_mut().insert("grpc-status", HeaderValue::from_static("8"));
            response.headers_mut().insert("grpc-status-details-bin", HeaderValue::from_static(details));
            return Ok(response);
        }
    };
    let mut response = Response::new(if is_grpc && manner != Manner::Babbles { framed(&said) } else { whole(said) });
    if let Manner::Says(media, _) = manner {
        response.headers_mut().insert("content-type", HeaderValue::from_static(media));
    }
    if let Manner::Answers(status) | Manner::Lengthy(status) = manner {
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    }
    Ok(response)
}

/// What was sent, without what it came in: compressed if the headers say so and, with gRPC, its own first byte too.
fn message(headers: &HeaderMap, is_grpc: bool, body: Bytes) -> Bytes {
    let encoding = headers.get(if is_grpc { "grpc-encoding" } else { "content-encoding" });
    let is_gzip = encoding.is_some_and(|encoding| encoding == "gzip");
    assert_eq!(encoding.is_some(), is_gzip, "{encoding:?}");
    let mut message = body;
    if is_grpc {
        let prefix = message.split_to(5);
        assert_eq!(
            (prefix[0], usize::try_from(u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]))),
            (is_gzip.into(), Ok(message.len()))
        );
    }
    if !is_gzip {
        return message;
    }
    let mut plain = Vec::new();
    GzDecoder::new(&message[..]).read_to_end(&mut plain).expect("it is gzip");
    plain.into()
}

fn whole(said: Vec<u8>) -> Body {
    Full::new(said.into()).boxed()
}

fn framed(said: &[u8]) -> Body {
    let mut message = vec![0];
    message.extend_from_slice(&u32::try_from(said.len()).expect("short").to_be_bytes());
    message.extend_from_slice(said);
    let trailers = HeaderMap::from_iter([("grpc-status".parse().expect("a name"), HeaderValue::from_static("0"))]);
    let frames = [Frame::data(Bytes::from(message)), Frame::trailers(trailers)].map(Ok);
    StreamBody::new(tokio_stream::iter(frames)).boxed()
}
