//! Who is whose child: across the wire, inside handlers, and where nobody traces.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hottap::rpc::{RpcInfo, TraceContext};
use hottap::{Hottap, RequestBody, ResponseBody};
use http::{HeaderMap, Request, Response};
use http_body_util::Empty;
use tower::util::BoxCloneService;
use tower::{ServiceExt, service_fn};

use crate::echo::Echo;
use crate::recorder::Recorder;
use crate::world::{Client, Running, World};

#[track_caller]
fn check_child(child: &RpcInfo, parent: &RpcInfo) {
    assert_eq!(child.trace().trace_id, parent.trace().trace_id, "one trace");
    assert_eq!(child.trace().parent_span_id, parent.trace().span_id, "one under the other");
    assert_ne!(child.trace().span_id, parent.trace().span_id);
}

#[tokio::test]
async fn a_nested_call_is_a_child_of_the_handler_that_makes_it() {
    // The client calls the front, whose handler calls the back by way of a client of its own.
    let (nested, back_served) = (Recorder::default(), Recorder::default());
    let nested_tap = nested.start("front");
    let back = Running::start(&back_served.start("back"), Echo::default()).await;
    let downstream = Some(Client::new(&nested_tap, back.address));
    let world = World::with(Echo { downstream, ..Echo::default() }).await;

    assert_eq!(world.client.unary("call echo deep").await.expect("succeeds"), "echo deep");
    let (client, front) = (world.sent.one().await, world.served.one().await);
    let (nested_call, back_call) = (nested.one().await, back_served.one().await);
    assert_eq!(client.trace().parent_span_id, 0, "a root");
    check_child(&front, &client);
    check_child(&nested_call, &front);
    check_child(&back_call, &nested_call);
    world.close().await;
    back.stop().await;
    nested.assert_each_finished_once();
    back_served.assert_each_finished_once();
}

#[tokio::test]
async fn a_handler_sees_its_own_call_as_the_current_one() {
    let world = World::start().await;
    let told = world.client.unary("current").await.expect("succeeds");
    let server = world.served.one().await;
    assert_eq!(String::from_utf8_lossy(&told), format!("{:?}", Some(*server.trace())));
    assert_eq!(TraceContext::current(), None, "not outside of it");
    world.close().await;
}

#[tokio::test]
async fn calls_that_run_at_once_on_one_thread_do_not_mix() {
    let world = World::start().await;
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let client = world.client.clone();
            tokio::spawn(async move { client.unary("current").await })
        })
        .collect();
    let mut told = Vec::new();
    for call in calls {
        told.push(String::from_utf8_lossy(&call.await.expect("ends").expect("succeeds")).into_owned());
    }
    let mut served: Vec<String> =
        world.served.finished(64).await.iter().map(|info| format!("{:?}", Some(*info.trace()))).collect();
    told.sort_unstable();
    served.sort_unstable();
    assert_eq!(told, served);
    world.close().await;
}

type Downstream = BoxCloneService<Request<Empty<Bytes>>, Response<ResponseBody<Empty<Bytes>>>, Infallible>;

/// A service that keeps the headers that arrive, behind a client layer.
fn downstream(tap: &Hottap) -> (Downstream, Arc<Mutex<Vec<HeaderMap>>>) {
    let arrived = Arc::new(Mutex::new(Vec::new()));
    let keep = arrived.clone();
    let service = tap.client_layer().layer(service_fn(move |request: Request<RequestBody<Empty<Bytes>>>| {
        keep.lock().expect("not poisoned").push(request.headers().clone());
        async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) }
    }));
    (BoxCloneService::new(service), arrived)
}

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Sends a request with the caller's trace to a handler that makes one client call; gives what that sent.
async fn through(server: &Hottap, client: &Hottap) -> (HeaderMap, Option<TraceContext>) {
    let (downstream, arrived) = downstream(client);
    let current = Arc::new(Mutex::new(None));
    let keep = current.clone();
    let handler = service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| {
        let (downstream, keep) = (downstream.clone(), keep.clone());
        async move {
            // The context is there again after the handler was suspended.
            tokio::task::yield_now().await;
            *keep.lock().expect("not poisoned") = TraceContext::current();
            downstream.oneshot(Request::new(Empty::new())).await
        }
    });
    let mut request = Request::new(Empty::<Bytes>::new());
    request.headers_mut().insert("traceparent", CALLER.parse().expect("ASCII"));
    request.headers_mut().insert("tracestate", "vendor=1,other=2".parse().expect("ASCII"));
    server.server_layer().layer(handler).oneshot(request).await.expect("succeeds");
    let headers = arrived.lock().expect("not poisoned").remove(0);
    let current = *current.lock().expect("not poisoned");
    (headers, current)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}

fn idle() -> Hottap {
    Hottap::builder().service("idle").start().expect("starts")
}

#[tokio::test]
async fn a_trace_goes_on_through_a_service_that_traces() {
    let (served, sent) = (Recorder::default(), Recorder::default());
    let (headers, current) = through(&served.start("s"), &sent.start("c")).await;
    let (server, client) = (served.one().await, sent.one().await);
    assert_eq!(server.trace().parent_span_id, 0xb7ad_6b71_6920_3331);
    assert_eq!(current, Some(*server.trace()));
    check_child(&client, &server);
    let expected = format!("00-0af7651916cd43dd8448eb211c80319c-{:016x}-01", client.trace().span_id);
    assert_eq!(header(&headers, "traceparent"), expected);
    assert_eq!(header(&headers, "tracestate"), "vendor=1,other=2");
}

#[tokio::test]
async fn a_trace_goes_on_through_a_service_that_does_not_trace() {
    let (headers, current) = through(&idle(), &idle()).await;
    assert_eq!(header(&headers, "traceparent"), CALLER);
    assert_eq!(header(&headers, "tracestate"), "vendor=1,other=2");
    assert_eq!(current, None);
}

#[tokio::test]
async fn a_trace_goes_on_where_only_one_side_traces() {
    let sent = Recorder::default();
    let (headers, current) = through(&idle(), &sent.start("c")).await;
    let client = sent.one().await;
    assert_eq!((client.trace().parent_span_id, current), (0xb7ad_6b71_6920_3331, None));
    assert_eq!(header(&headers, "tracestate"), "vendor=1,other=2");

    let served = Recorder::default();
    let (headers, current) = through(&served.start("s"), &idle()).await;
    let server = served.one().await;
    let expected = format!("00-0af7651916cd43dd8448eb211c80319c-{:016x}-01", server.trace().span_id);
    assert_eq!((header(&headers, "traceparent"), current), (expected.as_str(), Some(*server.trace())));
}

#[tokio::test]
async fn a_client_that_does_not_trace_starts_no_trace() {
    let (client, arrived) = downstream(&idle());
    client.oneshot(Request::new(Empty::new())).await.expect("succeeds");
    assert!(arrived.lock().expect("not poisoned")[0].is_empty());
}
