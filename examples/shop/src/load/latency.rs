//! How long RPCs took, as a histogram of fixed size: exact to 1/16, from a microsecond to more than an hour.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets per power of two: a quantile is at most 1/16 above what was measured.
const STEPS: u64 = 16;
const STEP_BITS: u32 = STEPS.ilog2();
/// Up to 2^32 µs, more than an hour; what is longer counts as that long.
const MAX_MICROS: u64 = u32::MAX as u64;
const BUCKETS: usize = bucket(MAX_MICROS) + 1;

/// The histogram; tasks write, the generator takes what is there.
#[derive(Debug)]
pub(crate) struct Latencies([AtomicU64; BUCKETS]);

/// The two quantiles that are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quantiles {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// What was taken out of a histogram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken([u64; BUCKETS]);

impl Default for Latencies {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; BUCKETS])
    }
}

impl Latencies {
    /// One RPC took so long.
    pub(crate) fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).min(MAX_MICROS);
        self.0[bucket(micros)].fetch_add(1, Ordering::Relaxed);
    }

    /// All that was recorded since the last time.
    pub(crate) fn take(&self) -> Taken {
        Taken(std::array::from_fn(|at| self.0[at].swap(0, Ordering::Relaxed)))
    }
}

impl Default for Taken {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

impl Taken {
    /// Adds what was taken at another time.
    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, others) in self.0.iter_mut().zip(other.0) {
            *mine += others;
        }
    }

    /// The buckets that are not empty: the greatest value of each in microseconds, and the number of RPCs in it.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().enumerate().filter(|(_, count)| **count > 0).map(|(at, count)| (upper(at), *count))
    }

    /// None if there is nothing.
    pub(crate) fn quantiles(&self) -> Option<Quantiles> {
        Some(Quantiles { p50: self.quantile(50)?, p99: self.quantile(99)? })
    }

    fn quantile(&self, percent: u64) -> Option<Duration> {
        let count: u64 = self.0.iter().sum();
        // At least so many RPCs were as fast or faster.
        let rank = (count * percent).div_ceil(100).max(1);
        let mut below = 0;
        let at = self.0.iter().position(|bucket| {
            below += bucket;
            below >= rank
        })?;
        Some(Duration::from_micros(upper(at)))
    }
}

const fn bucket(micros: u64) -> usize {
    if micros < STEPS {
        return micros as usize;
    }
    let power = micros.ilog2() - STEP_BITS;
    ((power as u64 + 1) * STEPS + (micros >> power) - STEPS) as usize
}

/// The greatest value of a bucket, in microseconds.
const fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let power = bucket / STEPS - 1;
    ((bucket % STEPS + STEPS + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(micros: impl IntoIterator<Item = u64>, expected: Option<(u64, u64)>) {
        let latencies = Latencies::default();
        micros.into_iter().for_each(|micros| latencies.record(Duration::from_micros(micros)));
        let found =
            latencies.take().quantiles().map(|quantiles| (quantiles.p50.as_micros(), quantiles.p99.as_micros()));
        assert_eq!(found, expected.map(|(p50, p99)| (p50.into(), p99.into())));
        assert_eq!(latencies.take(), Taken::default());
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
            let shown = upper(bucket(micros.min(MAX_MICROS)));
            let exact = micros.min(MAX_MICROS);
            assert!(shown >= exact && shown - exact <= exact / 16, "{exact} µs is shown as {shown} µs");
        }
        check([u64::MAX], Some((MAX_MICROS, MAX_MICROS)));
    }

    #[test]
    fn buckets_are_listed_with_what_is_in_them() {
        let latencies = Latencies::default();
        [3, 3, 70, 71].into_iter().for_each(|micros| latencies.record(Duration::from_micros(micros)));
        assert_eq!(latencies.take().buckets().collect::<Vec<_>>(), [(3, 2), (71, 2)]);
        assert_eq!(latencies.take().buckets().count(), 0);
    }

    #[test]
    fn seconds_add_up_to_the_whole() {
        let latencies = Latencies::default();
        let mut whole = Taken::default();
        for micros in [1, 2, 3] {
            latencies.record(Duration::from_micros(micros));
            whole.add(&latencies.take());
        }
        let quantiles = whole.quantiles().expect("three were recorded");
        assert_eq!(quantiles, Quantiles { p50: Duration::from_micros(2), p99: Duration::from_micros(3) });
    }
}
