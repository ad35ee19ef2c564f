//! Made-up calls and messages for the canary: what a tracer must be able to digest before it goes live.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::batch::Batch;
use super::moment::{Moment, Moments};
use super::shard::{Buffer, Shards};
use super::view::View;
use crate::live::{Mask, Shown};
use crate::rpc::{
    EventKind, EventStatus, Level, Method, Outcome, Peer, Protocol, RpcInfo, RpcNotes, RpcStats, Side, Streaming,
    Symbol, TraceContext, Traffic, error_type,
};

/// Calls that have just started: one of each side.
pub fn sample_starts(now: u64) -> impl Iterator<Item = RpcInfo> {
    let calls = [
        (Side::Client, "hottap.Canary/Call", Protocol::Grpc),
        (Side::Server, "hottap.Canary/Call", Protocol::Grpc),
        (Side::Endpoint, "hottap_canary", Protocol::None),
    ];
    calls.into_iter().map(move |(side, method, protocol)| {
        let stats = RpcStats::new(Level::Base, 0, now);
        let method = Method::known(Symbol::intern(method));
        let mut info = RpcInfo::new(1, side, method, TraceContext::root(), stats);
        info.invocation.protocol = protocol;
        info
    })
}

/// A few messages on open streams, both ways, of a method that is known and of one that is not.
pub fn sample_moments(now: u64) -> Option<Moments> {
    let method = Symbol::intern("hottap.Canary/Call").id();
    let kinds = [EventKind::STREAM_SEND, EventKind::STREAM_RECV].into_iter().cycle();
    let moments: Vec<Moment> = (0..8)
        .zip(kinds)
        .map(|(i, kind)| {
            let method = if i < 4 { 0 } else { method };
            Moment { mask: Mask::one(0), call: i % 3, time: now + i, size: 5 << i, method, kind: kind.0.id() }
        })
        .collect();
    Moments::of(&moments, 0).next()
}

/// A few calls of every kind: all sides, every protocol that layers know and none, every outcome, with and without peer,
/// message, tags, events and what few calls have.
pub fn sample(now: u64, level: Level) -> Option<View> {
    let grpc = Symbol::intern("hottap.Canary/Call");
    let http = Symbol::intern("GET /hottap-canary");
    let endpoint = Symbol::intern("hottap_canary");
    let mut buffer = Buffer::new();
    for (i, outcome) in (0..Outcome::COUNT as u8).filter_map(Outcome::from_number).enumerate() {
        for (side, method, protocol) in [
            (Side::Server, grpc, Protocol::Grpc),
            (Side::Client, grpc, Protocol::Grpc),
            (Side::Server, http, Protocol::Http),
            (Side::Client, grpc, Protocol::GrpcWeb),
            (Side::Server, grpc, Protocol::Connect),
            (Side::Endpoint, endpoint, Protocol::None),
        ] {
            let mut stats = RpcStats::new(level, i as u64, now);
            stats.duration = 1_000_000 << i;
            stats.sent = Traffic { bytes: 100, messages: 1, last_bytes: 100 };
            stats.received = Traffic { bytes: 50, messages: 2, last_bytes: 25 };
            let is_rpc = !matches!(protocol, Protocol::Http | Protocol::None);
            let http_status = if outcome == Outcome::Error { 500 } else { 200 };
            stats.http_status = (protocol != Protocol::None).then_some(http_status);
            stats.rpc_status = is_rpc.then_some(if outcome == Outcome::Ok { 0 } else { 13 });
            if outcome != Outcome::Ok {
                stats.fail(outcome, error_type::grpc(13), "made up");
            }
            if level == Level::Detailed {
                stats.record(EventKind::SERVER_HANDLE_START, i as u64 + 10);
                stats.record_with(EventKind::ATTEMPT_FAILED, i as u64 + 20, EventStatus::Warn, "1: made up");
            }
            let mut info = RpcInfo::new(i as u64, side, Method::known(method), TraceContext::root(), stats);
            info.invocation.protocol = protocol;
            info.invocation.streaming = Streaming::Unary;
            if i % 2 == 0 {
                info.set_peer(Peer::Socket(SocketAddr::from((Ipv4Addr::LOCALHOST, 4321))));
            } else {
                notes().apply(&mut info);
                info.config.connect_timeout = 1_000_000_000;
                info.invocation.sequence_id = 7;
            }
            if outcome == Outcome::BusinessError {
                info.invocation.set_business(40_901, "made up");
            }
            buffer.write(&info, method, Mask::one(0));
        }
    }
    let batch = Batch::from_buffers(vec![buffer], &Arc::new(Shards::default())).pop()?;
    View::new(&batch, 0, Shown::of_all(level))
}

/// What applications add to calls.
fn notes() -> RpcNotes {
    let tags = RpcNotes::new()
        .tag("hottap.canary", "made up, \"quoted\" and é")
        .caller_tag("zone", "a")
        .callee_tag("zone", "b");
    tags.extra("hottap.canary", "1").business_extra("hottap.canary", "2")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn the_canary_meets_calls_of_every_kind() {
        let view = sample(1, Level::Detailed).expect("rows");
        let records: Vec<Value> = (0..view.len())
            .map(|index| serde_json::from_str(&view.info(index).expect("a row")).expect("JSON"))
            .collect();
        let values =
            |key: &str| -> HashSet<&str> { records.iter().filter_map(|record| record[key].as_str()).collect() };
        assert_eq!(values("side"), ["client", "server", "endpoint"].into());
        assert_eq!(values("protocol"), ["http", "grpc", "grpc-web", "connect", "none"].into());
        assert_eq!(values("outcome").len(), Outcome::COUNT);
        for record in &records {
            let is_endpoint = record["side"] == "endpoint";
            assert_eq!(record["protocol"] == "none", is_endpoint, "{record}");
            assert_eq!(record.get("http_status").is_none(), is_endpoint, "{record}");
        }
        for key in ["peer", "business_message", "extra", "business_extra", "connect_timeout_nanos", "sequence_id"] {
            let has = |record: &&Value| record.get(key).is_some_and(|value| *value != "");
            let with = records.iter().filter(has).count();
            assert!(with > 0 && with < records.len(), "{key}: {with} of {}", records.len());
        }
        let tagged = |record: &&Value| record["tags"]["to.zone"] == "b" && record["tags"]["hottap.canary"].is_string();
        assert_eq!(records.iter().filter(tagged).count(), records.len() / 2);
    }

    #[test]
    fn the_canary_starts_a_call_of_each_side() {
        let starts: Vec<_> = sample_starts(1).map(|info| (info.side(), info.invocation().protocol())).collect();
        let expected =
            [(Side::Client, Protocol::Grpc), (Side::Server, Protocol::Grpc), (Side::Endpoint, Protocol::None)];
        assert_eq!(starts, expected);
    }
}
