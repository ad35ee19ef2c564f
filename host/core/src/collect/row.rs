//! One finished call as the hot path writes it: plain data of a fixed size.

use crate::live::Mask;
use crate::rpc::{Level, RpcInfo, Symbol, Tokens};

/// No HTTP or RPC status.
pub(crate) const NO_STATUS: u16 = u16::MAX;

/// What an address is made of in the arena.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum PeerKind {
    #[default]
    None,
    /// 4 bytes of address, 2 of port, in network order: put into words only if a tracer asks.
    V4,
    /// 16 bytes of address, 2 of port.
    V6,
    Text,
}

/// One finished call. What has no fixed size is in the shard's arena.
///
/// What is read of every row, and what most tracers ask for, is in the first of the four cache lines.
#[derive(Clone, Default)]
#[repr(C, align(64))]
pub(crate) struct Row {
    pub(crate) mask: Mask,
    /// Monotonic; rows are merged in this order.
    pub(crate) finished: u64,
    pub(crate) duration: u64,
    pub(crate) method: u32,
    pub(crate) error_type: u32,
    pub(crate) caller: u32,
    pub(crate) callee: u32,
    pub(crate) http_status: u16,
    pub(crate) rpc_status: u16,
    pub(crate) side: u8,
    pub(crate) protocol: u8,
    pub(crate) streaming: u8,
    pub(crate) outcome: u8,
    pub(crate) kind: u8,
    pub(crate) sampled: u8,
    pub(crate) level: Level,
    pub(crate) peer_kind: PeerKind,
    pub(crate) attempts: u16,
    pub(crate) peer_len: u16,
    pub(crate) id: u64,
    pub(crate) logical_id: u64,
    pub(crate) trace_high: u64,
    pub(crate) trace_low: u64,
    pub(crate) span_id: u64,
    pub(crate) parent_span_id: u64,
    pub(crate) started_unix: u64,
    pub(crate) deadline: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) received_bytes: u64,
    pub(crate) last_sent_bytes: u64,
    pub(crate) last_received_bytes: u64,
    pub(crate) sent_messages: u32,
    pub(crate) received_messages: u32,
    pub(crate) business_status: i32,
    pub(crate) events_elided: u32,
    pub(crate) arena_start: u32,
    pub(crate) message_len: u16,
    pub(crate) local_len: u16,
    pub(crate) events: u16,
    pub(crate) tags: u16,
    /// Bytes of what few calls have, as JSON.
    pub(crate) details_len: u32,
    pub(crate) local_kind: PeerKind,
    pub(crate) transport: u8,
    pub(crate) codec: u8,
    pub(crate) interaction: u8,
    pub(crate) caller_method: u32,
    pub(crate) tokens: Tokens,
}

const _: () = assert!(size_of::<Row>() == 256, "a row is four cache lines; more costs every call");

impl Row {
    /// The row of a finished call; what goes into the arena is left empty.
    #[inline]
    pub(crate) fn new(info: &RpcInfo, method: Symbol, mask: Mask) -> Self {
        let (stats, trace, invocation) = (&info.stats, &info.trace, &info.invocation);
        Self {
            mask,
            id: info.id,
            logical_id: info.logical_id,
            trace_high: (trace.trace_id >> 64) as u64,
            trace_low: trace.trace_id as u64,
            span_id: trace.span_id,
            parent_span_id: trace.parent_span_id,
            started_unix: stats.started_unix,
            finished: stats.started.saturating_add(stats.duration),
            duration: stats.duration,
            deadline: info.config.deadline,
            sent_bytes: stats.sent.bytes,
            received_bytes: stats.received.bytes,
            last_sent_bytes: stats.sent.last_bytes,
            last_received_bytes: stats.received.last_bytes,
            tokens: info.tokens,
            sent_messages: stats.sent.messages,
            received_messages: stats.received.messages,
            method: method.id(),
            caller: info.from.service.id(),
            callee: info.to.service.id(),
            error_type: stats.error_type.id(),
            business_status: invocation.business_status,
            events_elided: stats.events.elided(),
            arena_start: 0,
            http_status: stats.http_status.unwrap_or(NO_STATUS),
            rpc_status: stats.rpc_status.unwrap_or(NO_STATUS),
            attempts: info.attempts,
            peer_len: 0,
            message_len: 0,
            local_len: 0,
            events: 0,
            tags: 0,
            details_len: 0,
            peer_kind: PeerKind::None,
            local_kind: PeerKind::None,
            transport: info.config.transport as u8,
            codec: info.config.codec as u8,
            interaction: info.config.interaction as u8,
            kind: u8::from(info.attempt_of().is_some()),
            caller_method: info.from.method.id(),
            side: info.side as u8,
            protocol: invocation.protocol as u8,
            streaming: invocation.streaming as u8,
            outcome: stats.outcome as u8,
            sampled: u8::from(trace.sampled),
            level: stats.level,
        }
    }
}
