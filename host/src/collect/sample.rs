//! Made-up calls and messages for the canary: what a tracer must be able to digest before it goes live.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::batch::Batch;
use super::moment::{Moment, Moments};
use super::shard::{Buffer, Shards};
use super::view::View;
use crate::rpc::{
    EventKind, Level, Method, Outcome, Peer, Protocol, RpcInfo, RpcStats, Side, Streaming, Symbol, TraceContext,
    Traffic, error_type,
};
use crate::tracer::Mask;

/// Calls that have just started: one of each side.
pub(crate) fn sample_starts(now: u64) -> impl Iterator<Item = RpcInfo> {
    let method = Symbol::intern("hottap.Canary/Call");
    [Side::Client, Side::Server].into_iter().map(move |side| {
        let stats = RpcStats::new(Level::Base, 0, now);
        let mut info = RpcInfo::new(1, side, Method::known(method), TraceContext::root(), stats);
        info.invocation.protocol = Protocol::Grpc;
        info
    })
}

/// A few messages on open streams, both ways, of a method that is known and of one that is not.
pub(crate) fn sample_moments(now: u64) -> Option<Moments> {
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

/// A few calls of every kind: both sides, gRPC and HTTP, every outcome, with and without peer, message and events.
pub(crate) fn sample(now: u64, level: Level) -> Option<View> {
    let grpc = Symbol::intern("hottap.Canary/Call");
    let http = Symbol::intern("GET /hottap-canary");
    let mut buffer = Buffer::new();
    for (i, outcome) in (0..Outcome::COUNT as u8).filter_map(Outcome::from_number).enumerate() {
        for (side, method, protocol) in [
            (Side::Server, grpc, Protocol::Grpc),
            (Side::Client, grpc, Protocol::Grpc),
            (Side::Server, http, Protocol::Http),
        ] {
            let mut stats = RpcStats::new(level, i as u64, now);
            stats.duration = 1_000_000 << i;
            stats.sent = Traffic { bytes: 100, messages: 1, last_bytes: 100 };
            stats.received = Traffic { bytes: 50, messages: 2, last_bytes: 25 };
            stats.http_status = Some(if outcome == Outcome::Error { 500 } else { 200 });
            stats.rpc_status = (protocol == Protocol::Grpc).then_some(if outcome == Outcome::Ok { 0 } else { 13 });
            if outcome != Outcome::Ok {
                stats.fail(outcome, error_type::grpc(13), "made up");
            }
            if level == Level::Detailed {
                stats.record(EventKind::SERVER_HANDLE_START, i as u64 + 10);
            }
            let mut info = RpcInfo::new(i as u64, side, Method::known(method), TraceContext::root(), stats);
            info.invocation.protocol = protocol;
            info.invocation.streaming = Streaming::Unary;
            if i % 2 == 0 {
                info.set_peer(Peer::Socket(SocketAddr::from((Ipv4Addr::LOCALHOST, 4321))));
            }
            super::write::write_row(&mut buffer, &info, method, Mask::one(0));
        }
    }
    let batch = Batch::from_buffers(vec![buffer], &Arc::new(Shards::default())).pop()?;
    View::new(&batch, 0, level)
}
