//! The bounded queue between the collector and one plugin.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::account::{Account, DropReason};
use super::moment::Moments;
use super::view::View;

/// Bytes of rows that wait for one plugin at most: about 60,000 calls. Beyond it the newest calls are dropped and
/// counted; those that wait are not.
const MAX_BYTES: usize = 16 << 20;
/// What a queued view costs beside its rows, so that many small ones are bounded too.
const VIEW_BYTES: usize = 512;
/// Bytes of moments that wait for one plugin at most: about 80,000 messages. A bound of their own, so that a stream of
/// millions of messages costs no finished call its place.
const MAX_MOMENT_BYTES: usize = 4 << 20;
/// What queued moments cost beside themselves.
const PIECE_BYTES: usize = 64;

/// What waits for one plugin, in the order in which it is to be handed over.
pub(crate) struct Queue {
    account: Arc<Account>,
    state: Mutex<State>,
    /// The plugin has used up its share of the CPU: what does not fit is dropped for that reason.
    throttled: AtomicBool,
}

/// One thing to hand over.
pub(crate) enum Work {
    /// Calls that have finished.
    Calls(View),
    /// Messages on streams that were open.
    Moments(Moments),
}

#[derive(Default)]
struct State {
    work: VecDeque<Work>,
    bytes: usize,
    moment_bytes: usize,
    calls: u64,
}

impl Queue {
    pub(crate) fn new(account: Arc<Account>) -> Self {
        Self { account, state: Mutex::default(), throttled: AtomicBool::new(false) }
    }

    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// Takes a view whose calls are booked as pending, or books them as dropped.
    pub(crate) fn push(&self, view: View) {
        let (calls, bytes) = (view.len() as u64, view.bytes() + VIEW_BYTES);
        let mut state = self.lock();
        if state.bytes + bytes <= MAX_BYTES || state.calls == 0 {
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
        if state.moment_bytes + bytes <= MAX_MOMENT_BYTES {
            state.moment_bytes += bytes;
            state.work.push_back(Work::Moments(moments));
            return;
        }
        drop(state);
        self.account.drop_pending_moments(self.overflow(), moments.len() as u64);
    }

    /// Why what does not fit does not.
    fn overflow(&self) -> DropReason {
        if self.throttled.load(Ordering::Relaxed) { DropReason::CpuShare } else { DropReason::QueueFull }
    }

    pub(crate) fn pop(&self) -> Option<Work> {
        let mut state = self.lock();
        let work = state.work.pop_front()?;
        match &work {
            Work::Calls(view) => {
                state.bytes = state.bytes.saturating_sub(view.bytes() + VIEW_BYTES);
                state.calls = state.calls.saturating_sub(view.len() as u64);
            }
            Work::Moments(moments) => {
                state.moment_bytes = state.moment_bytes.saturating_sub(moments.bytes() + PIECE_BYTES);
            }
        }
        Some(work)
    }

    /// Calls that wait.
    pub(crate) fn calls(&self) -> u64 {
        self.lock().calls
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().work.is_empty()
    }

    pub(crate) fn set_throttled(&self, throttled: bool) {
        self.throttled.store(throttled, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
