//! Where both tracers report: it stands for whatever data source you have.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Counts and sums by what was reported and by method. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub(crate) struct Report(Arc<Mutex<BTreeMap<(&'static str, String), Total>>>);

/// All that was reported under one name for one method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) count: u64,
    pub(crate) sum: Duration,
}

impl Report {
    /// Called on the RPC's own thread: it does little, and waits for nobody but those who do as little.
    pub(crate) fn add(&self, what: &'static str, method: &str, took: Duration) {
        let mut totals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let total = totals.entry((what, method.to_owned())).or_default();
        total.count += 1;
        total.sum += took;
    }

    /// What was reported so far.
    pub(crate) fn totals(&self) -> BTreeMap<(&'static str, String), Total> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((what, method), Total { count, sum }) in self.totals() {
            writeln!(f, "{what:<10}  {method:<21}  {count:>3} times  {sum:>12?}")?;
        }
        Ok(())
    }
}
