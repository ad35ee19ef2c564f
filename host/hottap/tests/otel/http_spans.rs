//! Spans of plain HTTP through axum's router.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use hottap::Hottap;
use hottap::otel::{Conventions, Names};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use opentelemetry::trace::{SpanKind, TraceFlags};
use opentelemetry_sdk::trace::{Sampler, SpanData};
use tower::ServiceExt;

use crate::spans::{Spans, assert_attributes, assert_root, attribute, error};

fn router() -> Router {
    Router::new()
        .route("/users/{id}", get(|| async { "somebody" }))
        .route("/broken", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
}

fn request(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::empty()).expect("a request")
}

/// Sends a request through the router, with the layer inside of it.
async fn through(tap: &Hottap, request: Request<Body>) {
    let response = router().layer(tap.server_layer()).oneshot(request).await.expect("infallible");
    response.into_body().collect().await.expect("ends");
}

async fn one(spans: &Spans, conventions: Conventions, request: Request<Body>) -> SpanData {
    let tap = Hottap::builder().tracer(spans.tracer().conventions(conventions)).start().expect("starts");
    through(&tap, request).await;
    let mut ended = spans.ended();
    assert_eq!(ended.len(), 1, "{ended:#?}");
    ended.remove(0)
}

#[tokio::test]
async fn a_span_is_named_by_its_route_and_never_by_its_path() {
    let span = one(&Spans::new(), Conventions::default(), request("/users/17?secret=1")).await;
    assert_eq!((&*span.name, &span.span_kind), ("GET /users/{id}", &SpanKind::Server));
    assert_root(&span);
    assert_attributes(
        &span,
        &[
            ("http.request.method", "GET"),
            ("http.route", "/users/{id}"),
            ("http.response.status_code", "200"),
            ("http.response.body.size", "8"),
            ("network.protocol.version", "1.1"),
            ("error.type", ""),
        ],
    );
    assert_attributes(&span, &[("url.path", "/users/17"), ("url.query", "secret=1"), ("url.scheme", "http")]);
}

#[tokio::test]
async fn what_no_route_knows_is_seen_and_has_no_route() {
    let span = one(&Spans::new(), Conventions::default(), request("/made-up")).await;
    assert_eq!(span.name, "GET");
    assert_attributes(&span, &[("http.route", ""), ("http.response.status_code", "404"), ("error.type", "")]);
    assert_eq!(error(&span), None, "the caller's fault");
}

#[tokio::test]
async fn a_server_fails_from_500_up_and_a_client_from_400() {
    let span = one(&Spans::new(), Conventions::default(), request("/broken")).await;
    assert_attributes(&span, &[("http.response.status_code", "500"), ("error.type", "500")]);
    assert_eq!(error(&span), Some(""), "the status says it all");

    let spans = Spans::new();
    let tap = Hottap::builder().tracer(spans.tracer()).start().expect("starts");
    let client = tap.client_layer().layer(tower::service_fn(|request: Request<hottap::RequestBody<Body>>| {
        router().oneshot(request.map(Body::new))
    }));
    let response = client.oneshot(request("http://shop:8080/made-up")).await.expect("infallible");
    response.into_body().collect().await.expect("ends");
    let span = spans.named("GET");
    assert_eq!(span.span_kind, SpanKind::Client);
    assert_attributes(&span, &[("server.address", "shop"), ("server.port", "8080"), ("error.type", "404")]);
    assert_attributes(&span, &[("url.full", "http://shop:8080/made-up"), ("network.peer.address", "")]);
}

#[tokio::test]
async fn the_names_of_the_conventions_are_chosen_when_the_tracer_is_made() {
    let stable = [("http.request.method", "GET"), ("http.response.status_code", "200")];
    let old = [("http.method", "GET"), ("http.status_code", "200")];
    for (names, has_stable, has_old) in
        [(Names::Stable, true, false), (Names::Old, false, true), (Names::Both, true, true)]
    {
        let span = one(&Spans::new(), Conventions::new(Names::Stable, names), request("/users/17")).await;
        for (keys, has) in [(stable, has_stable), (old, has_old)] {
            for (key, value) in keys {
                assert_eq!(attribute(&span, key), if has { value } else { "" }, "{key} of {names:?}");
            }
        }
        assert_attributes(&span, &[("http.route", "/users/{id}")]);
    }
}

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0";

#[tokio::test]
async fn a_caller_that_does_not_sample_is_believed() {
    for (flag, sampled) in [("0", false), ("1", true)] {
        let spans = Spans::new();
        let tap = Hottap::builder().tracer(spans.tracer()).start().expect("starts");
        let mut request = request("/users/17");
        request.headers_mut().insert("traceparent", format!("{CALLER}{flag}").parse().expect("ASCII"));
        request.headers_mut().insert("tracestate", "vendor=1,other=2".parse().expect("ASCII"));
        through(&tap, request).await;
        assert_eq!(spans.ended().len(), usize::from(sampled));
        for span in spans.ended() {
            assert_eq!(span.span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
            assert_eq!(span.parent_span_id.to_string(), "b7ad6b7169203331");
            assert!(span.parent_span_is_remote);
            assert_eq!(span.span_context.trace_state().header(), "vendor=1,other=2");
        }
    }
}

#[tokio::test]
async fn what_the_sampler_decides_goes_out() {
    for (sampler, flags) in [(Sampler::AlwaysOn, TraceFlags::SAMPLED), (Sampler::AlwaysOff, TraceFlags::default())] {
        let spans = Spans::sampled(sampler);
        let tap = Hottap::builder().tracer(spans.tracer()).start().expect("starts");
        let client =
            tap.client_layer().layer(tower::service_fn(|request: Request<hottap::RequestBody<Body>>| async move {
                let sent = request.headers().get("traceparent").cloned();
                let mut response = http::Response::new(Body::empty());
                response.extensions_mut().insert(sent.expect("it goes out"));
                Ok::<_, std::convert::Infallible>(response)
            }));
        let response = client.oneshot(request("http://shop/users/17")).await.expect("infallible");
        let sent = response.extensions().get::<http::HeaderValue>().expect("kept").to_str().expect("ASCII");
        // The trace begins here, so its id is random.
        assert!(sent.ends_with(&format!("-{:02x}", flags.to_u8() | 2)), "{sent}");
        for span in spans.ended() {
            let context = span.span_context;
            assert_eq!(sent, format!("00-{}-{}-03", context.trace_id(), context.span_id()));
        }
    }
}
