//! A column: one fact of all calls of a batch, as typed values and as the numbers that the host handed over.

use std::fmt;
use std::slice;
use std::time::Duration;

/// A value that a column can hold, made from the number that stands for it in the contract.
///
/// Sealed: the contract decides what there is.
pub trait Element: sealed::Sealed + Sized {
    /// The number in the contract.
    type Raw: Copy + fmt::Debug + 'static;
    /// Never fails: a number that this version does not know has a value too.
    fn from_raw(raw: Self::Raw) -> Self;
}

pub(crate) mod sealed {
    /// Keeps [`Element`](super::Element) closed.
    pub trait Sealed {}
}

/// One fact of all calls of a batch: an iterator of values in the order in which the calls finished.
///
/// Where speed counts, [`raw`](Self::raw) is the slice of plain numbers. A column is cheap to clone; the copy into the
/// guest's memory was paid for when the batch was first asked for it.
pub struct Column<'a, T: Element> {
    values: slice::Iter<'a, T::Raw>,
}

impl<'a, T: Element> Column<'a, T> {
    pub(crate) fn new(raw: &'a [T::Raw]) -> Self {
        Self { values: raw.iter() }
    }

    /// The numbers that have not been iterated over yet, as the contract has them: durations in nanoseconds, 65535 for
    /// no status, 0 for no symbol.
    #[must_use]
    pub fn raw(&self) -> &'a [T::Raw] {
        self.values.as_slice()
    }

    /// The value of the call at `index`; none if there is no such call.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<T> {
        self.raw().get(index).map(|&raw| T::from_raw(raw))
    }
}

impl<T: Element> Iterator for Column<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.values.next().map(|&raw| T::from_raw(raw))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.values.size_hint()
    }
}

impl<T: Element> DoubleEndedIterator for Column<'_, T> {
    fn next_back(&mut self) -> Option<T> {
        self.values.next_back().map(|&raw| T::from_raw(raw))
    }
}

impl<T: Element> ExactSizeIterator for Column<'_, T> {}

impl<T: Element> Clone for Column<'_, T> {
    fn clone(&self) -> Self {
        Self { values: self.values.clone() }
    }
}

impl<T: Element + fmt::Debug> fmt::Debug for Column<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

macro_rules! element {
    ($($type:ty: $raw:ty, |$number:ident| $value:expr;)*) => {$(
        impl $crate::column::sealed::Sealed for $type {}
        impl $crate::column::Element for $type {
            type Raw = $raw;
            #[inline]
            fn from_raw($number: $raw) -> Self {
                $value
            }
        }
    )*};
}
pub(crate) use element;

/// What stands for "no status" in the contract.
pub(crate) const NO_STATUS: u16 = u16::MAX;

element! {
    u16: u16, |raw| raw;
    u32: u32, |raw| raw;
    u64: u64, |raw| raw;
    i32: i32, |raw| raw;
    bool: u8, |raw| raw != 0;
    Duration: u64, |raw| Duration::from_nanos(raw);
    Option<Duration>: u64, |raw| (raw != 0).then(|| Duration::from_nanos(raw));
    Option<u16>: u16, |raw| (raw != NO_STATUS).then_some(raw);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_an_iterator_and_a_slice() {
        let raw = [5, 0, 7];
        let mut column = Column::<Option<Duration>>::new(&raw);
        assert_eq!(column.len(), 3);
        assert_eq!(column.next(), Some(Some(Duration::from_nanos(5))));
        assert_eq!(column.raw(), [0, 7]);
        assert_eq!(column.get(0), Some(None));
        assert_eq!(column.get(9), None);
        assert_eq!(format!("{column:?}"), "[None, Some(7ns)]");
    }

    #[test]
    fn no_status_is_none() {
        let raw = [NO_STATUS, 0, 404];
        assert_eq!(Column::<Option<u16>>::new(&raw).collect::<Vec<_>>(), [None, Some(0), Some(404)]);
    }
}
