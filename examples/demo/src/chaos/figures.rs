//! The figures of a run of chaos, and the bounds that it missed. Pure.

use serde_json::{Value, json};

/// Swaps that a run of [`FULL_SECONDS`] has to see: fewer means that loading was held up.
const SWAPS: u64 = 200;
/// Traps likewise: fewer means that there was nothing to survive.
const TRAPS: u64 = 100;
/// The length for which [`SWAPS`] and [`TRAPS`] are meant; other lengths have their share of them.
const FULL_SECONDS: u64 = 120;
/// The time that 99 % of the RPCs may take during chaos, in percent of the quiet time.
const P99_PERCENT: u64 = 125;
/// The memory that the shop may hold at the end, in percent of the beginning.
const RSS_PERCENT: u64 = 120;

/// The figures of the last line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// RPCs that the load generator counted itself.
    pub(crate) rpcs: u64,
    /// RPCs that should not have failed.
    pub(crate) failed: u64,
    /// Live generations that another one replaced, as they were seen.
    pub(crate) swaps: u64,
    /// Instances that trapped, ran out of time or out of memory.
    pub(crate) traps: u64,
    /// Calls in the dead letters.
    pub(crate) dead: u64,
    /// Calls and payloads that are in no term of the accounting, or that the load generator counted and the counted
    /// tracer did not.
    pub(crate) unaccounted: u64,
    /// Calls that the counted tracer, which did nothing wrong, lost: dropped, dead or left pending.
    pub(crate) lost: u64,
    pub(crate) p99_quiet_us: u64,
    pub(crate) p99_chaos_us: u64,
    /// The same without the RPCs that are slow by design.
    pub(crate) prompt_p99_quiet_us: u64,
    pub(crate) prompt_p99_chaos_us: u64,
    pub(crate) rss_start_kib: u64,
    pub(crate) rss_end_kib: u64,
}

impl Figures {
    /// One line of JSON.
    pub(crate) fn json(&self) -> Value {
        let Self { rpcs, failed, swaps, traps, dead, unaccounted, lost, .. } = self;
        json!({
            "rpcs": rpcs, "failed": failed, "swaps": swaps, "traps": traps, "dead": dead, "unaccounted": unaccounted,
            "lost": lost, "p99_quiet_us": self.p99_quiet_us, "p99_chaos_us": self.p99_chaos_us,
            "prompt_p99_quiet_us": self.prompt_p99_quiet_us, "prompt_p99_chaos_us": self.prompt_p99_chaos_us,
            "rss_start_kib": self.rss_start_kib, "rss_end_kib": self.rss_end_kib,
        })
    }

    /// Each bound that a run of so many seconds missed, in words; empty is good.
    pub(crate) fn missed(&self, seconds: u64) -> Vec<String> {
        let mut missed = Vec::new();
        let mut must = |holds: bool, words: String| {
            if !holds {
                missed.push(words);
            }
        };
        let Self { rpcs, failed, swaps, traps, unaccounted, lost, .. } = *self;
        must(rpcs > 0, "the load generator made no RPC".to_owned());
        must(failed == 0, format!("failed: {failed} RPCs failed that should not have"));
        must(
            unaccounted == 0,
            format!("unaccounted: {unaccounted} calls or payloads are in no term of the accounting"),
        );
        must(lost == 0, format!("lost: the tracer that did nothing wrong lost {lost} calls"));
        let share = |of: u64| (of * seconds.min(FULL_SECONDS)).div_ceil(FULL_SECONDS);
        let (least_swaps, least_traps) = (share(SWAPS), share(TRAPS));
        must(swaps >= least_swaps, format!("swaps: {swaps} in {seconds} s, at least {least_swaps} were to be seen"));
        must(traps >= least_traps, format!("traps: {traps} in {seconds} s, at least {least_traps} were to be seen"));
        must(
            self.p99_chaos_us * 100 <= self.p99_quiet_us * P99_PERCENT,
            format!(
                "p99: {} µs during chaos is more than {P99_PERCENT} % of the quiet {} µs",
                self.p99_chaos_us, self.p99_quiet_us
            ),
        );
        must(
            self.rss_end_kib * 100 <= self.rss_start_kib * RSS_PERCENT,
            format!(
                "memory: {} KiB at the end is more than {RSS_PERCENT} % of the {} KiB at the beginning",
                self.rss_end_kib, self.rss_start_kib
            ),
        );
        missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Figures = Figures {
        rpcs: 240_000,
        failed: 0,
        swaps: 200,
        traps: 100,
        dead: 9,
        unaccounted: 0,
        lost: 0,
        p99_quiet_us: 40_000,
        p99_chaos_us: 50_000,
        prompt_p99_quiet_us: 2_000,
        prompt_p99_chaos_us: 9_000,
        rss_start_kib: 100_000,
        rss_end_kib: 120_000,
    };

    #[track_caller]
    fn misses(change: impl FnOnce(&mut Figures), bound: &str) {
        let mut figures = GOOD;
        change(&mut figures);
        let missed = figures.missed(120);
        assert_eq!(missed.len(), 1, "{missed:?}");
        assert!(missed[0].starts_with(bound), "{missed:?}");
    }

    #[test]
    fn each_bound_that_is_missed_is_named() {
        assert_eq!(GOOD.missed(120), Vec::<String>::new());
        misses(|figures| figures.rpcs = 0, "the load generator");
        misses(|figures| figures.failed = 1, "failed: 1 RPCs");
        misses(|figures| figures.unaccounted = 1, "unaccounted: 1 calls");
        misses(|figures| figures.lost = 1, "lost: ");
        misses(|figures| figures.swaps = 199, "swaps: 199 in 120 s, at least 200");
        misses(|figures| figures.traps = 99, "traps: 99 in 120 s, at least 100");
        misses(|figures| figures.p99_chaos_us = 50_001, "p99: 50001 µs");
        misses(|figures| figures.rss_end_kib = 120_001, "memory: 120001 KiB");
    }

    #[test]
    fn a_shorter_run_needs_its_share_and_a_longer_one_no_more() {
        let short = Figures { swaps: 50, traps: 25, ..GOOD };
        assert_eq!(short.missed(30), Vec::<String>::new());
        assert_eq!(Figures { traps: 24, ..short }.missed(30).len(), 1);
        assert_eq!(GOOD.missed(3_600), Vec::<String>::new());
    }

    #[test]
    fn the_last_line_has_every_figure() {
        let json = GOOD.json();
        for (key, value) in [
            ("rpcs", 240_000),
            ("failed", 0),
            ("swaps", 200),
            ("traps", 100),
            ("dead", 9),
            ("unaccounted", 0),
            ("p99_quiet_us", 40_000),
            ("p99_chaos_us", 50_000),
            ("rss_start_kib", 100_000),
            ("rss_end_kib", 120_000),
        ] {
            assert_eq!(json[key], value, "{key}");
        }
    }
}
