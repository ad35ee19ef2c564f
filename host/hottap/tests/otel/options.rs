//! What a service's owner tells the tracer: filters, names, public endpoints, events and messages.

use std::convert::Infallible;

use bytes::Bytes;
use hottap::otel::SpanTracer;
use hottap::rpc::{EventKind, RpcInfo, Side, TraceContext};
use hottap::{Hottap, RequestBody};
use http::{Request, Response};
use http_body_util::Empty;
use opentelemetry_sdk::trace::SdkTracer;
use tower::{ServiceExt, service_fn};

use crate::echo::Echo;
use crate::recorder::Recorder;
use crate::spans::{Spans, assert_child, assert_root, attribute};
use crate::world::World;

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A call by `CALLER` of a handler that makes one client call.
async fn through(tracer: SpanTracer<SdkTracer>) {
    let tap = Hottap::builder().tracer(tracer).start().expect("starts");
    let answer =
        |_: Request<RequestBody<Empty<Bytes>>>| async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) };
    let client = tap.client_layer().layer(service_fn(answer));
    let handler = service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| {
        if let Some(rpc) = RpcInfo::current() {
            rpc.record(EventKind::new("cache_miss"));
        }
        let route = hottap::Route::new("/stock/{id}");
        client.clone().oneshot(Request::put("/stock/17").extension(route).body(Empty::new()).expect("a request"))
    });
    let mut request = Request::new(Empty::<Bytes>::new());
    request.headers_mut().insert("traceparent", CALLER.parse().expect("ASCII"));
    tap.server_layer().layer(handler).oneshot(request).await.expect("succeeds");
}

#[tokio::test]
async fn a_call_that_no_filter_lets_through_has_no_span_and_its_calls_are_its_callers() {
    let spans = Spans::new();
    through(spans.tracer().filter(|info| info.side() != Side::Server)).await;
    assert_eq!(spans.names(), ["PUT /stock/{id}"]);
    let span = spans.named("PUT /stock/{id}");
    assert_eq!(span.span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(span.parent_span_id.to_string(), "b7ad6b7169203331");

    let spans = Spans::new();
    through(spans.tracer().filter(|_| true).filter(|info| info.side() == Side::Server)).await;
    assert_eq!(spans.names(), ["GET"], "all filters have to be passed");
}

#[tokio::test]
async fn a_public_endpoint_starts_a_trace_that_is_linked_with_the_caller() {
    let spans = Spans::new();
    through(spans.tracer().public_endpoint()).await;
    let (server, client) = (spans.named("GET"), spans.named("PUT /stock/{id}"));
    assert_root(&server);
    assert_ne!(server.span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    let links: Vec<_> = server.links.iter().map(|link| link.span_context.span_id().to_string()).collect();
    assert_eq!(links, ["b7ad6b7169203331"]);
    assert_child(&client, &server);
    assert!(client.links.is_empty(), "it goes out");
    assert_eq!(attribute(&client, "url.template"), "/stock/{id}", "said once");

    let spans = Spans::new();
    through(spans.tracer().public_endpoint_if(|_| false)).await;
    assert_eq!(spans.named("GET").parent_span_id.to_string(), "b7ad6b7169203331");
}

#[tokio::test]
async fn spans_have_the_names_that_they_are_given() {
    let spans = Spans::new();
    through(
        spans
            .tracer()
            .span_name(|info| format!("{} {}", info.side().as_str(), info.invocation().method().name()).into()),
    )
    .await;
    assert_eq!(spans.names(), ["client /stock/{id}", "server GET"]);
}

#[tokio::test]
async fn events_are_the_spans_with_their_times_if_they_are_asked_for() {
    let spans = Spans::new();
    through(spans.tracer().events()).await;
    let server = spans.named("GET");
    let names: Vec<_> = server.events.events.iter().map(|event| &*event.name).collect();
    assert_eq!(names, ["server_handle_start", "cache_miss", "server_handle_finish"]);
    assert!(server.events.events.iter().all(|event| (server.start_time..=server.end_time).contains(&event.timestamp)));
    assert!(server.events.events.is_sorted_by_key(|event| event.timestamp));

    let spans = Spans::new();
    through(spans.tracer()).await;
    assert!(spans.ended().iter().all(|span| span.events.events.is_empty()), "nobody asked for them");
}

#[tokio::test]
async fn messages_are_events_if_they_are_asked_for() {
    let spans = Spans::new();
    let (sent, served) = (Recorder::default(), Recorder::default());
    let client = sent.started_by(Hottap::builder());
    let server = served.started_by(Hottap::builder().tracer(spans.tracer().messages()));
    let world = World::of(Echo::default(), (&client, sent), (&server, served)).await;
    let stream = world.client.download("3 16 end").await.expect("succeeds");
    assert_eq!(crate::world::collect(stream).await.len(), 3);
    world.served.one().await;
    world.close().await;
    let span = spans.named("test.Echo/Download");
    let said: Vec<_> = span
        .events
        .events
        .iter()
        .map(|event| {
            let value =
                |key| event.attributes.iter().find(|pair| pair.key.as_str() == key).map(|pair| pair.value.to_string());
            (&*event.name, value("rpc.message.type").unwrap_or_default(), value("rpc.message.id").unwrap_or_default())
        })
        .collect();
    let message = |kind: &str, id: i32| ("rpc.message", kind.to_owned(), id.to_string());
    assert_eq!(said, [message("RECEIVED", 1), message("SENT", 1), message("SENT", 2), message("SENT", 3)]);
    assert_eq!(attribute(&span, "hottap.events.elided"), "");
}

#[tokio::test]
async fn without_a_provider_a_call_keeps_the_identity_that_it_had() {
    let recorder = Recorder::default();
    // Nobody has set a global provider here.
    let tap = recorder.started_by(Hottap::builder().tracer(SpanTracer::global()));
    let answer = |_: Request<RequestBody<Empty<Bytes>>>| async {
        let trace = TraceContext::current().expect("it is traced");
        assert_eq!(trace.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    };
    let mut request = Request::new(Empty::<Bytes>::new());
    request.headers_mut().insert("traceparent", CALLER.parse().expect("ASCII"));
    tap.server_layer().layer(service_fn(answer)).oneshot(request).await.expect("succeeds");
    let trace = *recorder.one().await.trace();
    assert_eq!(trace.parent_span_id, 0xb7ad_6b71_6920_3331);
    assert_ne!(trace.span_id, trace.parent_span_id);
}
