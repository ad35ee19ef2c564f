//! The calls and moments that an instance was handed since its last commit, to be handed over again after a failure.

use std::collections::VecDeque;

use super::recovery::Segment;
use hottap_core::budget::{Budget, Kind, Reservation};
use hottap_core::collect::Work;

/// Bytes that are kept at most, and handed over again after a failure.
const MAX_BYTES: u64 = 16 << 20;
/// Bytes at which an early flush comes, so that there is room for what comes while it fails.
const EARLY_BYTES: u64 = MAX_BYTES / 2;

/// Bytes at which an early flush comes if the memory that all plugins share is used up.
const EARLY_BYTES_IN_NEED: u64 = 1 << 20;

/// Work in the order in which it was handed over. The batches behind it are shared with the other plugins; keeping them
/// copies no row.
pub(super) struct Kept {
    pieces: VecDeque<Piece>,
    /// The number of the next piece.
    next: u64,
    /// Its part of the memory that all plugins share. The plugin's own bounds hold it down.
    shared: Reservation,
}

struct Piece {
    number: u64,
    work: Work,
}

/// Calls and moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) calls: u64,
    pub(super) moments: u64,
}

impl Tally {
    pub(super) fn add(&mut self, work: &Work, rows: usize) {
        match work {
            Work::Calls(_) => self.calls += rows as u64,
            Work::Moments(_) => self.moments += rows as u64,
        }
    }
}

impl Kept {
    pub(super) fn new(budget: &Budget) -> Self {
        Self { pieces: VecDeque::new(), next: 0, shared: budget.none(Kind::Kept) }
    }

    /// Keeps what is about to be handed over.
    pub(super) fn push(&mut self, work: Work) {
        self.shared.grow_anyway(work.bytes() as u64);
        self.pieces.push_back(Piece { number: self.next, work });
        self.next += 1;
    }

    /// Whole pieces, for a recovery.
    pub(super) fn segments(&self) -> impl Iterator<Item = Segment> {
        self.pieces.iter().map(|piece| Segment { piece: piece.number, rows: 0..piece.work.len() })
    }

    /// The work that a segment stands for. None if it was not kept.
    pub(super) fn get(&self, segment: &Segment) -> Option<Work> {
        Some(self.piece(segment)?.slice(segment.rows.clone()))
    }

    fn piece(&self, segment: &Segment) -> Option<&Work> {
        let first = self.pieces.front()?.number;
        let index = usize::try_from(segment.piece.checked_sub(first)?).ok()?;
        self.pieces.get(index).map(|piece| &piece.work)
    }

    /// The calls and moments of some segments.
    pub(super) fn tally<'s>(&self, segments: impl Iterator<Item = &'s Segment>) -> Tally {
        let mut tally = Tally::default();
        for segment in segments {
            if let Some(work) = self.piece(segment) {
                tally.add(work, segment.rows.len());
            }
        }
        tally
    }

    /// The calls and moments of all pieces.
    pub(super) fn total(&self) -> Tally {
        let mut tally = Tally::default();
        self.pieces.iter().for_each(|piece| tally.add(&piece.work, piece.work.len()));
        tally
    }

    /// Forgets the pieces before the first segment that is left; all if none is.
    pub(super) fn forget_before(&mut self, first: Option<&Segment>) {
        let first = first.map_or(u64::MAX, |segment| segment.piece);
        while let Some(piece) = self.pieces.pop_front_if(|piece| piece.number < first) {
            self.shared.shrink(piece.work.bytes() as u64);
        }
    }

    /// Keeps only these segments, each as a piece of its own.
    pub(super) fn keep_only<'s>(&mut self, segments: impl Iterator<Item = &'s Segment>) {
        let rest: Vec<Work> = segments.filter_map(|segment| self.get(segment)).collect();
        self.clear();
        rest.into_iter().for_each(|work| self.push(work));
    }

    /// Takes out the pieces of moments, for a generation that does not follow streams. Returns how many there were.
    pub(super) fn take_moments(&mut self) -> u64 {
        let moments = self.total().moments;
        let pieces = std::mem::take(&mut self.pieces);
        self.clear();
        let calls = pieces.into_iter().filter(|piece| matches!(piece.work, Work::Calls(_)));
        calls.for_each(|piece| self.push(piece.work));
        moments
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// True if it is time for an early flush.
    pub(super) fn is_half_full(&self) -> bool {
        let bytes = self.shared.bytes();
        bytes >= EARLY_BYTES || (bytes >= EARLY_BYTES_IN_NEED && self.shared.is_exhausted())
    }

    pub(super) fn clear(&mut self) {
        self.pieces.clear();
        self.shared.shrink(u64::MAX);
    }
}
