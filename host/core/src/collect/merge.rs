//! Puts the rows of all shards into one order: the order in which the calls finished. Pure.

/// Rows in one batch at most. A burst is cut into several, so that one batch bounds what a guest gets at once.
pub(crate) const MAX_BATCH: usize = 4_096;

/// Where a row stands: which buffer, which row in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowId(u32);

/// Bits for the row within its buffer; a shard holds far fewer rows.
const ROW_BITS: u32 = 14;

impl RowId {
    fn new(buffer: usize, row: usize) -> Self {
        Self((buffer as u32) << ROW_BITS | row as u32)
    }

    pub(crate) fn buffer(self) -> usize {
        (self.0 >> ROW_BITS) as usize
    }

    pub(crate) fn row(self) -> usize {
        (self.0 & ((1 << ROW_BITS) - 1)) as usize
    }
}

/// Merges lists that are each (nearly) in order. Equal times keep the lists' order.
///
/// Threads are few, so the least head is found by looking at all of them; a list's own order is kept as it is, because a
/// thread finishes its calls one after the other.
pub(crate) fn merge<T>(lists: &[&[T]], time: impl Fn(&T) -> u64) -> Vec<RowId> {
    let mut heads: Vec<Head<'_, T>> =
        lists.iter().enumerate().filter_map(|(list, rows)| Head::of(list, 0, rows)).collect();
    let mut merged = Vec::with_capacity(lists.iter().map(|rows| rows.len()).sum());
    while let Some(first) = (0..heads.len()).min_by_key(|&i| time(heads[i].first)) {
        let others = (0..heads.len()).filter(|&i| i != first);
        let limit = others.map(|i| time(heads[i].first)).min().unwrap_or(u64::MAX);
        let Head { list, row, rest, .. } = heads[first];
        // As long as this list has the earliest row, the others need not be looked at.
        let run = 1 + rest.iter().take_while(|row| time(row) <= limit).count();
        merged.extend((row..row + run).map(|row| RowId::new(list, row)));
        match Head::of(list, row + run, rest.get(run - 1..).unwrap_or_default()) {
            Some(head) => heads[first] = head,
            None => _ = heads.remove(first),
        }
    }
    merged
}

/// What is left of a list.
#[derive(Clone, Copy)]
struct Head<'r, T> {
    list: usize,
    row: usize,
    first: &'r T,
    rest: &'r [T],
}

impl<'r, T> Head<'r, T> {
    fn of(list: usize, row: usize, rows: &'r [T]) -> Option<Self> {
        rows.split_first().map(|(first, rest)| Self { list, row, first, rest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_the_order_in_which_the_calls_finished() {
        let lists = [vec![1, 4, 9], vec![], vec![2, 3, 10, 11], vec![4]];
        let merged: Vec<u64> = merge(&lists.each_ref().map(Vec::as_slice), |&time| time)
            .into_iter()
            .map(|id| lists[id.buffer()][id.row()])
            .collect();
        assert_eq!(merged, [1, 2, 3, 4, 4, 9, 10, 11]);
    }

    #[test]
    fn every_row_is_merged_once() {
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..200 {
            let lists: Vec<Vec<u64>> = (0..rng.usize(0..6))
                .map(|_| {
                    let mut list: Vec<u64> = (0..rng.usize(0..40)).map(|_| rng.u64(0..50)).collect();
                    list.sort_unstable();
                    list
                })
                .collect();
            let slices: Vec<_> = lists.iter().map(Vec::as_slice).collect();
            let merged: Vec<u64> =
                merge(&slices, |&time| time).into_iter().map(|id| lists[id.buffer()][id.row()]).collect();
            let mut all: Vec<u64> = lists.concat();
            all.sort_unstable();
            assert_eq!(merged, all);
        }
    }
}
