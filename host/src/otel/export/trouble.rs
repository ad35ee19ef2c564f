//! What the log says of trouble with the collector: one line when it begins and one when it is over.

use std::sync::Mutex;
use std::sync::PoisonError;

/// Trouble with one signal.
#[derive(Debug)]
pub(super) struct Trouble {
    /// `spans` or `metrics`.
    what: &'static str,
    /// Host and port.
    collector: String,
    /// How many were lost since it began; none if there is none.
    lost: Mutex<Option<u64>>,
}

impl Trouble {
    pub(super) fn new(what: &'static str, collector: String) -> Self {
        Self { what, collector, lost: Mutex::default() }
    }

    /// Something was lost, or can't be delivered yet: then `lost` is 0.
    pub(super) fn is(&self, reason: &dyn std::fmt::Display, lost: u64) {
        let mut now = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *now {
            Some(count) => *count += lost,
            None => {
                *now = Some(lost);
                tracing::warn!(
                    what = self.what,
                    collector = self.collector,
                    reason = %reason,
                    "the OpenTelemetry collector does not get what is sent; RPCs go on, what is lost is counted, and it is \
                     tried on: nothing more is said until it does"
                );
            }
        }
    }

    /// Something was delivered.
    pub(super) fn is_over(&self) {
        if let Some(lost) = self.lost.lock().unwrap_or_else(PoisonError::into_inner).take() {
            tracing::info!(
                what = self.what,
                collector = self.collector,
                lost,
                "the OpenTelemetry collector gets what is sent again"
            );
        }
    }
}
