//! Handlers that panic over real connections, with a layer that catches the panic outside of ours, inside of it, or none:
//! the call finishes once, as panicked if the panic has passed our layer, and the client is answered if somebody caught it.

use std::convert::Infallible;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use hottap::rpc::{Outcome, Protocol};
use hottap::{CallContext, RequestBody, Tracer};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tower::layer::layer_fn;
use tower::{Service, ServiceExt, service_fn};

use crate::handler::{BOTH, Served, client};
use crate::pair::{Http, check_end};
use crate::recorder::Recorder;

type Boxed = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// An error of Connect's; to plain HTTP it is as good as any other.
const ERROR: &str = r#"{"code":"internal","message":"sorry"}"#;
const CONNECT: &[(&str, &str)] = &[("content-type", "application/json"), ("connect-protocol-version", "1")];
const PLAIN: &[(&str, &str)] = &[];

/// Answers for the service inside of it if that panics.
#[derive(Clone)]
struct Catch<S>(S);

impl<S, R, B> Service<Request<R>> for Catch<S>
where
    S: Service<Request<R>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<Boxed>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Boxed>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let mut inner = catch_unwind(AssertUnwindSafe(|| self.0.call(request))).ok().map(Box::pin);
        Box::pin(std::future::poll_fn(move |context| {
            let poll = inner.as_mut().map(|inner| catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(context))));
            match poll {
                Some(Ok(poll)) => poll.map_ok(|response| response.map(|body| body.map_err(Into::into).boxed_unsync())),
                None | Some(Err(_)) => {
                    let response = Response::builder().status(500).header("content-type", "application/json");
                    let body = Full::from(ERROR).map_err(Into::into).boxed_unsync();
                    Poll::Ready(Ok(response.body(body).expect("a response")))
                }
            }
        }))
    }
}

/// Where a panic is caught.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Caught {
    Nowhere,
    Outside,
    Inside,
}
const ANYWHERE: [Caught; 3] = [Caught::Nowhere, Caught::Outside, Caught::Inside];

/// A call to a server whose handler panics, and how it has to end there and at its client.
async fn call(served: Recorder, server: Served, http: Http, caught: Caught, headers: &[(&str, &str)]) {
    let sent = Recorder::default();
    let mut request = Request::post(server.url("/a.B/C"));
    for &(name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Bytes::from_static(b"{}"))).expect("a request");
    match client(&sent, http).oneshot(request).await {
        Err(_) => assert_eq!(caught, Caught::Nowhere, "it is not answered"),
        Ok(response) => {
            assert_ne!(caught, Caught::Nowhere, "it is answered");
            assert_eq!(response.status(), 500);
            assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), ERROR);
        }
    }
    let (client, server) = (sent.one().await, served.one().await);
    let what = format!("{http:?}, {caught:?}, {headers:?}");
    let answered =
        if headers == CONNECT { (Some(13), Outcome::Error, "INTERNAL") } else { (None, Outcome::Error, "500") };
    let unanswered = (None, Outcome::Error, "transport");
    check_end(&client, if caught == Caught::Nowhere { unanswered } else { answered }, &what);
    let panicked = (None, Outcome::Panicked, "panic");
    check_end(&server, if caught == Caught::Inside { answered } else { panicked }, &what);
    assert_eq!((client.stats().panicked(), server.stats().panicked()), (false, caught != Caught::Inside), "{what}");
    let protocol = if headers == CONNECT { Protocol::Connect } else { Protocol::Http };
    assert_eq!(server.invocation().protocol(), protocol, "{what}");
    sent.assert_each_finished_once();
    served.assert_each_finished_once();
}

/// It reads its request first, so that it panics where it is polled.
async fn panics(request: Request<RequestBody<Incoming>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let _ = request.into_body().collect().await;
    panic!("as it should");
}

#[tokio::test]
async fn a_panic_under_hyper_is_recorded_and_the_client_answered_by_who_caught_it() {
    for (http, headers) in BOTH.into_iter().flat_map(|http| [(http, PLAIN), (http, CONNECT)]) {
        for caught in ANYWHERE {
            let served = Recorder::default();
            let layer = served.start("echo").server_layer();
            let server = match caught {
                Caught::Nowhere => Served::start(http, layer.layer(service_fn(panics))).await,
                Caught::Outside => Served::start(http, Catch(layer.layer(service_fn(panics)))).await,
                Caught::Inside => Served::start(http, layer.layer(Catch(service_fn(panics)))).await,
            };
            call(served, server, http, caught, headers).await;
        }
    }
}

#[tokio::test]
async fn a_panic_under_axum_is_recorded_and_the_client_answered_by_who_caught_it() {
    async fn panics(_: Bytes) -> &'static str {
        panic!("as it should");
    }
    for (http, headers) in BOTH.into_iter().flat_map(|http| [(http, PLAIN), (http, CONNECT)]) {
        for caught in ANYWHERE {
            let served = Recorder::default();
            let layer = served.start("echo").server_layer();
            let router = Router::new().route("/a.B/C", post(panics));
            let router = match caught {
                Caught::Nowhere => router.layer(layer),
                Caught::Outside => router.layer(layer).layer(layer_fn(Catch)),
                Caught::Inside => router.layer(layer_fn(Catch)).layer(layer),
            };
            let server = Served::start(http, router).await;
            call(served, server, http, caught, headers).await;
        }
    }
}

/// A body that panics after its first piece.
struct Broken {
    given: bool,
}

impl Body for Broken {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        assert!(!std::mem::replace(&mut self.given, true), "as it should");
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"piece")))))
    }
}

#[tokio::test]
async fn a_body_that_panics_ends_its_call_as_panicked() {
    for http in BOTH {
        let (sent, served) = (Recorder::default(), Recorder::default());
        let service =
            served.start("echo").server_layer().layer(service_fn(async |_: Request<RequestBody<Incoming>>| {
                Ok::<_, Infallible>(Response::new(Broken { given: false }))
            }));
        let server = Served::start(http, service).await;
        let request = Request::post(server.url("/a.B/C")).body(Full::new(Bytes::new())).expect("a request");
        // The head may be lost with the connection.
        if let Ok(response) = client(&sent, http).oneshot(request).await {
            response.into_body().collect().await.expect_err("it has no end");
        }
        let (client, server) = (sent.one().await, served.one().await);
        check_end(&server, (None, Outcome::Panicked, "panic"), "a body");
        assert_eq!((server.stats().http_status(), server.stats().sent().bytes), (Some(200), 5));
        assert_eq!(client.stats().outcome(), Outcome::Error);
        assert!(server.stats().panicked() && !client.stats().panicked());
        sent.assert_each_finished_once();
        served.assert_each_finished_once();
    }
}

/// A body that panics as soon as it is asked for anything.
struct Unspeakable;

impl Body for Unspeakable {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("as it should");
    }
}

#[tokio::test]
async fn a_panic_counts_whatever_was_wrong_before() {
    // A message of gRPC with a flag that nobody knows.
    const MALFORMED: &[u8] = b"\x07\0\0\0\0";
    let served = Recorder::default();
    let server = Served::start(Http::Two, served.start("echo").server_layer().layer(service_fn(panics))).await;
    let request = Request::post(server.url("/a.B/C")).header("content-type", "application/grpc");
    let request = request.body(Full::new(Bytes::from_static(MALFORMED))).expect("a request");
    client(&Recorder::default(), Http::Two).oneshot(request).await.expect_err("nobody answers");
    let info = served.one().await;
    check_end(&info, (None, Outcome::Panicked, "panic"), "what a peer sends hides no panic");
    served.assert_each_finished_once();

    let served = Recorder::default();
    let service = served.start("echo").server_layer().layer(service_fn(async |_: Request<RequestBody<Incoming>>| {
        Ok::<_, Infallible>(Response::builder().status(500).body(Unspeakable).expect("a response"))
    }));
    let server = Served::start(Http::Two, service).await;
    let request = Request::post(server.url("/a.B/C")).body(Full::new(Bytes::new())).expect("a request");
    if let Ok(response) = client(&Recorder::default(), Http::Two).oneshot(request).await {
        response.into_body().collect().await.expect_err("it has no end");
    }
    let info = served.one().await;
    check_end(&info, (None, Outcome::Panicked, "panic"), "nor does a status that was told before");
    assert_eq!(info.stats().http_status(), Some(500));
    served.assert_each_finished_once();
}

/// A tracer that breaks at the end of every call.
struct Breaks;

impl Tracer for Breaks {
    fn start(&self, _: &mut CallContext) {}

    fn finish(&self, _: &CallContext) {
        panic!("as it should, too");
    }
}

#[tokio::test]
async fn a_tracer_that_panics_while_a_handler_does_changes_nothing() {
    for http in BOTH {
        let served = Recorder::default();
        let layer = served.start("echo").server_layer().with_tracer(Breaks);
        let server = Served::start(http, Catch(layer.layer(service_fn(panics)))).await;
        call(served, server, http, Caught::Outside, PLAIN).await;
    }
}

/// A body that breaks when it is asked whether there is anything of it.
struct Touchy;

impl Body for Touchy {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        panic!("as it should");
    }
}

#[tokio::test]
async fn a_body_that_panics_when_its_head_is_looked_at_ends_its_call_as_panicked() {
    let served = Recorder::default();
    let answer = async |_: Request<RequestBody<Full<Bytes>>>| Ok::<_, Infallible>(Response::new(Touchy));
    let service = served.start("echo").server_layer().layer(service_fn(answer));
    let task = tokio::spawn(async move { drop(service.oneshot(Request::new(Full::default())).await) });
    assert!(task.await.expect_err("the panic goes on").is_panic());
    check_end(&served.one().await, (None, Outcome::Panicked, "panic"), "before its head was recorded");
    served.assert_each_finished_once();
}

/// A body that cannot say whether it has ended.
struct Undecided;

impl Body for Undecided {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }

    fn size_hint(&self) -> SizeHint {
        panic!("as it should");
    }
}

#[tokio::test]
async fn a_body_that_panics_when_it_is_asked_for_its_size_does_not_end_the_process() {
    for unwinding in [false, true] {
        let served = Recorder::default();
        let service =
            served.start("echo").server_layer().layer(service_fn(async |_: Request<RequestBody<Full<Bytes>>>| {
                Ok::<_, Infallible>(Response::new(Undecided))
            }));
        let response = service.oneshot(Request::new(Full::default())).await.expect("infallible");
        let body = response.into_body();
        // As a server does that wants to know the length, and whose task the panic ends with all that it holds.
        let caught = catch_unwind(AssertUnwindSafe(move || {
            if unwinding {
                let _ = body.size_hint();
            }
            drop(body);
        }));
        assert_eq!(caught.is_err(), unwinding, "a panic that was not there before");
        check_end(&served.one().await, (None, Outcome::Cancelled, "cancelled"), "nobody has taken it");
        served.assert_each_finished_once();
    }
}
