//! One request is two spans at a collector: the router's, and under it the endpoint's.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use bytes::Bytes;
use hottap::Hottap;
use hottap::otel::Otel;
use http_body_util::BodyExt;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::args::Args;
use crate::hello;

type Taken = Arc<Mutex<Vec<Bytes>>>;

/// A collector that takes everything; its address.
async fn collector(taken: &Taken) -> String {
    let keep = taken.clone();
    let take = move |body: Bytes| {
        keep.lock().expect("not poisoned").push(body);
        std::future::ready(())
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let router = Router::new().route("/v1/traces", post(take));
    tokio::spawn(axum::serve(listener, router).into_future());
    format!("http://{address}")
}

fn spans(taken: &Taken) -> Vec<Span> {
    let bodies = taken.lock().expect("not poisoned").clone();
    let requests = bodies.into_iter().map(|body| ExportTraceServiceRequest::decode(body).expect("a request"));
    let scopes = requests.flat_map(|request| request.resource_spans).flat_map(|spans| spans.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

#[test]
fn a_request_is_two_spans() {
    let runtime = tokio::runtime::Runtime::new().expect("starts");
    let taken = Taken::default();
    let endpoint = runtime.block_on(collector(&taken));
    let otel = Otel::with_variables(move |name| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(endpoint.clone()),
        "OTEL_METRICS_EXPORTER" => Some("none".to_owned()),
        _ => None,
    })
    .expect("valid");
    let tap = Hottap::builder().service("hello").tracer(otel.spans()).start().expect("starts");
    let answer = runtime.block_on(async {
        let request = http::Request::get("/hello").body(Body::empty()).expect("a request");
        let response = hello::router(&tap).oneshot(request).await.expect("infallible");
        response.into_body().collect().await.expect("ends").to_bytes()
    });
    assert_eq!(answer, "Hello, World!");
    assert!(otel.shutdown(Duration::from_secs(20)));
    let spans = spans(&taken);
    let span = |name: &str| spans.iter().find(|span| span.name == name).expect(name);
    let (router, endpoint) = (span("GET /hello"), span("hello"));
    assert_eq!(spans.len(), 2);
    assert_eq!((&endpoint.trace_id, &endpoint.parent_span_id), (&router.trace_id, &router.span_id));
    assert!(router.parent_span_id.is_empty());
}

#[test]
fn arguments_are_read() {
    let parse = |list: &[&str]| Args::parse(list.iter().map(Into::into));
    assert_eq!(parse(&[]).expect("none"), Args { plugins: None, port: 8080 });
    let both = parse(&["--port", "0", "--plugins", "plugins"]).expect("both");
    assert_eq!(both, Args { plugins: Some("plugins".into()), port: 0 });
    for list in [&["--plugins"][..], &["--port", "http"], &["hello"]] {
        assert!(parse(list).is_err(), "{list:?}");
    }
}
