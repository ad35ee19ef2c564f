//! One series in one interval: what its calls add up to, and the line that says so.

use std::cell::Cell;

use crate::line;

/// The fields of a line but for the buckets', in the order in which they are written.
pub(crate) const FIELDS: [&str; 7] =
    ["count", "errors", "duration_sum_ns", "duration_min_ns", "duration_max_ns", "sent_bytes", "received_bytes"];

/// Returns true if a name could be that of a bucket's field, whatever the bounds are.
pub(crate) fn is_bucket(name: &str) -> bool {
    let Some(bound) = name.strip_prefix("le_") else { return false };
    let unit = bound.trim_start_matches(|c: char| c.is_ascii_digit());
    unit.len() < bound.len() && matches!(unit, "ns" | "us" | "ms" | "s")
}

/// The bounds of buckets in nanoseconds, and the names of their fields.
#[derive(Debug)]
pub(crate) struct Buckets {
    upper: Vec<u64>,
    /// `,le_5ms=` and so on.
    prefixes: Vec<String>,
}

impl Buckets {
    pub(crate) fn new(upper: Vec<u64>) -> Self {
        let prefixes = upper.iter().map(|&nanos| format!(",le_{}=", duration(nanos))).collect();
        Self { upper, prefixes }
    }
}

/// A duration as a whole number of its largest unit, so that field names need no quotes in queries.
fn duration(nanos: u64) -> String {
    let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1000, "us")];
    let unit = units.into_iter().find(|(size, _)| nanos.is_multiple_of(*size)).unwrap_or((1, "ns"));
    format!("{}{}", nanos / unit.0, unit.1)
}

/// What the calls of a series add up to since the last line.
#[derive(Debug)]
pub(crate) struct Series {
    /// Measurement and tags.
    name: Box<[u8]>,
    /// Its calls are errors, and their type is one of the tags.
    failed: bool,
    count: Cell<u64>,
    sum: Cell<u64>,
    min: Cell<u64>,
    max: Cell<u64>,
    sent: Cell<u64>,
    received: Cell<u64>,
    /// Calls by bucket; those above the last bound are in none.
    buckets: Box<[Cell<u64>]>,
}

impl Series {
    pub(crate) fn new(name: Box<[u8]>, failed: bool, buckets: &Buckets) -> Self {
        let zero = || Cell::new(0);
        Self {
            name,
            failed,
            count: zero(),
            sum: zero(),
            min: Cell::new(u64::MAX),
            max: zero(),
            sent: zero(),
            received: zero(),
            buckets: vec![zero(); buckets.upper.len()].into(),
        }
    }

    /// Adds a call.
    #[inline]
    pub(crate) fn record(&self, nanos: u64, sent: u64, received: u64, buckets: &Buckets) {
        let add = |cell: &Cell<u64>, value: u64| cell.set(cell.get().saturating_add(value));
        add(&self.count, 1);
        add(&self.sum, nanos);
        self.min.set(self.min.get().min(nanos));
        self.max.set(self.max.get().max(nanos));
        add(&self.sent, sent);
        add(&self.received, received);
        if let Some(bucket) = self.buckets.get(buckets.upper.partition_point(|&bound| bound < nanos)) {
            add(bucket, 1);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count.get() == 0
    }

    /// Writes the line of this interval, and begins the next one. Buckets are cumulative, as quantile functions want
    /// them: `le_5ms` counts all calls of at most 5 ms.
    pub(crate) fn take_line(&self, line: &mut Vec<u8>, unix_nanos: u64, buckets: &Buckets) {
        line.extend_from_slice(&self.name);
        let count = self.count.take();
        line::integer(line, " count=", count);
        line::integer(line, ",errors=", if self.failed { count } else { 0 });
        line::integer(line, ",duration_sum_ns=", self.sum.take());
        line::integer(line, ",duration_min_ns=", self.min.replace(u64::MAX));
        line::integer(line, ",duration_max_ns=", self.max.take());
        line::integer(line, ",sent_bytes=", self.sent.take());
        line::integer(line, ",received_bytes=", self.received.take());
        let mut below = 0;
        for (bucket, prefix) in self.buckets.iter().zip(&buckets.prefixes) {
            below += bucket.take();
            line::integer(line, prefix, below);
        }
        line::time(line, unix_nanos);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_name_their_fields() {
        for (nanos, expected) in [
            (1, "1ns"),
            (1500, "1500ns"),
            (250_000, "250us"),
            (5_000_000, "5ms"),
            (2_500_000_000, "2500ms"),
            (10_000_000_000, "10s"),
        ] {
            assert_eq!(duration(nanos), expected, "{nanos}");
        }
    }
}
