//! One finished call: as the hot path writes it, plain data of a fixed size, and as JSON shows it.

use serde::Serialize;
use serde_json::{Map, Value};

use super::arena::Rest;
use crate::live::Mask;
use crate::rpc::{Codec, Interaction, Level, Outcome, Protocol, RpcInfo, Side, Streaming, Symbol, Tokens, Transport};

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
    pub(crate) attempt: u16,
    pub(crate) peer_len: u16,
    pub(crate) id: u64,
    pub(crate) logical_id: u64,
    pub(crate) trace_id_high: u64,
    pub(crate) trace_id_low: u64,
    pub(crate) span_id: u64,
    pub(crate) parent_span_id: u64,
    pub(crate) started: u64,
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
    /// Of each plugin, by its slot.
    pub(crate) token: Tokens,
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
            trace_id_high: (trace.trace_id >> 64) as u64,
            trace_id_low: trace.trace_id as u64,
            span_id: trace.span_id,
            parent_span_id: trace.parent_span_id,
            started: stats.started_unix,
            finished: stats.started.saturating_add(stats.duration),
            duration: stats.duration,
            deadline: info.config.deadline,
            sent_bytes: stats.sent.bytes,
            received_bytes: stats.received.bytes,
            last_sent_bytes: stats.sent.last_bytes,
            last_received_bytes: stats.received.last_bytes,
            token: info.tokens,
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
            attempt: info.attempts,
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

/// The JSON shape of a call, the same wherever a call is shown.
#[derive(Serialize)]
pub(super) struct Record<'a> {
    id: u64,
    kind: &'static str,
    logical_id: u64,
    attempts: u16,
    side: &'static str,
    method: &'static str,
    caller: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    caller_method: &'static str,
    callee: &'static str,
    pub(super) peer: &'a str,
    pub(super) local: &'a str,
    protocol: &'static str,
    streaming: &'static str,
    transport: &'static str,
    codec: &'static str,
    interaction: &'static str,
    pub(super) level: &'static str,
    started_unix_nanos: u64,
    duration_nanos: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline_nanos: Option<u64>,
    sent: Traffic,
    received: Traffic,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rpc_status: Option<u16>,
    business_status: i32,
    error_type: &'static str,
    error_message: &'a str,
    trace_id: String,
    span_id: String,
    parent_span_id: String,
    sampled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<u64>,
    pub(super) events: Vec<RecordedEvent>,
    events_elided: u32,
    tags: Map<String, Value>,
    /// Facts that few calls have.
    #[serde(flatten)]
    details: Map<String, Value>,
}

#[derive(Serialize)]
struct Traffic {
    bytes: u64,
    messages: u32,
    last_bytes: u64,
}

#[derive(Serialize)]
pub(super) struct RecordedEvent {
    pub(super) kind: &'static str,
    pub(super) nanos: u64,
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) info: String,
}

impl<'a> Record<'a> {
    pub(super) fn new(row: &Row, rest: Rest<'a>) -> Self {
        let status = |status: u16| (status != NO_STATUS).then_some(status);
        Self {
            id: row.id,
            kind: if row.kind == 0 { "call" } else { "attempt" },
            logical_id: row.logical_id,
            attempts: row.attempt,
            side: Side::from_number(row.side).map_or("", Side::as_str),
            method: symbol(row.method),
            caller: symbol(row.caller),
            caller_method: symbol(row.caller_method),
            callee: symbol(row.callee),
            peer: "",
            local: "",
            protocol: Protocol::from_number(row.protocol).map_or("", Protocol::as_str),
            streaming: Streaming::from_number(row.streaming).map_or("", Streaming::as_str),
            transport: Transport::from_number(row.transport).map_or("", Transport::as_str),
            codec: Codec::from_number(row.codec).map_or("", Codec::as_str),
            interaction: Interaction::from_number(row.interaction).map_or("", Interaction::as_str),
            level: "",
            started_unix_nanos: row.started,
            duration_nanos: row.duration,
            deadline_nanos: (row.deadline != 0).then_some(row.deadline),
            sent: Traffic { bytes: row.sent_bytes, messages: row.sent_messages, last_bytes: row.last_sent_bytes },
            received: Traffic {
                bytes: row.received_bytes,
                messages: row.received_messages,
                last_bytes: row.last_received_bytes,
            },
            outcome: Outcome::from_number(row.outcome).map_or("", Outcome::as_str),
            http_status: status(row.http_status),
            rpc_status: status(row.rpc_status),
            business_status: row.business_status,
            error_type: symbol(row.error_type),
            error_message: rest.message(),
            trace_id: format!("{:016x}{:016x}", row.trace_id_high, row.trace_id_low),
            span_id: format!("{:016x}", row.span_id),
            parent_span_id: if row.parent_span_id == 0 {
                String::new()
            } else {
                format!("{:016x}", row.parent_span_id)
            },
            sampled: row.sampled != 0,
            token: None,
            events: Vec::new(),
            events_elided: row.events_elided,
            tags: rest.tags().map(|(key, value)| (symbol(key).to_owned(), value.into())).collect(),
            details: serde_json::from_slice(rest.details()).unwrap_or_default(),
        }
    }
}

pub(super) fn symbol(id: u32) -> &'static str {
    Symbol::from_id(id).map_or("", Symbol::as_str)
}
