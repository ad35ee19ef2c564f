//! The schedule of chaos. Pure: the same seed gives the same acts.

use std::time::Duration;

/// The trapping tracers, by name: several, so that one that is taken out of service leaves others to trap.
pub(crate) const FICKLE: [&str; 3] = ["fickle-a", "fickle-b", "fickle-c"];

/// The manifest of a tracer that fails in no run that ends.
pub(crate) const FAILS_SELDOM: &str = "[config]\nfails = \"call\"\nevery = 1000000000000\n";

/// One thing that is done to the running service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// Replaces the tracer whose calls are compared with the load generator's by its other build.
    SwapCounted,
    /// Gives a trapping tracer a manifest by which it fails in another way.
    Fail {
        /// The tracer.
        tracer: &'static str,
        /// Its manifest.
        manifest: String,
    },
    /// Puts a tracer that spins into the plugin dir.
    AddSpin,
    /// Takes it out again.
    RemoveSpin,
    /// Adds a good tracer; `fresh` changes its bytes, so that no cache knows them.
    AddVisitor {
        /// A number that no other addition has, if the bytes are to be new.
        fresh: Option<u64>,
        /// It acts at the start of calls.
        starter: bool,
    },
    /// Deletes that tracer.
    RemoveVisitor,
    /// Breaks the files of a tracer that is live.
    Break(Breakage),
    /// Puts good files in their place.
    Mend,
    /// Has the destination answer in another way.
    Destination(Mood),
    /// Writes the operator's configuration.
    Configure {
        /// It is no TOML.
        broken: bool,
    },
}

/// The ways in which files are broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breakage {
    /// The module ends in the middle.
    CutShort,
    /// The module is text.
    Text,
    /// The module is empty.
    Empty,
    /// Some bytes of the module are others.
    Flipped,
    /// The module is written in place, piece by piece.
    InPieces,
    /// The manifest is no TOML.
    Manifest,
    /// The manifest asks for other bytes.
    Digest,
}

/// The ways in which the destination answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It takes what comes.
    Takes,
    /// 503.
    Busy,
    /// 400.
    Rejects,
    /// The connection is closed in the middle.
    Slams,
    /// No answer for as long as it is in this mood.
    Silent,
    /// Bytes that are no HTTP.
    Babbles,
}

const BREAKAGES: [Breakage; 7] = [
    Breakage::CutShort,
    Breakage::Text,
    Breakage::Empty,
    Breakage::Flipped,
    Breakage::InPieces,
    Breakage::Manifest,
    Breakage::Digest,
];
const MOODS: [Mood; 6] = [Mood::Takes, Mood::Busy, Mood::Rejects, Mood::Slams, Mood::Silent, Mood::Babbles];

/// Time between two swaps of the counted tracer: four a second while they are as quick as they should be.
const SWAP_EVERY: Duration = Duration::from_millis(250);
/// Time for which a trapping tracer fails in one way. Below the time of a load it would never come to trap.
const FAIL_EVERY: Duration = Duration::from_millis(1_300);
/// Time for which a spinning tracer is there and not there: it is named, and leaves the others some rest.
const SPIN_EVERY: Duration = Duration::from_millis(1_500);
const VISIT_EVERY: Duration = Duration::from_millis(600);
/// One visit in so many has bytes that no cache knows: a compile takes most of a second in the dev profile.
const FRESH_ONE_IN: u64 = 4;
const BREAK_EVERY: Duration = Duration::from_millis(700);
const MOOD_EVERY: Duration = Duration::from_millis(500);
const CONFIGURE_EVERY: Duration = Duration::from_millis(1_900);

/// The acts to come.
#[derive(Debug)]
pub(crate) struct Plan {
    random: Random,
    /// The times at which each kind of act is due, in the order of [`Kind`].
    due: [(Kind, Duration); KINDS.len()],
    /// True where the spinning tracer, the visitor, the broken files are there.
    spins: bool,
    visits: bool,
    broken: bool,
    fresh: u64,
    next_fickle: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Swap,
    Fail,
    Spin,
    Visit,
    Break,
    Mood,
    Configure,
}

const KINDS: [Kind; 7] = [Kind::Swap, Kind::Fail, Kind::Spin, Kind::Visit, Kind::Break, Kind::Mood, Kind::Configure];

impl Kind {
    fn every(self) -> Duration {
        match self {
            Self::Swap => SWAP_EVERY,
            // Each of the three in turn.
            Self::Fail => FAIL_EVERY / FICKLE.len() as u32,
            Self::Spin => SPIN_EVERY,
            Self::Visit => VISIT_EVERY,
            Self::Break => BREAK_EVERY,
            Self::Mood => MOOD_EVERY,
            Self::Configure => CONFIGURE_EVERY,
        }
    }
}

impl Plan {
    /// A plan in which every kind of act comes soon.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            due: KINDS.map(|kind| (kind, Duration::ZERO)),
            spins: false,
            visits: false,
            broken: false,
            fresh: 0,
            next_fickle: 0,
        }
    }

    /// The acts that are due so long after the beginning of chaos.
    pub(crate) fn due(&mut self, elapsed: Duration) -> Vec<Act> {
        let mut acts = Vec::new();
        for at in 0..self.due.len() {
            let (kind, due) = self.due[at];
            if due <= elapsed {
                // Up to a half later than usual, so that acts of different kinds meet in every order.
                let every = kind.every();
                self.due[at].1 = elapsed + every + every.mul_f64(self.random.below(100) as f64 / 200.0);
                acts.extend(self.act(kind));
            }
        }
        acts
    }

    /// The acts that bring all that was broken back into order.
    pub(crate) fn calm(&mut self) -> Vec<Act> {
        let mut acts = vec![Act::Destination(Mood::Takes), Act::Configure { broken: false }];
        if std::mem::take(&mut self.spins) {
            acts.push(Act::RemoveSpin);
        }
        if std::mem::take(&mut self.visits) {
            acts.push(Act::RemoveVisitor);
        }
        if std::mem::take(&mut self.broken) {
            acts.push(Act::Mend);
        }
        acts
    }

    fn act(&mut self, kind: Kind) -> Option<Act> {
        Some(match kind {
            Kind::Swap => Act::SwapCounted,
            Kind::Fail => {
                let tracer = FICKLE[self.next_fickle % FICKLE.len()];
                self.next_fickle += 1;
                Act::Fail { tracer, manifest: self.failing() }
            }
            Kind::Spin => {
                self.spins = !self.spins;
                if self.spins { Act::AddSpin } else { Act::RemoveSpin }
            }
            Kind::Visit => {
                self.visits = !self.visits;
                if !self.visits {
                    return Some(Act::RemoveVisitor);
                }
                let fresh = (self.random.below(FRESH_ONE_IN) == 0).then(|| {
                    self.fresh += 1;
                    self.fresh
                });
                Act::AddVisitor { fresh, starter: self.random.below(2) == 0 }
            }
            Kind::Break => {
                self.broken = !self.broken;
                if self.broken { Act::Break(self.random.of(&BREAKAGES)) } else { Act::Mend }
            }
            Kind::Mood => Act::Destination(self.random.of(&MOODS)),
            Kind::Configure => Act::Configure { broken: self.random.below(3) == 0 },
        })
    }

    /// The manifest of a tracer that fails in one of its ways.
    fn failing(&mut self) -> String {
        let (fails, least, most) = self.random.of(&[
            ("call", 40, 2_000),
            // Twice, since it is what most tracers that fail will do.
            ("call", 40, 2_000),
            ("row", 500, 20_000),
            ("flush", 2, 4),
            ("spin", 500, 5_000),
            ("memory", 500, 5_000),
            ("init", 50, 400),
        ]);
        let every = least + self.random.below(most - least);
        let seed = self.random.below(1 << 32);
        format!("[config]\nfails = \"{fails}\"\nevery = {every}\nseed = {seed}\n")
    }
}

/// SplitMix64: numbers that look random and can be had again.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound.max(1)
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn acts(seed: u64, seconds: u64) -> Vec<Act> {
        let mut plan = Plan::new(seed);
        (0..seconds * 20).flat_map(|tick| plan.due(Duration::from_millis(tick * 50))).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_acts() {
        assert_eq!(acts(7, 20), acts(7, 20));
        assert_ne!(acts(7, 20), acts(8, 20));
    }

    #[test]
    fn half_a_minute_has_every_kind_of_act() {
        let acts = acts(1, 30);
        let kinds: BTreeSet<String> = acts
            .iter()
            .map(|act| match act {
                Act::Fail { manifest, .. } => manifest.lines().nth(1).unwrap_or_default().to_owned(),
                Act::AddVisitor { fresh, starter } => format!("visitor {} {starter}", fresh.is_some()),
                act => format!("{act:?}"),
            })
            .collect();
        for wanted in ["SwapCounted", "AddSpin", "RemoveSpin", "RemoveVisitor", "Mend"] {
            assert!(kinds.contains(wanted), "{wanted} is not in {kinds:?}");
        }
        for fails in ["call", "row", "flush", "spin", "memory", "init"] {
            assert!(kinds.contains(&format!("fails = \"{fails}\"")), "{fails} is not in {kinds:?}");
        }
        for (some, least) in [("visitor true", 1), ("visitor false", 2), ("Break(", 5), ("Destination(", 5)] {
            assert!(kinds.iter().filter(|kind| kind.starts_with(some)).count() >= least, "{some}: {kinds:?}");
        }
        assert!(acts.iter().filter(|act| **act == Act::SwapCounted).count() >= 75);
        let tracers: BTreeSet<&str> = acts
            .iter()
            .filter_map(|act| if let Act::Fail { tracer, .. } = act { Some(*tracer) } else { None })
            .collect();
        assert_eq!(tracers.len(), FICKLE.len());
    }

    #[test]
    fn what_is_added_is_removed_before_it_is_added_again() {
        let acts = acts(3, 60);
        let spins: Vec<&Act> = acts.iter().filter(|act| matches!(act, Act::AddSpin | Act::RemoveSpin)).collect();
        assert!(spins.chunks(2).all(|pair| *pair[0] == Act::AddSpin));
        assert!(spins.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn calm_takes_back_what_is_there_and_nothing_else() {
        let mut plan = Plan::new(5);
        assert_eq!(plan.calm(), [Act::Destination(Mood::Takes), Act::Configure { broken: false }]);
        plan.due(Duration::ZERO);
        let calm = plan.calm();
        for act in [Act::RemoveSpin, Act::RemoveVisitor, Act::Mend] {
            assert!(calm.contains(&act), "{act:?} is not in {calm:?}");
        }
        assert_eq!(plan.calm().len(), 2);
    }

    #[test]
    fn fresh_visitors_have_numbers_of_their_own() {
        let numbers: Vec<u64> = acts(9, 120)
            .into_iter()
            .filter_map(|act| if let Act::AddVisitor { fresh, .. } = act { fresh } else { None })
            .collect();
        assert!(numbers.len() > 5 && numbers.iter().collect::<BTreeSet<_>>().len() == numbers.len(), "{numbers:?}");
    }
}
