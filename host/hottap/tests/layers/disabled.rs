//! A Hottap that traces nothing: a service goes on with it as if there were no layer.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use hottap::rpc::{RpcInfo, Side};
use hottap::{Hottap, RequestBody};
use http::{Request, Response};
use http_body_util::Empty;
use tower::{ServiceExt, service_fn};

use crate::echo::Echo;
use crate::recorder::Recorder;
use crate::world::World;

#[tokio::test]
async fn calls_go_through_a_disabled_hottap_at_both_ends() {
    let nothing = || (Hottap::disabled(), Recorder::default());
    let ((client_tap, sent), (server_tap, served)) = (nothing(), nothing());
    let world = World::of(Echo::default(), (&client_tap, sent), (&server_tap, served)).await;
    for _ in 0..3 {
        assert_eq!(world.client.unary("echo").await.expect("succeeds"), "echo");
    }
    world.client.unary("panic").await.expect_err("the handler panics");
    assert_eq!(world.client.unary("echo").await.expect("succeeds"), "echo");
    world.close().await;
}

#[tokio::test]
async fn the_layers_of_a_disabled_hottap_change_nothing_and_call_no_tracer() {
    let (tap, own) = (Hottap::disabled(), Recorder::default());
    let answer = |request: Request<RequestBody<Empty<Bytes>>>| async move {
        assert!(RpcInfo::current().is_none());
        assert_eq!((request.headers().len(), request.extensions().len()), (1, 0), "{request:?}");
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    };
    let request = || Request::get("http://shop/x").header("x-own", "1").body(Empty::<Bytes>::new()).expect("a request");
    let client = tap.client_layer().with_tracer(own.clone()).layer(service_fn(answer));
    let server = tap.server_layer().with_tracer(own.clone()).layer(service_fn(answer));
    for response in [client.oneshot(request()).await, server.oneshot(request()).await] {
        let response = response.map_err(|_| ()).expect("succeeds");
        assert_eq!((response.headers().len(), response.extensions().len()), (0, 0));
    }
    let endpoint = tap.endpoint_layer("work").layer(service_fn(|(): ()| async { Ok::<_, Infallible>(7) }));
    assert_eq!(endpoint.oneshot(()).await, Ok(7));
    assert!(tap.start_call(Side::Server, "m").is_none() && own.finished(0).await.is_empty());
    assert!(tap.shutdown(Duration::ZERO));
}
