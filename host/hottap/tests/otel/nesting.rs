//! Users' own spans in handlers and endpoints, of OpenTelemetry's API and of `tracing`: whose children they are; and which
//! call the host's own lines say they are about.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use hottap::rpc::Side;
use hottap::{CallContext, Hottap, RequestBody};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};
use opentelemetry::Context;
use opentelemetry::trace::{FutureExt, TraceContextExt, Tracer, TracerProvider};
use tower::{ServiceExt, service_fn};
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;

use crate::log;
use crate::spans::{Spans, assert_child, assert_root};

type Answer = Result<Response<Empty<Bytes>>, Infallible>;

async fn serve<F: Future<Output = Answer>>(tap: &Hottap, handler: impl Fn() -> F) {
    let service = service_fn(|_: Request<RequestBody<Empty<Bytes>>>| handler());
    tap.server_layer().layer(service).oneshot(Request::new(Empty::<Bytes>::new())).await.expect("succeeds");
}

/// A call to somebody who answers at once.
async fn call(tap: &Hottap) {
    let answer =
        |_: Request<RequestBody<Empty<Bytes>>>| async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) };
    tap.client_layer()
        .layer(service_fn(answer))
        .oneshot(Request::put("/").body(Empty::new()).expect("a request"))
        .await
        .expect("succeeds");
}

#[tokio::test]
async fn spans_of_the_application_are_children_of_the_handlers() {
    let spans = Spans::new();
    let tap = Hottap::builder().tracer(spans.tracer()).start().expect("starts");
    let own = spans.provider().tracer("application");
    serve(&tap, || async {
        // The handler's span is active again after it was suspended.
        tokio::task::yield_now().await;
        own.start("query");
        let context = Context::current_with_span(own.start("outer"));
        async {
            own.start("inner");
            call(&tap).await;
        }
        .with_context(context)
        .await;
        call(&tap.clone()).await;
        Ok(Response::new(Empty::new()))
    })
    .await;
    assert!(!Context::current().has_active_span(), "not outside of it");
    let server = spans.named("GET");
    assert_root(&server);
    assert_child(&spans.named("query"), &server);
    let outer = spans.named("outer");
    assert_child(&outer, &server);
    assert_child(&spans.named("inner"), &outer);
    let calls: Vec<_> = spans.ended().into_iter().filter(|span| span.name == "PUT").collect();
    assert_eq!(calls.len(), 2);
    assert_child(&calls[0], &outer);
    assert_child(&calls[1], &server);
}

#[tokio::test]
async fn spans_of_tracing_are_children_of_the_handlers() {
    let spans = Spans::new();
    let tap = Hottap::builder().tracer(spans.tracer()).start().expect("starts");
    let layer = tracing_opentelemetry::layer().with_tracer(spans.provider().tracer("application"));
    let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    serve(&tap, || async {
        let work = async {
            tokio::task::yield_now().await;
            tracing::info_span!("part").in_scope(|| ());
            call(&tap).await;
        };
        work.instrument(tracing::info_span!("work")).await;
        Ok(Response::new(Empty::new()))
    })
    .await;
    let (server, work) = (spans.named("GET"), spans.named("work"));
    assert_child(&work, &server);
    assert_child(&spans.named("part"), &work);
    assert_child(&spans.named("PUT"), &work);
}

#[tokio::test]
async fn spans_of_a_spawned_task_are_children_if_it_is_in_the_calls_scope() {
    let spans = Spans::new();
    let tap = Hottap::builder().tracer(spans.tracer()).start().expect("starts");
    let own = spans.provider().tracer("application");
    serve(&tap, || async {
        let own = own.clone();
        let work = async move { drop(own.start("spawned")) };
        let rpc = hottap::rpc::RpcInfo::current().expect("it is traced");
        tokio::spawn(rpc.scope(work)).await.expect("ends");
        Ok(Response::new(Empty::new()))
    })
    .await;
    assert_child(&spans.named("spawned"), &spans.named("GET"));
}

/// Opens a span when it is asked for its only piece.
struct Late(Option<opentelemetry_sdk::trace::SdkTracer>);

impl Body for Late {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|tracer| {
            tracer.start("late");
            Ok(Frame::data(Bytes::from_static(b"late")))
        }))
    }
}

#[tokio::test]
async fn spans_of_a_responses_body_are_children_of_the_handlers() {
    let spans = Spans::new();
    let tap = Hottap::builder().tracer(spans.tracer()).start().expect("starts");
    let own = spans.provider().tracer("application");
    let service = service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| {
        let body = Late(Some(own.clone()));
        async { Ok::<_, Infallible>(Response::new(body)) }
    });
    let response =
        tap.server_layer().layer(service).oneshot(Request::new(Empty::<Bytes>::new())).await.expect("succeeds");
    response.into_body().collect().await.expect("ends");
    assert_child(&spans.named("late"), &spans.named("GET"));
}

#[tokio::test]
async fn a_call_outside_of_handlers_belongs_to_the_applications_span() {
    let spans = Spans::new();
    let tap = Hottap::builder().tracer(spans.tracer()).start().expect("starts");
    let own = spans.provider().tracer("application");
    let context = Context::current_with_span(own.start("job"));
    async {
        call(&tap).await;
        let mut request = Request::new(Empty::<Bytes>::new());
        let elsewhere = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        request.headers_mut().insert("traceparent", elsewhere.parse().expect("ASCII"));
        let answer =
            |_: Request<RequestBody<Empty<Bytes>>>| async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) };
        tap.client_layer().layer(service_fn(answer)).oneshot(request).await.expect("succeeds");
    }
    .with_context(context)
    .await;
    assert_child(&spans.named("PUT"), &spans.named("job"));
    let given = spans.named("GET");
    assert_eq!(given.parent_span_id.to_string(), "b7ad6b7169203331", "the application said whose child it is");
}

struct Broken;

impl hottap::Tracer for Broken {
    fn start(&self, _: &mut CallContext) {
        panic!("it breaks");
    }

    fn finish(&self, _: &CallContext) {}
}

#[test]
fn a_line_of_the_host_during_a_call_says_which_it_is() {
    log::keep();
    let tap = Hottap::builder().tracer(Broken).start().expect("starts");
    let call = tap.start_call(Side::Server, "shop.v1.Checkout/Place").expect("wanted");
    let trace = call.info().trace();
    let ids = format!("trace_id={:032x} span_id={:016x}", trace.trace_id, trace.span_id);
    let lines = log::with(&ids);
    assert!(lines.len() == 1 && lines[0].contains("a native tracer panicked"), "{lines:?}");
    call.finish();
}
