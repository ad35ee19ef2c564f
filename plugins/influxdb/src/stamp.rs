//! Timestamps, no two of them the same: InfluxDB keeps one point for each series and time, and forgets the one before.

use hottap_guest::{log, state};

/// Gives every point a nanosecond of its own, by moving it forward where that nanosecond is taken.
///
/// The last one is saved with each flush, so that a point of the next generation overwrites none of this one's. After
/// the clock was set back, points keep following the last one until the clock has caught up.
#[derive(Debug)]
pub(crate) struct Stamp {
    last: u64,
    saved: u64,
}

impl Stamp {
    /// Continues where the last flush ended. `now` is in nanoseconds since the Unix epoch.
    pub(crate) fn restore(now: u64) -> Self {
        let saved = state::saved().and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
        // Farther ahead than a clock is ever set back, it is no time of ours.
        const DAY: u64 = 86_400_000_000_000;
        let saved = if saved > now.saturating_add(DAY) { 0 } else { saved };
        Self { last: saved, saved }
    }

    /// The time of a point that belongs to `at`, or as soon after it as possible.
    #[inline]
    pub(crate) fn at(&mut self, at: u64) -> u64 {
        self.last = at.max(self.last + 1);
        self.last
    }

    /// Saves the last one, if it is a new one.
    pub(crate) fn save(&mut self) {
        if self.last == self.saved {
            return;
        }
        self.saved = self.last;
        if let Err(error) = state::save(&self.last.to_le_bytes()) {
            log::error(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_the_same_and_each_is_as_near_as_it_can_be() {
        let mut stamp = Stamp::restore(100);
        let given: Vec<u64> = [5, 5, 5, 7, 9, 3, 20].into_iter().map(|at| stamp.at(at)).collect();
        assert_eq!(given, [5, 6, 7, 8, 9, 10, 20]);
    }
}
