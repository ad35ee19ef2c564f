//! The watch over the admin API's answers: swaps that were seen, and calls that were nowhere at any look. Pure.

use std::collections::BTreeMap;

use crate::shop::Tracer;

/// All looks at `/api/tracers` together.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    live: BTreeMap<String, String>,
    /// Live generations that another one replaced.
    pub(crate) swaps: u64,
    /// The greatest number of one tracer's calls that were nowhere at one look.
    pub(crate) unaccounted: u64,
    /// Instances that trapped, over all tracers.
    pub(crate) traps: u64,
    /// Calls in the dead letters, over all tracers.
    pub(crate) dead: u64,
}

impl Watch {
    /// Takes one look.
    pub(crate) fn look(&mut self, tracers: &[Tracer]) {
        for tracer in tracers.iter().filter(|tracer| !tracer.generation.is_empty()) {
            let before = self.live.insert(tracer.name.clone(), tracer.generation.clone());
            if before.is_some_and(|before| before != tracer.generation) {
                self.swaps += 1;
            }
        }
        // A tracer that was removed in between is added anew, not swapped.
        self.live.retain(|name, _| tracers.iter().any(|tracer| tracer.name == *name && !tracer.generation.is_empty()));
        let nowhere = tracers.iter().map(|tracer| tracer.counts.finished.abs_diff(tracer.counts.accounted()));
        self.unaccounted = self.unaccounted.max(nowhere.max().unwrap_or(0));
        self.traps = tracers.iter().map(|tracer| tracer.traps).sum();
        self.dead = tracers.iter().map(|tracer| tracer.counts.dead).sum();
    }

    /// The live generation of a tracer; "" if none was live at the last look.
    pub(crate) fn generation(&self, name: &str) -> &str {
        self.live.get(name).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::report::Counts;

    fn tracer(name: &str, generation: &str, finished: u64, traps: u64) -> Tracer {
        let counts = Counts { finished, committed: 4, dead: 1, ..Counts::default() };
        Tracer {
            name: name.into(),
            state: "live".into(),
            generation: generation.into(),
            counts,
            traps,
            calls: 0,
            ns_per_call: None,
            error: None,
        }
    }

    #[test]
    fn only_a_live_generation_that_follows_another_is_a_swap() {
        let mut watch = Watch::default();
        for (generation, swaps) in [("", 0), ("a", 0), ("a", 0), ("b", 1), ("", 1), ("a", 1), ("c", 2)] {
            watch.look(&[tracer("x", generation, 5, 0), tracer("y", "same", 5, 0)]);
            assert_eq!((watch.swaps, watch.generation("x")), (swaps, generation));
        }
        watch.look(&[]);
        watch.look(&[tracer("x", "d", 5, 0)]);
        assert_eq!(watch.swaps, 2, "it was gone in between");
    }

    #[test]
    fn calls_that_were_nowhere_once_are_remembered() {
        let mut watch = Watch::default();
        for finished in [5, 8, 2, 5] {
            watch.look(&[tracer("x", "a", finished, finished), tracer("y", "a", 5, 1)]);
        }
        assert_eq!((watch.unaccounted, watch.traps, watch.dead), (3, 6, 2));
    }
}
