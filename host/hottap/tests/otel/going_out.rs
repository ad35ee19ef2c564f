//! What goes out with a client's call: as whose child, and with which state, whatever native tracers decide about its span.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hottap::otel::SpanTracer;
use hottap::rpc::{RpcInfo, Side};
use hottap::{Hottap, LogSpans, RequestBody, ServerLayer};
use http::{HeaderMap, Request, Response};
use http_body_util::Empty;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::noop::NoopTracerProvider;
use opentelemetry::trace::{
    FutureExt, Link, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample};
use tower::{ServiceExt, service_fn};
use tracing_subscriber::layer::SubscriberExt;

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
    handle_in(tap.server_layer(), tap, headers, run).await
}

async fn handle_in<T: Send + 'static>(
    layer: ServerLayer,
    tap: &Hottap,
    headers: &[(&'static str, &str)],
    run: fn(HeaderMap) -> T,
) -> T {
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
    layer.layer(handler).oneshot(request).await.expect("succeeds");
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
    assert_eq!(sent, Some(format!("00-{}-{}-03", server.trace_id(), server.span_id())));
    // And where there is none, whoever is called decides for itself.
    assert_eq!(text(&call(&tap).await, "traceparent"), None);
    let job = Context::current_with_span(spans.provider().tracer("job").start("job"));
    let id = job.span().span_context().span_id();
    let sent = call(&tap).with_context(job).await;
    assert!(text(&sent, "traceparent").expect("the job's").contains(&id.to_string()));
    assert_eq!(spans.names(), ["GET", "job"]);
}

/// Nobody wants the calls that the handler makes, whose own call has no span by choice.
#[tokio::test]
async fn a_call_that_nobody_wants_goes_out_as_the_span_around_its_handler() {
    let (spans, tap) = (Spans::new(), Hottap::builder().start().expect("starts"));
    let layer = || tap.server_layer().with_tracer(spans.tracer().filter(|_| false));
    let sent = handle_in(layer(), &tap, &[], |sent| text(&sent, "traceparent")).await;
    assert_eq!(sent, None, "there is none");
    let caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let sent = handle_in(layer(), &tap, &[("traceparent", caller)], |sent| text(&sent, "traceparent")).await;
    assert_eq!(sent.as_deref(), Some(caller));
}

#[tokio::test]
async fn what_the_application_keeps_in_its_context_reaches_an_endpoint_without_a_span() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Tenant(u8);

    let spans = Spans::new();
    let tap = Hottap::builder().tracer(spans.tracer().filter(|_| false)).start().expect("starts");
    let seen = Arc::new(Mutex::new(None));
    let keep = seen.clone();
    let endpoint = tap.endpoint_layer("order").layer(service_fn(move |()| {
        *keep.lock().expect("not poisoned") = Context::current().get::<Tenant>().copied();
        async { Ok::<_, Infallible>(()) }
    }));
    let handler = service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| {
        let endpoint = endpoint.clone();
        async move {
            endpoint.oneshot(()).with_context(Context::current_with_value(Tenant(7))).await.expect("succeeds");
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    tap.server_layer().layer(handler).oneshot(Request::new(Empty::<Bytes>::new())).await.expect("succeeds");
    assert_eq!(*seen.lock().expect("not poisoned"), Some(Tenant(7)));
}

#[tokio::test]
async fn a_samplers_state_goes_out_in_place_of_the_applications() {
    let spans = Spans::sampled(Stateful);
    let tap = Hottap::builder().tracer(spans.tracer()).start().expect("starts");
    let sent = Arc::new(Mutex::new(HeaderMap::new()));
    let keep = sent.clone();
    let peer = service_fn(move |request: Request<RequestBody<Empty<Bytes>>>| {
        *keep.lock().expect("not poisoned") = request.headers().clone();
        async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) }
    });
    let request = Request::put("/")
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .header("tracestate", "a=1");
    let request = request.body(Empty::new()).expect("valid");
    tap.client_layer().layer(peer).oneshot(request).await.expect("succeeds");
    assert_eq!(text(&sent.lock().expect("not poisoned"), "tracestate").as_deref(), Some("ot=th:8"));
}

/// Writes into the state of traces.
#[derive(Clone, Debug)]
struct Stateful;

impl ShouldSample for Stateful {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let trace_state = "ot=th:8".parse().expect("a state");
        SamplingResult { decision: SamplingDecision::RecordAndSample, attributes: Vec::new(), trace_state }
    }
}

/// With a subscriber that makes spans of what the log has.
#[tokio::test]
async fn a_span_of_the_log_is_inside_of_its_calls_and_not_beside_it() {
    let spans = Spans::new();
    let layer = tracing_opentelemetry::layer().with_tracer(spans.provider().tracer("application"));
    let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let tap = Hottap::builder().tracer(spans.tracer()).tracer(LogSpans).start().expect("starts");
    let sent = handle(&tap, &[], |sent| text(&sent, "traceparent")).await.expect("it is traced");
    let (server, log, client) = (spans.named("GET"), spans.named("call"), spans.named("PUT"));
    assert_child(&log, &server);
    assert_child(&client, &log);
    assert!(sent.contains(&server.span_context.trace_id().to_string()), "{sent}");
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
