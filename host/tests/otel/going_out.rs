//! What goes out with a client's call: as whose child, and with which state, whatever native tracers decide about its span.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hottap::otel::SpanTracer;
use hottap::rpc::{RpcInfo, Side};
use hottap::{Hottap, RequestBody};
use http::{HeaderMap, Request, Response};
use http_body_util::Empty;
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::noop::NoopTracerProvider;
use opentelemetry::trace::{FutureExt, SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, Tracer};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tower::{Layer, ServiceExt, service_fn};

use crate::spans::{Spans, assert_child, assert_root};

/// The headers with which a call leaves.
async fn call(tap: &Hottap) -> HeaderMap {
    let sent = Arc::new(Mutex::new(HeaderMap::new()));
    let keep = sent.clone();
    let peer = service_fn(move |request: Request<RequestBody<Empty<Bytes>>>| {
        *keep.lock().expect("not poisoned") = request.headers().clone();
        async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) }
    });
    tap.client_layer().layer(peer).oneshot(Request::put("/").body(Empty::new()).expect("valid")).await.expect("ok");
    sent.lock().expect("not poisoned").clone()
}

/// The headers of a call that a handler makes, with what is done to them there.
async fn handle<T: Send + 'static>(tap: &Hottap, headers: &[(&'static str, &str)], run: fn(HeaderMap) -> T) -> T {
    let done = Arc::new(Mutex::new(None));
    let (keep, inside) = (done.clone(), tap.clone());
    let handler = service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| {
        let (keep, tap) = (keep.clone(), inside.clone());
        async move {
            let sent = call(&tap).await;
            *keep.lock().expect("not poisoned") = Some(run(sent));
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let mut request = Request::new(Empty::<Bytes>::new());
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().expect("ASCII"));
    }
    tap.server_layer().layer(handler).oneshot(request).await.expect("succeeds");
    done.lock().expect("not poisoned").take().expect("it was handled")
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| value.to_str().expect("ASCII").to_owned())
}

#[tokio::test]
async fn a_call_without_a_span_by_choice_goes_out_as_the_span_around_it() {
    let spans = Spans::new();
    let tracer = spans.tracer().filter(|info| info.side() != Side::Client);
    let tap = Hottap::builder().tracer(tracer).start().expect("starts");
    let sent = handle(&tap, &[("tracestate", "a=1")], |sent| text(&sent, "traceparent")).await;
    let server = spans.named("GET").span_context;
    assert_eq!(sent, Some(format!("00-{}-{}-01", server.trace_id(), server.span_id())));
    // And where there is none, whoever is called decides for itself.
    assert_eq!(text(&call(&tap).await, "traceparent"), None);
    let job =
        Context::current_with_span(opentelemetry::trace::TracerProvider::tracer(spans.provider(), "job").start("job"));
    let id = job.span().span_context().span_id();
    let sent = call(&tap).with_context(job).await;
    assert!(text(&sent, "traceparent").expect("the job's").contains(&id.to_string()));
    assert_eq!(spans.names(), ["GET", "job"]);
}

#[tokio::test]
async fn the_state_of_a_trace_that_the_application_continues_goes_out() {
    let spans = Spans::new();
    let tap = Hottap::builder().tracer(spans.tracer()).start().expect("starts");
    let remote = || {
        let (trace, span) = (TraceId::from(7_u128), SpanId::from(7_u64));
        let state = "vendor=1".parse().expect("a state");
        let context = SpanContext::new(trace, span, TraceFlags::SAMPLED, true, state);
        Context::new().with_remote_span_context(context)
    };
    let outside = call(&tap).with_context(remote()).await;
    assert_eq!(text(&outside, "tracestate").as_deref(), Some("vendor=1"));
    assert_eq!(spans.named("PUT").span_context.trace_id(), TraceId::from(7_u128));
    // What came with a request goes on as it came.
    let caller = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let state = handle(&tap, &[caller, ("tracestate", "a=1 , b=2")], |sent| text(&sent, "tracestate")).await;
    assert_eq!(state.as_deref(), Some("a=1 , b=2"));
}

#[tokio::test]
async fn a_call_has_one_span_whichever_tracers_see_it() {
    let spans = Spans::new();
    let tap = Hottap::builder().tracer(spans.tracer()).start().expect("starts");
    let handler = service_fn(|_: Request<RequestBody<Empty<Bytes>>>| async {
        Ok::<_, Infallible>(Response::builder().status(503).body(Empty::<Bytes>::new()).expect("valid"))
    });
    let service = tap.server_layer().with_tracer(spans.tracer().public_endpoint()).layer(handler);
    service.oneshot(Request::new(Empty::<Bytes>::new())).await.expect("succeeds");
    let span = spans.named("GET");
    assert_root(&span);
    assert!(matches!(span.status, opentelemetry::trace::Status::Error { .. }), "it knows how it ended");
    assert_eq!(spans.ended().len(), 1);
}

#[tokio::test]
async fn a_handlers_baggage_is_opentelemetrys_also_without_a_span() {
    let shut_down = SdkTracerProvider::builder().build();
    shut_down.shutdown().expect("shuts down");
    let spans = Spans::new();
    for tap in [
        Hottap::builder().tracer(spans.tracer().filter(|_| false)),
        Hottap::builder().tracer(SpanTracer::new(&shut_down)),
        Hottap::builder().tracer(SpanTracer::new(&NoopTracerProvider::new())),
    ] {
        let tap = tap.start().expect("starts");
        let tenant = handle(&tap, &[("baggage", "tenant=acme")], |sent| {
            assert_eq!(text(&sent, "baggage").as_deref(), Some("tenant=acme"));
            Context::current().baggage().get("tenant").map(ToString::to_string)
        });
        assert_eq!(tenant.await.as_deref(), Some("acme"));
    }
}

#[tokio::test]
async fn a_span_that_is_none_does_not_keep_calls_from_being_sampled() {
    let spans = Spans::new();
    let tap = Hottap::builder().tracer(spans.tracer()).start().expect("starts");
    let nothing = Context::current_with_span(opentelemetry::trace::noop::NoopSpan::DEFAULT);
    let id = async {
        call(&tap).await;
        RpcInfo::current().is_none()
    };
    assert!(id.with_context(nothing).await, "it is no handler");
    assert_root(&spans.named("PUT"));
    let handled = handle(&tap, &[], |_| ()).await;
    assert_eq!(handled, ());
    assert_child(&spans.ended()[1], &spans.named("GET"));
}
