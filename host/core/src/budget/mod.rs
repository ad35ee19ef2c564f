//! The memory that all plugins together may use: compiled code, instances, queues, kept batches and payloads that wait to be
//! sent. Each limit of one plugin is small beside it; the sum over 128 plugins is not.

mod machine;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use machine::default_limit;

/// The least budget that can be set, in bytes: one plugin with its instances fits into it.
pub const LEAST: u64 = 16 << 20;

/// The kinds of memory that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Compiled code.
    Code,
    /// Linear memory and tables of instances.
    Instances,
    /// Calls and moments that wait for plugins. A batch that waits for two plugins counts twice.
    Queues,
    /// Batches that are kept until the next commit.
    Kept,
    /// Payloads that wait for their destinations.
    Outbox,
}

impl Kind {
    const COUNT: usize = 5;
    const ALL: [Self; Self::COUNT] = [Self::Code, Self::Instances, Self::Queues, Self::Kept, Self::Outbox];

    /// The word for it in metrics and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Instances => "instances",
            Self::Queues => "queues",
            Self::Kept => "kept",
            Self::Outbox => "outbox",
        }
    }
}

/// A budget of bytes. Clones share it.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: u64,
    total: AtomicU64,
    used: [AtomicU64; Kind::COUNT],
}

/// The bytes that a budget refused, and its state then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "needs {} more of the memory that all plugins share, of which {} of {} are in use",
    Size(*needed),
    Size(*used),
    Size(*limit)
)]
pub struct OverBudget {
    pub(crate) needed: u64,
    pub used: u64,
    pub(crate) limit: u64,
}

/// Bytes as people read them.
struct Size(u64);

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 < 1 << 20 { write!(f, "{} KiB", self.0.div_ceil(1 << 10)) } else { write!(f, "{} MiB", self.0 >> 20) }
    }
}

impl Budget {
    pub fn new(limit: u64) -> Self {
        Self(Arc::new(Shared { limit, total: AtomicU64::new(0), used: [const { AtomicU64::new(0) }; Kind::COUNT] }))
    }

    /// A budget that is never exceeded, for tools that load one plugin after the other.
    pub fn unlimited() -> Self {
        Self::new(u64::MAX)
    }

    /// Reserves bytes until the reservation is dropped.
    ///
    /// # Errors
    /// There are fewer left.
    pub fn reserve(&self, kind: Kind, bytes: u64) -> Result<Reservation, OverBudget> {
        let mut reservation = self.none(kind);
        reservation.grow(bytes)?;
        Ok(reservation)
    }

    /// A reservation of nothing, to grow.
    pub fn none(&self, kind: Kind) -> Reservation {
        Reservation { budget: self.clone(), kind, bytes: 0 }
    }

    pub fn limit(&self) -> u64 {
        self.0.limit
    }

    /// Bytes in use, of all kinds.
    pub fn used(&self) -> u64 {
        self.0.total.load(Ordering::Relaxed)
    }

    /// Bytes in use, by kind.
    pub fn by_kind(&self) -> impl Iterator<Item = (Kind, u64)> {
        let used = |kind: Kind| self.0.used.get(kind as usize).map_or(0, |used| used.load(Ordering::Relaxed));
        Kind::ALL.into_iter().map(move |kind| (kind, used(kind)))
    }
}

/// A part of a budget. Gives its bytes back when it is dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Budget,
    kind: Kind,
    bytes: u64,
}

impl Reservation {
    /// Takes more bytes.
    ///
    /// # Errors
    /// There are fewer left; what was reserved stays so.
    pub fn grow(&mut self, bytes: u64) -> Result<(), OverBudget> {
        let Shared { limit, total, .. } = &*self.budget.0;
        let after = |total: u64| total.checked_add(bytes).filter(|after| after <= limit);
        total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after).map_err(|used| OverBudget {
            needed: bytes,
            used,
            limit: *limit,
        })?;
        self.count(bytes);
        Ok(())
    }

    /// Takes more bytes; those that are guaranteed, whatever is left. Returns false if there are fewer left.
    pub fn take(&mut self, bytes: u64, is_guaranteed: bool) -> bool {
        if is_guaranteed {
            self.grow_anyway(bytes);
        }
        is_guaranteed || self.grow(bytes).is_ok()
    }

    /// Takes more bytes, whatever is left: for what is bounded by itself, and is a plugin's by right whatever others use.
    pub fn grow_anyway(&mut self, bytes: u64) {
        self.budget.0.total.fetch_add(bytes, Ordering::Relaxed);
        self.count(bytes);
    }

    /// Counts bytes that the total has already.
    fn count(&mut self, bytes: u64) {
        if let Some(used) = self.budget.0.used.get(self.kind as usize) {
            used.fetch_add(bytes, Ordering::Relaxed);
        }
        self.bytes += bytes;
    }

    /// Returns true if all of the budget is used.
    pub fn is_exhausted(&self) -> bool {
        self.budget.used() >= self.budget.limit()
    }

    /// Gives bytes back, at most as many as it has.
    pub fn shrink(&mut self, bytes: u64) {
        let Shared { total, used, .. } = &*self.budget.0;
        let bytes = bytes.min(self.bytes);
        total.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(used) = used.get(self.kind as usize) {
            used.fetch_sub(bytes, Ordering::Relaxed);
        }
        self.bytes -= bytes;
    }

    /// Bytes that are reserved.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink(u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reservations_end_where_the_budget_does_and_are_given_back() {
        let budget = Budget::new(100);
        let mut first = budget.reserve(Kind::Code, 60).expect("there is room");
        let second = budget.reserve(Kind::Instances, 40).expect("there is room, to the last byte");
        assert_eq!(budget.reserve(Kind::Kept, 1).err(), Some(OverBudget { needed: 1, used: 100, limit: 100 }));
        assert_eq!(first.grow(1), Err(OverBudget { needed: 1, used: 100, limit: 100 }));
        drop(second);
        assert_eq!(first.grow(40), Ok(()));
        first.shrink(90);
        let used: Vec<_> = budget.by_kind().map(|(kind, used)| (kind.as_str(), used)).collect();
        assert_eq!(used, [("code", 10), ("instances", 0), ("queues", 0), ("kept", 0), ("outbox", 0)]);
        assert_eq!((first.bytes(), budget.used()), (10, 10));
        drop(first);
        assert_eq!(budget.used(), 0);
        assert!(budget.reserve(Kind::Code, u64::MAX).is_err(), "a sum that overflows is over the budget");
    }

    #[test]
    fn threads_that_reserve_at_once_never_exceed_the_budget() {
        let budget = Budget::new(1_000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        let reservation = budget.reserve(Kind::Queues, 300);
                        assert!(budget.used() <= 1_000);
                        drop(reservation);
                    }
                });
            }
        });
        assert_eq!(budget.used(), 0);
    }
}
