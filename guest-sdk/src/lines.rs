//! Payloads that are made of lines: gathered up to what the destination takes, and never cut inside a line.

use crate::items::Items;
use crate::outlet::Outlet;

/// Lines on their way to a destination, in payloads of at most 256 KiB, and never more than the destination takes.
///
/// An item of the [`Outlet`] is a line. A line that is larger than the destination's
/// [`max_payload`](crate::outbox::max_payload) is refused alone and counted; it is never cut. Call [`send`](Self::send)
/// in each flush.
///
/// ```
/// use hottap_guest::outbox::{Lines, Outlet};
/// # fn make() {
///
/// let mut lines = Lines::new(Outlet::define("audit.records", "{record}", "audit", "application/x-ndjson"));
/// lines.line(|line| line.extend_from_slice(b"{\"method\":\"a.B/C\"}"));
/// lines.send();
/// # }
/// ```
#[derive(Debug)]
pub struct Lines(Items);

impl Lines {
    /// Lines for a destination.
    #[must_use]
    pub fn new(outlet: Outlet) -> Self {
        Self(Items::new(outlet))
    }

    /// Returns the bytes of the longest line that the destination takes at this moment, without the line's end. None if
    /// the tracer may not use it.
    #[must_use]
    pub fn max_line(&self) -> Option<usize> {
        self.0.max_item().map(|bytes| bytes.saturating_sub(1))
    }

    /// Adds a line, which `write` appends without its end. If it does not fit, what was there before is sent first.
    #[inline]
    pub fn line(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.0.item(|bytes| {
            write(bytes);
            bytes.push(b'\n');
        });
    }

    /// Sends what there is.
    pub fn send(&mut self) {
        self.0.send();
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::Lines;
    use crate::outbox::Outlet;
    use crate::testing::{Harness, TestCall};
    use crate::{Call, Config, Error, Flush, Tracer};

    const MAX_PAYLOAD: usize = 256 * 1024;

    /// Writes a line of as many bytes as the call took nanoseconds.
    struct Writes(Lines);

    impl Tracer for Writes {
        fn new(_: Config) -> Result<Self, Error> {
            Ok(Self(Lines::new(Outlet::define("writes.lines", "{line}", "there", "text/plain"))))
        }

        fn finish_call(&mut self, call: &Call) {
            let bytes = call.duration().as_nanos() as usize;
            self.0.line(|line| line.extend(std::iter::repeat_n(b'x', bytes)));
        }

        fn flush(&mut self, _: Flush) {
            self.0.send();
        }
    }

    fn lines(host: &mut Harness<Writes>, lengths: impl IntoIterator<Item = u64>) {
        host.finish(lengths.into_iter().map(|nanos| TestCall::server("a.B/C").nanos(nanos)));
    }

    #[test]
    fn payloads_are_no_larger_than_the_destination_takes_and_end_with_a_line() {
        let mut host = Harness::<Writes>::setup().destination_of("there", 1_432).start();
        lines(&mut host, (0..10_000).map(|n| n * 7 % 900));
        host.flush();
        let sent = host.outbox();
        assert!(sent.iter().all(|payload| payload.bytes.len() <= 1_432 && payload.bytes.ends_with(b"\n")));
        let read: usize = sent.iter().map(|payload| payload.bytes.split(|byte| *byte == b'\n').count() - 1).sum();
        assert_eq!(read, 10_000);
        assert_eq!(host.counter("writes.lines", &[]), Some(10_000.0));
        let full = sent.iter().filter(|payload| payload.bytes.len() > 1_432 - 901).count();
        assert!(full > sent.len() * 9 / 10, "{full} of {} payloads are full", sent.len());
    }

    #[test]
    fn a_line_that_no_payload_can_hold_is_dropped_whole_and_counted() {
        let mut host = Harness::<Writes>::setup().destination_of("there", 100).start();
        lines(&mut host, [10, 99, 100, 5_000, 20]);
        host.flush();
        let sent: Vec<usize> = host.outbox().iter().map(|payload| payload.bytes.len()).collect();
        assert_eq!(sent, [11, 100, 21]);
        assert_eq!(host.counter("writes.lines", &[]), Some(3.0));
        assert_eq!(host.counter("writes.lines.refused", &[("reason", "too_large")]), Some(2.0));
    }

    #[test]
    fn a_destination_that_changes_gets_what_it_takes_from_then_on() {
        let mut host = Harness::<Writes>::setup().destination("there").start();
        for (max_payload, expected) in [(200, vec![200, 200]), (100, vec![100; 4]), (1 << 20, vec![400])] {
            let before = host.outbox().len();
            // The change comes while lines are being gathered.
            lines(&mut host, [49; 4]);
            host.set_max_payload("there", max_payload);
            lines(&mut host, [49; 4]);
            host.flush();
            let sent: Vec<usize> = host.outbox()[before..].iter().map(|payload| payload.bytes.len()).collect();
            assert_eq!(sent, expected, "{max_payload}");
        }
        assert_eq!(host.counter("writes.lines.refused", &[]), None);
    }

    #[test]
    fn a_payload_ends_with_a_line_and_none_is_lost() {
        let mut host = Harness::<Writes>::setup().destination("there").start();
        let max = MAX_PAYLOAD as u64;
        for (lines, expected, reason) in [
            (vec![], vec![], "nothing is nothing to send"),
            (vec![3, 4], vec![4 + 5], "one payload"),
            (vec![max / 2 - 1, max / 2 - 1], vec![max], "just fits"),
            (vec![max / 2 - 1, max / 2], vec![max / 2, max / 2 + 1], "does not"),
            (vec![1, max + 7, 2], vec![2, max + 8, 3], "a line that is too long goes alone"),
        ] {
            let before = host.outbox().len();
            host.finish(lines.into_iter().map(|nanos| TestCall::server("a.B/C").nanos(nanos)));
            host.flush();
            let sent: Vec<u64> = host.outbox()[before..].iter().map(|payload| payload.bytes.len() as u64).collect();
            assert_eq!(sent, expected, "{reason}");
            assert!(host.outbox().iter().all(|payload| payload.bytes.ends_with(b"\n")));
        }
        assert_eq!(host.counter("writes.lines", &[]), Some(9.0));
    }
}
