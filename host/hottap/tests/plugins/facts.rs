//! Everything that is known of a call, each fact with a value of its own, as every kind of tracer is told it.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hottap::rpc::{
    Codec, EventKind, EventStatus, Interaction, Level, Outcome, Peer, Protocol, RpcInfo, RpcNotes, Side, Streaming,
    Symbol, Traffic, Transport,
};
use hottap::{Call, CallContext, Hottap, Tracer};
use serde_json::{Value, json};

use crate::house::House;

/// A native tracer that keeps what it is told.
#[derive(Clone, Default)]
struct Keeper(Arc<Mutex<Vec<RpcInfo>>>);

impl Tracer for Keeper {
    fn start(&self, _: &mut CallContext) {}

    fn finish(&self, call: &CallContext) {
        self.0.lock().expect("not poisoned").push(call.info().clone());
    }
}

fn nanos(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

/// Fills every field.
fn fill(call: &mut Call) {
    call.set_protocol(Protocol::Thrift);
    call.set_streaming(Streaming::Both);
    call.set_interaction(Interaction::Oneway);
    call.set_transport(Transport::Http3, Codec::Thrift);
    call.set_services(Symbol::intern("shop"), Symbol::intern("pricing"));
    call.set_caller_method(Symbol::intern("shop.v1.Checkout/Place"));
    call.set_peer(Peer::Socket("10.0.0.7:41234".parse().expect("an address")));
    call.set_local(Peer::text("unix:/run/pricing.sock"));
    call.set_deadline(nanos(1_001));
    call.set_connect_timeout(nanos(1_002));
    call.set_read_write_timeout(nanos(1_003));
    call.set_stream_recv_timeout(nanos(1_004));
    call.set_sequence_id(-1_005);
    call.set_traffic(
        Traffic { bytes: 2_001, messages: 2_002, last_bytes: 2_003 },
        Traffic { bytes: 2_004, messages: 2_005, last_bytes: 2_006 },
    );
    call.set_http_status(503);
    call.set_rpc_status(14);
    call.set_business_status(-3_001, "sold out");
    let notes = RpcNotes::new().tag("tenant", "acme").caller_tag("zone", "a").callee_tag("zone", "b");
    call.note(&notes.extra("queue", "7").business_extra("item", "lamp"));
    call.record_with(EventKind::new("facts.cache_miss"), EventStatus::Warn, "lamp");
    call.fail(Outcome::TimedOut, Symbol::intern("SOLD_OUT"), "none left");
}

/// What a guest is told of it; the rest is what differs from call to call.
fn expected(info: &RpcInfo) -> Value {
    let (stats, trace) = (info.stats(), info.trace());
    let miss = stats.event(EventKind::new("facts.cache_miss")).expect("recorded");
    let duration = u64::try_from(stats.duration().as_nanos()).expect("short");
    json!({
        "id": info.id(), "kind": "call", "logical_id": info.id(), "attempts": 1,
        "side": "server", "method": "shop.v1.Pricing/Quote", "caller": "shop",
        "caller_method": "shop.v1.Checkout/Place", "callee": "pricing",
        "peer": "10.0.0.7:41234", "local": "unix:/run/pricing.sock",
        "protocol": "thrift", "streaming": "both", "interaction": "oneway", "transport": "http/3", "codec": "thrift",
        "level": "detailed",
        "started_unix_nanos": stats.started_unix_nanos(), "duration_nanos": duration, "deadline_nanos": 1_001,
        "connect_timeout_nanos": 1_002, "read_write_timeout_nanos": 1_003, "stream_recv_timeout_nanos": 1_004,
        "sequence_id": -1_005,
        "sent": { "bytes": 2_001, "messages": 2_002, "last_bytes": 2_003 },
        "received": { "bytes": 2_004, "messages": 2_005, "last_bytes": 2_006 },
        "outcome": "timed_out", "http_status": 503, "rpc_status": 14,
        "business_status": -3_001, "business_message": "sold out", "business_extra": { "item": "lamp" },
        "error_type": "SOLD_OUT", "error_message": "none left",
        "tags": { "tenant": "acme", "from.zone": "a", "to.zone": "b" }, "extra": { "queue": "7" },
        "trace_id": format!("{:032x}", trace.trace_id), "span_id": format!("{:016x}", trace.span_id),
        "parent_span_id": "", "sampled": true,
        "events": [
            { "kind": "rpc_start", "nanos": 0, "status": "info" },
            { "kind": "facts.cache_miss", "nanos": miss.at, "status": "warn", "info": "lamp" },
            { "kind": "rpc_finish", "nanos": duration, "status": "info" },
        ],
        "events_elided": 0,
    })
}

/// A native tracer sees what was filled in.
fn assert_native(info: &RpcInfo) {
    let (config, invocation, stats) = (info.config(), info.invocation(), info.stats());
    assert_eq!((info.side(), info.level()), (Side::Server, Level::Detailed));
    assert_eq!((info.from().service().as_str(), info.to().service().as_str()), ("shop", "pricing"));
    assert_eq!(info.from().method().as_str(), "shop.v1.Checkout/Place");
    assert_eq!((info.from().tags().get("zone"), info.to().tags().get("zone")), (Some("a"), Some("b")));
    assert_eq!(info.from().address().to_string(), "10.0.0.7:41234");
    assert_eq!(info.to().address().to_string(), "unix:/run/pricing.sock");
    assert_eq!(info.tags().get("tenant"), Some("acme"));
    let method = invocation.method();
    assert_eq!((method.package(), method.service(), method.name()), ("shop.v1", "Pricing", "Quote"));
    assert_eq!((invocation.protocol(), invocation.streaming()), (Protocol::Thrift, Streaming::Both));
    assert_eq!(invocation.sequence_id(), -1_005);
    assert_eq!((invocation.business_status(), invocation.business_message()), (-3_001, "sold out"));
    assert_eq!((invocation.business_extra().get("item"), invocation.extra().get("queue")), (Some("lamp"), Some("7")));
    let times =
        [config.deadline(), config.connect_timeout(), config.read_write_timeout(), config.stream_recv_timeout()];
    assert_eq!(
        times.map(|time| time.map(|time| time.as_nanos())),
        [Some(1_001), Some(1_002), Some(1_003), Some(1_004)]
    );
    assert_eq!((config.transport(), config.codec()), (Transport::Http3, Codec::Thrift));
    assert_eq!(config.interaction(), Interaction::Oneway);
    assert_eq!(stats.sent(), Traffic { bytes: 2_001, messages: 2_002, last_bytes: 2_003 });
    assert_eq!(stats.received(), Traffic { bytes: 2_004, messages: 2_005, last_bytes: 2_006 });
    assert_eq!((stats.http_status(), stats.rpc_status()), (Some(503), Some(14)));
    assert_eq!((stats.outcome(), stats.panicked()), (Outcome::TimedOut, false));
    assert_eq!((stats.error_type().as_str(), stats.error_message()), ("SOLD_OUT", "none left"));
    let miss = stats.event(EventKind::new("facts.cache_miss")).expect("recorded");
    assert_eq!((miss.status, miss.info.as_deref()), (EventStatus::Warn, Some("lamp")));
}

#[test]
#[ignore = "needs a guest in Python"]
fn a_rust_a_python_and_a_native_tracer_are_told_every_fact_of_a_call() {
    let rust = fixtures::guest("scribe.wasm");
    let python = fs::read(fixtures::peer("HOTTAP_TEST_PYTHON_SCRIBE")).expect("readable");
    let keeper = Keeper::default();
    let house = House::with(Hottap::builder().tracer(keeper.clone()));
    let file = house.outside().join("records");
    house.configure(&format!(
        "[destinations.records]\nurl = \"file://{}\"\ntracers = [\"rust\", \"python\"]\n\
         [tracers.rust]\nlevel = \"detailed\"\n[tracers.python]\nlevel = \"detailed\"\n",
        file.display()
    ));
    for (name, module) in [("rust", rust), ("python", python)] {
        house.drop_in(&format!("{name}.toml"), "destinations = [\"records\"]\n");
        house.drop_in(&format!("{name}.wasm"), module);
        house.until_live(name);
        house.until(name, "granted", |tracer| {
            tracer["destinations"]["records"] == "granted" && tracer["level"] == "detailed"
        });
    }
    const CALLS: usize = 20;
    for _ in 0..CALLS {
        let mut call = house.tap.start_call(Side::Server, "shop.v1.Pricing/Quote").expect("somebody wants it");
        fill(&mut call);
        call.finish();
    }
    for name in ["rust", "python"] {
        house.settled(name, CALLS as u64);
    }
    let told = keeper.0.lock().expect("not poisoned").clone();
    assert_eq!(told.len(), CALLS);
    told.iter().for_each(assert_native);

    house.until_destination("records", "delivered", |records| records["delivered"] == 2 * CALLS);
    let text = fs::read_to_string(&file).expect("there");
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for info in &told {
        let of_call: Vec<&Value> = records.iter().filter(|record| record["id"] == info.id()).collect();
        assert_eq!(of_call.len(), 2, "one from each guest");
        for record in of_call {
            assert_eq!(*record, expected(info));
        }
    }
}
