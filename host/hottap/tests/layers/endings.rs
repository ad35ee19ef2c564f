//! Every call finishes exactly once, however it ends, and its outcome says how.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hottap::RequestBody;
use hottap::rpc::{Outcome, RpcInfo};
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, SizeHint};
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::BoxBody};
use tokio_stream::{Stream, StreamExt};
use tower::{Service, ServiceExt, service_fn};

use crate::recorder::Recorder;
use crate::world::World;

#[track_caller]
fn check(info: &RpcInfo, outcome: Outcome, error_type: &str) {
    let stats = info.stats();
    assert_eq!((stats.outcome(), stats.error_type().as_str()), (outcome, error_type), "{}", stats.error_message());
}

#[tokio::test]
async fn a_handler_that_panics_ends_its_call_once() {
    let world = World::start().await;
    world.client.unary("panic").await.expect_err("the server has panicked");
    check(&world.served.one().await, Outcome::Panicked, "panic");
    let client = world.sent.one().await;
    assert_ne!(client.stats().outcome(), Outcome::Ok);
    world.close().await;
}

#[tokio::test]
async fn a_stream_that_panics_ends_its_call_once() {
    let world = World::start().await;
    let received = crate::world::collect(world.client.download("2 40000 panic").await.expect("starts")).await;
    assert!(received.last().is_some_and(Result::is_err));
    let server = world.served.one().await;
    check(&server, Outcome::Panicked, "panic");
    // They are large: tonic sends small ones together, and these it would have lost with the panic.
    assert_eq!(server.stats().sent().messages, 2);
    assert_ne!(world.sent.one().await.stats().outcome(), Outcome::Ok);
    world.close().await;
}

#[tokio::test]
async fn a_client_that_goes_away_before_the_response_cancels_the_call() {
    let world = World::start().await;
    let (client, reached) = (world.client.clone(), world.echo.reached.clone());
    let call = tokio::spawn(async move { client.unary("hang").await });
    reached.notified().await;
    call.abort();
    check(&world.sent.one().await, Outcome::Cancelled, "cancelled");
    check(&world.served.one().await, Outcome::Cancelled, "cancelled");
    world.close().await;
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_of_its_request_cancels_the_call() {
    let world = World::start().await;
    let (client, reached) = (world.client.clone(), world.echo.reached.clone());
    let endless = tokio_stream::iter([Bytes::from("hang")]).chain(tokio_stream::pending());
    let call = tokio::spawn(async move { client.upload(endless).await });
    reached.notified().await;
    call.abort();
    for info in [world.sent.one().await, world.served.one().await] {
        check(&info, Outcome::Cancelled, "cancelled");
        assert_eq!(info.stats().sent().messages + info.stats().received().messages, 1);
    }
    world.close().await;
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_of_a_stream_cancels_the_call() {
    let world = World::start().await;
    let mut stream = world.client.download("1 8 hang").await.expect("starts");
    assert!(stream.message().await.expect("a message").is_some());
    drop(stream);
    let (client, server) = (world.sent.one().await, world.served.one().await);
    check(&client, Outcome::Cancelled, "cancelled");
    check(&server, Outcome::Cancelled, "cancelled");
    assert_eq!((client.stats().received().messages, server.stats().sent().messages), (1, 1));
    world.close().await;
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

fn full(text: &'static str) -> BoxBody<Bytes, Infallible> {
    BoxBody::new(Full::from(text))
}

fn request(method: Method, grpc: bool) -> Request<Empty<Bytes>> {
    let mut request = Request::builder().method(method).uri("/a.B/C");
    if grpc {
        request = request.header("content-type", "application/grpc");
    }
    request.body(Empty::new()).expect("a request")
}

/// Which layer is around the service.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Around {
    Server,
    Client,
}
const BOTH: [Around; 2] = [Around::Server, Around::Client];

/// Gives the layer one call of a service that gives `answer`, does `with` to the response, and gives the record.
async fn once<R>(
    around: Around,
    request: Request<Empty<Bytes>>,
    answer: impl FnOnce() -> Result<Answer, &'static str> + Clone,
    with: impl AsyncFnOnce(Result<Response<hottap::ResponseBody<BoxBody<Bytes, Infallible>>>, &'static str>) -> R,
) -> RpcInfo {
    let recorder = Recorder::default();
    let tap = recorder.start("unit");
    let inner = service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| {
        let answer = answer.clone();
        async move { answer() }
    });
    let response = match around {
        Around::Server => tap.server_layer().layer(inner).oneshot(request).await,
        Around::Client => tap.client_layer().layer(inner).oneshot(request).await,
    };
    with(response).await;
    recorder.assert_each_finished_once();
    recorder.one().await
}

#[tokio::test]
async fn a_body_that_is_read_to_its_end_is_a_success() {
    for around in BOTH {
        let answer = || Ok(Response::new(full("hello")));
        let info = once(around, request(Method::GET, false), answer, async |response| {
            let body = response.expect("succeeds").into_body().collect().await.expect("a body");
            assert_eq!(body.to_bytes(), "hello");
        })
        .await;
        check(&info, Outcome::Ok, "");
        let body = if around == Around::Server { info.stats().sent() } else { info.stats().received() };
        assert_eq!((body.bytes, body.messages), (5, 0));
    }
}

#[tokio::test]
async fn a_body_that_is_never_polled_is_cancelled() {
    for around in BOTH {
        let answer = || Ok(Response::new(full("hello")));
        let info = once(around, request(Method::GET, false), answer, async |response| drop(response)).await;
        check(&info, Outcome::Cancelled, "cancelled");
        assert_eq!(info.stats().http_status(), Some(200));
    }
}

#[tokio::test]
async fn a_response_without_a_body_ends_with_its_head() {
    for around in BOTH {
        let empty = || Ok(Response::new(BoxBody::new(Empty::new())));
        let info = once(around, request(Method::GET, false), empty, async |response| drop(response)).await;
        check(&info, Outcome::Ok, "");

        let to_head = || Ok(Response::new(full("what GET would have given")));
        let info = once(around, request(Method::HEAD, false), to_head, async |response| drop(response)).await;
        check(&info, Outcome::Ok, "");

        for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED, StatusCode::SWITCHING_PROTOCOLS] {
            let answer = move || {
                let mut response = Response::new(full("ignored"));
                *response.status_mut() = status;
                Ok(response)
            };
            let info = once(around, request(Method::GET, false), answer, async |response| drop(response)).await;
            check(&info, Outcome::Ok, "");
            assert_eq!(info.stats().http_status(), Some(status.as_u16()));
        }
    }
}

#[tokio::test]
async fn an_error_of_the_inner_service_passes_and_is_recorded() {
    for around in BOTH {
        let answer = || Err("the pipe burst");
        let info = once(around, request(Method::GET, false), answer, async |response| {
            assert_eq!(response.expect_err("fails"), "the pipe burst");
        })
        .await;
        check(&info, Outcome::Error, "transport");
        assert_eq!(info.stats().error_message(), "the pipe burst");
        assert_eq!(info.stats().http_status(), None);
    }
}

#[tokio::test]
async fn an_error_of_the_body_passes_and_is_recorded() {
    let recorder = Recorder::default();
    let layer = recorder.start("unit").server_layer();
    let service = layer.layer(service_fn(|_: Request<RequestBody<Empty<Bytes>>>| async {
        let frames = [Ok(http_body::Frame::data(Bytes::from("half"))), Err("the pipe burst")];
        Ok::<_, Infallible>(Response::new(StreamBody::new(tokio_stream::iter(frames))))
    }));
    let response = service.oneshot(request(Method::GET, false)).await.expect("succeeds");
    assert_eq!(response.into_body().collect().await.expect_err("fails"), "the pipe burst");
    let info = recorder.one().await;
    check(&info, Outcome::Error, "body");
    assert_eq!((info.stats().error_message(), info.stats().sent().bytes), ("the pipe burst", 4));
    recorder.assert_each_finished_once();
}

#[tokio::test]
async fn a_grpc_response_that_is_dropped_before_its_trailers_is_cancelled() {
    for around in BOTH {
        // All of its bytes have passed, and how it ended has not been said.
        let answer = || {
            let message = http_body::Frame::data(Bytes::from("\0\0\0\0\0"));
            let frames = tokio_stream::iter([Ok::<_, Infallible>(message)]).chain(tokio_stream::pending());
            Ok(Response::new(BoxBody::new(Sized(StreamBody::new(Box::pin(frames) as Frames)))))
        };
        let info = once(around, request(Method::POST, true), answer, async |response| {
            let mut body = response.expect("succeeds").into_body();
            body.frame().await.expect("a message").expect("no error");
            assert_eq!(body.size_hint().exact(), Some(0));
        })
        .await;
        check(&info, Outcome::Cancelled, "cancelled");
        assert_eq!(info.stats().rpc_status(), None);
    }
}

type Frames = Pin<Box<dyn Stream<Item = Result<http_body::Frame<Bytes>, Infallible>> + Send + Sync>>;

/// A body whose bytes are counted beforehand, as one with a `content-length` is; nothing is left of them.
struct Sized(StreamBody<Frames>);

impl Body for Sized {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(0)
    }
}

#[tokio::test]
async fn a_grpc_response_without_a_status_is_a_failure() {
    for around in BOTH {
        let silent = || Ok(Response::new(full("\0\0\0\0\0")));
        let info = once(around, request(Method::POST, true), silent, async |response| {
            let _ = response.expect("succeeds").into_body().collect().await;
        })
        .await;
        check(&info, Outcome::Error, "missing_status");
        assert_eq!(info.stats().rpc_status(), Some(2));

        let proxy = || {
            let mut response = Response::new(full("<h1>Bad gateway</h1>"));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            Ok(response)
        };
        let info = once(around, request(Method::POST, true), proxy, async |response| {
            let _ = response.expect("succeeds").into_body().collect().await;
        })
        .await;
        check(&info, Outcome::Error, "502");
        assert_eq!(info.stats().rpc_status(), Some(14));
    }
}

#[tokio::test]
async fn a_status_of_http_that_is_an_error_is_no_cancellation_for_want_of_a_reader() {
    for around in BOTH {
        let proxy = || {
            let mut response = Response::new(full("<html>"));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            Ok(response)
        };
        let info = once(around, request(Method::POST, true), proxy, async |response| drop(response)).await;
        check(&info, Outcome::Error, "502");
        assert_eq!(info.stats().rpc_status(), Some(14));
    }
}

#[tokio::test]
async fn a_future_that_is_dropped_is_cancelled() {
    for polled in [false, true] {
        for around in BOTH {
            let recorder = Recorder::default();
            let tap = recorder.start("unit");
            let inner = service_fn(|_: Request<RequestBody<Empty<Bytes>>>| {
                std::future::pending::<Result<Answer, Infallible>>()
            });
            let request = request(Method::GET, false);
            let mut context = Context::from_waker(Waker::noop());
            match around {
                Around::Server => {
                    let mut future = pin!(tap.server_layer().layer(inner).call(request));
                    assert!(!polled || matches!(future.as_mut().poll(&mut context), Poll::Pending));
                }
                Around::Client => {
                    let mut future = pin!(tap.client_layer().layer(inner).call(request));
                    assert!(!polled || matches!(future.as_mut().poll(&mut context), Poll::Pending));
                }
            }
            check(&recorder.one().await, Outcome::Cancelled, "cancelled");
            recorder.assert_each_finished_once();
        }
    }
}

#[tokio::test]
async fn a_panic_goes_on_and_is_recorded_wherever_it_is_caught() {
    for in_call in [false, true] {
        for around in BOTH {
            let recorder = Recorder::default();
            let tap = recorder.start("unit");
            let inner = service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| {
                assert!(!in_call, "in the call");
                std::future::poll_fn(|_| -> Poll<Result<Answer, Infallible>> { panic!("in the future") })
            });
            let request = request(Method::GET, false);
            let run = async {
                match around {
                    Around::Server => drop(tap.server_layer().layer(inner).oneshot(request).await),
                    Around::Client => drop(tap.client_layer().layer(inner).oneshot(request).await),
                }
            };
            // The runtime catches the panic and drops the future only afterwards.
            let error = tokio::task::LocalSet::new().run_until(Caught(Box::pin(run))).await;
            let message = if in_call { "in the call" } else { "in the future" };
            assert_eq!(error, message);
            check(&recorder.one().await, Outcome::Panicked, "panic");
            recorder.assert_each_finished_once();
        }
    }
}

/// Polls a future, and gives the message with which it panics; it is dropped when nothing panics any more.
struct Caught<F>(Pin<Box<F>>);

impl<F: Future> Future for Caught<F> {
    type Output = String;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<String> {
        let poll = std::panic::AssertUnwindSafe(|| self.0.as_mut().poll(context));
        match std::panic::catch_unwind(poll) {
            Ok(poll) => poll.map(|_| String::new()),
            Err(panic) => Poll::Ready(panic.downcast_ref::<&str>().map_or_else(String::new, |text| (*text).to_owned())),
        }
    }
}
