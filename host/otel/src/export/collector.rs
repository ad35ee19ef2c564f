//! A collector and the one connection to it, which is kept as long as the collector keeps it.
//!
//! It has a runtime of its own, which runs while something is sent and only then, so that whoever exports needs none.

use std::error::Error;
use std::fmt;
use std::io::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use bytes::{BufMut, Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, TE, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout_at};
use tracing::{Dispatch, dispatcher};

use super::answer::{Answer, Verdict, weigh};
use super::target::{Protocol, Signal, Target};
use super::tls::tls;
use super::variables::ConfigError;
use hottap_io::dial::{Handshake, Remedies, TlsFault, connect};

/// Bytes of an answer's body that are read: a collector says next to nothing.
const MAX_ANSWER: usize = 64 << 10;
const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// One signal's way to its collector.
pub(super) struct Collector {
    signal: Signal,
    target: Target,
    tls: Option<Handshake>,
    connection: Option<Connection>,
    /// It has answered before.
    is_understood: bool,
    closing: Closer,
    /// Taken when it is dropped.
    runtime: Option<Runtime>,
}

/// Says until when there is time, if there is little: what is being sent then ends in time, too.
pub(super) type Closer = Arc<watch::Sender<Option<Instant>>>;

/// A message as it goes over the network.
pub(super) struct Packed {
    body: Bytes,
    gzip: bool,
}

enum Connection {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Collector {
    /// Reads certificates; does not connect.
    pub(super) fn new(signal: Signal, target: Target) -> Result<Self, ConfigError> {
        let tls = tls(&target)?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = Some(runtime.map_err(|source| ConfigError::Thread { source })?);
        Ok(Self {
            signal,
            target,
            tls,
            connection: None,
            is_understood: false,
            closing: Arc::new(watch::Sender::new(None)),
            runtime,
        })
    }

    /// Host and port.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.target.host, self.target.port)
    }

    pub(super) fn closer(&self) -> Closer {
        self.closing.clone()
    }

    /// Makes a message ready to be sent, as often as it takes.
    pub(super) fn pack(&self, message: &[u8]) -> Packed {
        let squeezed = if self.target.gzip { squeeze(message) } else { None };
        let gzip = squeezed.is_some();
        let message = squeezed.as_deref().unwrap_or(message);
        let body = match self.target.protocol {
            Protocol::Http => Bytes::copy_from_slice(message),
            Protocol::Grpc => frame(message, gzip),
        };
        Packed { body, gzip }
    }

    /// Sends a message, once. Blocks until there is an answer, at most for `most` and for the time that an attempt may
    /// take.
    pub(super) fn send(&mut self, message: &Packed, most: Duration) -> Verdict {
        let Some(runtime) = self.runtime.take() else { return Verdict::later("it is shut down") };
        let began = Instant::now();
        let limit = began + most.min(self.target.timeout);
        let expired = expired(self.closing.subscribe(), limit);
        let sent = async {
            let (mut expired, mut answer) = (pin!(expired), pin!(self.exchange(message, limit)));
            let first = std::future::poll_fn(|context| match answer.as_mut().poll(context) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending => expired.as_mut().poll(context).map(|()| None),
            });
            first.await
        };
        // HTTP/2 has spans of its own. Where the application exports those of `tracing`, each export would be spans that
        // have to be exported.
        let answer = dispatcher::with_default(&Dispatch::none(), || runtime.block_on(sent));
        self.is_understood |= matches!(answer, Some(Ok(_)));
        let verdict = match answer {
            Some(Ok(answer)) => weigh(self.target.protocol, self.signal, &answer, SystemTime::now()),
            Some(Err(error)) if let Some(fault) = TlsFault::find(&*error) => {
                let what_to_do = fault.what_to_do(&REMEDIES);
                Verdict::later(format!("no TLS with {}: {fault}; {what_to_do}", self.target.host))
            }
            Some(Err(error)) if is_endless(&*error) => {
                Verdict::never("its answer is too long for a collector's: look at the endpoint and its path")
            }
            // It took the connection, and what it said has never been an answer.
            Some(Err(error)) if !self.is_understood && error.is::<hyper::Error>() => {
                let protocol = self.target.protocol.as_str();
                Verdict::later(format!("{}; look at its protocol, which is to be {protocol}", Chain(&*error)))
            }
            Some(Err(error)) => Verdict::later(Chain(&*error).to_string()),
            None => Verdict::later(format!("it did not answer within {} ms", began.elapsed().as_millis())),
        };
        self.runtime = Some(runtime);
        verdict
    }

    async fn exchange(&mut self, message: &Packed, limit: Instant) -> Result<Answer, Box<dyn Error + Send + Sync>> {
        if let Some(mut kept) = self.connection.take()
            && kept.is_ready().await
        {
            match kept.post(self.request(message)?).await {
                Ok(answer) => {
                    self.connection = Some(kept);
                    return Ok(answer);
                }
                Err(error) if is_endless(&*error) => return Err(error),
                Err(_) => {}
            }
        }
        // One that was kept may have been closed in the meantime, which shows only when it is used.
        let mut fresh = self.connect(limit).await?;
        let answer = fresh.post(self.request(message)?).await?;
        self.connection = Some(fresh);
        Ok(answer)
    }

    fn request(&self, message: &Packed) -> Result<Request<Full<Bytes>>, http::Error> {
        let target = &self.target;
        let mut request = Request::builder().method(Method::POST);
        let agent = HeaderValue::from_static(concat!("hottap/", env!("CARGO_PKG_VERSION")));
        if let Some(headers) = request.headers_mut() {
            headers.insert(USER_AGENT, agent);
            headers.extend(target.headers.clone());
            match target.protocol {
                Protocol::Http => {
                    if let Some(authority) = target.uri.authority() {
                        headers.insert(HOST, HeaderValue::from_str(authority.as_str())?);
                    }
                    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
                    if message.gzip {
                        headers.insert(CONTENT_ENCODING, GZIP);
                    }
                }
                Protocol::Grpc => {
                    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
                    headers.insert(TE, HeaderValue::from_static("trailers"));
                    if message.gzip {
                        headers.insert(HeaderName::from_static("grpc-encoding"), GZIP);
                    }
                }
            }
        }
        let uri = match target.protocol {
            Protocol::Grpc => target.uri.clone(),
            Protocol::Http => target.uri.path_and_query().map_or_else(Uri::default, |path| path.clone().into()),
        };
        request.uri(uri).body(Full::new(message.body.clone()))
    }

    async fn connect(&self, limit: Instant) -> Result<Connection, Box<dyn Error + Send + Sync>> {
        let stream = connect(&self.target.host, self.target.port, limit.into()).await?;
        match &self.tls {
            None => self.shake_hands(stream).await,
            Some(tls) => self.shake_hands(tls.shake(stream).await?).await,
        }
    }

    async fn shake_hands(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Connection, Box<dyn Error + Send + Sync>> {
        let stream = TokioIo::new(stream);
        Ok(match self.target.protocol {
            Protocol::Http => {
                let (requests, driver) = http1::handshake(stream).await?;
                tokio::spawn(driver);
                Connection::Http1(requests)
            }
            Protocol::Grpc => {
                let (requests, driver) =
                    http2::Builder::new(TokioExecutor::new()).timer(TokioTimer::new()).handshake(stream).await?;
                tokio::spawn(driver);
                Connection::Http2(requests)
            }
        })
    }
}

impl Connection {
    async fn is_ready(&mut self) -> bool {
        match self {
            Self::Http1(requests) => requests.ready().await.is_ok(),
            Self::Http2(requests) => requests.ready().await.is_ok(),
        }
    }

    async fn post(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, Box<dyn Error + Send + Sync>> {
        let response = match self {
            Self::Http1(requests) => requests.send_request(request).await?,
            Self::Http2(requests) => requests.send_request(request).await?,
        };
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes(), trailers })
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.connection = None;
        if let Some(runtime) = self.runtime.take() {
            // It may be dropped where nothing may block.
            runtime.shutdown_background();
        }
    }
}

/// Ready at the limit, or before it if there is less time.
async fn expired(mut closing: watch::Receiver<Option<Instant>>, mut limit: Instant) {
    loop {
        let closed = *closing.borrow_and_update();
        limit = closed.map_or(limit, |closed| closed.min(limit));
        match timeout_at(limit.into(), closing.changed()).await {
            Err(_) => return,
            Ok(Ok(())) => {}
            Ok(Err(_)) => return sleep_until(limit.into()).await,
        }
    }
}

/// A message of gRPC's: whether it is compressed, its length, and itself.
fn frame(message: &[u8], gzip: bool) -> Bytes {
    let mut framed = BytesMut::with_capacity(message.len() + 5);
    framed.put_u8(gzip.into());
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.extend_from_slice(message);
    framed.freeze()
}

/// The quickest way: what is sent is text that comes again and again, and the processor is the RPCs'. None if it fails, which
/// writing into memory does not.
fn squeeze(message: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(message.len() / 4), Compression::fast());
    encoder.write_all(message).ok()?;
    encoder.finish().ok()
}

const REMEDIES: Remedies = Remedies {
    address: "OTEL_EXPORTER_OTLP_ENDPOINT",
    authority: "name a file of PEM in OTEL_EXPORTER_OTLP_CERTIFICATE",
    identity: "name one that it accepts in OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, and its key in OTEL_EXPORTER_OTLP_CLIENT_KEY",
};

/// It is because more was answered than is read.
fn is_endless(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    error.is::<LengthLimitError>()
}

/// An error with its causes.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        for cause in std::iter::successors(self.0.source(), |&cause| cause.source()).take(8) {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("target", &self.target).finish_non_exhaustive()
    }
}
