//! A made-up call, fact by fact.

use std::time::Duration;

use serde_json::{Map, json};

use super::host::Symbols;
use crate::batch::Columns;
use crate::column::NO_STATUS;
use crate::config::Level;
use crate::event::{Event, EventKind, EventStatus};
use crate::kinds::{Kind, Outcome, Protocol, Side, Streaming};

/// When made-up calls start unless they say otherwise: 2026-01-01T00:00:00Z, in nanoseconds since the Unix epoch.
pub(super) const EPOCH: u64 = 1_767_225_600_000_000_000;

/// A made-up call: the facts that a test sets, and harmless ones for the rest.
///
/// Unless told otherwise it succeeded, took one millisecond and is sampled. It has the events of its start and finish
/// as every call has them; a tracer gets others only if it asked for [`Level::Detailed`]. A method with a blank in it (`GET /users`)
/// is plain HTTP with status 200, any other is unary gRPC with status 0; inside the process
/// ([`Side::Endpoint`]) there is no protocol, and no status.
#[derive(Clone, Debug)]
#[must_use = "hand it to `Harness::finish`"]
pub struct TestCall {
    pub(super) id: u64,
    pub(super) kind: Kind,
    pub(super) logical_id: Option<u64>,
    pub(super) attempt: u16,
    pub(super) side: Side,
    pub(super) method: String,
    pub(super) caller: String,
    pub(super) callee: String,
    pub(super) peer: String,
    pub(super) protocol: Protocol,
    pub(super) streaming: Streaming,
    pub(super) started: u64,
    pub(super) duration: u64,
    pub(super) deadline: u64,
    /// Bytes, messages, bytes of the last message.
    pub(super) sent: (u64, u32, u64),
    pub(super) received: (u64, u32, u64),
    pub(super) outcome: Outcome,
    pub(super) http_status: Option<u16>,
    pub(super) rpc_status: Option<u16>,
    pub(super) business_status: i32,
    pub(super) error_type: String,
    pub(super) error_message: String,
    pub(super) trace_id: u128,
    pub(super) span_id: u64,
    pub(super) parent_span_id: u64,
    pub(super) sampled: bool,
    pub(super) token: u64,
    pub(super) headers: Vec<(String, String)>,
    pub(super) events: Vec<TestEvent>,
    pub(super) events_elided: u32,
    pub(super) tags: Vec<(String, String)>,
    pub(super) info: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct TestEvent {
    pub(super) kind: String,
    pub(super) at: u64,
    pub(super) status: u8,
    pub(super) info: String,
}

macro_rules! facts {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) |$call:ident| $set:expr;)*) => {
        impl TestCall {$(
            $(#[$doc])*
            pub fn $name(mut self, $($arg: $type),*) -> Self {
                let $call = &mut self;
                $set;
                self
            }
        )*}
    };
}

impl TestCall {
    /// A call that was observed by the one who is called.
    pub fn server(method: &str) -> Self {
        Self::new(Side::Server, method)
    }

    /// A call that was observed by the one who calls.
    pub fn client(method: &str) -> Self {
        Self::new(Side::Client, method)
    }

    /// A call that was observed at a given side.
    pub fn new(side: Side, method: &str) -> Self {
        let protocol = match side {
            Side::Endpoint => Protocol::None,
            _ if method.contains(' ') => Protocol::Http,
            _ => Protocol::Grpc,
        };
        let is_grpc = protocol == Protocol::Grpc;
        Self {
            id: 0,
            kind: Kind::Call,
            logical_id: None,
            attempt: 1,
            side,
            method: method.to_owned(),
            caller: String::new(),
            callee: String::new(),
            peer: String::new(),
            protocol,
            streaming: if is_grpc { Streaming::Unary } else { Streaming::Unknown },
            started: EPOCH,
            duration: 1_000_000,
            deadline: 0,
            sent: (0, 0, 0),
            received: (0, 0, 0),
            outcome: Outcome::Ok,
            http_status: (protocol != Protocol::None).then_some(200),
            rpc_status: is_grpc.then_some(0),
            business_status: 0,
            error_type: String::new(),
            error_message: String::new(),
            trace_id: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
            span_id: 0x00f0_67aa_0ba9_02b7,
            parent_span_id: 0,
            sampled: true,
            token: 0,
            headers: Vec::new(),
            events: Vec::new(),
            events_elided: 0,
            tags: Vec::new(),
            info: None,
        }
    }

    /// Adds its numbers to the columns of the table.
    pub(super) fn fill(&self, columns: &mut Columns, symbols: &mut Symbols) {
        columns.ids.push(self.id);
        columns.kinds.push(self.kind.number());
        columns.logical_ids.push(self.logical_id.unwrap_or(self.id));
        columns.attempts.push(self.attempt);
        columns.sides.push(self.side.number());
        columns.methods.push(symbols.hand_over(&self.method));
        columns.callers.push(symbols.hand_over(&self.caller));
        columns.callees.push(symbols.hand_over(&self.callee));
        columns.protocols.push(self.protocol.number());
        columns.streaming.push(self.streaming.number());
        columns.started.push(self.started);
        columns.durations.push(self.duration);
        columns.deadlines.push(self.deadline);
        columns.sent_bytes.push(self.sent.0);
        columns.received_bytes.push(self.received.0);
        columns.sent_messages.push(self.sent.1);
        columns.received_messages.push(self.received.1);
        columns.last_sent_bytes.push(self.sent.2);
        columns.last_received_bytes.push(self.received.2);
        columns.outcomes.push(self.outcome.number());
        columns.http_statuses.push(self.http_status.unwrap_or(NO_STATUS));
        columns.rpc_statuses.push(self.rpc_status.unwrap_or(NO_STATUS));
        columns.business_statuses.push(self.business_status);
        columns.error_types.push(symbols.hand_over(&self.error_type));
        columns.trace_ids_high.push((self.trace_id >> 64) as u64);
        columns.trace_ids_low.push(self.trace_id as u64);
        columns.span_ids.push(self.span_id);
        columns.parent_span_ids.push(self.parent_span_id);
        columns.sampled.push(u8::from(self.sampled));
        columns.events_elided.push(self.events_elided);
        columns.tokens.push(self.token);
    }

    /// What `Call::info` gives.
    pub(super) fn info_json(&self, level: Level) -> String {
        self.info.clone().unwrap_or_else(|| self.record(level))
    }

    /// The events that the host hands over: start and finish of every call, and with [`Level::Detailed`] the others.
    pub(super) fn events_at(&self, level: Level) -> Vec<TestEvent> {
        let built_in = |kind: EventKind, at| {
            let told = self.events.iter().any(|event| event.kind == kind.as_str());
            (!told).then(|| TestEvent { kind: kind.as_str().to_owned(), at, status: 1, info: String::new() })
        };
        let start = built_in(Event::RPC_START, 0);
        let finish = built_in(Event::RPC_FINISH, self.duration);
        let others = self.events.iter().filter(|event| {
            level == Level::Detailed || [Event::RPC_START.as_str(), Event::RPC_FINISH.as_str()].contains(&&*event.kind)
        });
        start.into_iter().chain(others.cloned()).chain(finish).collect()
    }

    /// What the host writes (host/core/src/collect/record.rs).
    fn record(&self, level: Level) -> String {
        let traffic =
            |(bytes, messages, last_bytes)| json!({ "bytes": bytes, "messages": messages, "last_bytes": last_bytes });
        let events = self.events_at(level);
        let events = events.iter().map(|event| {
            let status = ["info", "info", "warn", "error"].get(usize::from(event.status)).copied();
            let mut json = json!({ "kind": event.kind, "nanos": event.at, "status": status });
            if !event.info.is_empty() {
                json["info"] = event.info.clone().into();
            }
            json
        });
        let mut record = json!({
            "id": self.id,
            "kind": self.kind.as_str(),
            "logical_id": self.logical_id.unwrap_or(self.id),
            "attempts": self.attempt,
            "side": self.side.as_str(),
            "method": self.method,
            "caller": self.caller,
            "callee": self.callee,
            "peer": self.peer,
            "local": "",
            "protocol": self.protocol.as_str(),
            "streaming": self.streaming.as_str(),
            "transport": "unknown",
            "codec": "unknown",
            "interaction": "ping_pong",
            "level": if level == Level::Detailed { "detailed" } else { "base" },
            "started_unix_nanos": self.started,
            "duration_nanos": self.duration,
            "sent": traffic(self.sent),
            "received": traffic(self.received),
            "outcome": self.outcome.as_str(),
            "business_status": self.business_status,
            "error_type": self.error_type,
            "error_message": self.error_message,
            "trace_id": format!("{:032x}", self.trace_id),
            "span_id": format!("{:016x}", self.span_id),
            "parent_span_id": if self.parent_span_id == 0 { String::new() } else { format!("{:016x}", self.parent_span_id) },
            "sampled": self.sampled,
            "events": events.collect::<Vec<_>>(),
            "events_elided": self.events_elided,
            "tags": self.tags.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect::<Map<_, _>>(),
        });
        let optional = [
            ("deadline_nanos", (self.deadline != 0).then_some(self.deadline)),
            ("http_status", self.http_status.map(u64::from)),
            ("rpc_status", self.rpc_status.map(u64::from)),
            ("token", (self.token != 0).then_some(self.token)),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                record[key] = value.into();
            }
        }
        record.to_string()
    }
}

facts! {
    /// The call's id; without it the harness gives ids from 1.
    id(id: u64) |call| call.id = id;
    /// Makes it an attempt of the call with this id.
    attempt_of(logical_id: u64, attempt: u16) |call| {
        (call.kind, call.logical_id, call.attempt) = (Kind::Attempt, Some(logical_id), attempt)
    };
    /// How many attempts the call took.
    attempts(attempts: u16) |call| call.attempt = attempts;
    /// The service that made the call.
    caller(service: &str) |call| service.clone_into(&mut call.caller);
    /// The service that was called.
    callee(service: &str) |call| service.clone_into(&mut call.callee);
    /// The other side's address.
    peer(address: &str) |call| address.clone_into(&mut call.peer);
    /// The protocol.
    protocol(protocol: Protocol) |call| call.protocol = protocol;
    /// Which sides stream.
    streaming(streaming: Streaming) |call| call.streaming = streaming;
    /// When it started, in nanoseconds since the Unix epoch.
    started(unix_nanos: u64) |call| call.started = unix_nanos;
    /// How long it took.
    duration(duration: Duration) |call| call.duration = nanos(duration);
    /// How long it took, in nanoseconds.
    nanos(nanos: u64) |call| call.duration = nanos;
    /// The deadline that it had, from its start.
    deadline(deadline: Duration) |call| call.deadline = nanos(deadline);
    /// Body bytes and messages that this side sent, and the size of the last message.
    sent(bytes: u64, messages: u32, last_bytes: u64) |call| call.sent = (bytes, messages, last_bytes);
    /// Body bytes and messages that this side received, and the size of the last message.
    received(bytes: u64, messages: u32, last_bytes: u64) |call| call.received = (bytes, messages, last_bytes);
    /// How it ended.
    outcome(outcome: Outcome) |call| call.outcome = outcome;
    /// The HTTP status code.
    http_status(status: Option<u16>) |call| call.http_status = status;
    /// The RPC protocol's own status code.
    rpc_status(status: Option<u16>) |call| call.rpc_status = status;
    /// The status that the application gave itself; anything but 0 is a business error, unless the call failed.
    business_status(status: i32) |call| {
        call.business_status = status;
        if status != 0 && call.outcome == Outcome::Ok {
            call.outcome = Outcome::BusinessError;
        }
    };
    /// What kind of error it was, and the error in words. A call that had succeeded has failed now.
    error(error_type: &str, message: &str) |call| {
        error_type.clone_into(&mut call.error_type);
        message.clone_into(&mut call.error_message);
        if call.outcome == Outcome::Ok {
            call.outcome = Outcome::Error;
        }
    };
    /// The W3C trace id.
    trace_id(id: u128) |call| call.trace_id = id;
    /// The id of the call's own span, and of the one that it belongs to (0 for a root).
    span(id: u64, parent: u64) |call| (call.span_id, call.parent_span_id) = (id, parent);
    /// Whether the trace is sampled.
    sampled(sampled: bool) |call| call.sampled = sampled;
    /// A request header that the operator lets the starter see; only for [`StarterHarness::call`].
    ///
    /// [`StarterHarness::call`]: super::StarterHarness::call
    header(name: &str, value: &str) |call| call.headers.push((name.to_owned(), value.to_owned()));
    /// What the starter returned when the call started; [`Started::into_call`] has set it.
    ///
    /// [`Started::into_call`]: super::Started::into_call
    token(token: u64) |call| call.token = token;
    /// A built-in event, so long after the start.
    event(kind: EventKind, at: Duration) |call| call.push_event(kind.as_str(), at);
    /// An event of the application's own, so long after the start.
    custom_event(name: &str, at: Duration) |call| call.push_event(name, at);
    /// How serious the event before is, and its words.
    event_info(status: EventStatus, info: &str) |call| {
        if let Some(event) = call.events.last_mut() {
            event.status = match status {
                EventStatus::Info => 1,
                EventStatus::Warn => 2,
                EventStatus::Error => 3,
            };
            info.clone_into(&mut event.info);
        }
    };
    /// How many events the host left out.
    events_elided(events: u32) |call| call.events_elided = events;
    /// A tag.
    tag(key: &str, value: &str) |call| call.tags.push((key.to_owned(), value.to_owned()));
    /// What `Call::info` gives: JSON.
    info(json: &str) |call| call.info = Some(json.to_owned());
}

impl TestCall {
    fn push_event(&mut self, kind: &str, at: Duration) {
        self.events.push(TestEvent { kind: kind.to_owned(), at: nanos(at), status: 1, info: String::new() });
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
