//! What the log says of trouble with the collector: a line when it begins and one when it is over, and no more than a few an
//! hour however often it comes and goes.

use hottap_core::lock::lock;
use std::fmt::Display;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hottap_core::plain;

/// The least time between two lines that say that there is trouble. While it comes and goes the time doubles, up to the most.
const LEAST: Duration = Duration::from_secs(60);
const MOST: Duration = Duration::from_secs(3_600);

/// Trouble with one signal.
#[derive(Debug)]
pub(super) struct Trouble {
    /// `spans` or `metrics`.
    what: &'static str,
    /// Host and port.
    collector: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The time at which a remark of the collector on data that it took was last logged.
    said: Option<Instant>,
    /// The log knows of it.
    told: bool,
    /// How many were lost that the log does not know of.
    lost: u64,
    /// When a line last said that there is trouble, and how long no other may.
    last: Option<(Instant, Duration)>,
}

impl State {
    /// Something was lost, or can't be delivered yet: then `lost` is 0. True if the log is to say so.
    fn is(&mut self, lost: u64, now: Instant) -> bool {
        self.lost += lost;
        if self.told {
            return false;
        }
        let gap = match self.last {
            Some((last, gap)) if now.saturating_duration_since(last) < gap => return false,
            // Quiet for long enough that it is another trouble.
            Some((last, gap)) if now.saturating_duration_since(last) < 2 * gap => (2 * gap).min(MOST),
            _ => LEAST,
        };
        self.told = true;
        self.last = Some((now, gap));
        true
    }

    /// The collector says something of what it took. True if the log is to say so.
    fn says(&mut self, now: Instant) -> bool {
        let quiet = self.said.is_none_or(|said| now.saturating_duration_since(said) >= MOST);
        if quiet {
            self.said = Some(now);
        }
        quiet
    }

    /// Something was delivered. How many were lost, if the log is to say that it is over.
    fn is_over(&mut self) -> Option<u64> {
        std::mem::take(&mut self.told).then(|| std::mem::take(&mut self.lost))
    }
}

impl Trouble {
    pub(super) fn new(what: &'static str, collector: String) -> Self {
        Self { what, collector, state: Mutex::default() }
    }

    /// Something was lost, or can't be delivered yet: then `lost` is 0.
    pub(super) fn is(&self, reason: &dyn Display, lost: u64) {
        if lock(&self.state).is(lost, Instant::now()) {
            tracing::warn!(
                what = self.what,
                collector = self.collector,
                reason = plain::message(&reason.to_string()),
                "not all that is sent to the OpenTelemetry collector arrives; RPCs go on, what is lost is counted, and it is \
                 tried on: nothing more is said until it does"
            );
        }
    }

    /// The collector took everything, and has this to say of it: told once an hour.
    pub(super) fn says(&self, words: &str) {
        if !words.is_empty() && lock(&self.state).says(Instant::now()) {
            tracing::warn!(
                what = self.what,
                collector = self.collector,
                words = plain::message(words),
                "the OpenTelemetry collector takes what is sent, and warns; look at its documentation for these words"
            );
        }
    }

    /// The collector took all but so many, and has this to say of it.
    pub(super) fn is_partial(&self, words: &str, lost: u64) {
        self.is(&format_args!("it refuses some of it: {words:?}"), lost);
    }

    /// Something was delivered.
    pub(super) fn is_over(&self) {
        let lost = lock(&self.state).is_over();
        if let Some(lost) = lost {
            tracing::info!(
                what = self.what,
                collector = self.collector,
                lost,
                "the OpenTelemetry collector gets what is sent again"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_that_lasts_is_one_line_and_its_end_another() {
        let (mut state, began) = (State::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        assert!(state.is(0, at(0)));
        assert!((1..100_000).all(|second| !state.is(2, at(second))));
        assert_eq!(state.is_over(), Some(199_998));
        assert_eq!(state.is_over(), None);
        assert!(state.is(1, at(200_000)), "the next one is another");
        assert_eq!(state.is_over(), Some(1));
    }

    #[test]
    fn a_warning_of_the_collectors_is_a_line_an_hour() {
        let (mut state, began) = (State::default(), Instant::now());
        let lines = (0..86_400).filter(|&second| state.says(began + Duration::from_secs(second))).count();
        assert_eq!(lines, 24);
    }

    #[test]
    fn trouble_that_comes_and_goes_is_a_few_lines_and_all_that_was_lost_is_in_them() {
        let (mut state, began) = (State::default(), Instant::now());
        let (mut lines, mut lost) = (0, 0);
        for tick in 0..86_400 * 10 {
            let now = began + Duration::from_millis(100) * tick;
            lines += u64::from(state.is(1, now));
            if let Some(some) = state.is_over() {
                lost += some;
                lines += 1;
            }
        }
        assert!((20..=70).contains(&lines), "{lines} in a day");
        assert_eq!(lost + state.lost, 864_000);
    }
}
