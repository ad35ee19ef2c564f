//! A destination with its books: what it took and what it refused is counted, and an outage is logged once.

use std::fmt;

use crate::log;
use crate::metrics::{Counter, CounterSeries};
use crate::outbox::{self, Refusal};

/// Payloads taken in a row after which an outage is over. With fewer, a queue that has space for every other payload
/// would fill the log; with many more, the log says late that all is well.
const CALM: u32 = 16;

/// One destination, and counters of what was handed over to it: nothing that a destination refuses is lost silently.
///
/// It defines two metrics: `NAME` counts the items (points, spans, lines) that were taken, `NAME.refused` those that
/// were not, by `reason`. What was refused is not kept for another try: the host's queue is where payloads wait, and a
/// refusal means that it is full or that there is none. The log says so when it begins and when it is over.
///
/// ```
/// # use hottap_guest::outbox::Outlet;
/// # fn make() {
/// let mut outlet = Outlet::define("audit.records", "{record}", "audit", "application/x-ndjson");
/// outlet.send(b"{\"method\":\"a.B/C\"}\n", 1);
/// # }
/// ```
pub struct Outlet {
    destination: String,
    content_type: String,
    taken: CounterSeries,
    refused: Counter,
    /// Why payloads are refused, until the outage is over.
    refusing: Option<Refusal>,
    /// The destination's `max_payload` when the log was last told that a payload is too large for it.
    too_large_for: Option<usize>,
    /// Payloads taken since the last one that was not.
    in_a_row: u32,
}

impl Outlet {
    /// Defines the counters. Call it in [`Tracer::new`](crate::Tracer::new).
    ///
    /// `content_type` is the payloads' media type; see [`send`](outbox::send).
    #[must_use]
    pub fn define(name: &str, unit: &str, destination: &str, content_type: &str) -> Self {
        let taken = Counter::define(name).unit(unit).help("Handed over to the destination's queue.").build();
        let refused = Counter::define(&format!("{name}.refused"))
            .unit(unit)
            .help("Lost, because the destination's queue did not take them.")
            .labels(["reason"])
            .build();
        let (destination, content_type) = (destination.to_owned(), content_type.to_owned());
        Self {
            destination,
            content_type,
            taken: taken.with(&[]),
            refused,
            refusing: None,
            too_large_for: None,
            in_a_row: 0,
        }
    }

    /// Returns the bytes of the largest payload that the destination takes at this moment; see
    /// [`max_payload`](outbox::max_payload).
    #[must_use]
    pub fn max_payload(&self) -> Option<usize> {
        outbox::max_payload(&self.destination)
    }

    /// Hands over a payload that holds so many items. True if it was taken.
    pub fn send(&mut self, payload: &[u8], items: u64) -> bool {
        match outbox::send(&self.destination, &self.content_type, payload) {
            Ok(()) => {
                self.taken.add(items as f64);
                self.in_a_row = self.in_a_row.saturating_add(1);
                if self.refusing.is_some() && self.in_a_row >= CALM {
                    self.tell(None);
                }
                true
            }
            Err(refusal) => {
                self.refused.with(&[refusal.as_str()]).add(items as f64);
                if refusal == Refusal::TooLarge {
                    self.tell_too_large(payload.len());
                    return false;
                }
                self.in_a_row = 0;
                if self.refusing != Some(refusal) {
                    self.tell(Some(refusal));
                }
                false
            }
        }
    }

    /// Says so once for each size that the operator sets: that one payload is too large says nothing of the next.
    fn tell_too_large(&mut self, bytes: usize) {
        let max_payload = self.max_payload();
        if max_payload.is_none() || self.too_large_for == max_payload {
            return;
        }
        self.too_large_for = max_payload;
        log::warn(format_args!(
            "destination {:?} takes payloads of at most {} bytes, and one has {bytes}: raise the destination's \
             `max_payload` in hottap.toml; what is larger is lost and counted",
            self.destination,
            max_payload.unwrap_or_default(),
        ));
    }

    fn tell(&mut self, refusal: Option<Refusal>) {
        self.refusing = refusal;
        let destination = &self.destination;
        match refusal {
            None => log::info(format_args!("destination {destination:?} takes payloads again")),
            Some(Refusal::NotAllowed) => log::warn(format_args!(
                "there is no destination {destination:?} for this tracer: name it in the manifest's `destinations`, and \
                 define it in hottap.toml with this tracer among its `tracers`; what is sent meanwhile is lost and counted"
            )),
            Some(refusal) => log::warn(format_args!(
                "destination {destination:?} takes nothing: {refusal}; what is sent meanwhile is lost and counted"
            )),
        }
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { destination, refusing, .. } = self;
        f.debug_struct("Outlet").field("destination", destination).field("refusing", refusing).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::{CALM, Outlet};
    use crate::testing::{Harness, TestCall};
    use crate::{Batch, Config, Error, Tracer};

    /// Sends a payload for each batch, one item for each call.
    struct Sends(Outlet);

    impl Tracer for Sends {
        fn new(_: Config) -> Result<Self, Error> {
            Ok(Self(Outlet::define("sends.items", "{item}", "there", "text/plain")))
        }

        fn finish(&mut self, batch: &Batch) {
            self.0.send(b"x", batch.len() as u64);
        }
    }

    fn calls(count: usize) -> impl Iterator<Item = TestCall> {
        (0..count).map(|_| TestCall::server("a.B/C"))
    }

    #[test]
    fn what_a_destination_refuses_is_counted_and_logged_once() {
        let mut host = Harness::<Sends>::setup().destination("there").start();
        host.finish(calls(3));
        host.set_outbox_full(true);
        host.finish(calls(5));
        host.finish(calls(7));
        host.set_outbox_full(false);
        for _ in 0..CALM {
            host.finish(calls(1));
        }
        host.flush();
        assert_eq!(host.counter("sends.items", &[]), Some(3.0 + f64::from(CALM)));
        assert_eq!(host.counter("sends.items.refused", &[("reason", "full")]), Some(12.0));
        assert_eq!(host.outbox().len(), 1 + CALM as usize);
        let lines: Vec<&str> = host.log().iter().map(|line| line.message.as_str()).collect();
        assert_eq!(
            lines,
            [
                "destination \"there\" takes nothing: the destination's queue is full; what is sent meanwhile is lost and counted",
                "destination \"there\" takes payloads again",
            ]
        );
    }

    #[test]
    fn a_payload_that_is_too_large_is_counted_and_the_log_says_once_what_to_raise() {
        let mut host = Harness::<Sends>::setup().destination_of("there", 0).start();
        host.finish(calls(3));
        host.finish(calls(4));
        host.set_max_payload("there", 1);
        host.finish(calls(5));
        host.flush();
        assert_eq!(host.counter("sends.items.refused", &[("reason", "too_large")]), Some(7.0));
        assert_eq!(host.counter("sends.items", &[]), Some(5.0));
        assert_eq!(host.log().len(), 1);
        let line = &host.log()[0].message;
        assert!(line.contains("at most 0 bytes, and one has 1: raise the destination's `max_payload`"), "{line}");
    }

    #[test]
    fn a_destination_that_is_not_there_is_named_with_what_to_do() {
        let mut host = Harness::<Sends>::start();
        host.finish(calls(1));
        host.finish(calls(1));
        host.flush();
        assert_eq!(host.counter("sends.items.refused", &[("reason", "not_allowed")]), Some(2.0));
        assert_eq!(host.log().len(), 1);
        assert!(host.log()[0].message.starts_with("there is no destination \"there\" for this tracer: name it"));
    }
}
