//! What the native OpenTelemetry tracer costs: its start and finish alone, given a ready RpcInfo, against the SDK.
//!
//! `cargo bench -p hottap --no-default-features --features otel --bench otel -- [--json] [NAME…]` measures the figures whose names
//! contain one of NAME, all if there is none. Both sides make a span with the same
//! attributes, four at its start and three at its end, with a processor that throws it away. CPU time of one thread; the two
//! take turns in one run, and the ratio is the median of the ratios of neighbouring turns. In our figure: the span, its
//! context, which is what is active while a handler runs, the call's new identity, and the end of what is known of the
//! call. Left out: export, and what a layer does around it, which has lines of its own.
//!
//! The SDK is driven in three ways: as its documentation shows it; with the span in a context, as ours is; and without
//! looking at the clock, which it does twice, while a tracer is told when its call began and how long it took. One pair is of
//! calls whose caller sent a trace.

#[path = "../cost/clock.rs"]
#[expect(dead_code, reason = "one thread is measured here")]
mod clock;
#[path = "../cost/figure.rs"]
mod figure;
mod layer;
#[path = "../cost/rounds.rs"]
#[expect(dead_code, reason = "the other benchmark compares in more ways")]
mod rounds;
#[path = "../cost/service.rs"]
mod service;

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use hottap::otel::{Conventions, SpanTracer};
use hottap::rpc::{Level, Peer, Protocol, RpcInfo, Side, Streaming, TraceContext, Traffic};
use hottap::{CallContext, Hottap, Tracer};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanKind, TraceContextExt, TraceFlags, TraceState, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, Span, SpanData, SpanProcessor};

use figure::Figure;
use rounds::interleave;

const METHOD: &str = "shop.v1.Checkout/Place";
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7)), 41_234);
/// Calls of one side in one turn: so few that what is known of them, half a kilobyte each, is still in the cache, as that of a
/// call is that just began.
const BURST: usize = 32;
const ROUNDS: usize = 4001;

/// Takes everything and keeps nothing.
#[derive(Debug)]
struct Nowhere;

impl SpanProcessor for Nowhere {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        black_box(&span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Keeps what is known of the last call.
#[derive(Clone, Default)]
struct Last(Arc<Mutex<Option<RpcInfo>>>);

impl Tracer for Last {
    fn start(&self, _: &mut CallContext) {}

    fn finish(&self, call: &CallContext) {
        *self.0.lock().expect("not poisoned") = Some(call.info().clone());
    }

    fn level(&self, _: Side, _: &str) -> Level {
        Level::Base
    }
}

/// All that is known of a call that went well.
fn ready() -> RpcInfo {
    let last = Last::default();
    let tap =
        Hottap::builder().service("bench").native_level(Level::Base).tracer(last.clone()).start().expect("starts");
    // The first call teaches the method.
    for _ in 0..2 {
        let mut call = tap.start_call(Side::Server, METHOD).expect("wanted");
        call.set_protocol(Protocol::Grpc);
        call.set_streaming(Streaming::Unary);
        call.set_peer(Peer::Socket(PEER));
        call.set_http_status(200);
        call.set_rpc_status(0);
        let traffic = |bytes| Traffic { bytes, messages: 1, last_bytes: bytes };
        call.set_traffic(traffic(120), traffic(48));
        call.finish();
    }
    last.0.lock().expect("not poisoned").take().expect("a call has finished")
}

/// The same by the SDK's API alone.
fn start(tracer: &SdkTracer, method: &'static str, peer: SocketAddr) -> Span {
    builder(tracer, method, peer).start(tracer)
}

fn builder(tracer: &SdkTracer, method: &'static str, peer: SocketAddr) -> SpanBuilder {
    tracer.span_builder(method).with_kind(SpanKind::Server).with_attributes([
        KeyValue::new("rpc.system.name", "grpc"),
        KeyValue::new("rpc.method", method),
        KeyValue::new("network.peer.address", peer.ip().to_string()),
        KeyValue::new("network.peer.port", i64::from(peer.port())),
    ])
}

fn end() -> [KeyValue; 3] {
    [
        KeyValue::new("rpc.response.status_code", "OK"),
        KeyValue::new("rpc.request.size", black_box(48)),
        KeyValue::new("rpc.response.size", black_box(120)),
    ]
}

/// CPU time of this thread per call.
fn burst(mut call: impl FnMut()) -> f64 {
    let before = clock::thread();
    for _ in 0..BURST {
        call();
    }
    (clock::thread() - before) / BURST as f64
}

/// The figures of `native`.
const NATIVE: [&str; 5] = [
    "native start and finish against the SDK",
    "native start and finish against an active span",
    "native start and finish against given times",
    "native start and finish below a caller",
    "native start and finish",
];

fn main() {
    let (mut json, mut wanted) = (false, Vec::new());
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--json" => json = true,
            // cargo says so to every benchmark.
            "--bench" => {}
            name => wanted.push(name.to_owned()),
        }
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let show = |figures: &[Figure]| {
        for figure in figures.iter().filter(|figure| is_wanted(figure.name)) {
            println!("{}", if json { figure.to_json() } else { figure.to_string() });
        }
    };
    let provider = SdkTracerProvider::builder().with_span_processor(Nowhere).with_sampler(Sampler::AlwaysOn).build();
    if NATIVE.into_iter().any(is_wanted) {
        show(&native(&provider));
    }
    if layer::NAMES.into_iter().any(is_wanted) {
        show(&layer::figures(&provider));
    }
}

fn native(provider: &SdkTracerProvider) -> [Figure; 5] {
    let (ours, sdk) = (SpanTracer::new(provider).conventions(Conventions::default()), provider.tracer("bench"));
    let info = ready();
    let native = |trace: TraceContext| {
        let context = || {
            let mut context = CallContext::new(info.clone());
            context.set_trace(trace);
            context
        };
        let mut contexts: Vec<_> = (0..BURST).map(|_| Some(context())).collect();
        let mut next = contexts.iter_mut();
        burst(|| {
            let place = next.next().expect("one for each");
            let context = place.as_mut().expect("not used yet");
            ours.start(black_box(context));
            ours.finish(black_box(context));
            // The span goes with its call.
            *place = None;
        })
    };
    let mut bare = || {
        burst(|| {
            let mut span = start(&sdk, black_box(METHOD), black_box(PEER));
            span.set_attributes(end());
            span.end();
        })
    };
    let mut active = || {
        burst(|| {
            let context = Context::current_with_span(start(&sdk, black_box(METHOD), black_box(PEER)));
            let span = context.span();
            span.set_attributes(end());
            span.end();
        })
    };
    let now = SystemTime::now();
    let mut told = || {
        burst(|| {
            let builder = builder(&sdk, black_box(METHOD), black_box(PEER)).with_start_time(black_box(now));
            let mut span = builder.start(&sdk);
            span.set_attributes(end());
            span.end_with_timestamp(black_box(now));
        })
    };
    let caller = TraceContext::root();
    let mut called = || {
        burst(|| {
            let (trace_id, span_id) = black_box((caller.trace_id.into(), caller.span_id.into()));
            let remote = SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, true, TraceState::NONE);
            let around = Context::current().with_remote_span_context(remote);
            let mut span = builder(&sdk, black_box(METHOD), black_box(PEER)).start_with_context(&sdk, &around);
            span.set_attributes(end());
            span.end();
        })
    };
    let (mut root, mut child) = (|| native(TraceContext::root()), || native(caller.child()));
    let sides = &mut [&mut root as &mut dyn FnMut() -> f64, &mut bare, &mut active, &mut told, &mut child, &mut called];
    let rounds = interleave(ROUNDS, sides);
    let [native, bare, active, told, child, called] = [0, 1, 2, 3, 4, 5].map(|side| rounds.cost(side));
    let [against_sdk, against_active, given_times, below_a_caller, alone] = NATIVE;
    [
        Figure::new(against_sdk, rounds.ratio(0, 1), "ratio").at_most(1.15).of(native, bare),
        Figure::new(against_active, rounds.ratio(0, 2), "ratio").of(native, active),
        Figure::new(given_times, rounds.ratio(0, 3), "ratio").of(native, told),
        Figure::new(below_a_caller, rounds.ratio(4, 5), "ratio").of(child, called),
        Figure::new(alone, native, "ns"),
    ]
}
