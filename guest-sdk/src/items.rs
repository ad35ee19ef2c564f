//! Items on their way to a destination, gathered into payloads that it takes and never cut inside an item.

use std::fmt;

use crate::outlet::Outlet;

/// Bytes that are gathered before they are sent. Servers take megabytes, but a queue of many small payloads loses less
/// when one is refused; with much less there would be more requests than the server likes.
const MAX_BYTES: usize = 256 * 1024;

/// Makes a payload of items.
type Envelope = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// Items (lines, spans) on their way to a destination.
///
/// They are gathered up to 256 KiB and then sent in payloads of at most what the destination takes
/// ([`max_payload`](crate::outbox::max_payload)), which is asked for each time. An item that is larger than that is
/// refused by the destination, alone, and counted by the [`Outlet`]; it is never cut. Call [`send`](Self::send) in each
/// flush. [`Lines`](crate::outbox::Lines) are items that end with a line break.
///
/// ```
/// use hottap_guest::outbox::{Items, Outlet};
/// # fn make() {
///
/// let outlet = Outlet::define("audit.records", "{record}", "audit", "application/json");
/// // Records with a comma behind each, in the brackets of a JSON array.
/// let array = |records: &[u8]| [b"[", records.strip_suffix(b",").unwrap_or(records), b"]"].concat();
/// let mut records = Items::new(outlet).envelope(2, array).max_items(500);
/// records.item(|record| record.extend_from_slice(b"{},"));
/// records.send();
/// # }
/// ```
pub struct Items {
    bytes: Vec<u8>,
    /// The end of each item in `bytes`.
    ends: Vec<usize>,
    max_items: usize,
    envelope: Option<(usize, Envelope)>,
    outlet: Outlet,
}

impl Items {
    /// Items for a destination.
    #[must_use]
    pub fn new(outlet: Outlet) -> Self {
        Self { bytes: Vec::new(), ends: Vec::new(), max_items: usize::MAX, envelope: None, outlet }
    }

    /// At most so many items in a payload; without it the bytes alone count.
    #[must_use]
    pub fn max_items(mut self, items: usize) -> Self {
        self.max_items = items.max(1);
        self
    }

    /// The payload is what `wrap` makes of the items, which adds at most `bytes` to them.
    #[must_use]
    pub fn envelope(mut self, bytes: usize, wrap: impl Fn(&[u8]) -> Vec<u8> + 'static) -> Self {
        self.envelope = Some((bytes, Box::new(wrap)));
        self
    }

    /// Returns the bytes of the largest item that the destination takes at this moment. None if the tracer may not use it.
    #[must_use]
    pub fn max_item(&self) -> Option<usize> {
        let around = self.envelope.as_ref().map_or(0, |(bytes, _)| *bytes);
        self.outlet.max_payload().map(|bytes| bytes.saturating_sub(around))
    }

    /// Adds an item, which `write` appends. If there are too many bytes or items then, those before it are sent first.
    #[inline]
    pub fn item(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.bytes.len();
        write(&mut self.bytes);
        if self.bytes.len() > MAX_BYTES || self.ends.len() >= self.max_items || self.bytes.len() < before {
            self.send_before(before);
        }
        self.ends.push(self.bytes.len());
    }

    #[cold]
    fn send_before(&mut self, end: usize) {
        // If `write` has made the payload shorter instead, there is no new item, and some of the others are gone.
        let end = end.min(self.bytes.len());
        let item = self.bytes.split_off(end);
        self.ends.iter_mut().for_each(|of_item| *of_item = (*of_item).min(end));
        self.send();
        self.bytes = item;
    }

    /// Sends what there is.
    pub fn send(&mut self) {
        if self.ends.is_empty() {
            return;
        }
        let room = self.max_item().unwrap_or(MAX_BYTES);
        let (mut start, mut end, mut items) = (0, 0, 0);
        for next in std::mem::take(&mut self.ends) {
            if items > 0 && next - start > room {
                self.send_part(start, end, items);
                (start, items) = (end, 0);
            }
            (end, items) = (next, items + 1);
        }
        self.send_part(start, end, items);
        self.bytes.clear();
    }

    fn send_part(&mut self, start: usize, end: usize, items: u64) {
        let part = self.bytes.get(start..end).unwrap_or_default();
        match &self.envelope {
            None => self.outlet.send(part, items),
            Some((_, wrap)) => self.outlet.send(&wrap(part), items),
        };
    }
}

impl fmt::Debug for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, ends, outlet, .. } = self;
        f.debug_struct("Items")
            .field("items", &ends.len())
            .field("bytes", &bytes.len())
            .field("outlet", outlet)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::Items;
    use crate::outbox::Outlet;
    use crate::testing::{Harness, TestCall};
    use crate::{Call, Config, Error, Flush, Tracer};

    /// An item of as many bytes as the call took nanoseconds, five at most in a payload, in brackets.
    struct Bracketed(Items);

    impl Tracer for Bracketed {
        fn new(_: Config) -> Result<Self, Error> {
            let outlet = Outlet::define("bracketed.items", "{item}", "there", "text/plain");
            let items = Items::new(outlet).max_items(5).envelope(2, |items| [b"[", items, b"]"].concat());
            Ok(Self(items))
        }

        fn finish_call(&mut self, call: &Call) {
            let bytes = call.duration().as_nanos() as usize;
            self.0.item(|item| item.extend(std::iter::repeat_n(b'x', bytes)));
        }

        fn flush(&mut self, _: Flush) {
            self.0.send();
        }
    }

    #[test]
    fn a_payload_has_an_envelope_and_no_more_items_or_bytes_than_it_may() {
        let mut host = Harness::<Bracketed>::setup().destination_of("there", 100).start();
        for (items, expected, reason) in [
            (vec![], vec![], "nothing is nothing to send"),
            (vec![1; 5], vec!["[xxxxx]".len()], "as many as it may have"),
            (vec![1; 6], vec![7, 3], "one more is the next one's"),
            (vec![49, 49], vec![100], "just fits with its envelope"),
            (vec![49, 50, 48], vec![51, 100], "does not"),
            (vec![98], vec![100], "alone"),
        ] {
            let before = host.outbox().len();
            host.finish(items.into_iter().map(|nanos| TestCall::server("a.B/C").nanos(nanos)));
            host.flush();
            let sent: Vec<usize> = host.outbox()[before..].iter().map(|payload| payload.bytes.len()).collect();
            assert_eq!(sent, expected, "{reason}");
        }
        host.finish([1, 99, 2].map(|nanos| TestCall::server("a.B/C").nanos(nanos)));
        host.flush();
        assert_eq!(host.counter("bracketed.items.refused", &[("reason", "too_large")]), Some(1.0));
        assert_eq!(host.counter("bracketed.items", &[]), Some(19.0));
    }

    #[test]
    fn a_writer_that_takes_bytes_away_harms_nothing_but_them() {
        struct Clears(Items);
        impl Tracer for Clears {
            fn new(_: Config) -> Result<Self, Error> {
                Ok(Self(Items::new(Outlet::define("clears.items", "{item}", "there", ""))))
            }

            fn finish_call(&mut self, call: &Call) {
                match call.duration().as_nanos() {
                    0 => self.0.item(|bytes| bytes.truncate(2)),
                    _ => self.0.item(|bytes| bytes.extend_from_slice(b"ab")),
                }
            }

            fn flush(&mut self, _: Flush) {
                self.0.send();
            }
        }
        let mut host = Harness::<Clears>::setup().destination_of("there", 3).start();
        host.finish([1, 1, 0, 1].map(|nanos| TestCall::server("a.B/C").nanos(nanos)));
        host.flush();
        let sent: Vec<&[u8]> = host.outbox().iter().map(|payload| &*payload.bytes).collect();
        assert!(sent.iter().all(|bytes| matches!(*bytes, b"ab" | b"")), "{sent:?}");
        assert_eq!(sent.concat(), b"abab");
    }
}
