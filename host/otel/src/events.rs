//! The events of a call as events of its span, with the times that they had.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::KeyValue;
use opentelemetry::trace::SpanRef;

use super::attributes::Attributes;
use hottap_core::rpc::{Event, EventKind, EventStatus, Level, Outcome, RpcInfo};

/// Which events a span has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    /// All but messages.
    pub(super) events: bool,
    pub(super) messages: bool,
}

impl Wanted {
    pub(super) fn level(self) -> Level {
        if self.events || self.messages { Level::Detailed } else { Level::Base }
    }
}

pub(super) fn add(span: &SpanRef<'_>, info: &RpcInfo, wanted: Wanted, attributes: &mut Attributes) {
    let started = time(info.stats().started_unix_nanos());
    let events = info.stats().events();
    if wanted.level() == Level::Detailed {
        let (mut sent, mut received) = (0, 0);
        for event in events.iter() {
            let (name, list) = match event.kind {
                EventKind::STREAM_SEND if wanted.messages => message("SENT", &mut sent, events.elided()),
                EventKind::STREAM_RECV if wanted.messages => message("RECEIVED", &mut received, events.elided()),
                EventKind::STREAM_SEND | EventKind::STREAM_RECV => continue,
                _ if wanted.events => (event.kind.as_str(), said(event)),
                _ => continue,
            };
            span.add_event_with_timestamp(name, started + Duration::from_nanos(event.at), list);
        }
        if events.elided() > 0 {
            attributes.push("hottap.events.elided", i64::from(events.elided()));
        }
    }
    if info.stats().outcome() == Outcome::Panicked {
        let list = vec![
            KeyValue::new("exception.type", info.stats().error_type().as_str()),
            KeyValue::new("exception.message", info.stats().error_message().to_owned()),
        ];
        span.add_event_with_timestamp("exception", started + info.stats().duration(), list);
    }
}

fn message(direction: &'static str, number: &mut i64, elided: u32) -> (&'static str, Vec<KeyValue>) {
    *number += 1;
    let mut list = vec![KeyValue::new("rpc.message.type", direction)];
    if elided == 0 {
        list.push(KeyValue::new("rpc.message.id", *number));
    }
    ("rpc.message", list)
}

/// How serious it is, and in words, if there is anything to say.
fn said(event: &Event) -> Vec<KeyValue> {
    let status = Some(event.status).filter(|status| *status != EventStatus::Info);
    let status = status.map(|status| KeyValue::new("event.status", status.as_str()));
    let words = event.info.as_deref().map(|words| KeyValue::new("event.info", words.to_owned()));
    status.into_iter().chain(words).collect()
}

/// A moment as spans have it.
pub(super) fn time(unix_nanos: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(unix_nanos)
}
