//! A generation that was given up: the supervisor makes the one before it live again, or else tries it again later.

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::books::Problem;
use super::facts::{Facts, Swapped};
use super::generation::Generation;
use super::name::Name;
use super::supervisor::{Event, Live, Supervisor};
use super::worker::{Change, Order, Reason, Takeover};
use hottap_core::backoff::ExponentialBackoff;
use hottap_core::plain;

/// The time before a given-up generation is tried again for the first time; doubled with each further time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest time between two tries: a fault that lies outside the tracer goes away some day.
const MAX_WAIT: Duration = Duration::from_secs(300);
/// The time in good health after which earlier faults are forgotten.
const GOOD_FOR: Duration = Duration::from_secs(600);

/// A generation that was given up, and that has none before it which could take its place.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    tries: u32,
    /// The time of the next try; none while one is under way, and after one that went well.
    due: Option<Instant>,
    recovered: Option<Instant>,
}

impl Quarantine {
    /// It was given up again. Returns the time until the next try.
    fn renew(&mut self, now: Instant) -> Duration {
        if self.recovered.take().is_some_and(|at| now.saturating_duration_since(at) >= GOOD_FOR) {
            self.tries = 0;
        }
        let wait = ExponentialBackoff::new(FIRST_WAIT, MAX_WAIT).pause(self.tries);
        self.tries += 1;
        self.due = Some(now + wait);
        wait
    }

    fn is_over(&self) -> bool {
        self.recovered.is_some()
    }
}

impl Supervisor {
    /// A worker has given its generation up, or is back.
    pub(super) fn changed(&mut self, name: &Name, change: Change) {
        let is_loading = self.loading.contains_key(name);
        let Some(live) = self.live.get_mut(name) else { return };
        match change {
            Change::GivenUp(generation, _) | Change::Recovered(generation) if generation != live.generation => {}
            Change::GivenUp(_, reason) => match live.previous.take() {
                // A newer one is on its way: that has to show whether it is better.
                Some(previous) if !is_loading => {
                    live.roll_back(name, previous, Some(reason), self.events.clone());
                }
                previous => {
                    live.previous = previous;
                    self.quarantine(name, &reason);
                }
            },
            Change::Recovered(_) => {
                let quarantine = live.quarantine.get_or_insert_default();
                (quarantine.due, quarantine.recovered) = (None, Some(Instant::now()));
                tracing::info!(tracer = name.as_str(), generation = %live.generation, "live again");
                let book = self.books.open(name);
                let mut current = book.current();
                current.problem = None;
                current.enter(live.state(), self.millis());
            }
        }
    }

    /// Nothing is handed to a generation until it is tried again.
    pub(super) fn quarantine(&mut self, name: &Name, reason: &Reason) {
        let at = self.millis();
        let Some(live) = self.live.get_mut(name) else { return };
        let wait = live.quarantine.get_or_insert_default().renew(Instant::now());
        let state = live.state();
        let message = format!("it was given up, because {}", reason.message);
        let meanwhile = format!("its calls wait, as many as there is room for; it is tried again in {wait:?}");
        let book = self.books.open(name);
        book.report(name, live.generation, Problem { message, what_to_do: reason.what_to_do.clone(), meanwhile, at });
        book.current().enter(state, at);
    }

    /// Tries again what is due. Returns the time of the next try.
    pub(super) fn retry(&mut self, now: Instant) -> Option<Instant> {
        for live in self.live.values_mut() {
            if let Some(quarantine) = &mut live.quarantine
                && quarantine.due.take_if(|due| *due <= now).is_some()
            {
                live.worker.order(Order::Retry);
            }
        }
        self.live.values().filter_map(|live| live.quarantine.as_ref()?.due).min()
    }

    /// The generation before is live again in the place of one that was given up.
    pub(super) fn rolled_back(&self, name: &Name, from: impl std::fmt::Display, reason: Option<Reason>) {
        let Some(Reason { message, what_to_do }) = reason else { return };
        let book = self.books.open(name);
        let mut current = book.current();
        let message = plain::message(&format!("generation {from} was given up, because {message}"));
        let meanwhile = current.generation.map_or_else(String::new, |to| format!("generation {to} is live again"));
        tracing::warn!(tracer = name.as_str(), "{message}; {what_to_do}; {meanwhile}");
        current.problem = Some(Problem { message, what_to_do, meanwhile, at: self.millis() });
    }
}

impl Live {
    /// Has the generation before take over again. `reason` is the fault of the one that is live; none if operators ordered
    /// it.
    pub(super) fn roll_back(
        &self,
        name: &Name,
        previous: Box<Generation>,
        reason: Option<Reason>,
        events: Sender<Event>,
    ) {
        let facts = Facts::of(&previous);
        let rule = facts.rule(self.slot, &previous);
        let of = name.clone();
        let answer = move |result: Result<_, _>| {
            let result = result.map(|old| (rule, old));
            let swapped = Swapped { takeover: Takeover::Rollback, reason, result, facts };
            let _ = events.send(Event::Swapped(of, Box::new(swapped)));
        };
        self.worker.order(Order::Swap(previous, Takeover::Rollback, Box::new(answer)));
    }

    /// Returns true if it is given up and waits for its next try.
    pub(super) fn is_quarantined(&self) -> bool {
        self.quarantine.as_ref().is_some_and(|quarantine| !quarantine.is_over())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_ever_later_and_a_long_time_in_good_health_is_forgiven() {
        let (mut quarantine, start) = (Quarantine::default(), Instant::now());
        let waits: Vec<u64> = (0..11).map(|_| quarantine.renew(start).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        quarantine.recovered = Some(start);
        assert_eq!(quarantine.renew(start + GOOD_FOR / 2), MAX_WAIT, "not yet");
        quarantine.recovered = Some(start);
        assert_eq!(quarantine.renew(start + GOOD_FOR), FIRST_WAIT);
    }
}
