//! What native tracers do to RPCs: nothing, whatever goes wrong in them; and what handlers see of them.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hottap::rpc::{Outcome, Side, TraceContext};
use hottap::{CallContext, Hottap, RequestBody, Tracer};
use http::{Request, Response};
use http_body_util::Empty;
use tower::{ServiceExt, service_fn};

use crate::echo::Echo;
use crate::recorder::Recorder;
use crate::world::World;

struct Panicking;

impl Tracer for Panicking {
    fn start(&self, call: &mut CallContext) {
        assert!(call.info().id().is_multiple_of(2), "every other call");
    }

    fn finish(&self, _: &CallContext) {
        panic!("at every finish");
    }

    fn attempts(&self) -> bool {
        panic!("whenever it is asked");
    }
}

#[tokio::test]
async fn a_panicking_native_tracer_hurts_nobody() {
    let (sent, served) = (Recorder::default(), Recorder::default());
    let client_tap = sent.started_by(Hottap::builder().tracer(Panicking));
    let server_tap = served.started_by(Hottap::builder().tracer(Panicking));
    let world = World::of(Echo::default(), (&client_tap, sent), (&server_tap, served)).await;
    for _ in 0..8 {
        assert_eq!(world.client.unary("echo").await.expect("succeeds"), "echo");
    }
    world.client.unary("panic").await.expect_err("the handler panics, and then its tracer");
    world.client.unary("echo").await.expect("succeeds");
    let (client, server) = (world.sent.finished(10).await, world.served.finished(10).await);
    assert_eq!(client.iter().filter(|info| info.stats().outcome() == Outcome::Ok).count(), 9);
    assert_eq!(server.iter().filter(|info| info.stats().outcome() == Outcome::Panicked).count(), 1);
    world.close().await;
}

#[derive(Clone, Debug, PartialEq)]
struct Tenant(u32);

/// Attaches a tenant to server calls, and keeps what client calls see of it.
#[derive(Clone, Default)]
struct Tenants {
    seen: Arc<Mutex<Vec<Option<Tenant>>>>,
    trace: Option<TraceContext>,
}

impl Tracer for Tenants {
    fn start(&self, call: &mut CallContext) {
        match call.info().side() {
            Side::Server => _ = call.extensions_mut().insert(Tenant(7)),
            _ => self.seen.lock().expect("not poisoned").push(call.extensions().get::<Tenant>().cloned()),
        }
        if let Some(trace) = self.trace {
            call.set_trace(trace);
        }
    }

    fn finish(&self, _: &CallContext) {}
}

#[tokio::test]
async fn what_a_tracer_attaches_is_seen_by_the_handler_and_its_client_calls() {
    let tenants = Tenants::default();
    let tap = Hottap::builder().tracer(tenants.clone()).start().expect("starts");
    let downstream = tap.client_layer().layer(service_fn(|_: Request<RequestBody<Empty<Bytes>>>| async {
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    }));
    let handler = service_fn(move |request: Request<RequestBody<Empty<Bytes>>>| {
        let downstream = downstream.clone();
        async move {
            assert_eq!(request.extensions().get::<Tenant>(), Some(&Tenant(7)));
            downstream.oneshot(Request::new(Empty::new())).await
        }
    });
    tap.server_layer().layer(handler).oneshot(Request::new(Empty::<Bytes>::new())).await.expect("succeeds");
    assert_eq!(*tenants.seen.lock().expect("not poisoned"), [Some(Tenant(7))]);
}

#[tokio::test]
async fn a_trace_that_a_tracer_sets_is_what_goes_out() {
    let trace = TraceContext::root();
    let tenants = Tenants { trace: Some(trace), ..Tenants::default() };
    let tap = Hottap::builder().tracer(tenants).start().expect("starts");
    let client = tap.client_layer().layer(service_fn(move |request: Request<RequestBody<Empty<Bytes>>>| async move {
        let sent = request.headers().get("traceparent").and_then(|value| value.to_str().ok().map(str::to_owned));
        assert_eq!(sent, Some(format!("00-{:032x}-{:016x}-03", trace.trace_id, trace.span_id)));
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    }));
    client.oneshot(Request::new(Empty::<Bytes>::new())).await.expect("succeeds");
}

#[tokio::test]
async fn a_tracer_of_one_layer_gets_the_calls_of_that_layer_alone() {
    let (all, own) = (Recorder::default(), Recorder::default());
    let taps = [Hottap::builder().start().expect("starts"), all.start("checkout")];
    for tap in &taps {
        let answer =
            |_: Request<RequestBody<Empty<Bytes>>>| async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) };
        let traced = tap.client_layer().with_tracer(own.clone()).layer(service_fn(answer));
        let plain = tap.client_layer().layer(service_fn(answer));
        traced.oneshot(Request::new(Empty::new())).await.expect("succeeds");
        plain.oneshot(Request::new(Empty::new())).await.expect("succeeds");
    }
    assert_eq!(own.finished(2).await.len(), 2, "one of each Hottap, also where nobody else wants it");
    assert_eq!(all.finished(2).await.len(), 2, "both calls of the second");
}

/// Keeps the URIs of the heads that it gets.
#[derive(Clone, Default)]
struct Heads {
    asks: bool,
    seen: Arc<Mutex<Vec<Option<String>>>>,
}

impl Tracer for Heads {
    fn start(&self, call: &mut CallContext) {
        let uri = call.request().map(|head| head.uri().to_string());
        self.seen.lock().expect("not poisoned").push(uri);
    }

    fn finish(&self, _: &CallContext) {}

    fn request_head(&self) -> bool {
        self.asks
    }
}

#[tokio::test]
async fn heads_of_requests_are_kept_where_a_tracer_asks_for_them() {
    let (silent, asking) = (Heads::default(), Heads { asks: true, ..Heads::default() });
    let tap = Hottap::builder().tracer(silent.clone()).start().expect("starts");
    let answer =
        |_: Request<RequestBody<Empty<Bytes>>>| async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) };
    let request = || Request::get("http://shop/users/17?q=1").body(Empty::<Bytes>::new()).expect("a request");
    for (expected, reason) in
        [(None, "nobody asks"), (Some("http://shop/users/17?q=1".to_owned()), "a layer's own does")]
    {
        let (client, server) = (tap.client_layer(), tap.server_layer());
        let (client, server) = match expected {
            None => (client, server),
            Some(_) => (client.with_tracer(asking.clone()), server.with_tracer(asking.clone())),
        };
        client.layer(service_fn(answer)).oneshot(request()).await.expect("succeeds");
        server.layer(service_fn(answer)).oneshot(request()).await.expect("succeeds");
        let seen = std::mem::take(&mut *silent.seen.lock().expect("not poisoned"));
        assert_eq!(seen, [expected.clone(), expected], "{reason}");
    }
    assert_eq!(asking.seen.lock().expect("not poisoned").len(), 2);
    tap.start_call(Side::Client, "shop.v1.Checkout/Place").expect("wanted").finish();
    assert_eq!(*silent.seen.lock().expect("not poisoned"), [None], "there is no request");
}
