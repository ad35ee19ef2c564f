//! A guest that fails as its input says, and the ladder that brings it back.

use std::collections::{BTreeSet, VecDeque};

use super::bytes::Bytes;
use crate::plugin::{Fault, Recovery, Segment, Step};

/// Steps after which a recovery goes on for ever: a piece of 32 rows, all bad, takes some 150.
const MAX_STEPS: usize = 20_000;

type Row = (u64, usize);

/// Whatever fails, the ladder ends; each row is committed, dead or left over, once and in order; only rows that fail on
/// their own are dead; and if nothing but rows fails, none is left over.
pub fn recovery(data: &[u8]) {
    let mut guest = Guest::of(&mut Bytes::new(data));
    let pieces = std::mem::take(&mut guest.pieces);
    let segments = pieces.iter().zip(0..).map(|(rows, piece)| Segment { piece, rows: 0..*rows });
    let mut recovery = Recovery::new(segments);
    for _ in 0..MAX_STEPS {
        let passed = match recovery.step() {
            Step::Restart => guest.restart(),
            Step::Finish(segment) => guest.finish(&segment),
            Step::Flush => guest.flush(),
            Step::Probe => !guest.next_fails(),
            Step::Bury(segment) => guest.bury(&segment),
            Step::Done => return guest.check(&pieces, None, recovery.left().cloned().collect()),
            Step::GiveUp(fault) => return guest.check(&pieces, Some(fault), recovery.left().cloned().collect()),
        };
        if passed {
            recovery.passed();
        } else {
            guest.is_alive = false;
            recovery.failed();
        }
    }
    panic!("no end after {MAX_STEPS} steps: {data:?}");
}

/// The model: what fails, and what became of each row.
#[derive(Debug, Default)]
struct Guest {
    /// The rows of each piece.
    pieces: Vec<usize>,
    /// Rows at which every instance fails.
    poison: BTreeSet<Row>,
    /// It fails at every n-th row that an instance sees; 0 never.
    every: usize,
    /// Its flush fails with more rows than this in it; 0 never.
    most: usize,
    /// Bits that say whether restarts, calls, flushes and probes fail beside; taken one after the other.
    failures: VecDeque<bool>,
    /// True if anything but poisoned rows failed.
    is_fickle: bool,
    is_alive: bool,
    seen: usize,
    staged: Vec<Row>,
    committed: Vec<Row>,
    dead: Vec<Row>,
}

impl Guest {
    fn of(bytes: &mut Bytes<'_>) -> Self {
        let mut guest = Self::default();
        for _ in 0..bytes.byte() % 8 {
            guest.pieces.push(usize::from(bytes.byte() % 32));
        }
        for _ in 0..bytes.byte() % 8 {
            let (piece, row) = (u64::from(bytes.byte() % 8), usize::from(bytes.byte() % 32));
            guest.poison.insert((piece, row));
        }
        (guest.every, guest.most) = (usize::from(bytes.byte()), usize::from(bytes.byte()));
        for byte in bytes.rest().iter().take(64) {
            guest.failures.extend((0..8).map(|bit| byte & 1 << bit != 0));
        }
        guest
    }

    fn next_fails(&mut self) -> bool {
        let fails = self.failures.pop_front().unwrap_or(false);
        self.is_fickle |= fails;
        fails
    }

    fn restart(&mut self) -> bool {
        self.staged.clear();
        self.seen = 0;
        self.is_alive = !self.next_fails();
        self.is_alive
    }

    fn finish(&mut self, segment: &Segment) -> bool {
        assert!(self.is_alive, "rows without an instance");
        assert!(!segment.rows.is_empty(), "a piece without rows");
        if self.next_fails() {
            return false;
        }
        for row in segment.rows.clone() {
            self.seen += 1;
            let counts = self.every > 0 && self.seen.is_multiple_of(self.every);
            self.is_fickle |= counts;
            if counts || self.poison.contains(&(segment.piece, row)) {
                return false;
            }
            self.staged.push((segment.piece, row));
        }
        true
    }

    fn flush(&mut self) -> bool {
        assert!(self.is_alive, "a flush without an instance");
        let is_full = self.most > 0 && self.staged.len() > self.most;
        self.is_fickle |= is_full;
        if is_full || self.next_fails() {
            return false;
        }
        self.committed.append(&mut self.staged);
        true
    }

    fn bury(&mut self, segment: &Segment) -> bool {
        assert_eq!(segment.rows.len(), 1, "only single rows are dead");
        self.dead.push((segment.piece, segment.rows.start));
        true
    }

    fn check(self, pieces: &[usize], fault: Option<Fault>, rest: VecDeque<Segment>) {
        let all: Vec<Row> =
            pieces.iter().zip(0..).flat_map(|(rows, piece)| (0..*rows).map(move |row| (piece, row))).collect();
        let left = rest.into_iter().flat_map(|segment| segment.rows.map(move |row| (segment.piece, row)));
        let mut found: Vec<Row> = self.committed.iter().chain(&self.dead).copied().chain(left.clone()).collect();
        found.sort_unstable();
        assert_eq!(found, all, "each row is somewhere, once");
        assert!(self.committed.is_sorted(), "rows are committed in order");
        assert!(fault.is_some() || left.count() == 0, "what is over leaves nothing");
        if !self.is_fickle {
            assert_eq!(fault, None, "nothing but rows failed");
            let poison: Vec<Row> = all.into_iter().filter(|row| self.poison.contains(row)).collect();
            assert_eq!(self.dead, poison, "exactly the bad rows are dead");
        }
    }
}
