//! Payloads that are made of lines: gathered up to a bound, and never cut inside a line.

use crate::outlet::Outlet;

/// Bytes of a payload. Servers take megabytes, but a queue of many small payloads loses less when one is refused; with
/// much less there would be more requests than the server likes.
const MAX_PAYLOAD: usize = 256 * 1024;

/// Lines on their way to a destination, in payloads of at most 256 KiB (or one line, if that is longer).
///
/// An item of the [`Outlet`] is a line. Call [`send`](Self::send) in each flush.
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
pub struct Lines {
    payload: Vec<u8>,
    lines: u64,
    outlet: Outlet,
}

impl Lines {
    /// Lines for a destination.
    #[must_use]
    pub fn new(outlet: Outlet) -> Self {
        Self { payload: Vec::new(), lines: 0, outlet }
    }

    /// Adds a line, which `write` appends without its end. If it does not fit, what was there before is sent first.
    #[inline]
    pub fn line(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.payload.len();
        write(&mut self.payload);
        self.payload.push(b'\n');
        if self.payload.len() > MAX_PAYLOAD {
            self.send_before(before);
        }
        self.lines += 1;
    }

    #[cold]
    fn send_before(&mut self, end: usize) {
        // Nothing is behind `end` only if `write` made the payload shorter.
        let line = self.payload.split_off(end.min(self.payload.len()));
        self.send();
        self.payload = line;
    }

    /// Sends what there is.
    pub fn send(&mut self) {
        if !self.payload.is_empty() {
            self.outlet.send(&self.payload, self.lines);
        }
        self.payload.clear();
        self.lines = 0;
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::{Lines, MAX_PAYLOAD};
    use crate::outbox::Outlet;
    use crate::testing::{Harness, TestCall};
    use crate::{Call, Config, Error, Flush, Tracer};

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
