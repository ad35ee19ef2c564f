//! The ladder from a failed call into a guest back to a working instance, one step at a time. Pure: the worker carries
//! the steps out and reports how each went.
//!
//! 1. Everything that was not committed is handed to a new instance again.
//! 2. If one piece fails again, the pieces before it are replayed, flushed and committed. Then a probe (an empty batch and
//!    the canary on an instance of its own) tells a broken generation from a bad piece.
//! 3. A bad piece is halved until a single row is left. A row is dead after it failed alone on a fresh instance.
//! 4. A failed flush halves the window of pieces that are flushed at once; at one piece it is the generation's fault.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

/// Instances in a row that could not be made, after which it is the generation's fault.
const MAX_RESTARTS: u32 = 5;
/// Windows that have to go well before a larger one is tried. Each try of a tracer that fails after so many pieces costs a
/// failed call; each window costs a flush.
const LONG_STREAK: u32 = 4;
/// Dead rows within [`MINUTE`] that are put down to the rows; more are the generation's fault.
const MAX_DEAD: usize = 8;
const MINUTE: Duration = Duration::from_secs(60);
/// Failed calls without a commit in between, after which it is the generation's fault. Halving a batch of 4,096 rows down
/// to a bad one takes 13 at most, and [`MAX_DEAD`] rows beside each other two more each.
const MAX_STRIKES: u32 = 32;
/// CPU time of failed calls without a commit in between, after which it is the generation's fault: calls that ran out of
/// time cost the others theirs. Halving a batch down to a row that spins takes 13 times the default limit of 100 ms, after
/// a replay of four times that.
const MAX_STRIKES_CPU: Duration = Duration::from_secs(4);

/// Rows of one kept piece (a batch, or messages of streams) that have yet to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The piece's number, as the worker counts them.
    pub(crate) piece: u64,
    /// At least one row.
    pub(crate) rows: Range<usize>,
}

/// The next thing for the worker to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Drop the instance and make a new one.
    Restart,
    /// Hand these rows to the instance.
    Finish(Segment),
    /// Let the instance flush, and commit.
    Flush,
    /// Try an empty batch and the canary on a throw-away instance.
    Probe,
    /// Put these rows (one, alone) to the dead letters, then report the step as passed.
    Bury(Segment),
    /// Nothing: all that was kept is committed or dead. The instance goes on.
    Done,
    /// Give the generation up. The segments that are left are not committed.
    GiveUp(Fault),
}

/// The reason why a generation is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No instance of it can be made.
    Init,
    /// It fails on the canary, on which it was tried before it went live.
    Canary,
    /// It fails in `flush` with what one piece left in it.
    Flush,
    /// More rows died within a minute than can be put down to rows.
    Dead,
    /// Its calls failed again and again, and nothing was committed in between.
    Barren,
    /// The host panicked while it had its turn.
    Panicked,
}

impl Fault {
    /// The fault in words: "it was given up, because …".
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Init => "no instance of it can be made",
            Self::Canary => "it fails on the calls that it was tried on before it went live",
            Self::Flush => "it fails in flush",
            Self::Dead => "more than 8 calls died of it within a minute",
            Self::Barren => "its calls failed again and again, and nothing was committed in between",
            Self::Panicked => "the host panicked while it had its turn",
        }
    }
}

/// The purpose of the current window of leading segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Several pieces; a failure finds the bad one.
    Replay,
    /// Part of a bad piece; a failure halves it, or finds a dead row.
    Part,
}

/// The position within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Restart,
    /// This segment of the window comes next.
    Segment(usize),
    Flush,
    Probe,
    Bury,
    Done,
    GivenUp(Fault),
}

/// One recovery, from a failed call to the commit of all that can be committed.
#[derive(Debug)]
pub struct Recovery {
    left: VecDeque<Segment>,
    /// The number of leading segments that are handed over before the next flush.
    window: usize,
    purpose: Purpose,
    /// Leading segments that are parts of the bad piece.
    parts: usize,
    at: At,
    restarts: u32,
    /// Pieces that one instance is handed at most: so many went well before it failed at the next.
    cap: usize,
    /// Windows that went well since then.
    streak: u32,
}

impl Recovery {
    /// Starts after a call failed: all that was handed to the instance since its last commit, in order, the failed piece
    /// included.
    pub(crate) fn new(kept: impl IntoIterator<Item = Segment>) -> Self {
        let left: VecDeque<_> = kept.into_iter().filter(|segment| !segment.rows.is_empty()).collect();
        let window = left.len();
        Self {
            left,
            window,
            purpose: Purpose::Replay,
            parts: 0,
            at: At::Restart,
            restarts: 0,
            cap: usize::MAX,
            streak: 0,
        }
    }

    /// The next step. The same until [`Self::passed`] or [`Self::failed`] is called.
    pub(crate) fn step(&self) -> Step {
        match self.at {
            At::Restart => Step::Restart,
            At::Segment(index) => self.left.get(index).cloned().map_or(Step::Flush, Step::Finish),
            At::Flush => Step::Flush,
            At::Probe => Step::Probe,
            At::Bury => self.left.front().cloned().map_or(Step::Done, Step::Bury),
            At::Done => Step::Done,
            At::GivenUp(fault) => Step::GiveUp(fault),
        }
    }

    /// The step was carried out.
    pub(crate) fn passed(&mut self) {
        match self.at {
            At::Restart => {
                self.restarts = 0;
                self.at = if self.window == 0 { At::Flush } else { At::Segment(0) };
            }
            At::Segment(index) => {
                self.at = if index + 1 < self.window { At::Segment(index + 1) } else { At::Flush };
            }
            At::Flush => {
                self.left.drain(..self.window.min(self.left.len()));
                self.parts = self.parts.saturating_sub(self.window);
                self.go_on(true);
            }
            At::Probe => self.halve(),
            At::Bury => {
                self.left.pop_front();
                self.parts = self.parts.saturating_sub(1);
                self.go_on(false);
            }
            At::Done | At::GivenUp(_) => {}
        }
    }

    /// The step failed, and with it the instance.
    pub(crate) fn failed(&mut self) {
        match self.at {
            At::Restart => {
                self.restarts += 1;
                if self.restarts >= MAX_RESTARTS {
                    self.at = At::GivenUp(Fault::Init);
                }
            }
            At::Segment(index) => match self.purpose {
                Purpose::Replay if index > 0 => self.shrink(index),
                Purpose::Replay => self.at = At::Probe,
                Purpose::Part => self.halve(),
            },
            At::Flush if self.window > 1 => self.shrink(self.window / 2),
            At::Flush => self.at = At::GivenUp(Fault::Flush),
            At::Probe => self.at = At::GivenUp(Fault::Canary),
            At::Bury | At::Done | At::GivenUp(_) => {}
        }
    }

    /// True while the step works on a part of a piece that failed.
    pub(crate) fn is_part(&self) -> bool {
        self.purpose == Purpose::Part
    }

    /// Tries of making an instance that have failed, one after the other.
    pub(crate) fn restarts(&self) -> u32 {
        self.restarts
    }

    /// The rows that the next flush commits.
    pub(crate) fn window(&self) -> impl Iterator<Item = &Segment> {
        self.left.iter().take(self.window)
    }

    /// Rows that are neither committed nor dead, in order.
    pub(crate) fn left(&self) -> impl Iterator<Item = &Segment> {
        self.left.iter()
    }

    /// Runs the first segments on a new instance.
    fn run(&mut self, window: usize, purpose: Purpose) {
        (self.window, self.purpose, self.at) = (window, purpose, At::Restart);
    }

    /// An instance bears fewer pieces than it was handed.
    fn shrink(&mut self, window: usize) {
        (self.cap, self.streak) = (window, 0);
        self.run(window, Purpose::Replay);
    }

    /// After a commit or a burial: the parts of a bad piece one by one, then the rest, as much at once as an instance
    /// bears. Always on a fresh instance, so that what it had before is not at fault.
    fn go_on(&mut self, has_instance: bool) {
        if self.parts > 0 {
            self.run(1, Purpose::Part);
        } else if self.left.is_empty() {
            self.at = if has_instance { At::Done } else { At::Restart };
            self.window = 0;
        } else {
            self.streak += 1;
            if self.streak >= LONG_STREAK {
                (self.cap, self.streak) = (self.cap.saturating_mul(2), 0);
            }
            self.run(self.left.len().min(self.cap), Purpose::Replay);
        }
    }

    /// The first segment is bad: two halves take its place, or it is a dead row.
    fn halve(&mut self) {
        let Some(segment) = self.left.pop_front() else { return };
        let Range { start, end } = segment.rows;
        // A piece of one row that failed in a replay has not failed alone yet.
        let fresh = self.purpose == Purpose::Part;
        if end - start > 1 {
            let middle = start + (end - start) / 2;
            self.left.push_front(Segment { piece: segment.piece, rows: middle..end });
            self.left.push_front(Segment { piece: segment.piece, rows: start..middle });
            self.parts = self.parts.max(1) + 1;
            self.run(1, Purpose::Part);
        } else {
            self.left.push_front(segment);
            self.parts = self.parts.max(1);
            if fresh {
                self.at = At::Bury;
            } else {
                self.run(1, Purpose::Part);
            }
        }
    }
}

/// The times of a generation's latest dead rows.
#[derive(Debug, Default)]
pub(super) struct DeadRate(VecDeque<Duration>);

impl DeadRate {
    /// Counts a dead row. Returns true if there were so many within a minute that the generation is at fault. `now` is a
    /// monotonic time.
    pub(super) fn is_too_high(&mut self, now: Duration) -> bool {
        self.0.retain(|at| now.saturating_sub(*at) < MINUTE);
        self.0.push_back(now);
        self.0.len() > MAX_DEAD
    }
}

/// Failed calls since a generation last committed something.
#[derive(Debug, Default)]
pub(super) struct Strikes {
    calls: u32,
    cpu: Duration,
}

impl Strikes {
    /// Counts a failed call that took this much CPU time. Returns true if that is enough: the generation is at fault.
    pub(super) fn is_out(&mut self, cpu: Duration) -> bool {
        self.calls += 1;
        self.cpu += cpu;
        self.calls >= MAX_STRIKES || self.cpu >= MAX_STRIKES_CPU
    }

    /// One more failed call is enough, as long as nothing is committed.
    pub(super) fn last_chance() -> Self {
        Self { calls: MAX_STRIKES, cpu: Duration::ZERO }
    }

    /// Rows were committed.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A guest that fails as it is told to, and remembers what it committed.
    #[derive(Clone, Default)]
    struct Model {
        poison: BTreeSet<(u64, usize)>,
        /// It fails at every n-th row that an instance sees; 0 never.
        every: usize,
        /// Its flush fails with more rows than this in it.
        most: Option<usize>,
        probe_fails: bool,
        init_fails: bool,
        alive: bool,
        seen: usize,
        staged: Vec<(u64, usize)>,
        committed: Vec<(u64, usize)>,
        dead: Vec<(u64, usize)>,
    }

    impl Model {
        fn finish(&mut self, segment: &Segment) -> bool {
            assert!(self.alive, "rows without an instance");
            for row in segment.rows.clone() {
                self.seen += 1;
                if self.poison.contains(&(segment.piece, row))
                    || (self.every > 0 && self.seen.is_multiple_of(self.every))
                {
                    return false;
                }
                self.staged.push((segment.piece, row));
            }
            true
        }

        /// Carries a recovery out; returns its end and the number of steps.
        fn recover(&mut self, pieces: &[usize]) -> (Option<Fault>, usize, VecDeque<Segment>) {
            let kept = pieces.iter().zip(0..).map(|(rows, piece)| Segment { piece, rows: 0..*rows });
            let mut recovery = Recovery::new(kept);
            for steps in 0..100_000 {
                let passed = match recovery.step() {
                    Step::Restart => {
                        (self.alive, self.seen) = (!self.init_fails, 0);
                        self.staged.clear();
                        self.alive
                    }
                    Step::Finish(segment) => self.finish(&segment),
                    Step::Flush if self.most.is_some_and(|most| self.staged.len() > most) => false,
                    Step::Flush => {
                        assert!(self.alive, "a flush without an instance");
                        self.committed.append(&mut self.staged);
                        true
                    }
                    Step::Probe => !self.probe_fails,
                    Step::Bury(segment) => {
                        assert_eq!(segment.rows.len(), 1, "only single rows are dead");
                        self.dead.push((segment.piece, segment.rows.start));
                        true
                    }
                    Step::Done => {
                        assert!(self.alive, "done without an instance");
                        return (None, steps, recovery.left);
                    }
                    Step::GiveUp(fault) => return (Some(fault), steps, recovery.left),
                };
                if passed {
                    recovery.passed();
                } else {
                    self.alive = false;
                    recovery.failed();
                }
            }
            panic!("no end");
        }
    }

    fn rows(pieces: &[usize]) -> Vec<(u64, usize)> {
        pieces.iter().zip(0..).flat_map(|(rows, piece)| (0..*rows).map(move |row| (piece, row))).collect()
    }

    #[test]
    fn a_failure_that_does_not_come_again_loses_nothing() {
        let mut model = Model::default();
        let (fault, steps, left) = model.recover(&[3, 5, 2]);
        assert_eq!((fault, steps, left.len()), (None, 5, 0), "a restart, three pieces, a flush");
        assert_eq!(model.committed, rows(&[3, 5, 2]));
    }

    #[test]
    fn only_a_poisoned_row_is_dead_and_all_others_are_committed_once_and_in_order() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..2_000 {
            let pieces: Vec<usize> = (0..rng.usize(1..6)).map(|_| rng.usize(1..40)).collect();
            let all = rows(&pieces);
            let poison: BTreeSet<_> = (0..rng.usize(0..4)).map(|_| all[rng.usize(..all.len())]).collect();
            let mut model = Model { poison: poison.clone(), ..Model::default() };
            let (fault, steps, left) = model.recover(&pieces);
            assert_eq!((fault, left.len()), (None, 0));
            let expected: Vec<_> = all.iter().copied().filter(|row| !poison.contains(row)).collect();
            assert_eq!(model.committed, expected);
            assert_eq!(model.dead, poison.into_iter().collect::<Vec<_>>());
            assert!(steps < 300, "{steps} steps for {pieces:?}");
        }
    }

    #[test]
    fn a_guest_that_fails_at_every_fourth_hundredth_row_loses_none() {
        for every in [2, 7, 40, 400] {
            let mut model = Model { every, ..Model::default() };
            let (fault, _, left) = model.recover(&[1024, 700, 3]);
            assert_eq!((fault, left.len()), (None, 0));
            assert_eq!(model.committed, rows(&[1024, 700, 3]), "every {every}");
            assert_eq!(model.dead, []);
        }
    }

    #[test]
    fn a_failed_flush_halves_the_window() {
        let mut model = Model { most: Some(7), ..Model::default() };
        let (fault, _, left) = model.recover(&[3, 4, 5, 2, 7, 1]);
        assert_eq!((fault, left.len()), (None, 0));
        assert_eq!(model.committed, rows(&[3, 4, 5, 2, 7, 1]));
    }

    #[test]
    fn a_flush_that_fails_after_one_piece_is_the_generations_fault() {
        let mut model = Model { most: Some(4), ..Model::default() };
        let (fault, _, left) = model.recover(&[3, 5, 2]);
        assert_eq!(fault, Some(Fault::Flush));
        assert_eq!(model.committed, rows(&[3]));
        assert_eq!(left, [Segment { piece: 1, rows: 0..5 }, Segment { piece: 2, rows: 0..2 }]);
    }

    #[test]
    fn a_generation_that_fails_on_the_canary_is_given_up_and_buries_nothing() {
        let poison = rows(&[1, 9]).into_iter().skip(1).collect();
        let mut model = Model { poison, probe_fails: true, ..Model::default() };
        let (fault, _, left) = model.recover(&[1, 9]);
        assert_eq!(fault, Some(Fault::Canary));
        assert_eq!((model.committed.len(), model.dead.len()), (1, 0), "what came before is committed");
        assert_eq!(left, [Segment { piece: 1, rows: 0..9 }]);
    }

    #[test]
    fn a_generation_of_which_no_instance_can_be_made_is_given_up() {
        let mut model = Model { init_fails: true, ..Model::default() };
        let (fault, steps, left) = model.recover(&[2]);
        assert_eq!((fault, steps, left.len()), (Some(Fault::Init), MAX_RESTARTS as usize, 1));
    }

    #[test]
    fn nothing_kept_needs_only_an_instance_that_flushes() {
        let mut model = Model::default();
        assert_eq!(model.recover(&[]), (None, 2, VecDeque::new()));
    }

    #[test]
    fn failed_calls_are_the_rows_fault_until_there_are_too_many_without_a_commit() {
        let (quick, slow) = (Duration::from_millis(1), Duration::from_millis(400));
        let mut strikes = Strikes::default();
        assert!((1..MAX_STRIKES).all(|_| !strikes.is_out(quick)));
        strikes.clear();
        assert!((1..MAX_STRIKES).all(|_| !strikes.is_out(quick)), "a commit in between");
        assert!(strikes.is_out(quick));
        let mut strikes = Strikes::default();
        assert!((1..10).all(|_| !strikes.is_out(slow)));
        assert!(strikes.is_out(slow), "four seconds of CPU time");
        assert!(Strikes::last_chance().is_out(quick));
    }

    #[test]
    fn more_than_eight_dead_rows_in_a_minute_are_too_many() {
        let mut rate = DeadRate::default();
        let seconds = Duration::from_secs;
        assert!((0..8).all(|second| !rate.is_too_high(seconds(second))));
        assert!(!rate.is_too_high(seconds(60)), "the first is a minute old");
        assert!(rate.is_too_high(seconds(60)));
    }
}
