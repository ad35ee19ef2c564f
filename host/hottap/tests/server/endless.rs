//! Responses without an end: a deadline ends them too, whether or not there is always more.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hottap::rpc::Outcome;
use hottap::server::Body;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tower::service_fn;

use crate::house::{PATIENCE, client};
use crate::recorder::Recorder;

/// There is always more of it, at once.
struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 1 << 14])))))
    }
}

#[tokio::test]
async fn a_response_that_always_has_more_ends_with_its_deadline() {
    let served = Recorder::default();
    let bound = served.start("house").server().bind("127.0.0.1:0").await.expect("binds");
    let address = bound.local_addr().expect("over TCP");
    let service = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Endless)));
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(bound.serve_until(service, async { _ = stopped.await }));
    let request = Request::post(format!("http://{address}/"))
        .header("content-type", "application/grpc")
        .header("grpc-timeout", "200m")
        .body(Full::default().map_err(|never| match never {}).boxed_unsync())
        .expect("a request");
    let client = client(true);
    let mut body = client.request(request).await.expect("a response").into_body();
    let read = async {
        loop {
            let frame = body.frame().await.expect("trailers before the end").expect("no error");
            if let Ok(trailers) = frame.into_trailers() {
                return trailers;
            }
        }
    };
    let trailers = timeout(PATIENCE, read).await.expect("ends with its deadline");
    assert_eq!(trailers["grpc-status"], "4");
    let call = served.one().await;
    assert_eq!((call.stats().outcome(), call.stats().error_type().as_str()), (Outcome::TimedOut, "DEADLINE_EXCEEDED"));
    drop((body, client, stop));
    serving.await.expect("no panic");
    served.assert_each_finished_once();
}
