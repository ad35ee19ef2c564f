//! A table from packed numbers to series, for tracers that can't afford to look up texts for each call.

use std::fmt;
use std::time::Duration;

use super::series::FORGET_AFTER;

/// Keys that are kept. More would be more memory for nothing: a table of a service's methods, statuses and error types
/// has some hundreds. When there are more it is emptied, and fills again with those that are in use.
const MAX_KEYS: usize = 16_384;
/// Slots to begin with; a power of two. 1 KiB.
const FIRST_SLOTS: usize = 256;

/// A table from 128 bits of packed numbers (symbols, a side, a status) to the series of an instrument, or to anything
/// else that can be made again from the key.
///
/// The last key is compared first, then comes one multiplication and, as a rule, one probe. The host's symbols are the
/// same text for as long as it lives, so they make good keys; texts are needed only when an entry is made.
///
/// ```
/// use hottap_guest::metrics::{DurationHistogram, DurationSeries, Keyed};
/// use hottap_guest::{Batch, Config, Error, Flush, Symbol, Tracer};
///
/// struct ByMethod {
///     histogram: DurationHistogram,
///     series: Keyed<DurationSeries>,
/// }
///
/// impl Tracer for ByMethod {
///     fn new(_: Config) -> Result<Self, Error> {
///         let histogram = DurationHistogram::define("shop.duration").labels(["method"]).build();
///         Ok(Self { histogram, series: Keyed::new() })
///     }
///
///     fn finish(&mut self, batch: &Batch) {
///         for (method, &nanos) in batch.methods().zip(batch.durations().raw()) {
///             let series = self.series.get_or_insert_with(u128::from(method.id()), || {
///                 self.histogram.with(&[method.as_str()])
///             });
///             series.record_nanos(nanos);
///         }
///     }
///
///     fn flush(&mut self, at: Flush) {
///         self.series.forget_idle(at.elapsed);
///     }
/// }
/// ```
pub struct Keyed<S> {
    entries: Vec<Entry<S>>,
    /// Where in `entries` a key is, plus one; 0 is a free slot. A power of two of slots, at most a quarter of them
    /// taken: a probe that misses costs more than a slot.
    slots: Vec<u32>,
    last: usize,
}

struct Entry<S> {
    key: u128,
    used: bool,
    idle: Duration,
    value: S,
}

impl<S> Keyed<S> {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self { entries: Vec::new(), slots: vec![0; FIRST_SLOTS], last: 0 }
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What stands under the key; made if there is nothing.
    #[inline]
    pub fn get_or_insert_with(&mut self, key: u128, make: impl FnOnce() -> S) -> &S {
        if self.entries.get(self.last).is_none_or(|entry| entry.key != key) {
            self.last = match self.find(key) {
                Some(index) => index,
                None => self.insert(key, make()),
            };
        }
        let entry = &mut self.entries[self.last];
        entry.used = true;
        &entry.value
    }

    /// Drops what was not asked for in the last five minutes. Call it in every flush with [`Flush::elapsed`], so that a
    /// method that is gone does not stay in memory.
    ///
    /// [`Flush::elapsed`]: crate::Flush::elapsed
    pub fn forget_idle(&mut self, elapsed: Duration) {
        let before = self.entries.len();
        self.entries.retain_mut(|entry| {
            entry.idle = if entry.used { Duration::ZERO } else { entry.idle.saturating_add(elapsed) };
            entry.used = false;
            entry.idle < FORGET_AFTER
        });
        if self.entries.len() < before {
            self.entries.shrink_to_fit();
            self.fill_slots();
        }
    }

    #[inline]
    fn find(&self, key: u128) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut slot = hash(key) & mask;
        loop {
            // 0 wraps around to a number that is no entry's.
            let index = (self.slots[slot] as usize).wrapping_sub(1);
            match self.entries.get(index) {
                Some(entry) if entry.key == key => return Some(index),
                Some(_) => slot = (slot + 1) & mask,
                None => return None,
            }
        }
    }

    #[cold]
    fn insert(&mut self, key: u128, value: S) -> usize {
        if self.entries.len() >= MAX_KEYS {
            self.entries.clear();
            self.fill_slots();
        }
        self.entries.push(Entry { key, used: true, idle: Duration::ZERO, value });
        if self.entries.len() * 4 > self.slots.len() {
            self.fill_slots();
        } else {
            self.take_slot(self.entries.len() - 1);
        }
        self.entries.len() - 1
    }

    /// Makes as many slots as the entries need, with room to grow, and takes theirs.
    fn fill_slots(&mut self) {
        let slots = (self.entries.len() * 8).next_power_of_two().max(FIRST_SLOTS);
        self.slots.clear();
        self.slots.shrink_to(slots);
        self.slots.resize(slots, 0);
        for index in 0..self.entries.len() {
            self.take_slot(index);
        }
    }

    fn take_slot(&mut self, index: usize) {
        let mask = self.slots.len() - 1;
        let mut slot = hash(self.entries[index].key) & mask;
        while self.slots[slot] != 0 {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = index as u32 + 1;
    }
}

#[inline]
fn hash(key: u128) -> usize {
    let (low, high) = (key as u64, (key >> 64) as u64);
    let mixed = low.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ high.wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
    // The upper half of a product depends on all of the factor's bits, its lowest bits only on the factor's lowest.
    (mixed >> 32) as usize
}

impl<S> Default for Keyed<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> fmt::Debug for Keyed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed").field("keys", &self.entries.len()).field("slots", &self.slots.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(i: u64) -> u128 {
        u128::from(i % 17) | u128::from(i / 17) << 64
    }

    #[test]
    fn a_key_finds_what_was_made_for_it() {
        let mut table = Keyed::new();
        for round in 0..3 {
            for i in 0..5000 {
                let value = *table.get_or_insert_with(key(i), || i);
                assert_eq!(value, i, "round {round}");
            }
        }
        assert_eq!(table.len(), 5000);
    }

    #[test]
    fn what_is_not_used_is_forgotten_and_the_table_shrinks() {
        let mut table = Keyed::new();
        for i in 0..1000 {
            table.get_or_insert_with(key(i), || i);
        }
        for _ in 0..301 {
            table.get_or_insert_with(key(7), || unreachable!("it is in use"));
            table.forget_idle(Duration::from_secs(1));
        }
        assert_eq!((table.len(), table.slots.len()), (1, FIRST_SLOTS));
        assert_eq!(*table.get_or_insert_with(key(7), || 0), 7);
        assert_eq!(*table.get_or_insert_with(key(8), || 88), 88);
    }

    #[test]
    fn a_flood_of_keys_leaves_memory_flat() {
        let mut table = Keyed::new();
        for i in 0..200_000 {
            assert_eq!(*table.get_or_insert_with(key(i), || i), i);
        }
        assert!(table.len() <= MAX_KEYS && table.slots.len() <= 8 * MAX_KEYS, "{table:?}");
    }
}
