//! A message on an open stream as the hot path writes it, and one plugin's share of such messages; no finished calls.

use std::ops::Range;
use std::sync::Arc;

use crate::live::Mask;

/// Moments that a plugin gets in one piece, at most: as many as a batch has calls.
const MAX_PIECE: usize = 4_096;

/// One message that was sent or received by a call that is still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The plugins that follow the call.
    pub(crate) mask: Mask,
    pub call: u64,
    /// Nanoseconds since the Unix epoch: the call's start and what has passed since, so that a call's moments and its
    /// row agree though the system's clock is set in between.
    pub time: u64,
    /// Bytes, with the message's prefix.
    pub size: u64,
    /// The method's symbol; 0 as long as no call of it has finished.
    pub method: u32,
    /// The fixed symbol of the event `stream_send` or `stream_recv`.
    pub kind: u32,
}

const _: () = assert!(size_of::<Moment>() == 48, "it is written once per message");

/// What one plugin gets of the moments: those of the calls that it follows, in the order of their times.
pub struct Moments {
    all: Arc<[Moment]>,
    range: Range<usize>,
}

#[expect(clippy::len_without_is_empty, reason = "no caller asks for it")]
impl Moments {
    /// The share of the plugin in `slot`, in pieces that bound what a guest gets at once. None of them is empty.
    pub(crate) fn of(all: &[Moment], slot: usize) -> impl Iterator<Item = Self> {
        let mut rest = all.iter().filter(move |moment| moment.mask.has(slot));
        std::iter::from_fn(move || {
            let all: Arc<[Moment]> = rest.by_ref().take(MAX_PIECE).copied().collect();
            (!all.is_empty()).then(|| Self { range: 0..all.len(), all })
        })
    }

    pub fn len(&self) -> usize {
        self.moments().len()
    }

    /// The same moments, or a range of them. Moments beyond the end are left out.
    pub(crate) fn slice(&self, moments: Range<usize>) -> Self {
        let end = moments.end.min(self.len());
        let start = self.range.start + moments.start.min(end);
        Self { all: self.all.clone(), range: start..self.range.start + end }
    }

    fn moments(&self) -> &[Moment] {
        self.all.get(self.range.clone()).unwrap_or_default()
    }

    /// Memory that it holds, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.moments())
    }

    /// One value per moment.
    pub fn map<T>(&self, value: impl Fn(&Moment) -> T) -> Vec<T> {
        self.moments().iter().map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(call: u64, mask: Mask) -> Moment {
        Moment { mask, call, time: call, size: 5, method: 0, kind: 20 }
    }

    #[test]
    fn a_plugin_gets_its_own_moments_and_never_too_many_at_once() {
        let (one, both) = (Mask::one(3), Mask::one(3).or(Mask::one(90)));
        let all: Vec<Moment> = (0..10_000).map(|call| moment(call, if call % 2 == 0 { both } else { one })).collect();
        let sizes = |slot| Moments::of(&all, slot).map(|moments| moments.len()).collect::<Vec<_>>();
        assert_eq!(sizes(3), [4_096, 4_096, 1_808]);
        assert_eq!(sizes(90), [4_096, 904]);
        assert_eq!(sizes(4), [0; 0]);
        let calls: Vec<u64> = Moments::of(&all, 90).flat_map(|moments| moments.map(|moment| moment.call)).collect();
        assert!(calls.iter().copied().eq((0..10_000).step_by(2)), "in their order, each once");
    }
}
