//! A point for each call, at the time when it finished.

use hottap_guest::metrics::Keyed;
use hottap_guest::outbox::Lines;
use hottap_guest::{Batch, Call, Field, Flush};

use crate::kind::{self, Tags};
use crate::line;
use crate::stamp::Stamp;

/// The fields of a line; the last three only where texts are wanted.
pub(crate) const FIELDS: [&str; 8] = [
    "duration_ns",
    "sent_bytes",
    "received_bytes",
    "sent_messages",
    "received_messages",
    "trace_id",
    "peer",
    "error_message",
];

/// The tracer's work when each call is a point.
#[derive(Debug)]
pub(crate) struct Points {
    tags: Tags,
    /// Whether points have fields of text.
    texts: bool,
    /// Measurement and tags, by kind of call.
    names: Keyed<Box<[u8]>>,
}

impl Points {
    pub(crate) fn new(tags: Tags, texts: bool) -> Self {
        Self { tags, texts, names: Keyed::new() }
    }

    pub(crate) fn finish(&mut self, batch: &Batch, stamp: &mut Stamp, lines: &mut Lines) {
        use Field::{
            Duration, ErrorType, HttpStatus, Method, Protocol, ReceivedBytes, ReceivedMessages, RpcStatus, SentBytes,
            SentMessages, Side, Started,
        };
        let [
            sides,
            methods,
            protocols,
            rpc_statuses,
            http_statuses,
            error_types,
            started,
            nanos,
            sent,
            received,
            messages_sent,
            messages_received,
        ] = batch.columns([
            Side,
            Method,
            Protocol,
            RpcStatus,
            HttpStatus,
            ErrorType,
            Started,
            Duration,
            SentBytes,
            ReceivedBytes,
            SentMessages,
            ReceivedMessages,
        ]);

        let Self { tags, texts, names } = self;
        let who = sides.iter().zip(methods).zip(protocols);
        let how = rpc_statuses.iter().zip(http_statuses).zip(error_types);
        let when = started.iter().zip(nanos);
        let much = sent.iter().zip(received).zip(messages_sent.iter().zip(messages_received));
        let calls = who.zip(how).zip(when).zip(much).zip(batch.calls());
        for ((((((side, method), protocol), ((rpc, http), error_type)), (started, &nanos)), much), call) in calls {
            let key = kind::key(*side, *method, *protocol, *rpc, *http, *error_type);
            let name = names.get_or_insert_with(key, || tags.of(call));
            let time = stamp.at(started.saturating_add(nanos));
            let ((&sent, &received), (&messages_sent, &messages_received)) = much;
            lines.line(|line| {
                line.extend_from_slice(name);
                line::integer(line, " duration_ns=", nanos);
                line::integer(line, ",sent_bytes=", sent);
                line::integer(line, ",received_bytes=", received);
                line::integer(line, ",sent_messages=", messages_sent);
                line::integer(line, ",received_messages=", messages_received);
                if *texts {
                    write_texts(line, call);
                }
                line::time(line, time);
            });
        }
    }

    pub(crate) fn flush(&mut self, at: Flush) {
        self.names.forget_idle(at.elapsed);
    }
}

/// Writes what is told of one call alone; a field without a value is left out.
fn write_texts(line: &mut Vec<u8>, call: Call<'_>) {
    line::text(line, ",trace_id=", &format!("{:032x}", call.trace_id()));
    for (prefix, text) in [(",peer=", call.peer()), (",error_message=", call.error_message())] {
        if !text.is_empty() {
            line::text(line, prefix, text);
        }
    }
}
