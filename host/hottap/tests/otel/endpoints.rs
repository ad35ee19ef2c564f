//! Spans of endpoints inside the process, as Go kit's endpoint middleware makes them.

use std::fmt;

use hottap::otel::{BusinessErrors, SpanTracer};
use hottap::rpc::RpcNotes;
use hottap::{BusinessStatus, Hottap};
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::{SdkTracer, SpanData};
use tower::{ServiceExt, service_fn};

use crate::spans::{Spans, assert_attributes, error};

#[derive(Debug)]
struct Placed {
    sold_out: bool,
}

#[derive(Debug)]
struct Refused(Vec<&'static str>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

async fn place(
    with: impl FnOnce(SpanTracer<SdkTracer>) -> SpanTracer<SdkTracer>,
    answer: Result<Placed, Refused>,
) -> SpanData {
    let spans = Spans::new();
    let tap = Hottap::builder().tracer(with(spans.tracer())).start().expect("starts");
    let layer = tap
        .endpoint_layer("place_order")
        .notes(|_: &()| RpcNotes::new().tag("customer", "acme").callee_tag("zone", "b"))
        .business_status(|placed: &Placed| placed.sold_out.then(|| BusinessStatus::new(7, "sold out")))
        .attempts(|refused: &Refused| refused.0.iter().map(ToString::to_string).collect());
    let mut answer = Some(answer);
    let endpoint = service_fn(move |()| std::future::ready(answer.take().expect("asked once")));
    let _ = layer.layer(endpoint).oneshot(()).await;
    spans.named("place_order")
}

#[tokio::test]
async fn an_endpoint_has_a_span_with_what_is_said_of_it() {
    let span = place(|tracer| tracer, Ok(Placed { sold_out: false })).await;
    assert_eq!(span.span_kind, SpanKind::Internal);
    let expected = [("endpoint.method", "place_order"), ("customer", "acme"), ("to.zone", "b"), ("error.type", "")];
    assert_attributes(&span, &expected);
    assert!(!span.attributes.iter().any(|attribute| attribute.key.as_str().starts_with("http.")), "{span:?}");
}

#[tokio::test]
async fn a_business_status_is_what_the_policy_says() {
    for (policy, status, failure) in [
        (BusinessErrors::Ignore, "", None),
        (BusinessErrors::Attribute, "7", None),
        (BusinessErrors::Error, "7", Some("sold out")),
    ] {
        let span = place(|tracer| tracer.business_errors(policy), Ok(Placed { sold_out: true })).await;
        let error_type = if failure.is_some() { "business_error" } else { "" };
        assert_attributes(&span, &[("rpc.business_status", status), ("error.type", error_type)]);
        assert_eq!(error(&span), failure, "{policy:?}");
    }
}

#[tokio::test]
async fn each_attempt_that_failed_is_an_event() {
    let answer = || Err(Refused(vec!["busy", "still busy"]));
    let span = place(SpanTracer::events, answer()).await;
    let events: Vec<_> = span
        .events
        .events
        .iter()
        .map(|event| (&*event.name, event.attributes.last().map_or_else(String::new, |words| words.value.to_string())))
        .collect();
    assert_eq!(events, [("attempt_failed", "1: busy".into()), ("attempt_failed", "2: still busy".into())]);
    assert!(span.events.events.iter().all(|event| (span.start_time..=span.end_time).contains(&event.timestamp)));
    assert_attributes(&span, &[("hottap.attempts", "2"), ("error.type", "Refused")]);
    assert_eq!(error(&span), Some("refused"));
    assert!(place(|tracer| tracer, answer()).await.events.events.is_empty(), "nobody asked for them");
}
