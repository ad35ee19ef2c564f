//! How long RPCs took, as a histogram of fixed size: exact to 1/16, from a microsecond to more than an hour.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};

/// Up to 2^32 µs, more than an hour; what is longer counts as that long.
const MAX_MICROS: u64 = u32::MAX as u64;
/// Significant decimal digits. With one, the library keeps 16 buckets for each power of two: a quantile is at most 1/16
/// above what was measured.
const DIGITS: u8 = 1;

/// The histogram; tasks write, the generator takes what is there.
#[derive(Debug)]
pub(crate) struct Latencies(Mutex<Histogram<u64>>);

/// The two quantiles that are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quantiles {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// What was taken out of a histogram.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Taken(Histogram<u64>);

impl Latencies {
    /// # Errors
    /// The library does not take the bounds, which are constants.
    pub(crate) fn new() -> Result<Self, CreationError> {
        Ok(Self(Mutex::new(Histogram::new_with_max(MAX_MICROS, DIGITS)?)))
    }

    /// One RPC took so long.
    pub(crate) fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).min(MAX_MICROS);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(micros);
    }

    /// All that was recorded since the last time.
    pub(crate) fn take(&self) -> Taken {
        let mut histogram = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = Taken(histogram.clone());
        histogram.reset();
        taken
    }
}

impl Taken {
    /// Adds what was taken at another time.
    pub(crate) fn add(&mut self, other: &Self) {
        // Adding fails if values do not fit; the bounds are the same.
        let _ = self.0.add(&other.0);
    }

    /// The buckets that are not empty: the greatest value of each in microseconds, and the number of RPCs in it.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0
            .iter_recorded()
            .map(|bucket| (self.0.highest_equivalent(bucket.value_iterated_to()), bucket.count_since_last_iteration()))
    }

    /// None if there is nothing.
    pub(crate) fn quantiles(&self) -> Option<Quantiles> {
        (!self.0.is_empty()).then(|| Quantiles { p50: self.quantile(0.5), p99: self.quantile(0.99) })
    }

    fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(quantile))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Taken {
        Latencies::new().expect("bounds").take()
    }

    #[track_caller]
    fn check(micros: impl IntoIterator<Item = u64>, expected: Option<(u64, u64)>) {
        let latencies = Latencies::new().expect("bounds");
        micros.into_iter().for_each(|micros| latencies.record(Duration::from_micros(micros)));
        let found =
            latencies.take().quantiles().map(|quantiles| (quantiles.p50.as_micros(), quantiles.p99.as_micros()));
        assert_eq!(found, expected.map(|(p50, p99)| (p50.into(), p99.into())));
        assert_eq!(latencies.take(), empty());
    }

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        check([], None);
        check([7], Some((7, 7)));
        check([0, 15], Some((0, 15)));
        check((0..98).map(|_| 3).chain([12, 14]), Some((3, 12)));
        check((0..50).map(|_| 1).chain((0..50).map(|_| 9)), Some((1, 9)));
    }

    #[test]
    fn a_quantile_is_at_most_a_sixteenth_too_great_and_never_too_small() {
        for micros in (0..34).flat_map(|power| [1 << power, (1 << power) + 1, 3 << power, (1_u64 << power) * 5 / 3]) {
            let latencies = Latencies::new().expect("bounds");
            latencies.record(Duration::from_micros(micros));
            let (shown, _) = latencies.take().buckets().next().expect("a bucket");
            let exact = micros.min(MAX_MICROS);
            assert!(shown >= exact && shown - exact <= exact / 16, "{exact} µs is shown as {shown} µs");
        }
        check([u64::MAX], Some((MAX_MICROS, MAX_MICROS)));
    }

    #[test]
    fn buckets_are_listed_with_what_is_in_them() {
        let latencies = Latencies::new().expect("bounds");
        [3, 3, 70, 71].into_iter().for_each(|micros| latencies.record(Duration::from_micros(micros)));
        assert_eq!(latencies.take().buckets().collect::<Vec<_>>(), [(3, 2), (71, 2)]);
        assert_eq!(latencies.take().buckets().count(), 0);
    }

    #[test]
    fn seconds_add_up_to_the_whole() {
        let latencies = Latencies::new().expect("bounds");
        let mut whole = empty();
        for micros in [1, 2, 3] {
            latencies.record(Duration::from_micros(micros));
            whole.add(&latencies.take());
        }
        let quantiles = whole.quantiles().expect("three were recorded");
        assert_eq!(quantiles, Quantiles { p50: Duration::from_micros(2), p99: Duration::from_micros(3) });
    }
}
