//! The native tracer in its place: what the server layer around a bare tower service costs with it, and with a tracer that
//! does nothing. CPU time of one thread; no network, no runtime.

use std::hint::black_box;

use hottap::otel::SpanTracer;
use hottap::rpc::{Level, Side};
use hottap::{CallContext, Hottap, Tracer};
use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::clock;
use crate::figure::Figure;
use crate::rounds::interleave;
use crate::service::{Bare, requests, rpc};

/// RPCs of one side in one turn; their requests, made beforehand, stay in the cache.
const BURST: usize = 64;
const ROUNDS: usize = 2001;

struct Nothing;

impl Tracer for Nothing {
    fn start(&self, call: &mut CallContext) {
        black_box(call);
    }

    fn finish(&self, call: &CallContext) {
        black_box(call);
    }

    fn level(&self, _: Side, _: &str) -> Level {
        Level::Base
    }
}

fn tap(tracer: impl Tracer) -> Hottap {
    Hottap::builder().service("bench").native_level(Level::Base).tracer(tracer).start().expect("starts")
}

/// CPU time of this thread per RPC.
macro_rules! turn {
    ($service:expr) => {
        &mut || {
            let requests = requests(BURST, true);
            let before = clock::thread();
            for request in requests {
                rpc(&mut $service, request);
            }
            (clock::thread() - before) / BURST as f64
        }
    };
}

pub(crate) const NAMES: [&str; 2] =
    ["layer per RPC, with a tracer that does nothing", "layer per RPC, with the native tracer"];

pub(crate) fn figures(provider: &SdkTracerProvider) -> [Figure; 2] {
    let (nothing, native) = (tap(Nothing), tap(SpanTracer::new(provider)));
    let (mut with_nothing, mut with_native) = (nothing.server_layer().layer(Bare), native.server_layer().layer(Bare));
    let rounds = interleave(ROUNDS, &mut [turn!(Bare), turn!(with_nothing), turn!(with_native)]);
    let [bare, nothing, native] = [0, 1, 2].map(|side| rounds.cost(side));
    let [with_nothing_named, with_native_named] = NAMES;
    [
        Figure::new(with_nothing_named, rounds.beyond(1, 0), "ns").of(nothing, bare),
        Figure::new(with_native_named, rounds.beyond(2, 0), "ns").of(native, bare),
    ]
}
