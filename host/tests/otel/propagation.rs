//! The formats that traces and baggage travel in, through a server and on with a client's call.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hottap::rpc::RpcInfo;
use hottap::{Hottap, Propagator, Propagators, RequestBody};
use http::{HeaderMap, HeaderName, Request, Response};
use http_body_util::Empty;
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use tower::{Layer, ServiceExt, service_fn};

use crate::recorder::Recorder;
use crate::spans::Spans;

const TRACE: &str = "80f198ee56343ba864fe8b2a57d3eff7";
const SPAN: &str = "e457b5a2e4d86bd1";

/// Sends a request with these headers to a handler that makes one call; what that sent.
async fn through(tap: &Hottap, headers: &[(&str, &str)], check: impl Fn() + Send + Sync + 'static) -> HeaderMap {
    let sent = Arc::new(Mutex::new(HeaderMap::new()));
    let keep = sent.clone();
    let client = tap.client_layer().layer(service_fn(move |request: Request<RequestBody<Empty<Bytes>>>| {
        *keep.lock().expect("not poisoned") = request.headers().clone();
        async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) }
    }));
    let handler = service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| {
        check();
        client.clone().oneshot(Request::new(Empty::new()))
    });
    let mut request = Request::new(Empty::<Bytes>::new());
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        request.headers_mut().insert(name, value.parse().expect("ASCII"));
    }
    tap.server_layer().layer(handler).oneshot(request).await.expect("succeeds");
    sent.lock().expect("not poisoned").clone()
}

/// Whatever traces: nobody, a tracer of the application's, and OpenTelemetry's.
fn taps(propagators: Propagators) -> [Hottap; 3] {
    let builder = || Hottap::builder().propagators(propagators);
    let spans = builder().tracer(Spans::new().tracer()).start().expect("starts");
    [builder().start().expect("starts"), Recorder::default().started_by(builder()), spans]
}

#[tokio::test]
async fn a_trace_goes_on_in_all_formats_whichever_it_came_in() {
    let all = [Propagator::TraceContext, Propagator::Baggage, Propagator::B3, Propagator::B3Multi, Propagator::Jaeger];
    let w3c = format!("00-{TRACE}-{SPAN}-01");
    let (one, jaeger) = (format!("{TRACE}-{SPAN}-1"), format!("{TRACE}:{SPAN}:0:1"));
    for headers in [
        &[("traceparent", w3c.as_str()), ("tracestate", "a=1")][..],
        &[("b3", one.as_str())],
        &[("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-sampled", "1")],
        &[("uber-trace-id", jaeger.as_str())],
    ] {
        for tap in taps(Propagators::new(all)) {
            let sent = through(&tap, headers, || ()).await;
            let value = |name: &str| sent.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
            let span = value("x-b3-spanid");
            assert_eq!(span.len(), 16, "{headers:?} {sent:?}");
            assert_eq!(value("traceparent"), format!("00-{TRACE}-{span}-01"));
            assert_eq!(value("b3"), format!("{TRACE}-{span}-1"));
            assert_eq!((value("x-b3-traceid"), value("x-b3-sampled")), (TRACE, "1"));
            assert_eq!(value("uber-trace-id"), format!("{TRACE}:{span}:0:01"));
            let state = if headers.len() == 2 { "a=1" } else { "" };
            assert_eq!(value("tracestate"), state, "a state belongs to W3C's trace");
        }
    }
}

#[tokio::test]
async fn a_format_that_is_not_chosen_is_neither_read_nor_written() {
    let w3c = format!("00-{TRACE}-{SPAN}-01");
    let one = format!("{TRACE}-{SPAN}-1");
    let everything = [("traceparent", w3c.as_str()), ("b3", &one), ("baggage", "user=42")];
    for (formats, expected, continued) in [
        (&[][..], &[][..], false),
        (&[Propagator::TraceContext], &["traceparent"], true),
        (&[Propagator::B3], &["b3"], true),
        (&[Propagator::Jaeger], &["uber-trace-id"], false),
        (&[Propagator::Baggage], &["baggage"], false),
    ] {
        let tap =
            Recorder::default().started_by(Hottap::builder().propagators(Propagators::new(formats.iter().copied())));
        let sent = through(&tap, &everything, || ()).await;
        assert_eq!(sent.keys().map(HeaderName::as_str).collect::<Vec<_>>(), expected);
        let goes_on = sent.iter().any(|(_, value)| value.to_str().is_ok_and(|value| value.contains(TRACE)));
        assert_eq!(goes_on, continued, "{formats:?}");
    }
}

#[tokio::test]
async fn baggage_is_read_in_handlers_and_goes_on() {
    for tap in taps(Propagators::default()) {
        let list = "user=J%C3%BCrgen;p=1,tenant=acme";
        let sent = through(&tap, &[("baggage", list)], || {
            if let Some(rpc) = RpcInfo::current() {
                assert_eq!(rpc.baggage("user").as_deref(), Some("Jürgen"));
                assert_eq!(rpc.baggage("nobody"), None);
            }
        })
        .await;
        assert_eq!(sent.get("baggage").expect("it goes on"), list);
    }
    let spans = Spans::new();
    let tap = Hottap::builder().propagators(Propagators::default()).tracer(spans.tracer()).start().expect("starts");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = seen.clone();
    through(&tap, &[("baggage", "user=J%C3%BCrgen;p=1,tenant=acme")], move || {
        let told = Context::current().baggage().get("user").map(ToString::to_string);
        keep.lock().expect("not poisoned").push((told, RpcInfo::current().and_then(|rpc| rpc.baggage("tenant"))));
    })
    .await;
    let expected = (Some("Jürgen".to_owned()), Some("acme".to_owned()));
    assert_eq!(*seen.lock().expect("not poisoned"), [expected], "as OpenTelemetry's baggage, too");
}

#[tokio::test]
async fn baggage_beyond_its_bounds_is_left_out() {
    let [_, tap, _] = taps(Propagators::default());
    let many = vec!["a=1"; 65].join(",");
    let sent = through(&tap, &[("baggage", &many)], || {
        assert_eq!(RpcInfo::current().expect("traced").baggage("a"), None);
    })
    .await;
    assert!(sent.get("baggage").is_none());
}

/// The cases of W3C's own suite for the two headers: what comes, whether the trace goes on, and the state that goes on.
#[tokio::test]
async fn the_cases_of_w3c_hold() {
    let id = "12345678901234567890123456789012";
    let parent = format!("00-{id}-1234567890123456-01");
    for (traceparent, tracestate, continued, state, reason) in [
        (None, Some("foo=1"), false, "", "test_traceparent_missing: a state without a trace"),
        (Some(parent.clone()), Some("foo=1,bar=2"), true, "foo=1,bar=2", "test_both_included"),
        (Some(format!("00-{id}-1234567890123456-00")), None, true, "", "test_traceparent_included_tracestate_missing"),
        (Some(format!("00-{id}-1234567890123456-ff")), None, true, "", "flags that are not known yet"),
        (Some(format!("cc-{id}-1234567890123456-01")), None, true, "", "test_traceparent_version_0xcc"),
        (Some(format!("cc-{id}-1234567890123456-01-what")), None, true, "", "a later version with more to it"),
        (Some(format!("cc-{id}-1234567890123456-01.what")), None, false, "", "not set apart"),
        (Some(format!("ff-{id}-1234567890123456-01")), None, false, "", "test_traceparent_version_0xff"),
        (Some(format!(".0-{id}-1234567890123456-01")), None, false, "", "test_traceparent_version_illegal_characters"),
        (Some(format!("000-{id}-1234567890123456-01")), None, false, "", "test_traceparent_version_too_long"),
        (Some(format!("0-{id}-1234567890123456-01")), None, false, "", "test_traceparent_version_too_short"),
        (
            Some(format!("00-{}-1234567890123456-01", "0".repeat(32))),
            None,
            false,
            "",
            "test_traceparent_trace_id_all_zero",
        ),
        (
            Some(format!("00-.{}-1234567890123456-01", &id[1..])),
            Some("foo=1"),
            false,
            "",
            "trace_id_illegal_characters",
        ),
        (Some(format!("00-{id}2-1234567890123456-01")), None, false, "", "test_traceparent_trace_id_too_long"),
        (Some(format!("00-{}-1234567890123456-01", &id[1..])), None, false, "", "test_traceparent_trace_id_too_short"),
        (Some(format!("00-{id}-0000000000000000-01")), None, false, "", "test_traceparent_parent_id_all_zero"),
        (Some(format!("00-{id}-.234567890123456-01")), None, false, "", "parent_id_illegal_characters"),
        (Some(format!("00-{id}-12345678901234567-01")), None, false, "", "test_traceparent_parent_id_too_long"),
        (Some(format!("00-{id}-123456789012345-01")), None, false, "", "test_traceparent_parent_id_too_short"),
        (Some(format!("00-{id}-1234567890123456-.0")), None, false, "", "trace_flags_illegal_characters"),
        (Some(format!("00-{id}-1234567890123456-001")), None, false, "", "test_traceparent_trace_flags_too_long"),
        (Some(format!("00-{id}-1234567890123456-1")), None, false, "", "test_traceparent_trace_flags_too_short"),
        (Some(format!("00-{}-1234567890123456-01", "ABCDEF0123456789ABCDEF0123456789")), None, false, "", "upper case"),
        (Some(parent.clone()), Some(""), true, "", "test_tracestate_empty_header"),
        (Some(parent), Some("foo=1 , \t bar=2"), true, "foo=1 , \t bar=2", "test_tracestate_ows_handling"),
    ] {
        for tap in taps(Propagators::default()) {
            let mut headers = Vec::new();
            headers.extend(traceparent.as_deref().map(|value| ("traceparent", value)));
            headers.extend(tracestate.map(|value| ("tracestate", value)));
            let sent = through(&tap, &headers, || ()).await;
            let value = |name: &str| sent.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
            let goes_on =
                traceparent.as_ref().is_some_and(|given| value("traceparent").contains(&given[3..35.min(given.len())]));
            assert_eq!(goes_on, continued, "{reason}: {sent:?}");
            assert_eq!(value("tracestate"), state, "{reason}");
        }
    }
}
