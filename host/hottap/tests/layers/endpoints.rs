//! Endpoints inside a process: any service with any request, observed by name, with what its owner says of it.

use std::convert::Infallible;
use std::fmt;

use bytes::Bytes;
use hottap::rpc::{EventStatus, Level, Outcome, Protocol, RpcInfo, RpcNotes, Side, TraceContext};
use hottap::{BusinessStatus, EndpointLayer, Hottap, RequestBody};
use http::{Request, Response};
use http_body_util::Empty;
use tower::{Service, ServiceExt, service_fn};

use crate::recorder::Recorder;

struct Order {
    customer: &'static str,
    urgent: bool,
}

const ORDER: Order = Order { customer: "acme", urgent: false };

#[derive(Debug)]
struct Placed {
    sold_out: bool,
}

#[derive(Debug)]
struct Refused(Vec<&'static str>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {} attempts: {}", self.0.len(), self.0.last().copied().unwrap_or_default())
    }
}

type Observed = EndpointLayer<Order, Placed, Refused>;

fn observed(tap: &Hottap) -> Observed {
    tap.endpoint_layer("place_order")
        .name(|order: &Order| order.urgent.then(|| "place_urgent_order".to_owned()))
        .notes(|order: &Order| RpcNotes::new().tag("customer", order.customer))
        .business_status(|placed: &Placed| placed.sold_out.then(|| BusinessStatus::new(7, "sold out")))
        .attempts(|refused: &Refused| refused.0.iter().map(ToString::to_string).collect())
}

async fn place(layer: &Observed, order: Order, answer: Result<Placed, Refused>) -> Result<Placed, Refused> {
    let mut answer = Some(answer);
    let endpoint = service_fn(move |_: Order| std::future::ready(answer.take().expect("asked once")));
    layer.layer(endpoint).oneshot(order).await
}

#[tokio::test]
async fn an_endpoint_is_observed_by_name_with_what_is_said_of_it() {
    let recorder = Recorder::default();
    let tap = recorder.start("checkout");
    let layer = observed(&tap);
    place(&layer, ORDER, Ok(Placed { sold_out: false })).await.expect("placed");
    place(&layer, Order { urgent: true, ..ORDER }, Ok(Placed { sold_out: true })).await.expect("placed");
    place(&layer.clone().ignore_business_status(), ORDER, Ok(Placed { sold_out: true })).await.expect("placed");
    let calls = recorder.finished(3).await;
    let seen: Vec<_> = calls
        .iter()
        .map(|info| {
            let invocation = info.invocation();
            (invocation.method().as_str(), info.stats().outcome(), invocation.business_message())
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("place_order", Outcome::Ok, ""),
            ("place_urgent_order", Outcome::BusinessError, "sold out"),
            ("place_order", Outcome::Ok, ""),
        ]
    );
    for info in calls {
        assert_eq!((info.side(), info.to().service().as_str()), (Side::Endpoint, "checkout"));
        assert_eq!(info.tags().get("customer"), Some("acme"));
        assert_eq!(info.invocation().protocol(), Protocol::None, "nothing carries it");
    }
    recorder.assert_each_finished_once();
}

#[tokio::test]
async fn every_failed_attempt_is_told_with_its_number() {
    let recorder = Recorder::default();
    let tap = recorder.start("checkout");
    place(&observed(&tap), ORDER, Err(Refused(vec!["busy", "away", "broken"]))).await.expect_err("refused");
    let info = recorder.one().await;
    let failed: Vec<_> = info.stats().events().iter().map(|event| (event.status, event.info.as_deref())).collect();
    let expected = ["1: busy", "2: away", "3: broken"].map(|words| (EventStatus::Error, Some(words)));
    assert_eq!(failed, expected);
    assert_eq!((info.attempts(), info.stats().outcome()), (3, Outcome::Error));
    assert_eq!(info.stats().error_type().as_str(), "Refused");
    assert_eq!(info.stats().error_message(), "after 3 attempts: broken");
}

/// Tries again what failed, and says so.
#[derive(Clone)]
struct Retries;

impl<Res> tower::retry::Policy<u32, Res, &'static str> for Retries {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, request: &mut u32, result: &mut Result<Res, &'static str>) -> Option<Self::Future> {
        let Err(error) = result else { return None };
        RpcInfo::current()?.attempt_failed(u16::try_from(*request + 1).expect("few"), error);
        *request += 1;
        Some(std::future::ready(()))
    }

    fn clone_request(&mut self, request: &u32) -> Option<u32> {
        Some(*request)
    }
}

#[tokio::test]
async fn a_retry_policy_inside_an_endpoint_tells_its_attempts() {
    let recorder = Recorder::default();
    let tap = recorder.start_with("checkout", Level::Base);
    let busy = service_fn(|attempt: u32| std::future::ready(if attempt < 2 { Err("busy") } else { Ok(attempt) }));
    let retried = tower::retry::Retry::new(Retries, busy);
    let endpoint = tap.endpoint_layer("retried").layer(retried);
    assert_eq!(endpoint.oneshot(0).await, Ok(2));
    let info = recorder.one().await;
    assert_eq!((info.attempts(), info.stats().outcome()), (3, Outcome::Ok), "two failed and one did not");
}

#[tokio::test]
async fn an_endpoint_is_a_child_of_its_handler_and_the_parent_of_what_it_calls() {
    let recorder = Recorder::default();
    let tap = recorder.start("checkout");
    let client = {
        let away = service_fn(|_: Request<RequestBody<Empty<Bytes>>>| async {
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        });
        tap.client_layer().layer(away)
    };
    let endpoint = tap.endpoint_layer("work").layer(service_fn(move |(): ()| {
        let current = RpcInfo::current().expect("the endpoint's call");
        assert_eq!(current.info().side(), Side::Endpoint);
        client.clone().oneshot(Request::get("http://stock/").body(Empty::new()).expect("valid"))
    }));
    let handler = service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| {
        let endpoint = endpoint.clone();
        async move {
            let span = TraceContext::current();
            endpoint.oneshot(()).await.map(drop).expect("infallible");
            assert_eq!(TraceContext::current().map(|trace| trace.span_id), span.map(|trace| trace.span_id));
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    drop(tap.server_layer().layer(handler).oneshot(Request::new(Empty::new())).await.expect("infallible"));
    let calls = recorder.finished(3).await;
    let by_side = |side| calls.iter().find(|info| info.side() == side).expect("one of each").trace();
    let (server, endpoint, client) = (by_side(Side::Server), by_side(Side::Endpoint), by_side(Side::Client));
    assert_eq!(endpoint.parent_span_id, server.span_id);
    assert_eq!(client.parent_span_id, endpoint.span_id);
    assert_eq!((endpoint.trace_id, client.trace_id), (server.trace_id, server.trace_id));
}

#[tokio::test]
async fn an_endpoint_that_panics_or_is_dropped_has_finished_once() {
    let recorder = Recorder::default();
    let tap = recorder.start("checkout");
    let at_once =
        tap.endpoint_layer("at_once").layer(service_fn(|(): ()| -> std::future::Ready<Result<(), Infallible>> {
            panic!("before there is a future")
        }));
    let later = tap.endpoint_layer("later").layer(service_fn(|(): ()| async {
        assert!(RpcInfo::current().is_none(), "it is current");
        Ok::<_, Infallible>(())
    }));
    for endpoint in [tokio::spawn(async { at_once.oneshot(()).await }), tokio::spawn(async { later.oneshot(()).await })]
    {
        assert!(endpoint.await.expect_err("the panic goes on").is_panic());
    }
    let mut hangs = tap.endpoint_layer("hangs").layer(service_fn(|(): ()| std::future::pending::<Result<(), &str>>()));
    drop(hangs.call(()));
    let calls = recorder.finished(3).await;
    let of = |name| {
        let call = calls.iter().find(|info| info.invocation().method().as_str() == name).expect("finished");
        call.stats().outcome()
    };
    assert_eq!([of("at_once"), of("later"), of("hangs")], [Outcome::Panicked, Outcome::Panicked, Outcome::Cancelled]);
    recorder.assert_each_finished_once();
}

#[tokio::test]
async fn what_its_owner_says_wrong_of_an_endpoint_does_not_hurt_it() {
    let recorder = Recorder::default();
    let tap = recorder.start("checkout");
    let layer: Observed = tap
        .endpoint_layer("place_order")
        .name(|_: &Order| panic!("no name"))
        .notes(|_: &Order| panic!("no notes"))
        .business_status(|_: &Placed| panic!("no status"));
    place(&layer, ORDER, Ok(Placed { sold_out: true })).await.expect("placed");
    let info = recorder.one().await;
    assert_eq!((info.invocation().method().as_str(), info.stats().outcome()), ("place_order", Outcome::Ok));
}

/// An error that can't be shown.
#[derive(Debug, PartialEq)]
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("no words")
    }
}

#[tokio::test]
async fn an_error_that_panics_when_shown_is_the_endpoints_result() {
    let recorder = Recorder::default();
    let tap = recorder.start("checkout");
    let fails = service_fn(|(): ()| std::future::ready(Err::<(), _>(Unspeakable)));
    let endpoint = tap.endpoint_layer("fails").layer(fails);
    assert_eq!(endpoint.oneshot(()).await, Err(Unspeakable));
    let info = recorder.one().await;
    assert_eq!((info.stats().outcome(), info.stats().error_message()), (Outcome::Error, ""));
    assert_eq!(info.stats().error_type().as_str(), "Unspeakable");
    let client = {
        let away =
            service_fn(|_: Request<RequestBody<Empty<Bytes>>>| async { Err::<Response<Empty<Bytes>>, _>(Unspeakable) });
        tap.client_layer().layer(away)
    };
    let request = Request::get("http://stock/").body(Empty::new()).expect("valid");
    assert_eq!(client.oneshot(request).await.map(drop), Err(Unspeakable));
    assert_eq!(recorder.finished(2).await[1].stats().outcome(), Outcome::Error);
    recorder.assert_each_finished_once();
}

#[tokio::test]
async fn more_attempts_than_can_be_numbered_do_not_hurt_an_endpoint() {
    const ATTEMPTS: usize = 70_000;
    let recorder = Recorder::default();
    let tap = recorder.start("checkout");
    place(&observed(&tap), ORDER, Err(Refused(vec!["busy"; ATTEMPTS]))).await.expect_err("refused");
    let info = recorder.one().await;
    assert_eq!((info.attempts(), info.stats().outcome()), (u16::MAX, Outcome::Error));
    assert!(info.stats().error_message().starts_with("after 70000 attempts"));
}

#[tokio::test]
async fn without_a_tracer_an_endpoint_is_left_alone() {
    let tap = Hottap::builder().start().expect("starts");
    place(&observed(&tap), ORDER, Ok(Placed { sold_out: false })).await.expect("placed");
    let endpoint = tap.endpoint_layer("free").layer(service_fn(|(): ()| async {
        assert!(RpcInfo::current().is_none(), "nobody wants it");
        Ok::<_, Infallible>(())
    }));
    endpoint.oneshot(()).await.expect("infallible");
}
