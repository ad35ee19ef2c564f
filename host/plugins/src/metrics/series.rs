//! One series' committed value; who may change it when is the registry's matter.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The byte that ends each label value in a key. It occurs in no UTF-8 text, so values can't be mixed up.
const END: u8 = 0xFF;

/// Bytes of a label value that are kept, as in the host's symbols. Longer ones would make a scrape huge.
const MAX_VALUE_BYTES: usize = 256;

/// The label values of a series in one piece, in the order of the keys, each cut at 256 bytes.
pub(super) type LabelValues = Arc<[u8]>;

/// Writes a key into a buffer that is used again and again.
pub(super) fn write_label_values(key: &mut Vec<u8>, values: &[impl AsRef<str>]) {
    key.clear();
    for value in values {
        let value = value.as_ref();
        key.extend_from_slice(&value.as_bytes()[..value.floor_char_boundary(MAX_VALUE_BYTES)]);
        key.push(END);
    }
}

/// The label values in a key.
pub(super) fn label_values(key: &[u8]) -> impl Iterator<Item = &str> {
    // A key is made of whole texts alone, so that no part of it can fail to be text again.
    key.split_inclusive(|&b| b == END).map(|value| str::from_utf8(&value[..value.len() - 1]).unwrap_or_default())
}

/// A committed value. All that is in it changes under the lock of the tracer that owns it and is atomic only so that
/// the stages of that tracer's instances can keep an `Arc` to it; hence `Relaxed`.
#[derive(Debug)]
pub(super) struct Series {
    /// None on the overflow series.
    labels: Option<LabelValues>,
    /// A counter's or gauge's value, a histogram's sum: an `f64`'s bits.
    value: AtomicU64,
    /// Observations per bucket, each on its own (not cumulative).
    buckets: Box<[AtomicU64]>,
    /// When it began at zero, in milliseconds.
    since_ms: u64,
    /// When a commit last touched it, in milliseconds.
    touched: AtomicU64,
    /// False once it has expired or was replaced; whoever still holds it looks for its successor.
    live: AtomicBool,
}

impl Series {
    pub(super) fn new(labels: Option<LabelValues>, buckets: usize, now_ms: u64) -> Self {
        Self {
            labels,
            value: AtomicU64::new(0.0_f64.to_bits()),
            buckets: (0..buckets).map(|_| AtomicU64::new(0)).collect(),
            since_ms: now_ms,
            touched: AtomicU64::new(0),
            live: AtomicBool::new(true),
        }
    }

    pub(super) fn labels(&self) -> Option<&LabelValues> {
        self.labels.as_ref()
    }

    pub(super) fn since_ms(&self) -> u64 {
        self.since_ms
    }

    pub(super) fn value(&self) -> f64 {
        f64::from_bits(self.value.load(Ordering::Relaxed))
    }

    pub(super) fn buckets(&self) -> impl Iterator<Item = u64> {
        self.buckets.iter().map(|count| count.load(Ordering::Relaxed))
    }

    pub(super) fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }

    pub(super) fn end(&self) {
        self.live.store(false, Ordering::Relaxed);
    }

    pub(super) fn touch(&self, now_ms: u64) {
        self.touched.store(now_ms, Ordering::Relaxed);
    }

    pub(super) fn is_idle(&self, now_ms: u64, idle_ms: u64) -> bool {
        now_ms.saturating_sub(self.touched.load(Ordering::Relaxed)) >= idle_ms
    }

    pub(super) fn set(&self, value: f64) {
        self.value.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Adds; the result stays finite, so that no tracer can make a series useless for ever.
    pub(super) fn add(&self, value: f64) {
        self.set((self.value() + value).clamp(f64::MIN, f64::MAX));
    }

    /// Adds to a histogram, bucket by bucket.
    pub(super) fn merge(&self, counts: &[u64], sum: f64) {
        for (bucket, count) in self.buckets.iter().zip(counts) {
            bucket.store(bucket.load(Ordering::Relaxed).saturating_add(*count), Ordering::Relaxed);
        }
        self.add(sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_come_back_as_they_were() {
        let long = "é".repeat(200);
        let cut = "é".repeat(128);
        for (values, expected) in [
            (&[][..], &[][..]),
            (&[""], &[""]),
            (&["", ""], &["", ""]),
            (&["a", "", "b\u{fe}"], &["a", "", "b\u{fe}"]),
            (&[&long], &[&cut]),
        ] {
            let mut key = vec![1, 2, 3];
            write_label_values(&mut key, values);
            assert_eq!(label_values(&key).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn values_next_to_each_other_are_not_mixed_up() {
        let (mut one, mut other) = (Vec::new(), Vec::new());
        write_label_values(&mut one, &["ab", "c"]);
        write_label_values(&mut other, &["a", "bc"]);
        assert_ne!(one, other);
    }

    #[test]
    fn a_sum_never_becomes_infinite() {
        let series = Series::new(None, 2, 0);
        series.add(f64::MAX);
        series.merge(&[u64::MAX, 1], f64::MAX);
        series.merge(&[1, 1], 0.0);
        assert_eq!(series.value(), f64::MAX);
        assert_eq!(series.buckets().collect::<Vec<_>>(), [u64::MAX, 2]);
    }
}
