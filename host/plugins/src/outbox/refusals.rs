//! The last payload that a destination refused for each reason, in words for the operator.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::account::Refusal;
use super::state::Problem;

/// Bytes, as they were when a payload was refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) payload: usize,
    pub(super) max_payload: usize,
    pub(super) queue: usize,
}

/// The last refusal of each kind. A full queue refuses thousands of payloads a second, so words are made when they are
/// read.
#[derive(Debug, Default)]
pub(super) struct LastRefusals([Option<Last>; Refusal::ALL.len()]);

#[derive(Debug)]
struct Last {
    tracer: String,
    sizes: Sizes,
    at: SystemTime,
}

impl LastRefusals {
    pub(super) fn note(&mut self, refusal: Refusal, tracer: &str, sizes: Sizes) {
        let Some(last) = self.0.get_mut(refusal as usize) else { return };
        let mut name = last.take().map(|last| last.tracer).unwrap_or_default();
        name.clear();
        name.push_str(tracer);
        *last = Some(Last { tracer: name, sizes, at: SystemTime::now() });
    }

    /// The reasons that occurred.
    pub(super) fn by_reason(&self) -> BTreeMap<&'static str, Problem> {
        let all = Refusal::ALL.into_iter().zip(&self.0);
        all.filter_map(|(refusal, last)| Some((refusal.as_str(), last.as_ref()?.problem(refusal)))).collect()
    }
}

impl Last {
    fn problem(&self, refusal: Refusal) -> Problem {
        let Self { tracer, sizes: Sizes { payload, max_payload, queue }, at } = self;
        let (message, what_to_do) = match refusal {
            Refusal::Unknown => (
                format!("tracer {tracer:?} is none of the destination's `tracers`"),
                "add it to `tracers` in hottap.toml, or take the destination out of the tracer's manifest",
            ),
            Refusal::Full => (
                format!(
                    "a payload of {payload} bytes from tracer {tracer:?} found no space in a queue of {queue} bytes"
                ),
                "see in `last_error` why the queue does not empty; raise `queue`, or let the tracer send less",
            ),
            Refusal::TooLarge => (
                format!(
                    "a payload of {payload} bytes from tracer {tracer:?} is larger than `max_payload`, {max_payload} bytes"
                ),
                "raise `max_payload` (a datagram carries at most 65507B), or let the tracer send smaller payloads",
            ),
        };
        Problem::at(*at, message, what_to_do)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_refusal_of_each_kind_says_whose_it_was_and_what_to_do() {
        let mut refusals = LastRefusals::default();
        assert!(refusals.by_reason().is_empty());
        let sizes = |payload| Sizes { payload, max_payload: 1_432, queue: 16 << 20 };
        refusals.note(Refusal::TooLarge, "first", sizes(2_000));
        refusals.note(Refusal::TooLarge, "influxdb", sizes(262_144));
        refusals.note(Refusal::Full, "influxdb", sizes(100));
        refusals.note(Refusal::Unknown, "stranger", sizes(1));
        let words = refusals.by_reason();
        for (reason, message, what_to_do) in [
            (
                "too_large",
                "262144 bytes from tracer \"influxdb\" is larger than `max_payload`, 1432",
                "raise `max_payload`",
            ),
            ("full", "100 bytes from tracer \"influxdb\" found no space in a queue of 16777216", "raise `queue`"),
            ("not_granted", "tracer \"stranger\" is none of", "add it to `tracers`"),
        ] {
            let problem = &words[reason];
            assert!(problem.message.contains(message), "{reason}: {}", problem.message);
            assert!(
                problem.what_to_do.contains(what_to_do) && problem.at_unix_ms > 0,
                "{reason}: {}",
                problem.what_to_do
            );
        }
        assert_eq!(words.len(), 3);
    }
}
