//! Spans of gRPC calls between a real server and a real client.

use hottap::Hottap;
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::SpanData;

use crate::echo::Echo;
use crate::recorder::Recorder;
use crate::spans::{Spans, assert_attributes, assert_child, assert_root, attribute, error};
use crate::world::{Client, Running, World};

/// Client and server, whose spans one provider makes.
async fn world(spans: &Spans, echo: Echo) -> World {
    let (sent, served) = (Recorder::default(), Recorder::default());
    let client = sent.started_by(Hottap::builder().service("shop").tracer(spans.tracer()));
    let server = served.started_by(Hottap::builder().service("echo").tracer(spans.tracer()));
    World::of(echo, (&client, sent), (&server, served)).await
}

/// The span of one side.
#[track_caller]
fn of(spans: &Spans, kind: &SpanKind) -> SpanData {
    let mut found: Vec<_> = spans.ended().into_iter().filter(|span| span.span_kind == *kind).collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

#[tokio::test]
async fn a_call_has_a_span_on_either_side_with_the_conventions_attributes() {
    let spans = Spans::new();
    let world = world(&spans, Echo::default()).await;
    world.client.unary("echo").await.expect("succeeds");
    let (sent, served) = (world.sent.one().await, world.served.one().await);
    let port = world.address.port().to_string();
    world.close().await;
    let (client, server) = (of(&spans, &SpanKind::Client), of(&spans, &SpanKind::Server));
    assert_root(&client);
    assert_child(&server, &client);
    assert!(server.parent_span_is_remote && !client.parent_span_is_remote);
    let both = [
        ("rpc.system.name", "grpc"),
        ("rpc.method", "test.Echo/Unary"),
        ("rpc.response.status_code", "OK"),
        ("error.type", ""),
    ];
    for span in [&client, &server] {
        assert_eq!(span.name, "test.Echo/Unary");
        assert_eq!(error(span), None);
        assert_attributes(span, &both);
        assert_attributes(span, &[("rpc.request.size", "9"), ("rpc.response.size", "9")]);
    }
    // Where the call goes is known to tonic's channel alone, which is inside of the layer; it tells the server.
    assert_attributes(&client, &[("server.address", "")]);
    assert_attributes(&server, &[("server.address", "127.0.0.1"), ("server.port", &port)]);
    assert_attributes(&server, &[("network.peer.address", "127.0.0.1"), ("client.address", "")]);
    // HTTP is what carries it.
    for key in ["url.path", "url.scheme", "url.full", "http.request.method", "user_agent.original"] {
        assert_eq!((&*attribute(&client, key), &*attribute(&server, key)), ("", ""), "{key}");
    }
    // One identity: what other tracers see is the span's.
    for (info, span) in [(sent, &client), (served, &server)] {
        assert_eq!(info.trace().trace_id.to_be_bytes(), span.span_context.trace_id().to_bytes());
        assert_eq!(info.trace().span_id.to_be_bytes(), span.span_context.span_id().to_bytes());
        assert_eq!(info.trace().parent_span_id.to_be_bytes(), span.parent_span_id.to_bytes());
        let nanos = |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).expect("later").as_nanos();
        assert_eq!(nanos(span.start_time), u128::from(info.stats().started_unix_nanos()));
        assert_eq!(nanos(span.end_time) - nanos(span.start_time), info.stats().duration().as_nanos());
    }
}

#[tokio::test]
async fn a_nested_call_is_a_child_of_the_handlers_span() {
    let spans = Spans::new();
    let (nested, back) = (Recorder::default(), Recorder::default());
    let nested_tap = nested.started_by(Hottap::builder().service("front").tracer(spans.tracer()));
    let back_tap = back.started_by(Hottap::builder().service("back").tracer(spans.tracer()));
    let running = Running::start(&back_tap, Echo::default()).await;
    let downstream = Some(Client::new(&nested_tap, running.address));
    let world = world(&spans, Echo { downstream, ..Echo::default() }).await;
    world.client.unary("call echo").await.expect("succeeds");
    let (client, front) = (world.sent.one().await, world.served.one().await);
    let (nested, back) = (nested.one().await, back.one().await);
    world.close().await;
    running.stop().await;
    let span = |info: &hottap::rpc::RpcInfo| {
        let id = info.trace().span_id.to_be_bytes();
        spans.ended().into_iter().find(|span| span.span_context.span_id().to_bytes() == id).expect("it has a span")
    };
    assert_root(&span(&client));
    for (child, parent) in [(&front, &client), (&nested, &front), (&back, &nested)] {
        assert_child(&span(child), &span(parent));
    }
    assert_eq!(spans.ended().len(), 4);
}

#[tokio::test]
async fn whose_fault_a_failure_is_depends_on_the_side() {
    for (message, code, server_fails, reason) in [
        ("fail 5 no such thing", "NOT_FOUND", false, "the caller's"),
        ("fail 13 it broke", "INTERNAL", true, "the server's"),
        ("fail 14 later", "UNAVAILABLE", true, "the server's"),
        ("fail 7 no", "PERMISSION_DENIED", false, "the caller's"),
    ] {
        let spans = Spans::new();
        let world = world(&spans, Echo::default()).await;
        world.client.unary(message).await.expect_err("fails");
        world.served.one().await;
        world.close().await;
        let words = message.splitn(3, ' ').nth(2);
        let (client, server) = (of(&spans, &SpanKind::Client), of(&spans, &SpanKind::Server));
        assert_attributes(&client, &[("rpc.response.status_code", code), ("error.type", code)]);
        assert_eq!(error(&client), words, "{reason}");
        assert_attributes(&server, &[("rpc.response.status_code", code)]);
        assert_eq!(attribute(&server, "error.type"), if server_fails { code } else { "" }, "{reason}");
        assert_eq!(error(&server), if server_fails { words } else { None }, "{reason}");
    }
}

#[tokio::test]
async fn a_panic_is_an_error_and_an_event_of_its_span() {
    let spans = Spans::new();
    let world = world(&spans, Echo::default()).await;
    world.client.unary("panic").await.expect_err("the handler panics");
    world.served.one().await;
    world.close().await;
    let server = of(&spans, &SpanKind::Server);
    assert_attributes(&server, &[("error.type", "panic")]);
    assert_eq!(error(&server), Some("the handler panicked"));
    assert_eq!(server.events.events.iter().map(|event| &*event.name).collect::<Vec<_>>(), ["exception"]);
}

#[tokio::test]
async fn a_method_that_nobody_knows_is_other_in_name_and_attributes() {
    let spans = Spans::new();
    let world = world(&spans, Echo::default()).await;
    let request = tonic::Request::new(bytes::Bytes::new());
    world.client.send("/test.Echo/MadeUp17", request).await.expect_err("nobody knows it");
    world.served.one().await;
    world.close().await;
    let server = of(&spans, &SpanKind::Server);
    assert_eq!(server.name, "grpc");
    assert_attributes(&server, &[("rpc.method", "_OTHER"), ("error.type", "UNIMPLEMENTED")]);
    assert_attributes(&server, &[("rpc.method_original", "test.Echo/MadeUp17")]);
}
