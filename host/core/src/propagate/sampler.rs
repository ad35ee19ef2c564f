//! Which traces are sampled, by the rules of OpenTelemetry's samplers of the same names. Pure, but for the place where the
//! sampler stands that is in effect.

use std::sync::atomic::{AtomicU64, Ordering};

/// One of the samplers that `OTEL_TRACES_SAMPLER` can name.
///
/// In one number, so that a sampler is read and replaced as a whole: the lowest bit says that it follows the parent's
/// decision, the others are the share of trace ids that are sampled where it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampler(u64);

const PARENT_BASED: u64 = 1;
/// The share of all trace ids. Shares below it are compared with the trace id's lower 63 bits.
const ALL: u64 = u64::MAX >> 1;

/// The names that a sampler can have, in the order in which they are named to operators.
pub const NAMES: &str = "always_on, always_off, traceidratio, or one of these with parentbased_ before it";

impl Default for Sampler {
    /// `parentbased_always_on`.
    fn default() -> Self {
        Self(ALL << 1 | PARENT_BASED)
    }
}

impl Sampler {
    /// The sampler of this name, in either case, whose argument is a ratio from 0 to 1. None if there is no such sampler.
    pub fn named(name: &str, ratio: f64) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let (root, parent_based) = match name.strip_prefix("parentbased_") {
            Some(root) => (root, PARENT_BASED),
            None => (name.as_str(), 0),
        };
        let share = match root {
            "always_on" => ALL,
            "always_off" => 0,
            "traceidratio" => share(ratio),
            _ => return None,
        };
        Some(Self(share << 1 | parent_based))
    }

    /// Returns true if a span is sampled. `parent` is the decision of its parent or caller; none if there was none.
    #[inline]
    pub fn decide(self, parent: Option<bool>, trace_id: u128) -> bool {
        match parent {
            Some(sampled) if self.0 & PARENT_BASED != 0 => sampled,
            _ => {
                let share = self.0 >> 1;
                // Of all bits the random ones, as OpenTelemetry's SDKs do it: they agree about a trace.
                share == ALL || (trace_id as u64 >> 1) < share
            }
        }
    }

    /// Its name and, if it has one, its ratio.
    pub fn describe(self) -> String {
        let prefix = if self.0 & PARENT_BASED != 0 { "parentbased_" } else { "" };
        match self.0 >> 1 {
            ALL => format!("{prefix}always_on"),
            0 => format!("{prefix}always_off"),
            share => format!("{prefix}traceidratio {}", share as f64 / (1u64 << 63) as f64),
        }
    }
}

fn share(ratio: f64) -> u64 {
    // What is no number is 0 as an integer, and what is greater the greatest.
    if ratio >= 1.0 { ALL } else { (ratio * (1u64 << 63) as f64) as u64 }
}

/// The sampler in effect.
#[derive(Debug)]
pub struct LiveSampler {
    /// The one that is in effect without the operator's.
    own: Sampler,
    now: AtomicU64,
}

impl LiveSampler {
    pub fn new(own: Sampler) -> Self {
        Self { own, now: AtomicU64::new(own.0) }
    }

    #[inline]
    pub fn get(&self) -> Sampler {
        Sampler(self.now.load(Ordering::Relaxed))
    }

    /// Puts the operator's in its place, or takes it away.
    pub(super) fn set(&self, operators: Option<Sampler>) {
        self.now.store(operators.unwrap_or(self.own).0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, ratio: f64) -> Sampler {
        Sampler::named(name, ratio).expect(name)
    }

    #[test]
    fn a_name_says_what_becomes_of_roots_and_of_children() {
        for (name, roots, sampled, unsampled) in [
            ("always_on", true, true, true),
            ("ALWAYS_OFF", false, false, false),
            ("parentbased_always_on", true, true, false),
            ("ParentBased_Always_Off", false, true, false),
        ] {
            let sampler = named(name, 0.5);
            for trace_id in [1, u128::MAX, u128::from(u64::MAX)] {
                let decided = [None, Some(true), Some(false)].map(|parent| sampler.decide(parent, trace_id));
                assert_eq!(decided, [roots, sampled, unsampled], "{name}");
            }
        }
        assert_eq!(Sampler::default(), named("parentbased_always_on", 0.0));
        for unknown in ["", "sometimes", "parentbased_", "parentbased_parentbased_always_on", "jaeger_remote", "xray"] {
            assert_eq!(Sampler::named(unknown, 1.0), None, "{unknown}");
        }
    }

    #[test]
    fn a_ratio_keeps_that_share_of_traces() {
        let mut random = fastrand::Rng::with_seed(3);
        let ids: Vec<_> = (0..10_000).map(|_| random.u128(..)).collect();
        let kept = |ratio| {
            let sampler = named("traceidratio", ratio);
            ids.iter().filter(|id| sampler.decide(Some(false), **id)).count()
        };
        assert_eq!((kept(0.0), kept(1.0)), (0, 10_000));
        assert!((2_300..2_700).contains(&kept(0.25)), "{}", kept(0.25));
        let parent_based = named("parentbased_traceidratio", 0.25);
        assert!(ids.iter().all(|id| !parent_based.decide(Some(false), *id) && parent_based.decide(Some(true), *id)));
        let sampler = named("traceidratio", 0.5);
        let edges = [(1 << 63) - 1, 1 << 63, u128::MAX << 64].map(|id| sampler.decide(None, id));
        assert_eq!(edges, [true, false, true], "by the lower half");
    }

    #[test]
    fn the_operators_sampler_goes_before_the_own_until_it_is_taken_away() {
        let (own, operators) = (named("traceidratio", 0.1), named("always_off", 0.0));
        let live = LiveSampler::new(own);
        assert_eq!(live.get(), own);
        live.set(Some(operators));
        assert_eq!(live.get(), operators);
        live.set(None);
        assert_eq!(live.get(), own);
    }
}
