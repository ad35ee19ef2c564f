//! A tracer that counts the messages of streams while they are open, for tests of what streams are told; no example to
//! copy.

use std::collections::BTreeMap;
use std::time::Duration;

use hottap_guest::metrics::{Counter, CounterSeries};
use hottap_guest::{Call, Config, Error, Event, EventKind, Moments, Streams, Tracer, export};

/// Messages and bytes, of which side and in which direction.
struct Tally {
    messages: Counter,
    bytes: Counter,
    /// What was seen of each open call: messages and bytes, sent and received.
    open: BTreeMap<u64, [u64; 4]>,
    /// Finished calls of which the row says what their messages said.
    agreed: CounterSeries,
    /// Finished calls of which it says something else, by what it said.
    differed: Counter,
    /// Messages that came after one with a later time.
    disordered: CounterSeries,
    last: u64,
}

impl Tracer for Tally {
    fn new(config: Config) -> Result<Self, Error> {
        config.flush_every(Duration::from_millis(50));
        Ok(Self {
            messages: Counter::define("tally.messages").labels(["kind", "method"]).build(),
            bytes: Counter::define("tally.bytes").unit("By").labels(["kind", "method"]).build(),
            open: BTreeMap::new(),
            agreed: Counter::define("tally.agreed").build().with(&[]),
            differed: Counter::define("tally.differed").labels(["seen", "told"]).build(),
            disordered: Counter::define("tally.disordered").build().with(&[]),
            last: 0,
        })
    }

    fn finish_call(&mut self, call: &Call) {
        let seen = self.open.remove(&call.id()).unwrap_or_default();
        let (sent, received) = (u64::from(call.sent_messages()), u64::from(call.received_messages()));
        let told = [sent, call.sent_bytes(), received, call.received_bytes()];
        if seen == told {
            self.agreed.increment();
        } else {
            self.differed.with(&[&format!("{seen:?}"), &format!("{told:?}")]).increment();
        }
    }
}

impl Streams for Tally {
    fn progress(&mut self, moments: &Moments) {
        for moment in moments.iter() {
            let labels = [moment.kind.as_str(), moment.method.as_str()];
            self.messages.with(&labels).increment();
            self.bytes.with(&labels).add(moment.size as f64);
            let seen = self.open.entry(moment.call_id).or_default();
            let [messages, bytes] = if is_sent(moment.kind) { [0, 1] } else { [2, 3] };
            seen[messages] += 1;
            seen[bytes] += moment.size;
            if moment.time < self.last {
                self.disordered.increment();
            }
            self.last = moment.time;
        }
    }
}

fn is_sent(kind: EventKind) -> bool {
    kind == Event::STREAM_SEND
}

export!(Tally, streams);
