//! The order in which jobs of the loader get their turns: those that take little first, and none is passed over for
//! ever. Pure.

use std::time::Duration;

/// The kind of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// Over in a moment.
    Short,
    /// It may take seconds. Only one thread at a time takes such turns, so that another is free for short ones.
    Long,
}

/// Turns that wait. Times are those of a clock that the caller keeps.
#[derive(Debug)]
pub(crate) struct Turns<T> {
    waiting: Vec<Turn<T>>,
    /// A long turn is being taken.
    long: bool,
}

#[derive(Debug)]
struct Turn<T> {
    /// The time at which it was asked for, and what it may take: a shorter turn comes first, unless the longer one has
    /// waited as much longer.
    due: Duration,
    length: Length,
    of: T,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { waiting: Vec::new(), long: false }
    }
}

impl<T> Turns<T> {
    /// Asks for a turn at the time `now` that may take as long as `expected`.
    pub(crate) fn ask(&mut self, of: T, now: Duration, expected: Duration, length: Length) {
        self.waiting.push(Turn { due: now.saturating_add(expected), length, of });
    }

    /// Takes the turn that is next, if there is one that can be taken now. After it call [`over`](Self::over).
    pub(crate) fn take(&mut self) -> Option<(T, Length)> {
        let can = |turn: &Turn<T>| turn.length == Length::Short || !self.long;
        let can_be_taken = self.waiting.iter().enumerate().filter(|(_, turn)| can(turn));
        let (place, _) = can_be_taken.min_by_key(|(_, turn)| turn.due)?;
        let Turn { length, of, .. } = self.waiting.remove(place);
        self.long |= length == Length::Long;
        Some((of, length))
    }

    /// A turn that was taken is over.
    pub(crate) fn over(&mut self, length: Length) {
        if length == Length::Long {
            self.long = false;
        }
    }

    /// Takes away those that wait and are not wanted any more.
    pub(crate) fn keep(&mut self, wanted: impl Fn(&T) -> bool) {
        self.waiting.retain(|turn| wanted(&turn.of));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// All turns in their order, each over before the next.
    fn order(asked: &[(&'static str, f64, f64, Length)]) -> Vec<&'static str> {
        let mut turns = Turns::default();
        for (of, now, expected, length) in asked {
            turns.ask(*of, seconds(*now), seconds(*expected), *length);
        }
        std::iter::from_fn(|| {
            let (of, length) = turns.take()?;
            turns.over(length);
            Some(of)
        })
        .collect()
    }

    #[test]
    fn what_takes_less_comes_first_and_what_has_waited_longer_too() {
        for (asked, expected, reason) in [
            (&[("a", 0.0, 0.0, Length::Short), ("b", 0.1, 0.0, Length::Short)][..], &["a", "b"][..], "as they came"),
            (
                &[("large", 0.0, 1.0, Length::Short), ("small", 0.1, 0.0, Length::Short)],
                &["small", "large"],
                "the small one",
            ),
            (&[("slow", 0.0, 8.0, Length::Long), ("new", 5.0, 0.0, Length::Short)], &["new", "slow"], "the short one"),
            (&[("slow", 0.0, 8.0, Length::Long), ("new", 9.0, 0.0, Length::Short)], &["slow", "new"], "it has waited"),
        ] {
            assert_eq!(order(asked), expected, "{reason}");
        }
    }

    #[test]
    fn a_long_turn_leaves_a_thread_for_short_ones() {
        let mut turns = Turns::default();
        turns.ask("slow", seconds(0.0), seconds(0.0), Length::Long);
        turns.ask("slow too", seconds(0.0), seconds(0.0), Length::Long);
        turns.ask("quick", seconds(1.0), seconds(0.0), Length::Short);
        assert_eq!(turns.take(), Some(("slow", Length::Long)));
        assert_eq!(turns.take(), Some(("quick", Length::Short)));
        assert_eq!(turns.take(), None);
        turns.over(Length::Short);
        assert_eq!(turns.take(), None, "the first long turn is not over");
        turns.over(Length::Long);
        assert_eq!(turns.take(), Some(("slow too", Length::Long)));
    }

    #[test]
    fn what_is_not_wanted_any_more_gets_no_turn() {
        let mut turns = Turns::default();
        turns.ask("gone", seconds(0.0), seconds(0.0), Length::Short);
        turns.ask("there", seconds(0.0), seconds(0.0), Length::Short);
        turns.keep(|of| *of == "there");
        assert_eq!(turns.take(), Some(("there", Length::Short)));
        assert_eq!(turns.take(), None);
    }
}
