//! Calls that a handler makes are children of its own call, also in tasks that it spawns.

use std::convert::Infallible;

use bytes::Bytes;
use hottap::rpc::{RpcHandle, RpcInfo, TraceContext};
use hottap::server::Body;
use http::{Request, Response};
use http_body_util::Empty;
use tower::{ServiceExt, service_fn};

use crate::house::{client, pieces};
use crate::recorder::Recorder;

#[tokio::test]
async fn a_call_made_in_a_spawned_task_is_a_child_of_the_handlers_call() {
    let served = Recorder::default();
    let tap = served.start("house");
    let sent = Recorder::default();
    let nobody = service_fn(|_: Request<hottap::RequestBody<Empty<Bytes>>>| async {
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let downstream = sent.start("house").client_layer().layer(nobody);
    let handler = service_fn(move |request: Request<Body>| {
        let downstream = downstream.clone();
        async move {
            let call = move |path: &'static str| {
                let request = Request::get(path).body(Empty::<Bytes>::new()).expect("a request");
                downstream.clone().oneshot(request)
            };
            let rpc = request.extensions().get::<RpcHandle>().expect("traced").clone();
            let in_scope = tokio::spawn(rpc.scope(async move {
                let current = RpcInfo::current().map(|rpc| rpc.info().id());
                call("/child").await.expect("answers");
                (current, call)
            }));
            let (current, call) = in_scope.await.expect("no panic");
            assert_eq!(current, Some(rpc.info().id()));
            tokio::spawn(async move { call("/stranger").await.expect("answers") }).await.expect("no panic");
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    });
    let bound = tap.server().bind("127.0.0.1:0").await.expect("binds");
    let address = bound.local_addr().expect("over TCP");
    let server = tokio::spawn(bound.serve(handler));
    let parent = TraceContext::root();
    let traceparent = format!("00-{:032x}-{:016x}-01", parent.trace_id, parent.span_id);
    let request = Request::get(format!("http://{address}/")).header("traceparent", traceparent).body(pieces(0));
    client(false).request(request.expect("a request")).await.expect("a response");

    let handled = *served.one().await.trace();
    let calls = sent.finished(2).await;
    let (child, stranger) = (*calls[0].trace(), *calls[1].trace());
    assert_eq!(handled.trace_id, parent.trace_id);
    assert_eq!((child.trace_id, child.parent_span_id), (handled.trace_id, handled.span_id));
    assert_ne!(stranger.trace_id, handled.trace_id, "without a scope a task is on its own");
    server.abort();
}
