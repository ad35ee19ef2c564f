//! The books of one destination: what was accepted, and what became of it. Each term is counted on its own.

use std::collections::BTreeMap;

use super::state::DestinationState;

/// Why a payload was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No destination of this name is there for this tracer.
    #[error("the tracer may not use a destination of this name")]
    Unknown,
    /// The queue has no space left, or the outbox was shut down.
    #[error("there is no space left in the destination's queue")]
    Full,
    /// The payload is larger than the destination takes.
    #[error("the payload is larger than the destination takes")]
    TooLarge,
}

impl Refusal {
    pub(super) const ALL: [Self; 3] = [Self::Unknown, Self::Full, Self::TooLarge];

    /// The word for it in a destination's books and metrics.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "not_granted",
            Self::Full => "full",
            Self::TooLarge => "too_large",
        }
    }
}

/// Payloads of one tracer that were not taken, whatever destination they were meant for: by [`Refusal`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused([u64; Refusal::ALL.len()]);

impl Refused {
    /// The words that tracers have for the reasons, in the order of [`Refusal`].
    pub(crate) const REASONS: [&'static str; 3] = ["not_allowed", "full", "too_large"];

    pub(crate) fn count(&mut self, refusal: Refusal) {
        if let Some(count) = self.0.get_mut(refusal as usize) {
            *count += 1;
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(count, more)| *count += more);
    }

    /// The reasons that occurred, in the words that tracers have for them.
    pub(super) fn by_reason(&self) -> BTreeMap<&'static str, u64> {
        Self::REASONS.into_iter().zip(self.0).filter(|(_, count)| *count > 0).collect()
    }
}

/// Why a payload that had been accepted was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::outbox) enum DropReason {
    /// The server refused it for good.
    Rejected,
    /// It was tried for as long as the destination's `retry_for` says.
    Expired,
    /// The server, or the place that the destination was moved to, takes no payload of this size.
    TooLarge,
    /// The destination is no longer configured.
    Removed,
    /// The host was shut down.
    Shutdown,
    /// The host panicked while it delivered it.
    Panic,
}

impl DropReason {
    /// The words for the reasons in metrics and JSON, in their order.
    pub(super) const WORDS: [&'static str; 6] = ["rejected", "expired", "too_large", "removed", "shutdown", "panic"];

    pub(crate) fn as_str(self) -> &'static str {
        Self::WORDS.get(self as usize).copied().unwrap_or_default()
    }
}

/// The terms of one destination. At every moment `accepted = delivered + queued + dropped`.
#[derive(Debug, Default)]
pub(super) struct Terms {
    pub(super) accepted: u64,
    pub(super) delivered: u64,
    /// Items (points, spans, lines) that the server refused in payloads that it took; none of the terms above.
    pub(super) items_refused: u64,
    /// Payloads that wait or are under way.
    pub(super) queued: u64,
    /// What they occupy, in bytes.
    pub(super) queued_bytes: usize,
    /// What parcels occupy that are not committed yet, in bytes.
    pub(super) reserved_bytes: usize,
    /// Tries beyond the first of each payload.
    pub(super) retries: u64,
    pub dropped: [u64; DropReason::WORDS.len()],
    /// Payloads that were never accepted: by [`Refusal`].
    refused: [u64; Refusal::ALL.len()],
}

impl Terms {
    pub(super) fn drop(&mut self, reason: DropReason) {
        if let Some(count) = self.dropped.get_mut(reason as usize) {
            *count += 1;
        }
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        if let Some(count) = self.refused.get_mut(refusal as usize) {
            *count += 1;
        }
    }

    /// The reasons that occurred.
    pub(super) fn dropped(&self) -> BTreeMap<&'static str, u64> {
        DropReason::WORDS.into_iter().zip(self.dropped).filter(|(_, count)| *count > 0).collect()
    }

    /// The reasons that occurred.
    pub(super) fn refused(&self) -> BTreeMap<&'static str, u64> {
        DestinationState::REFUSED.into_iter().zip(self.refused).filter(|(_, count)| *count > 0).collect()
    }
}
