//! Which bucket of a histogram a value falls into: one table look-up and, as a rule, one comparison.

/// Cells of the table: the position of a number's highest bit, and the two bits below it.
const CELLS: usize = 256;
/// The most bounds that the host takes.
pub(crate) const MOST: usize = 64;

/// The inclusive upper bounds of the buckets of a histogram of whole numbers, rising, and a table that leads almost to
/// the right one. All in one piece, so that a look-up follows no further pointer.
///
/// A cell spans a quarter of an octave at most, so bounds that are at least 1.25 apart never share one, and the search
/// after the look-up takes no step or one.
#[derive(Debug)]
pub(crate) struct Bounds {
    /// As given; the rest is the greatest number, so that every number has a bucket.
    upper: [u64; MOST + 1],
    buckets: usize,
    /// The first bucket that a number of the cell can fall into.
    first: [u8; CELLS],
}

impl Bounds {
    /// What is beyond the 64th bound is left out.
    pub(crate) fn new(bounds: &[u64]) -> Self {
        let bounds = bounds.get(..MOST).unwrap_or(bounds);
        let mut upper = [u64::MAX; MOST + 1];
        for (slot, &bound) in upper.iter_mut().zip(bounds) {
            *slot = bound;
        }
        let mut first = [0; CELLS];
        for (index, slot) in first.iter_mut().enumerate() {
            let smallest = smallest_in(index);
            *slot = bounds.iter().take_while(|&&bound| bound < smallest).count() as u8;
        }
        Self { upper, buckets: bounds.len() + 1, first }
    }

    /// How many buckets there are: one for each bound and one for what is above the last.
    pub(crate) fn buckets(&self) -> usize {
        self.buckets
    }

    /// The bucket that `value` falls into; always below [`buckets`](Self::buckets).
    #[inline]
    pub(crate) fn bucket(&self, value: u64) -> usize {
        let mut bucket = usize::from(self.first[cell(value)]);
        // Ends at the first bound that is the greatest number, if not before.
        while self.upper.get(bucket).is_some_and(|&bound| value > bound) {
            bucket += 1;
        }
        bucket
    }
}

#[inline]
fn cell(value: u64) -> usize {
    // The lowest three bits set give small numbers a highest bit to count from; they change no comparison, because
    // the cell only says where to begin.
    let high = 63 - (value | 4).leading_zeros() as usize;
    high << 2 | ((value >> (high - 2)) & 3) as usize
}

/// The smallest number in a cell, or a smaller one.
fn smallest_in(index: usize) -> u64 {
    let (high, quarter) = (index >> 2, (index & 3) as u64);
    if high <= 2 { 0 } else { (4 | quarter) << (high - 2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the table must agree with.
    fn by_comparing(upper: &[u64], value: u64) -> usize {
        upper.iter().filter(|&&bound| value > bound).count()
    }

    #[track_caller]
    fn check(upper: &[u64]) {
        let bounds = Bounds::new(upper);
        let near = upper.iter().flat_map(|&bound| [bound.saturating_sub(1), bound, bound.saturating_add(1)]);
        let powers = (0..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) | (1 << bit >> 1)]);
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        let scattered = (0..100_000).map(|i| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            random >> (i % 64)
        });
        for value in near.chain(powers).chain(scattered).chain(0..10_000).chain([u64::MAX]) {
            assert_eq!(bounds.bucket(value), by_comparing(upper, value), "{value} in {upper:?}");
        }
    }

    #[test]
    fn the_table_agrees_with_comparing_every_bound() {
        let rpc: Vec<u64> = super::super::RPC_DURATION_BOUNDS.iter().map(|s| (s * 1e9).round() as u64).collect();
        check(&rpc);
        check(&[]);
        check(&[0]);
        check(&[u64::MAX]);
        check(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        check(&(1000..1064).collect::<Vec<_>>());
        check(&(0..64).map(|bit| 1 << bit).collect::<Vec<_>>());
    }
}
