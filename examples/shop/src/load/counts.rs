//! What the load generator counts, at its own call sites; Hottap has no part in it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::verdict::Verdict;

/// The counters; tasks write, the generator reads.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    started: AtomicU64,
    finished: AtomicU64,
    failed_by_design: AtomicU64,
    failed: AtomicU64,
}

/// What they said at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) started: u64,
    pub(crate) finished: u64,
    /// Of the finished ones, those that failed as they should.
    pub(crate) failed_by_design: u64,
    /// Of the finished ones, those that came out otherwise than designed.
    pub(crate) failed: u64,
}

impl Counts {
    /// An RPC is about to be made.
    pub(crate) fn start(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    /// It has finished.
    pub(crate) fn finish(&self, verdict: &Verdict) {
        match verdict {
            Verdict::Fine => {}
            Verdict::FailedByDesign => {
                self.failed_by_design.fetch_add(1, Ordering::Relaxed);
            }
            Verdict::Wrong(_) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.finished.fetch_add(1, Ordering::Relaxed);
    }

    /// Begins at 0. Exact only while no RPC is open.
    pub(crate) fn reset(&self) {
        for counter in [&self.started, &self.finished, &self.failed_by_design, &self.failed] {
            counter.store(0, Ordering::Relaxed);
        }
    }

    /// Exact while no RPC is open; otherwise the counters may be some RPCs apart.
    pub(crate) fn read(&self) -> Counted {
        Counted {
            started: self.started.load(Ordering::Relaxed),
            finished: self.finished.load(Ordering::Relaxed),
            failed_by_design: self.failed_by_design.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verdict_is_counted_once_and_under_its_name() {
        let counts = Counts::default();
        for verdict in [Verdict::Fine, Verdict::FailedByDesign, Verdict::FailedByDesign, Verdict::Wrong("why".into())] {
            counts.start();
            counts.finish(&verdict);
        }
        counts.start();
        assert_eq!(counts.read(), Counted { started: 5, finished: 4, failed_by_design: 2, failed: 1 });
        counts.reset();
        assert_eq!(counts.read(), Counted::default());
    }
}
