//! One plugin's books: every finished call in its scope, every message on a stream that it follows, and what became of
//! them. Each term is counted on its own.

use crate::lock::lock;
use std::sync::{Mutex, MutexGuard};

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// Why calls or moments were dropped for a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum DropReason {
    /// The RPC thread's buffer was full: the collector did not get to run.
    BufferFull,
    /// The plugin's queue was full: it is slower than the calls come.
    QueueFull,
    /// The plugin's queue was full because it had used up its share of the CPU.
    CpuShare,
    /// The plugin trapped on a moment that it was handed alone, or used more CPU time or memory than it may. Calls for
    /// which it does so are dead, not dropped.
    Trap,
    /// The plugin was given up, and its queue was full.
    Quarantined,
    /// The host was told to stop, or the plugin was removed, before they were committed.
    Shutdown,
    /// They waited when the plugin was replaced by a generation that does not follow streams.
    Swap,
    /// The host panicked while it put them together.
    Panic,
}

impl DropReason {
    const COUNT: usize = 8;
    const ALL: [Self; Self::COUNT] = [
        Self::BufferFull,
        Self::QueueFull,
        Self::CpuShare,
        Self::Trap,
        Self::Quarantined,
        Self::Shutdown,
        Self::Swap,
        Self::Panic,
    ];

    /// The word for it in metrics and JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::BufferFull => "buffer_full",
            Self::QueueFull => "queue_full",
            Self::CpuShare => "cpu_share",
            Self::Trap => "trap",
            Self::Quarantined => "quarantined",
            Self::Shutdown => "shutdown",
            Self::Swap => "swap",
            Self::Panic => "panic",
        }
    }
}

/// Calls or moments dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped([u64; DropReason::COUNT]);

impl Dropped {
    pub(crate) fn add(&mut self, reason: DropReason, count: u64) {
        self.0[reason as usize] += count;
    }

    /// All reasons, with how many each has.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        DropReason::ALL.into_iter().map(|reason| (reason.as_str(), self.0[reason as usize]))
    }
}

/// The reasons that occurred.
impl Serialize for Dropped {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (reason, calls) in self.iter().filter(|(_, calls)| *calls > 0) {
            map.serialize_entry(reason, &calls)?;
        }
        map.end()
    }
}

/// What became of the finished calls in a plugin's scope since it first went live.
///
/// At every moment `finished = committed + pending + dropped + dead`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// Calls that finished in its scope: counted on the RPCs' threads.
    pub finished: u64,
    /// Calls whose flush was committed.
    pub committed: u64,
    /// Calls that wait in its queue or for the next flush.
    pub pending: u64,
    /// Calls that it will not see, or whose results were lost.
    pub dropped: Dropped,
    /// Calls put aside because the plugin can't digest them.
    pub dead: u64,
    /// Shown apart, and only of tracers that follow streams.
    #[serde(skip)]
    pub moments: MomentTerms,
}

/// What became of the messages on the streams that a plugin follows, since it first went live.
///
/// At every moment `observed = committed + pending + dropped`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MomentTerms {
    /// Messages of open calls in its scope: counted on the RPCs' threads.
    pub observed: u64,
    /// Messages whose flush was committed.
    pub committed: u64,
    /// Messages that wait in its queue or for the next flush.
    pub pending: u64,
    /// Messages that it will not see, or whose results were lost.
    pub dropped: Dropped,
}

/// The books of one plugin name, over all its generations.
#[derive(Debug, Default)]
pub struct Account(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    terms: Terms,
    is_closed: bool,
}

impl Account {
    /// All terms, as of one moment.
    pub fn terms(&self) -> Terms {
        self.lock().terms
    }

    /// One entry. What it changes is seen as a whole. After [`Account::close`] there are no more entries.
    pub fn book(&self, entry: impl FnOnce(&mut Terms)) {
        let mut entries = self.lock();
        if !entries.is_closed {
            entry(&mut entries.terms);
        }
    }

    /// The host ends: what is pending is lost, and whatever a worker does after this comes too late to count.
    pub fn close(&self) {
        let mut entries = self.lock();
        let Entries { terms, is_closed } = &mut *entries;
        if !std::mem::replace(is_closed, true) {
            let (calls, moments) = (std::mem::take(&mut terms.pending), std::mem::take(&mut terms.moments.pending));
            terms.dropped.add(DropReason::Shutdown, calls);
            terms.moments.dropped.add(DropReason::Shutdown, moments);
        }
    }

    /// Moves pending calls and moments to the committed ones.
    pub fn commit(&self, calls: u64, moments: u64) {
        self.book(|terms| {
            terms.pending = terms.pending.saturating_sub(calls);
            terms.committed += calls;
            terms.moments.pending = terms.moments.pending.saturating_sub(moments);
            terms.moments.committed += moments;
        });
    }

    /// Moves a pending call to the dead ones.
    pub fn bury(&self) {
        self.book(|terms| {
            terms.pending = terms.pending.saturating_sub(1);
            terms.dead += 1;
        });
    }

    /// Moves pending calls to the dropped ones.
    pub fn drop_pending(&self, reason: DropReason, calls: u64) {
        self.book(|terms| {
            terms.pending = terms.pending.saturating_sub(calls);
            terms.dropped.add(reason, calls);
        });
    }

    /// Moves pending moments to the dropped ones.
    pub fn drop_pending_moments(&self, reason: DropReason, moments: u64) {
        self.book(|terms| {
            terms.moments.pending = terms.moments.pending.saturating_sub(moments);
            terms.moments.dropped.add(reason, moments);
        });
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        lock(&self.0)
    }
}
