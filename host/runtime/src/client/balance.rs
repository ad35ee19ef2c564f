//! Which of several endpoints gets a call: the less busy of two, of those that are well.
//!
//! It is what tower's `p2c` balancer does, but decided in the call itself: tower's balancer is no service that can be
//! cloned, so a `Buffer` would have to stand before it, and each call would pass through its one task and queue.

use hottap_core::lock::lock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::endpoint::Endpoint;
use hottap_core::backoff::ExponentialBackoff;

/// How long an endpoint that has failed once gets no calls, at least; each failure after that doubles it. Shorter, and a
/// server that starts anew is hammered; longer, and one that is well again stands idle.
const FIRST_EJECTION: Duration = Duration::from_secs(1);
/// And at most.
const LONGEST_EJECTION: Duration = Duration::from_secs(30);

/// So many calls in a row that broke off are a failure of the endpoint. One alone may be the call's own fault; but an endpoint
/// that breaks off every call is quick about it, and would draw them all as the less busy one.
const BROKEN_OFF: u32 = 5;

/// How an endpoint has been doing.
#[derive(Default)]
pub(super) struct Health {
    pending: AtomicU32,
    record: Mutex<Record>,
}

/// What decides whether an endpoint gets calls.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Record {
    /// Failures since the last success.
    failures: u32,
    /// Calls that broke off since the last success.
    broken_off: u32,
    failed_at: Option<Instant>,
    /// It gets no calls before, and after that one, by which it is tried.
    ejected_until: Option<Instant>,
    probing: bool,
}

/// Whether an endpoint gets calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Well,
    /// Its time is over: one call tries it.
    ToBeTried,
    Ejected,
}

impl Record {
    fn standing(&self, now: Instant) -> Standing {
        match self.ejected_until {
            None => Standing::Well,
            Some(until) if until <= now && !self.probing => Standing::ToBeTried,
            Some(_) => Standing::Ejected,
        }
    }

    /// One call broke off. An endpoint that has failed before fails again by it.
    fn broke_off(&mut self, now: Instant, fraction: f64) {
        self.broken_off = self.broken_off.saturating_add(1);
        if self.failures > 0 || self.broken_off >= BROKEN_OFF {
            self.failed(now, fraction);
        }
    }

    /// `fraction` is random, from 0 to 1: so that clients that saw the same server fail do not return at the same time.
    fn failed(&mut self, now: Instant, fraction: f64) {
        self.failed_at = Some(now);
        let was_out = self.ejected_until.is_some_and(|until| until > now);
        self.probing = false;
        // Calls that were under way together fail together: that is one failure.
        if was_out {
            return;
        }
        let doubled = ExponentialBackoff::new(FIRST_EJECTION, LONGEST_EJECTION).pause(self.failures);
        self.failures = self.failures.saturating_add(1);
        self.ejected_until = Some(now + doubled.mul_f64(1.0 + fraction / 4.0));
    }
}

impl Health {
    fn record(&self) -> MutexGuard<'_, Record> {
        lock(&self.record)
    }

    /// There was no connection, or it said that it is not available.
    pub(super) fn failed(&self) {
        self.record().failed(Instant::now(), fastrand::f64());
    }
}

/// An endpoint that a call has been given. Dropped when the call is over with it.
pub(super) struct Pick {
    pub(super) endpoint: Arc<Endpoint>,
    /// There is no other: it gets all calls, however it has been doing.
    alone: bool,
    /// The call is the one by which the endpoint is tried.
    probe: bool,
}

impl Pick {
    /// Chooses among all of them; there is at least one.
    pub(super) fn among(endpoints: &[Arc<Endpoint>]) -> Option<Self> {
        let [first, rest @ ..] = endpoints else { return None };
        if rest.is_empty() {
            return Some(Self { endpoint: first.clone(), alone: true, probe: false });
        }
        let now = Instant::now();
        let able: Vec<(&Arc<Endpoint>, Standing)> = endpoints
            .iter()
            .map(|endpoint| (endpoint, endpoint.health.record().standing(now)))
            .filter(|(_, standing)| *standing != Standing::Ejected)
            .collect();
        let (chosen, standing) = match able[..] {
            [] => {
                // Somebody has to be asked: the one whose failure is the longest ago.
                let longest_ago = endpoints.iter().min_by_key(|endpoint| endpoint.health.record().failed_at)?;
                (longest_ago, Standing::Well)
            }
            [only] => only,
            _ => {
                let one = fastrand::usize(..able.len());
                let other = (one + fastrand::usize(1..able.len())) % able.len();
                let pending = |index: usize| {
                    able.get(index).map_or(u32::MAX, |(endpoint, _)| endpoint.health.pending.load(Ordering::Relaxed))
                };
                let chosen = if pending(other) < pending(one) { other } else { one };
                *able.get(chosen)?
            }
        };
        let mut probe = false;
        if standing == Standing::ToBeTried {
            let mut record = chosen.health.record();
            // Another call may have been quicker; then this one goes there as well, which does no harm.
            probe = !std::mem::replace(&mut record.probing, true);
        }
        chosen.health.pending.fetch_add(1, Ordering::Relaxed);
        Some(Self { endpoint: chosen.clone(), alone: false, probe })
    }

    /// It answered.
    pub(super) fn succeeded(&self) {
        if self.alone {
            return;
        }
        let mut record = self.endpoint.health.record();
        if record.failures > 0 || record.broken_off > 0 {
            *record = Record::default();
        }
    }

    /// There was no connection, or it said that it is not available.
    pub(super) fn failed(&self) {
        if !self.alone {
            self.endpoint.health.failed();
        }
    }

    /// It was reached, but broke off or gave no answer.
    pub(super) fn broke_off(&self) {
        if !self.alone {
            self.endpoint.health.record().broke_off(Instant::now(), fastrand::f64());
        }
    }
}

impl Drop for Pick {
    fn drop(&mut self) {
        if !self.alone {
            self.endpoint.health.pending.fetch_sub(1, Ordering::Relaxed);
        }
        if self.probe {
            // If it was given up before anything came of it, another call has to try.
            self.endpoint.health.record().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_fails_is_left_alone_for_longer_and_longer() {
        let start = Instant::now();
        let mut record = Record::default();
        assert_eq!(record.standing(start), Standing::Well);
        let mut now = start;
        for expected in [1, 2, 4, 8, 16, 30, 30] {
            record.failed(now, 0.0);
            let until = now + Duration::from_secs(expected);
            assert_eq!(record.standing(until - Duration::from_nanos(1)), Standing::Ejected);
            assert_eq!(record.standing(until), Standing::ToBeTried);
            now = until;
        }
        record.probing = true;
        assert_eq!(record.standing(now), Standing::Ejected, "one call tries it, the others wait");
    }

    #[test]
    fn calls_that_break_off_are_a_failure_only_if_none_succeeds_between() {
        let now = Instant::now();
        let mut record = Record::default();
        (1..BROKEN_OFF).for_each(|_| record.broke_off(now, 0.0));
        assert_eq!(record.standing(now), Standing::Well);
        record.broke_off(now, 0.0);
        assert_eq!(record.standing(now), Standing::Ejected);
        let later = now + FIRST_EJECTION;
        record.broke_off(later, 0.0);
        assert_eq!(record.standing(later + FIRST_EJECTION), Standing::Ejected, "it was tried, and failed again");
        assert_eq!(record.standing(later + FIRST_EJECTION * 2), Standing::ToBeTried);
    }

    #[test]
    fn calls_that_fail_together_are_one_failure() {
        let now = Instant::now();
        let mut record = Record::default();
        (0..100).for_each(|_| record.failed(now, 1.0));
        assert_eq!(record.failures, 1);
        assert_eq!(record.ejected_until, Some(now + Duration::from_millis(1250)));
    }
}
