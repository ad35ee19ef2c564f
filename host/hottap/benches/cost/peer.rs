//! The peer of the layer: tower-http's `TraceLayer`, tracing-opentelemetry, and a batch processor whose exporter throws
//! its spans away. It makes spans and no metrics.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use std::convert::Infallible;
use tower::{Layer, Service};
use tower_http::trace::TraceLayer;
use tracing::Span;
use tracing::field::Empty;
use tracing_subscriber::layer::SubscriberExt;

use crate::service::{Bare, Message};

#[derive(Debug)]
struct Nowhere;

impl SpanExporter for Nowhere {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        drop(batch);
        Ok(())
    }
}

/// Makes tracing-opentelemetry what all spans of this process go to. To be called once.
///
/// # Errors
/// It was called before.
pub(crate) fn install() -> Result<SdkTracerProvider, String> {
    let provider = SdkTracerProvider::builder().with_batch_exporter(Nowhere).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("bench"));
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))
        .map_err(|error| error.to_string())?;
    Ok(provider)
}

/// One span with six fields, and no events: the least that makes a useful server span.
pub(crate) fn lean()
-> impl Service<Request<Message>, Response = Response<impl Body<Data = Bytes, Error = Infallible>>, Error = Infallible>
{
    TraceLayer::new_for_grpc()
        .make_span_with(|request: &Request<Message>| {
            let method = request.uri().path().trim_start_matches('/');
            tracing::info_span!(
                "rpc",
                otel.name = method,
                otel.kind = "server",
                rpc.system.name = "grpc",
                rpc.method = method,
                server.address = "bench",
                rpc.response.status_code = Empty,
            )
        })
        .on_request(())
        .on_response(())
        .on_body_chunk(())
        .on_eos(|trailers: Option<&HeaderMap>, _, span: &Span| {
            let status =
                trailers.and_then(|trailers| trailers.get("grpc-status")).and_then(|status| status.to_str().ok());
            span.record("rpc.response.status_code", status.unwrap_or("2"));
        })
        .on_failure(())
        .layer(Bare)
}

/// As it comes.
pub(crate) fn defaults()
-> impl Service<Request<Message>, Response = Response<impl Body<Data = Bytes, Error = Infallible>>, Error = Infallible>
{
    TraceLayer::new_for_grpc().layer(Bare)
}
