//! The formats that traces and baggage travel in, through a server and on with a client's call.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hottap::rpc::RpcInfo;
use hottap::{Hottap, Propagator, Propagators, RequestBody};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::Empty;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::context::FutureExt;
use opentelemetry::trace::SpanId;
use opentelemetry::{Context, KeyValue};
use tower::{ServiceExt, service_fn};

use crate::recorder::Recorder;
use crate::spans::Spans;

const TRACE: &str = "80f198ee56343ba864fe8b2a57d3eff7";
const SPAN: &str = "e457b5a2e4d86bd1";

/// Sends a request with these headers to a handler that makes one call; what that sent.
pub(crate) async fn through(
    tap: &Hottap,
    headers: &[(&str, impl AsRef<[u8]>)],
    check: impl Fn() + Send + Sync + 'static,
) -> HeaderMap {
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
        request.headers_mut().append(name, HeaderValue::from_bytes(value.as_ref()).expect("a value"));
    }
    tap.server_layer().layer(handler).oneshot(request).await.expect("succeeds");
    sent.lock().expect("not poisoned").clone()
}

/// Whatever traces: nobody, a tracer of the application's, and OpenTelemetry's.
pub(crate) fn taps(propagators: Propagators) -> [Hottap; 3] {
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
    let members: Vec<_> = (0..65).map(|number| format!("k{number}=1")).collect();
    for tap in taps(Propagators::default()) {
        let sent = through(&tap, &[("baggage", members.join(","))], || {
            if let Some(rpc) = RpcInfo::current() {
                assert_eq!((rpc.baggage("k63").as_deref(), rpc.baggage("k64")), (Some("1"), None));
            }
        })
        .await;
        assert_eq!(sent["baggage"], members[..64].join(","));
    }
}

#[tokio::test]
async fn a_byte_that_is_no_ascii_makes_no_baggage_unreadable() {
    let all = [Propagator::TraceContext, Propagator::Baggage, Propagator::Jaeger];
    for (came, sent_on, read) in [
        (&b"a=1,user=J\xc3\xbcrgen,b=2"[..], "a=1,user=J%C3%BCrgen,b=2", "J\u{fc}rgen"),
        (b"a=1,user=J\xfcrgen,b=2", "a=1,user=J%FCrgen,b=2", "J\u{fffd}rgen"),
        (b"a=1,user=%E9,b=2", "a=1,user=%E9,b=2", "\u{fffd}"),
        (b"a=1,user=%C3%28%41,b=2", "a=1,user=%C3%28%41,b=2", "\u{fffd}(A"),
    ] {
        let check = move || {
            if let Some(rpc) = RpcInfo::current() {
                let baggage = ["a", "user", "b"].map(|key| rpc.baggage(key).expect(key));
                assert_eq!(baggage, ["1", read, "2"]);
            }
        };
        for tap in taps(Propagators::default()) {
            let sent = through(&tap, &[("baggage", came)], check).await;
            assert_eq!(sent["baggage"], sent_on);
        }
        for tap in taps(Propagators::new(all)) {
            let user =
                came.strip_prefix(b"a=1,user=").and_then(|rest| rest.strip_suffix(b",b=2")).expect("in the middle");
            let headers = [("uberctx-a", &b"1"[..]), ("uberctx-user", user), ("uberctx-b", b"2")];
            let sent = through(&tap, &headers, check).await;
            assert_eq!(sent["uberctx-b"], "2", "{sent:?}");
        }
    }
}

/// Checks the headers of a trace that begins with the call: the flags in W3C's, B3's state, and the end of Jaeger's.
#[tokio::test]
async fn a_decision_without_a_span_is_that_of_the_trace_that_begins() {
    let all = [Propagator::TraceContext, Propagator::B3, Propagator::B3Multi, Propagator::Jaeger];
    for (headers, w3c, state, jaeger) in [
        (&[("b3", "0")][..], "02", "0", ":00"),
        (&[("b3", "1")], "03", "1", ":01"),
        (&[("b3", "d")], "03", "d", ":03"),
        (&[("x-b3-sampled", "0")], "02", "0", ":00"),
        (&[("x-b3-sampled", "False")], "02", "0", ":00"),
        (&[("x-b3-sampled", "true")], "03", "1", ":01"),
        (&[("x-b3-flags", "1")], "03", "d", ":03"),
        (&[("x-b3-flags", "1"), ("x-b3-sampled", "0")], "03", "d", ":03"),
        (&[("x-b3-sampled", "0"), ("x-b3-traceid", TRACE)], "02", "0", ":00"),
        (&[("traceparent", "00-nonsense"), ("b3", "0")], "02", "0", ":00"),
        (&[("jaeger-debug-id", "order-7")], "03", "d", ":03"),
        (&[("b3", "maybe")], "03", "1", ":01"),
    ] {
        let several = match state {
            "d" => [None, Some("1")],
            state => [Some(state), None],
        };
        let [nobody, traced, spans] = taps(Propagators::new(all));
        for tap in [traced, spans] {
            let sent = through(&tap, headers, || ()).await;
            let value = |name: &str| sent.get(name).and_then(|value| value.to_str().ok());
            let id = value("x-b3-traceid").expect("it has one");
            assert!(id != TRACE, "{headers:?}");
            assert!(
                value("traceparent").is_some_and(|w3cs| w3cs.contains(id) && w3cs.ends_with(&format!("-{w3c}"))),
                "{headers:?}: {sent:?}"
            );
            assert!(value("b3").is_some_and(|one| one.contains(id) && one.ends_with(&format!("-{state}"))), "{sent:?}");
            assert_eq!([value("x-b3-sampled"), value("x-b3-flags")], several, "{headers:?}: {sent:?}");
            assert!(value("uber-trace-id").is_some_and(|own| own.contains(id) && own.ends_with(jaeger)), "{sent:?}");
        }
        // Without a tracer no trace begins here, and the decision is the next service's to apply.
        let sent = through(&nobody, headers, || ()).await;
        let value = |name: &str| sent.get(name).and_then(|value| value.to_str().ok());
        let decided = (headers[0] != ("b3", "maybe")).then_some(state);
        assert_eq!((value("b3"), value("traceparent")), (decided, None), "{headers:?}: {sent:?}");
    }
    // A span goes before a decision.
    let w3c = format!("00-{TRACE}-{SPAN}-01");
    for tap in taps(Propagators::new(all)) {
        let sent = through(&tap, &[("traceparent", w3c.as_str()), ("b3", "0")], || ()).await;
        assert!(sent["b3"].to_str().is_ok_and(|b3| b3.contains(TRACE) && b3.ends_with("-1")), "{sent:?}");
    }
}

#[tokio::test]
async fn a_decision_without_a_span_is_the_samplers_too_unless_every_caller_can_make_it() {
    let b3 = Propagators::new([Propagator::B3]);
    for (decision, count) in [("0", 0), ("1", 2), ("d", 2)] {
        let spans = Spans::new();
        let tap = Hottap::builder().propagators(b3).tracer(spans.tracer()).start().expect("starts");
        through(&tap, &[("b3", decision)], || ()).await;
        assert_eq!(spans.ended().len(), count, "{decision}");
        assert!(spans.ended().iter().any(|span| span.parent_span_id == SpanId::INVALID) == (count > 0), "a root");
        let public = Spans::new();
        let tap = Hottap::builder().propagators(b3).tracer(public.tracer().public_endpoint());
        let sent = through(&tap.start().expect("starts"), &[("b3", decision)], || ()).await;
        assert_eq!(public.ended().len(), 2, "{decision}");
        assert!(sent["b3"].to_str().is_ok_and(|b3| b3.ends_with("-1")), "{sent:?}");
    }
}

#[tokio::test]
async fn the_random_flag_goes_on_as_it_came_and_is_set_on_new_traces() {
    for (came, sent_on) in
        [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("fc", "00"), ("ff", "03"), ("81", "01")]
    {
        for version in ["00", "cc"] {
            let w3c = format!("{version}-{TRACE}-{SPAN}-{came}");
            for tap in taps(Propagators::default()) {
                let sent = through(&tap, &[("traceparent", w3c.as_str())], || ()).await;
                let value = sent["traceparent"].to_str().expect("ASCII");
                assert!(value.starts_with(&format!("00-{TRACE}-")) && value.ends_with(sent_on), "{w3c}: {value}");
            }
        }
    }
    let [nobody, traced, spans] = taps(Propagators::default());
    assert!(through(&nobody, &[("a", "1")], || ()).await.get("traceparent").is_none());
    for tap in [traced, spans] {
        for headers in [&[][..], &[("traceparent", "00-nonsense")]] {
            let sent = through(&tap, headers, || ()).await;
            assert!(sent["traceparent"].to_str().is_ok_and(|value| value.ends_with("-03")), "{sent:?}");
        }
    }
    // What came in a format that can't say it is not claimed to be random.
    for tap in taps(Propagators::new([Propagator::B3, Propagator::TraceContext])) {
        let sent = through(&tap, &[("b3", format!("{TRACE}-{SPAN}-1"))], || ()).await;
        assert!(sent["traceparent"].to_str().is_ok_and(|value| value.ends_with("-01")), "{sent:?}");
    }
    let spans = Spans::new();
    let tap = Hottap::builder().propagators(Propagators::default()).tracer(spans.tracer().random_ids(false));
    let sent = through(&tap.start().expect("starts"), &[("a", "1")], || ()).await;
    assert!(sent["traceparent"].to_str().is_ok_and(|value| value.ends_with("-01")), "{sent:?}");
}

/// What a handler does with OpenTelemetry's context before it makes its call, and what baggage the call then has.
#[tokio::test]
async fn what_the_application_puts_into_opentelemetrys_context_goes_out() {
    type Change = fn(Context) -> Context;
    let as_it_is: Change = |context| context;
    let one_more: Change = |context| context.with_baggage([KeyValue::new("cart", "7 items")]);
    let another: Change = |context| context.with_baggage([KeyValue::new("user", "43")]);
    let beside: Change = |context| {
        let mut all: Vec<_> =
            context.baggage().iter().map(|(key, (value, _))| KeyValue::new(key.clone(), value.clone())).collect();
        all.push(KeyValue::new("cart", "7"));
        context.with_baggage(all)
    };
    let cleared: Change = |context| context.with_cleared_baggage();
    for (came, change, expected, reason) in [
        (None, as_it_is, None, "nothing at all"),
        (None, one_more, Some("cart=7%20items"), "the application's alone"),
        (Some("user=42;p=1"), as_it_is, Some("user=42;p=1"), "what came alone"),
        (Some("user=42;p=1"), one_more, Some("user=42;p=1,cart=7%20items"), "one more"),
        (Some("user=42;p=1"), beside, Some("user=42;p=1,cart=7"), "one more, with what came"),
        (Some("user=42;p=1,a=1"), another, Some("a=1,user=43"), "another value"),
        (Some("user=42;p=1"), cleared, None, "none is to go out"),
    ] {
        for (propagators, is_on) in
            [(Propagators::default(), true), (Propagators::new([Propagator::TraceContext]), false)]
        {
            let [_, _, tap] = taps(propagators);
            let headers: Vec<_> = came.iter().map(|came| ("baggage", *came)).collect();
            let sent = through_in(&tap, &headers, change).await;
            let sent = sent.get("baggage").map(|value| value.to_str().expect("ASCII"));
            assert_eq!(sent, expected.filter(|_| is_on), "{reason}");
        }
    }
}

/// As `through`, with the handler's call made in a context that is made of the handler's; and inside of an endpoint, which
/// inherits it.
async fn through_in(tap: &Hottap, headers: &[(&str, &str)], change: fn(Context) -> Context) -> HeaderMap {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let keep = sent.clone();
    let client = tap.client_layer().layer(service_fn(move |request: Request<RequestBody<Empty<Bytes>>>| {
        keep.lock().expect("not poisoned").push(request.headers().clone());
        async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) }
    }));
    let inside = client.clone();
    let endpoint =
        tap.endpoint_layer("order").layer(service_fn(move |()| inside.clone().oneshot(Request::new(Empty::new()))));
    let handler = service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| {
        let (client, endpoint) = (client.clone(), endpoint.clone());
        let context = change(Context::current());
        async move {
            endpoint.oneshot(()).with_context(context.clone()).await.expect("succeeds");
            client.oneshot(Request::new(Empty::new())).with_context(context).await
        }
    });
    let mut request = Request::new(Empty::<Bytes>::new());
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        request.headers_mut().append(name, value.parse().expect("ASCII"));
    }
    tap.server_layer().layer(handler).oneshot(request).await.expect("succeeds");
    let sent = sent.lock().expect("not poisoned");
    assert_eq!(sent.len(), 2, "one in the endpoint, one after it");
    assert_eq!(sent[0].get("baggage"), sent[1].get("baggage"));
    sent[0].clone()
}

#[tokio::test]
async fn jaegers_baggage_goes_on_in_its_own_headers() {
    for tap in taps(Propagators::new([Propagator::Jaeger])) {
        let sent = through(&tap, &[("uberctx-user", "J%C3%BCrgen+M"), ("baggage", "tenant=acme")], || {
            if let Some(rpc) = RpcInfo::current() {
                assert_eq!((rpc.baggage("user").as_deref(), rpc.baggage("tenant")), (Some("Jürgen M"), None));
            }
        })
        .await;
        assert_eq!(sent["uberctx-user"], "J%C3%BCrgen%20M");
        assert!(sent.get("baggage").is_none(), "it is not chosen: {sent:?}");
    }
    for tap in taps(Propagators::new([Propagator::TraceContext, Propagator::Baggage, Propagator::Jaeger])) {
        let sent = through(&tap, &[("uberctx-user", "42"), ("baggage", "Tenant=acme;p=1")], || ()).await;
        assert_eq!(
            (&sent["baggage"], &sent["uberctx-user"]),
            (&"Tenant=acme;p=1,user=42".parse().expect("ASCII"), &"42".parse().expect("ASCII"))
        );
        assert_eq!(sent["uberctx-tenant"], "acme");
    }
    for tap in taps(Propagators::default()) {
        let sent = through(&tap, &[("uberctx-user", "42")], || ()).await;
        assert!(sent.get("baggage").is_none() && sent.get("uberctx-user").is_none(), "it is not chosen: {sent:?}");
    }
}

#[tokio::test]
async fn a_trace_for_debugging_goes_on_as_one() {
    let all = [Propagator::TraceContext, Propagator::B3, Propagator::B3Multi, Propagator::Jaeger];
    let (one, jaeger) = (format!("{TRACE}-{SPAN}-d"), format!("{TRACE}:{SPAN}:0:3"));
    for headers in [
        &[("b3", one.as_str())][..],
        &[("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-flags", "1")],
        &[("uber-trace-id", jaeger.as_str())],
    ] {
        for tap in taps(Propagators::new(all)) {
            let sent = through(&tap, headers, || ()).await;
            let value = |name: &str| sent.get(name).and_then(|value| value.to_str().ok());
            assert!(
                value("traceparent").is_some_and(|value| value.contains(TRACE) && value.ends_with("-01")),
                "{sent:?}"
            );
            assert!(value("b3").is_some_and(|value| value.contains(TRACE) && value.ends_with("-d")), "{sent:?}");
            assert_eq!((value("x-b3-flags"), value("x-b3-sampled")), (Some("1"), None));
            assert!(value("uber-trace-id").is_some_and(|value| value.ends_with(":03")), "{sent:?}");
        }
    }
    // Who is reached by everybody starts a trace of its own, which nobody has asked to debug.
    let spans = Spans::new();
    let public = Hottap::builder().propagators(Propagators::new(all)).tracer(spans.tracer().public_endpoint());
    let sent = through(&public.start().expect("starts"), &[("b3", one.as_str())], || ()).await;
    let b3 = sent["b3"].to_str().expect("ASCII");
    assert!(!b3.contains(TRACE) && b3.ends_with("-1"), "{b3}");
}
