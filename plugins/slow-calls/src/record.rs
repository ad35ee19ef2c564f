//! A slow call as a JSON object on one line, of bounded size: what is told of it, and what is left out first.

use std::time::Duration;

use hottap_guest::conventions::status_text;
use hottap_guest::{Call, EventStatus, Protocol};
use serde::{Serialize, Serializer};

/// Bytes of a text that a service or a peer made up; more belongs into a trace.
const MAX_TEXT: usize = 512;
/// Tags of a call that are told.
const MAX_TAGS: usize = 16;

/// The service that is looked at.
#[derive(Debug)]
pub(crate) struct Who {
    service: String,
    instance: String,
}

/// A slow call. What is empty is left out.
#[derive(Serialize)]
struct Record<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    service: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    instance: &'a str,
    side: &'static str,
    method: &'static str,
    #[serde(serialize_with = "milliseconds")]
    duration_ms: Duration,
    #[serde(serialize_with = "milliseconds")]
    threshold_ms: Duration,
    outcome: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    status: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    error_type: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    error_message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    peer: &'a str,
    started_unix_nanos: u64,
    trace_id: String,
    span_id: String,
    sent_bytes: u64,
    received_bytes: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<(&'static str, &'a str)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<Event<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    events_elided: usize,
}

#[derive(Serialize)]
struct Event<'a> {
    kind: &'static str,
    #[serde(serialize_with = "milliseconds")]
    at_ms: Duration,
    #[serde(skip_serializing_if = "str::is_empty")]
    status: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    info: &'a str,
}

impl Who {
    pub(crate) fn new(service: &str, instance: &str) -> Self {
        Self { service: cut(service).to_owned(), instance: cut(instance).to_owned() }
    }

    /// A call as JSON. If that has more than `max` bytes, words of events are left out, then events from the middle,
    /// then tags and other words; what is there is always a whole object.
    pub(crate) fn json(&self, call: Call<'_>, threshold: u64, max: usize) -> String {
        let protocol = call.protocol();
        let status = if protocol == Protocol::Http { call.http_status() } else { call.rpc_status() };
        let status = status_text(protocol, status);
        let mut record = Record {
            service: &self.service,
            instance: &self.instance,
            side: call.side().as_str(),
            method: call.method(),
            duration_ms: call.duration(),
            threshold_ms: Duration::from_nanos(threshold),
            outcome: call.outcome().as_str(),
            status: &status,
            error_type: call.error_type().as_str(),
            error_message: cut(call.error_message()),
            peer: cut(call.peer()),
            started_unix_nanos: call.started(),
            trace_id: format!("{:032x}", call.trace_id()),
            span_id: format!("{:016x}", call.span_id()),
            sent_bytes: call.sent_bytes(),
            received_bytes: call.received_bytes(),
            tags: call.tags().take(MAX_TAGS).map(|tag| (tag.key.as_str(), cut(tag.value))).collect(),
            events: call.events().filter(|event| !is_said_already(event)).map(Event::new).collect(),
            events_elided: call.events_elided() as usize,
        };
        let mut line = record.json();
        if line.len() > max {
            record.events.iter_mut().for_each(|event| event.info = "");
            line = record.json();
        }
        while line.len() > max && !record.events.is_empty() {
            // A good third at a time, so that a long record is not written a dozen times.
            let (all, middle) = (record.events.len(), record.events.len() / 3);
            record.events.drain(middle..all - middle);
            record.events_elided += all - record.events.len();
            line = record.json();
        }
        if line.len() > max {
            record.tags.clear();
            (record.error_message, record.peer) = ("", "");
            line = record.json();
        }
        if line.len() > max {
            (record.service, record.instance, record.error_type) = ("", "", "");
            line = record.json();
        }
        line
    }
}

impl Record<'_> {
    fn json(&self) -> String {
        // Nothing in it can fail to be written; were it so, an empty object is still a line of JSON.
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }
}

/// Start and finish of the call are times of the record.
fn is_said_already(event: &hottap_guest::Event<'_>) -> bool {
    event.kind == hottap_guest::Event::RPC_START || event.kind == hottap_guest::Event::RPC_FINISH
}

impl<'a> Event<'a> {
    fn new(event: hottap_guest::Event<'a>) -> Self {
        let status = match event.status {
            EventStatus::Info => "",
            EventStatus::Warn => "warn",
            EventStatus::Error => "error",
        };
        Self { kind: event.kind.as_str(), at_ms: event.at, status, info: cut(event.info) }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn milliseconds<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(duration.as_nanos() as f64 / 1e6)
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or("")
}
