//! The peer of rpc-span: opentelemetry-otlp behind the SDK's batch processor, both with their defaults, over HTTP.
//!
//! All but the client, which is no more than a socket: reqwest's blocking one, which users get by default, costs more.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanKind, Tracer as _, TracerProvider as _};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use crate::spans::{PEER, RECEIVED, SENT};

/// Bytes of an answer's head. The null server's has some forty.
const MAX_HEAD: usize = 1024;

/// An SDK that exports what it is given.
pub(crate) struct Exporter {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Exporter {
    /// # Errors
    /// The exporter refuses its settings, or nobody listens.
    pub(crate) fn new(address: SocketAddr, path: &str) -> Result<Self, String> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Socket::connect(address).map_err(|error| error.to_string())?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("http://{address}{path}"))
            .build()
            .map_err(|error| error.to_string())?;
        let resource = Resource::builder().with_service_name("bench").build();
        let provider = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
        Ok(Self { tracer: provider.tracer("bench"), provider })
    }

    /// Start and finish of one call that goes well, with the attributes that rpc-span gives it.
    pub(crate) fn call(&self, method: &'static str) {
        let mut span = self
            .tracer
            .span_builder("RPC handle")
            .with_kind(SpanKind::Server)
            .with_attributes([
                KeyValue::new("rpc.system.name", "grpc"),
                KeyValue::new("rpc.method", method),
                KeyValue::new("network.peer.address", PEER.ip().to_string()),
                KeyValue::new("network.peer.port", i64::from(PEER.port())),
            ])
            .start(&self.tracer);
        span.set_attributes([
            KeyValue::new("rpc.response.status_code", "OK"),
            KeyValue::new("rpc.request.size", RECEIVED.cast_signed()),
            KeyValue::new("rpc.response.size", SENT.cast_signed()),
        ]);
        span.end();
    }

    /// Hands over what the processor still holds.
    pub(crate) fn flush(&self) -> Result<(), String> {
        self.provider.force_flush().map_err(|error| error.to_string())
    }
}

/// One connection that is kept, written to and read from by whoever exports.
#[derive(Debug)]
struct Socket(Mutex<TcpStream>);

impl Socket {
    fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self(Mutex::new(stream)))
    }

    fn post(&self, request: &Request<Bytes>) -> io::Result<Response<Bytes>> {
        let mut message = Vec::with_capacity(MAX_HEAD + request.body().len());
        let uri = request.uri();
        let (path, host) = (uri.path(), uri.authority().map_or("", |authority| authority.as_str()));
        write!(message, "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n", request.body().len())?;
        for (name, value) in request.headers() {
            write!(message, "{name}: ")?;
            message.extend_from_slice(value.as_bytes());
            message.extend_from_slice(b"\r\n");
        }
        message.extend_from_slice(b"\r\n");
        message.extend_from_slice(request.body());

        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stream.write_all(&message)?;
        let (mut head, mut filled) = ([0; MAX_HEAD], 0);
        while !head[..filled].ends_with(b"\r\n\r\n") {
            match stream.read(&mut head[filled..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => filled += more,
            }
        }
        if !head.starts_with(b"HTTP/1.1 200 ") {
            return Err(io::Error::other("another answer than 200"));
        }
        Ok(Response::new(Bytes::new()))
    }
}

#[async_trait::async_trait]
impl HttpClient for Socket {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        Ok(self.post(&request)?)
    }
}
