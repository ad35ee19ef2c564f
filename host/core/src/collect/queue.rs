//! The bounded queue between the collector and one plugin.

use crate::lock::lock;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::budget::{Budget, Kind, Reservation};

use super::account::{Account, DropReason};
use super::moment::Moments;
use super::view::View;

/// Bytes of rows that wait for one plugin at most: about 60,000 calls. Beyond it the newest calls are dropped and
/// counted; those that wait are not.
const MAX_BYTES: usize = 16 << 20;
/// Bytes of rows that may wait for each plugin whatever the others use of the memory that all share: about 8,000 calls. So
/// neighbours that fill their queues cost a plugin in good health no call. With 128 plugins these are 256 MiB.
const GUARANTEED_BYTES: usize = 2 << 20;
/// What a queued view costs beside its rows, so that many small ones are bounded too.
const VIEW_BYTES: usize = 512;
/// Bytes of moments that wait for one plugin at most: about 80,000 messages. A bound of their own, so that a stream of
/// millions of messages costs no finished call its place.
const MAX_MOMENT_BYTES: usize = 4 << 20;
/// The same as [`GUARANTEED_BYTES`] for moments: about 10,000 messages.
const GUARANTEED_MOMENT_BYTES: usize = 512 << 10;
/// What queued moments cost beside themselves.
const PIECE_BYTES: usize = 64;

/// What waits for one plugin, in the order in which it is to be handed over.
pub struct Queue {
    account: Arc<Account>,
    state: Mutex<State>,
    /// The reason for dropping what does not fit.
    overflow: AtomicU8,
}

/// The reason why a plugin does not keep up with its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Overflow {
    /// It is slower than the calls come.
    Full,
    /// It has used up its share of the CPU.
    Throttled,
    /// It was given up, and gets nothing until it is tried again.
    Quarantined,
}

/// One thing to hand over.
pub enum Work {
    /// Calls that have finished.
    Calls(View),
    /// Messages on streams that were open.
    Moments(Moments),
}

#[expect(clippy::len_without_is_empty, reason = "no caller asks for it")]
impl Work {
    /// Calls or moments.
    pub fn len(&self) -> usize {
        match self {
            Self::Calls(view) => view.len(),
            Self::Moments(moments) => moments.len(),
        }
    }

    /// Memory that it holds, in bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Calls(view) => view.bytes() + VIEW_BYTES,
            Self::Moments(moments) => moments.bytes() + PIECE_BYTES,
        }
    }

    /// The same work, or a range of it.
    pub fn slice(&self, rows: Range<usize>) -> Self {
        match self {
            Self::Calls(view) => Self::Calls(view.slice(rows)),
            Self::Moments(moments) => Self::Moments(moments.slice(rows)),
        }
    }
}

struct State {
    /// The queue's part of the memory that all plugins share.
    shared: Reservation,
    work: VecDeque<Work>,
    bytes: usize,
    moment_bytes: usize,
    calls: u64,
}

impl Queue {
    pub fn new(account: Arc<Account>, budget: &Budget) -> Self {
        let shared = budget.none(Kind::Queues);
        let state = State { shared, work: VecDeque::new(), bytes: 0, moment_bytes: 0, calls: 0 };
        Self { account, state: Mutex::new(state), overflow: AtomicU8::new(Overflow::Full as u8) }
    }

    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Takes a view whose calls are booked as pending, or books them as dropped.
    pub fn push(&self, view: View) {
        let (calls, bytes) = (view.len() as u64, view.bytes() + VIEW_BYTES);
        let mut state = self.lock();
        let fits = state.bytes + bytes <= MAX_BYTES || state.calls == 0;
        let is_guaranteed = state.bytes + bytes <= GUARANTEED_BYTES;
        if fits && state.shared.take(bytes as u64, is_guaranteed) {
            state.bytes += bytes;
            state.calls += calls;
            state.work.push_back(Work::Calls(view));
            return;
        }
        drop(state);
        self.account.drop_pending(self.overflow(), calls);
    }

    /// Takes moments that are booked as pending, or books them as dropped.
    pub(crate) fn push_moments(&self, moments: Moments) {
        let bytes = moments.bytes() + PIECE_BYTES;
        let mut state = self.lock();
        let is_guaranteed = state.moment_bytes + bytes <= GUARANTEED_MOMENT_BYTES;
        if state.moment_bytes + bytes <= MAX_MOMENT_BYTES && state.shared.take(bytes as u64, is_guaranteed) {
            state.moment_bytes += bytes;
            state.work.push_back(Work::Moments(moments));
            return;
        }
        drop(state);
        self.account.drop_pending_moments(self.overflow(), moments.len() as u64);
    }

    /// The reason for dropping what does not fit.
    fn overflow(&self) -> DropReason {
        const THROTTLED: u8 = Overflow::Throttled as u8;
        const QUARANTINED: u8 = Overflow::Quarantined as u8;
        match self.overflow.load(Ordering::Relaxed) {
            THROTTLED => DropReason::CpuShare,
            QUARANTINED => DropReason::Quarantined,
            _ => DropReason::QueueFull,
        }
    }

    pub fn pop(&self) -> Option<Work> {
        let mut state = self.lock();
        let work = state.work.pop_front()?;
        let bytes = work.bytes();
        state.shared.shrink(bytes as u64);
        match &work {
            Work::Calls(view) => {
                state.bytes = state.bytes.saturating_sub(bytes);
                state.calls = state.calls.saturating_sub(view.len() as u64);
            }
            Work::Moments(_) => state.moment_bytes = state.moment_bytes.saturating_sub(bytes),
        }
        Some(work)
    }

    /// Calls that wait.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    pub fn is_empty(&self) -> bool {
        self.lock().work.is_empty()
    }

    pub fn set_overflow(&self, overflow: Overflow) {
        self.overflow.store(overflow as u8, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}
