//! What a tracer did wrong with its metrics, counted by reason; nothing of it is an error of an RPC or of the tracer.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why something that a tracer asked of its metrics was not done as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misuse {
    /// A definition: the name is not in OpenTelemetry's syntax, or too long.
    Name,
    /// A definition: the unit is not printable ASCII, or too long.
    Unit,
    /// A definition: too many label keys, too long, reserved, or two that are one.
    LabelKeys,
    /// A definition: too many bounds, not rising, or not finite.
    Bounds,
    /// A definition: the name is one of the host's own, or of Prometheus'.
    Reserved,
    /// A definition: the name has another kind or unit in the semantic conventions.
    Convention,
    /// A definition: another metric has the name, and is not the same.
    Taken,
    /// A definition: the tracer has as many metrics as it may.
    TooManyInstruments,
    /// The tracer has as many series as it may; the values went to the overflow series.
    TooManySeries,
    /// An id that this instance never got.
    UnknownId,
    /// Lists that must have one length have two.
    Length,
    /// `add` on a histogram, `set` on a counter, `merge` on either.
    Kind,
    /// A value that is infinite or no number.
    NotFinite,
    /// A negative value added to a counter.
    Negative,
    /// A value for a metric whose definition was refused.
    Refused,
    /// A value for a metric that was defined otherwise since.
    Replaced,
}

impl Misuse {
    const ALL: [Self; 16] = [
        Self::Name,
        Self::Unit,
        Self::LabelKeys,
        Self::Bounds,
        Self::Reserved,
        Self::Convention,
        Self::Taken,
        Self::TooManyInstruments,
        Self::TooManySeries,
        Self::UnknownId,
        Self::Length,
        Self::Kind,
        Self::NotFinite,
        Self::Negative,
        Self::Refused,
        Self::Replaced,
    ];

    /// The reason as it stands in metrics and the admin API.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Unit => "unit",
            Self::LabelKeys => "label_keys",
            Self::Bounds => "bounds",
            Self::Reserved => "reserved",
            Self::Convention => "convention",
            Self::Taken => "taken",
            Self::TooManyInstruments => "too_many_instruments",
            Self::TooManySeries => "too_many_series",
            Self::UnknownId => "unknown_id",
            Self::Length => "length",
            Self::Kind => "kind",
            Self::NotFinite => "not_finite",
            Self::Negative => "negative",
            Self::Refused => "refused",
            Self::Replaced => "replaced",
        }
    }
}

/// One tracer's counts. They count at once, not at commit: what a thrown-away window did wrong is worth knowing too.
#[derive(Debug, Default)]
pub(super) struct Misuses([AtomicU64; Misuse::ALL.len()]);

impl Misuses {
    pub(super) fn count(&self, misuse: Misuse) {
        if let Some(count) = self.0.get(misuse as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Those that happened, by reason.
    pub(super) fn counts(&self) -> Vec<(&'static str, u64)> {
        Misuse::ALL
            .iter()
            .zip(&self.0)
            .map(|(misuse, count)| (misuse.as_str(), count.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_misuse_is_counted_under_its_own_reason() {
        let misuses = Misuses::default();
        for (index, misuse) in Misuse::ALL.into_iter().enumerate() {
            for _ in 0..=index {
                misuses.count(misuse);
            }
        }
        let counts = misuses.counts();
        assert_eq!(counts.len(), Misuse::ALL.len());
        for (index, (misuse, (reason, count))) in Misuse::ALL.into_iter().zip(counts).enumerate() {
            assert_eq!((misuse.as_str(), index as u64 + 1), (reason, count));
        }
    }
}
