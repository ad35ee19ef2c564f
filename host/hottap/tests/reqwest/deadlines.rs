//! Requests that handlers make: children of the call that is handled, with its baggage and what is left of its time.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hottap::rpc::{Outcome, Side};
use hottap::{DeadlineExceeded, Hottap, RequestBody};
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use reqwest_middleware::{ClientBuilder, Error};
use tower::{ServiceExt, service_fn};

use crate::recorder::Recorder;
use crate::script::{Handler, Script, answer};
use crate::{builder, check, layer, with};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// Has a handler of gRPC, whose caller waits that long, GET a URL with a client of 20 seconds; what came of it.
async fn handled(tap: &Hottap, timeout: &str, url: String) -> Result<Bytes, Error> {
    let inner = builder().timeout(Duration::from_secs(20)).build().expect("builds");
    let client = ClientBuilder::new(inner).with(layer(tap)).build();
    let result = Arc::new(Mutex::new(None));
    let told = result.clone();
    let handler = service_fn(move |_: Request<RequestBody<Full<Bytes>>>| {
        let (client, url, told) = (client.clone(), url.clone(), told.clone());
        async move {
            let result = match client.get(url).send().await {
                Ok(response) => response.bytes().await.map_err(Error::from),
                Err(error) => Err(error),
            };
            *told.lock().expect("no panic") = Some(result);
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    let request = Request::post("http://shop/shop.v1.Checkout/Place")
        .header("content-type", "application/grpc")
        .header("grpc-timeout", timeout)
        .header("traceparent", format!("00-{TRACE}-b7ad6b7169203331-01"))
        .header("baggage", "tenant=acme")
        .body(Full::default())
        .expect("a request");
    tap.server_layer().layer(handler).oneshot(request).await.expect("infallible");
    let result = result.lock().expect("no panic").take();
    result.expect("the handler has run")
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

#[tokio::test]
async fn a_handlers_request_is_a_child_of_its_call_and_takes_its_baggage_along() {
    let (recorder, seen) = (Recorder::default(), Arc::<Mutex<HeaderMap>>::default());
    let log = seen.clone();
    let server = Handler::start(move |request, _| {
        *log.lock().expect("no panic") = request.headers().clone();
        async { answer(200, &[], "seven") }
    })
    .await;
    let body = handled(&recorder.start("shop"), "10S", server.url()).await.expect("a response");
    assert_eq!(body, "seven");
    let infos = recorder.finished(2).await;
    let [call, handled] = &infos[..] else { panic!("{infos:#?}") };
    assert_eq!((call.side(), handled.side()), (Side::Client, Side::Server));
    assert_eq!(call.trace().parent_span_id, handled.trace().span_id);
    let left = call.config().deadline().expect("a deadline");
    assert!(left > Duration::from_secs(5) && left <= Duration::from_secs(10), "{left:?}");
    let seen = seen.lock().expect("no panic");
    assert_eq!(seen["traceparent"], format!("00-{TRACE}-{:016x}-01", call.trace().span_id).as_str());
    assert_eq!(seen["baggage"], "tenant=acme");
}

#[tokio::test]
async fn a_handlers_request_has_no_more_time_than_its_call() {
    for head in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"] {
        let server = Script::start(move |mut wire, _| async move {
            wire.head().await;
            wire.write(head).await;
            wire.drain().await;
        })
        .await;
        let recorder = Recorder::default();
        let error = handled(&recorder.start("shop"), "100m", server.url()).await.expect_err("too late");
        let is_late = match &error {
            Error::Middleware(error) => error.is::<DeadlineExceeded>(),
            Error::Reqwest(error) => causes(error).any(|cause| cause.is::<DeadlineExceeded>()),
        };
        assert!(is_late, "{error:?}");
        check(&recorder.finished(1).await[0], Outcome::TimedOut, "DEADLINE_EXCEEDED");
    }
}

#[tokio::test]
async fn a_call_that_nobody_wants_has_no_more_time_either() {
    let server = Handler::start(|_, _| std::future::pending()).await;
    let tap = Hottap::builder().service("shop").start().expect("starts");
    let error = handled(&tap, "100m", server.url()).await.expect_err("too late");
    assert!(matches!(error, Error::Middleware(error) if error.is::<DeadlineExceeded>()));
}

#[tokio::test]
async fn a_request_outside_of_handlers_has_its_clients_time() {
    let recorder = Recorder::default();
    let server = Handler::start(|_, _| async { answer(200, &[], "seven") }).await;
    let request = with(layer(&recorder.start("shop"))).get(server.url()).timeout(Duration::from_secs(7));
    drop(request.send().await.expect("a response").bytes().await.expect("a body"));
    assert_eq!(recorder.one().await.config().deadline(), Some(Duration::from_secs(7)));
}
