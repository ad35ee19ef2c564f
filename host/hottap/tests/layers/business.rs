//! The application's own status: told by handlers and classifiers, and no error of the RPC.

use std::convert::Infallible;

use bytes::Bytes;
use hottap::rpc::{Outcome, RpcInfo};
use hottap::{BusinessStatus, RequestBody, ResponseHead};
use http::{Request, Response};
use http_body_util::Empty;
use tonic::Request as GrpcRequest;
use tower::{ServiceExt, service_fn};

use crate::recorder::Recorder;
use crate::world::World;

#[track_caller]
fn check(info: &RpcInfo, code: i32, outcome: Outcome) {
    assert_eq!((info.invocation().business_status(), info.stats().outcome()), (code, outcome));
}

#[tokio::test]
async fn a_handler_of_tonic_tells_it_in_its_response() {
    let world = World::start().await;
    let answer = world.client.unary("refuse 40901").await.expect("the RPC succeeds");
    assert_eq!(answer, "refuse 40901");
    let (client, server) = (world.sent.one().await, world.served.one().await);
    check(&server, 40_901, Outcome::BusinessError);
    assert_eq!((server.stats().rpc_status(), server.stats().error_type().as_str()), (Some(0), ""));
    // It does not come over the wire.
    check(&client, 0, Outcome::Ok);
    world.close().await;
}

#[tokio::test]
async fn a_client_tells_it_by_its_classifier() {
    let (sent, served) = (Recorder::default(), Recorder::default());
    let (client_tap, server_tap) = (sent.start("shop"), served.start("echo"));
    let mut world = World::of(crate::echo::Echo::default(), (&client_tap, sent), (&server_tap, served)).await;
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", world.address)).expect("a URL");
    let layer = client_tap.client_layer().with_business_status(|head: &ResponseHead<'_>| {
        let code = head.headers().get("x-refused")?.to_str().ok()?.parse().ok()?;
        Some(BusinessStatus::new(code, "refused"))
    });
    world.client = crate::world::Client(tonic::client::Grpc::new(layer.layer(channel.connect_lazy())));
    let request = GrpcRequest::new(Bytes::from("refuse -7"));
    world.client.send("/test.Echo/Unary", request).await.expect("the RPC succeeds");
    check(&world.sent.one().await, -7, Outcome::BusinessError);
    check(&world.served.one().await, -7, Outcome::BusinessError);
    world.client.unary("echo").await.expect("succeeds");
    check(&world.sent.finished(2).await[1], 0, Outcome::Ok);
    world.close().await;
}

#[tokio::test]
async fn a_failure_of_the_rpc_says_more_and_the_handler_more_than_the_classifier() {
    for (status, told, classified, code, outcome, reason) in [
        (200, Some(3), None, 3, Outcome::BusinessError, "told by the handler"),
        (200, None, Some(4), 4, Outcome::BusinessError, "told by the classifier"),
        (200, Some(3), Some(4), 3, Outcome::BusinessError, "the handler knows better"),
        (200, Some(0), Some(4), 0, Outcome::Ok, "also if it knows that all is well"),
        (500, Some(3), None, 3, Outcome::Error, "the RPC has failed"),
        (200, None, None, 0, Outcome::Ok, "nobody tells one"),
        (200, None, Some(666), 0, Outcome::Ok, "a classifier that panics tells nothing"),
    ] {
        let recorder = Recorder::default();
        let layer = recorder.start("unit").server_layer();
        let layer = layer.with_business_status(move |_: &ResponseHead<'_>| {
            assert_ne!(classified, Some(666), "as the table said");
            Some(BusinessStatus::new(classified?, ""))
        });
        let service = layer.layer(service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| async move {
            let mut response = Response::builder().status(status).body(Empty::<Bytes>::new()).expect("a response");
            if let Some(code) = told {
                response.extensions_mut().insert(BusinessStatus::new(code, "words"));
            }
            Ok::<_, Infallible>(response)
        }));
        service.oneshot(Request::new(Empty::new())).await.expect("succeeds");
        let info = recorder.one().await;
        assert_eq!((info.invocation().business_status(), info.stats().outcome()), (code, outcome), "{reason}");
    }
}
