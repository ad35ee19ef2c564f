//! What handlers know of their call and add to it, and what clients add to theirs.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hottap::rpc::{
    Codec, EventKind, EventStatus, Level, Outcome, RpcHandle, RpcInfo, RpcNotes, Side, Streaming, TraceContext,
    Transport,
};
use hottap::{Hottap, RequestBody};
use http::{Request, Response, Version};
use http_body_util::Empty;
use tower::{ServiceExt, service_fn};

use crate::recorder::Recorder;

type Incoming = Request<RequestBody<Empty<Bytes>>>;

fn request() -> Request<Empty<Bytes>> {
    Request::post("http://shop/shop.v1.Checkout/Place")
        .version(Version::HTTP_2)
        .header("content-type", "application/grpc+json")
        .header("grpc-timeout", "2S")
        .body(Empty::new())
        .expect("valid")
}

/// Has a handler handle one request.
async fn serve<F>(tap: &Hottap, handler: impl Fn(Incoming) -> F + Clone)
where
    F: Future<Output = ()>,
{
    let inside = service_fn(move |request| {
        let handled = handler(request);
        async move {
            handled.await;
            let response = Response::builder().header("grpc-status", "0").body(Empty::<Bytes>::new());
            Ok::<_, Infallible>(response.expect("valid"))
        }
    });
    tap.server_layer().layer(inside).oneshot(request()).await.expect("infallible");
}

#[tokio::test]
async fn a_handler_knows_its_call() {
    let recorder = Recorder::default();
    let tap = recorder.start("checkout");
    serve(&tap, |request| async move {
        let rpc = RpcInfo::current().expect("a traced call");
        let (info, trace) = (rpc.info(), TraceContext::current().expect("a traced call"));
        assert_eq!((info.side(), info.invocation().method().as_str()), (Side::Server, "shop.v1.Checkout/Place"));
        let method = info.invocation().method();
        assert_eq!((method.package(), method.service(), method.name()), ("shop.v1", "Checkout", "Place"));
        assert_eq!(info.to().service().as_str(), "checkout");
        assert_eq!(info.config().deadline(), Some(Duration::from_secs(2)));
        assert_eq!((info.config().transport(), info.config().codec()), (Transport::Http2, Codec::Json));
        assert_eq!(info.trace().span_id, trace.span_id);
        let same = request.extensions().get::<RpcHandle>().expect("in the request's extensions");
        assert_eq!(same.info().id(), info.id());
    })
    .await;
    assert!(RpcInfo::current().is_none(), "only while the handler is polled");
    recorder.one().await;
}

#[tokio::test]
async fn what_a_handler_says_is_what_the_tracers_see() {
    let recorder = Recorder::default();
    let tap = recorder.start("checkout");
    let kept = Arc::new(Mutex::new(None));
    let keep = kept.clone();
    serve(&tap, move |request| {
        let rpc = request.extensions().get::<RpcHandle>().expect("a traced call").clone();
        *keep.lock().expect("not poisoned") = Some(rpc.clone());
        async move {
            rpc.set_tag("tenant", "acme");
            rpc.set_tag("tenant", "umbrella");
            assert_eq!(rpc.tag("tenant").as_deref(), Some("umbrella"));
            rpc.set_caller_tag("zone", "a");
            rpc.set_callee_tag("zone", "b");
            rpc.set_extra("queue", "7");
            rpc.set_business_status(1042, "sold out");
            rpc.set_business_extra("item", "lamp");
            // In a task of its own the handle still is the call's.
            let spawned = tokio::spawn(async move {
                assert!(RpcInfo::current().is_none(), "the task is not the handler");
                rpc.record_with(EventKind::new("cache_miss"), EventStatus::Warn, "lamp");
            });
            spawned.await.expect("does not panic");
        }
    })
    .await;
    let late = kept.lock().expect("not poisoned").take().expect("kept");
    late.set_tag("late", "1");
    late.record(EventKind::new("late"));

    let info = recorder.one().await;
    assert_eq!(
        info.tags().iter().map(|(key, value)| (key.as_str(), value)).collect::<Vec<_>>(),
        [("tenant", "umbrella")]
    );
    assert_eq!((info.from().tags().get("zone"), info.to().tags().get("zone")), (Some("a"), Some("b")));
    let invocation = info.invocation();
    assert_eq!((invocation.business_status(), invocation.business_message()), (1042, "sold out"));
    assert_eq!(invocation.business_extra().get("item"), Some("lamp"));
    assert_eq!(invocation.extra().get("queue"), Some("7"));
    assert_eq!(info.stats().outcome(), Outcome::BusinessError);
    let miss = info.stats().event(EventKind::new("cache_miss")).expect("recorded");
    assert_eq!((miss.status, miss.info.as_deref()), (EventStatus::Warn, Some("lamp")));
    let kinds: Vec<_> = info.stats().events().iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["server_handle_start", "cache_miss", "server_handle_finish"], "in the order of their times");
    assert_eq!(late.tag("late"), None);
}

#[tokio::test]
async fn at_the_base_level_a_handlers_tags_are_kept_and_its_events_are_not() {
    let recorder = Recorder::default();
    let tap = recorder.start_with("checkout", Level::Base);
    serve(&tap, |_| async {
        let rpc = RpcInfo::current().expect("a traced call");
        rpc.set_tag("tenant", "acme");
        rpc.record(EventKind::new("cache_miss"));
    })
    .await;
    let info = recorder.one().await;
    assert_eq!(info.tags().get("tenant"), Some("acme"));
    assert!(info.stats().events().is_empty());
}

#[tokio::test]
async fn what_a_client_says_of_its_call_is_what_the_tracers_see() {
    let recorder = Recorder::default();
    let tap = recorder.start("shop");
    let inside = service_fn(|_: Incoming| async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) });
    let mut request = request();
    let notes = RpcNotes::new().tag("tenant", "acme").callee_tag("zone", "b").caller_tag("zone", "a").extra("try", "2");
    request.extensions_mut().insert(notes);
    drop(tap.client_layer().layer(inside).oneshot(request).await.expect("infallible"));
    let info = recorder.one().await;
    assert_eq!(info.tags().get("tenant"), Some("acme"));
    assert_eq!((info.from().tags().get("zone"), info.to().tags().get("zone")), (Some("a"), Some("b")));
    assert_eq!(info.invocation().extra().get("try"), Some("2"));
    assert_eq!(info.invocation().streaming(), Streaming::Unary);
}
