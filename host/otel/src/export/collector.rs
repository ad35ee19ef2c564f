//! A collector and the one connection to it, which is kept as long as the collector keeps it.
//!
//! It has a runtime of its own, which runs while something is sent and only then, so that whoever exports needs none.

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
use http_body_util::Full;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout_at};
use tracing::{Dispatch, dispatcher};

use super::answer::{Verdict, weigh};
use super::target::{Protocol, Signal, Target};
use super::tls::tls;
use super::variables::ConfigError;
use hottap_io::dial;
use hottap_io::dial::{Answer, Chain, End, HttpClient, HttpError, Remedies, USER_AGENT as AGENT};

const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// One signal's way to its collector.
pub(super) struct Collector {
    signal: Signal,
    target: Target,
    client: HttpClient,
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

impl Collector {
    /// Reads certificates; does not connect.
    pub(super) fn new(signal: Signal, target: Target) -> Result<Self, ConfigError> {
        let protocol = match target.protocol {
            Protocol::Http => dial::Protocol::Http1,
            Protocol::Grpc => dial::Protocol::Http2,
        };
        let client = HttpClient::new(target.host.clone(), target.port, tls(&target)?, protocol);
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = Some(runtime.map_err(|source| ConfigError::Thread { source })?);
        Ok(Self { signal, target, client, is_understood: false, closing: Arc::new(watch::Sender::new(None)), runtime })
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
        let request = match self.request(message) {
            Ok(request) => request,
            Err(error) => return Verdict::later(error.to_string()),
        };
        let Some(runtime) = self.runtime.take() else { return Verdict::later("it is shut down") };
        let began = Instant::now();
        let limit = began + most.min(self.target.timeout);
        let expired = expired(self.closing.subscribe(), limit);
        let sent = async {
            let (mut expired, mut answer) = (pin!(expired), pin!(exchange(&mut self.client, request, limit)));
            let first = std::future::poll_fn(|context| match answer.as_mut().poll(context) {
                Poll::Ready(answer) => Poll::Ready(answer),
                Poll::Pending => expired.as_mut().poll(context).map(|()| Err(HttpError::Late)),
            });
            first.await
        };
        // HTTP/2 has spans of its own. Where the application exports those of `tracing`, each export would be spans that
        // have to be exported.
        let answer = dispatcher::with_default(&Dispatch::none(), || runtime.block_on(sent));
        self.runtime = Some(runtime);
        match answer {
            Ok(Some(answer)) => {
                self.is_understood = true;
                weigh(self.target.protocol, self.signal, &answer, SystemTime::now())
            }
            Ok(None) => Verdict::never("its answer is too long for a collector's: look at the endpoint and its path"),
            Err(HttpError::Late) => {
                Verdict::later(format!("it did not answer within {} ms", began.elapsed().as_millis()))
            }
            Err(error) if let Some(fault) = error.tls_fault() => {
                let what_to_do = fault.what_to_do(&REMEDIES);
                Verdict::later(format!("no TLS with {}: {fault}; {what_to_do}", self.target.host))
            }
            // It took the connection, and what it said has never been an answer.
            Err(error @ HttpError::Http(_)) if !self.is_understood => {
                let protocol = self.target.protocol.as_str();
                Verdict::later(format!("{}; look at its protocol, which is to be {protocol}", Chain(&error)))
            }
            Err(error) => Verdict::later(Chain(&error).to_string()),
        }
    }

    fn request(&self, message: &Packed) -> Result<Request<Full<Bytes>>, http::Error> {
        let target = &self.target;
        let mut request = Request::builder().method(Method::POST);
        if let Some(headers) = request.headers_mut() {
            headers.insert(USER_AGENT, AGENT);
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
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // It may be dropped where nothing may block.
            runtime.shutdown_background();
        }
    }
}

/// One try. None if the answer is longer than what is read of it.
async fn exchange(
    client: &mut HttpClient,
    request: Request<Full<Bytes>>,
    limit: Instant,
) -> Result<Option<Answer>, HttpError> {
    let reply = client.send(request, limit.into()).await?;
    match client.read(reply, limit.into()).await {
        (answer, End::Whole) => Ok(Some(answer)),
        (_, End::TooLong) => Ok(None),
        (_, End::Broken(error)) => Err(error.into()),
        (_, End::Late) => Err(HttpError::Late),
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

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("target", &self.target).finish_non_exhaustive()
    }
}
