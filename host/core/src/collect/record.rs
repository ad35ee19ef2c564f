//! A call's whole RpcInfo as JSON: slow, convenient, complete.

use serde::Serialize;

use serde_json::{Map, Value};

use super::arena::Rest;
use super::row::{NO_STATUS, Row};
use super::view::View;
use crate::rpc::{Codec, EventStatus, Interaction, Outcome, Protocol, Side, Streaming, Symbol, Transport};

/// The JSON shape of a call, the same wherever a call is shown.
#[derive(Serialize)]
struct Record<'a> {
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
    peer: &'a str,
    local: &'a str,
    protocol: &'static str,
    streaming: &'static str,
    transport: &'static str,
    codec: &'static str,
    interaction: &'static str,
    level: &'static str,
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
    token: Option<u64>,
    events: Vec<Event>,
    events_elided: u32,
    tags: Map<String, Value>,
    /// What few calls have.
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
struct Event {
    kind: &'static str,
    nanos: u64,
    status: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    info: String,
}

impl View {
    /// One call as JSON; none if there is no such row.
    pub fn info(&self, index: usize) -> Option<String> {
        let (row, rest) = (self.row(index)?, self.rest(index)?);
        let (mut peer, mut local) = (String::new(), String::new());
        let mut events = Vec::new();
        self.each_event(index, |kind, nanos, status, info| {
            let status = EventStatus::from_number(status).unwrap_or_default().as_str();
            events.push(Event { kind: symbol(kind), nanos, status, info: info.to_owned() });
        });
        let token = Some(row.tokens.of(self.slot)).filter(|&token| token != 0);
        let (peer, local) = (rest.peer(&mut peer), rest.local(&mut local));
        // Both bound the events: what the row has, and what the plugin is shown of it.
        let level = row.level.min(self.level(row)).as_str();
        let record = Record { peer, local, level, token, events, ..Record::new(row, rest) };
        serde_json::to_string(&record).ok()
    }
}

impl<'a> Record<'a> {
    fn new(row: &Row, rest: Rest<'a>) -> Self {
        let status = |status: u16| (status != NO_STATUS).then_some(status);
        Self {
            id: row.id,
            kind: if row.kind == 0 { "call" } else { "attempt" },
            logical_id: row.logical_id,
            attempts: row.attempts,
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
            started_unix_nanos: row.started_unix,
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
            trace_id: format!("{:016x}{:016x}", row.trace_high, row.trace_low),
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

fn symbol(id: u32) -> &'static str {
    Symbol::from_id(id).map_or("", Symbol::as_str)
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::live::Shown;
    use crate::rpc::Level;

    #[test]
    fn the_level_is_that_of_the_events_that_are_shown() {
        for (recorded, shown, expected, custom) in [
            (Level::Base, Level::Base, "base", false),
            (Level::Base, Level::Detailed, "base", false),
            (Level::Detailed, Level::Base, "base", false),
            (Level::Detailed, Level::Detailed, "detailed", true),
        ] {
            let mut view = sample(1, recorded).expect("rows");
            view.shown = Shown::of_all(shown);
            let record: Value = serde_json::from_str(&view.info(0).expect("a row")).expect("JSON");
            let events = record["events"].as_array().expect("events");
            let has_custom = events.iter().any(|event| event["kind"] == "server_handle_start");
            assert_eq!((record["level"].as_str(), has_custom), (Some(expected), custom), "{recorded:?} {shown:?}");
        }
    }
}
