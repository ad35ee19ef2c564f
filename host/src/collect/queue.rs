//! The bounded queue between the collector and one plugin.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::account::{Account, DropReason};
use super::view::View;

/// Bytes of rows that wait for one plugin at most: about 60,000 calls. Beyond it the newest calls are dropped and
/// counted; those that wait are not.
const MAX_BYTES: usize = 16 << 20;
/// What a queued view costs beside its rows, so that many small ones are bounded too.
const VIEW_BYTES: usize = 512;

/// Batches that wait for one plugin.
pub(crate) struct Queue {
    account: Arc<Account>,
    state: Mutex<State>,
    /// The plugin has used up its share of the CPU: what does not fit is dropped for that reason.
    throttled: AtomicBool,
}

#[derive(Default)]
struct State {
    views: VecDeque<View>,
    bytes: usize,
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
        if state.bytes + bytes <= MAX_BYTES || state.views.is_empty() {
            state.bytes += bytes;
            state.calls += calls;
            state.views.push_back(view);
            return;
        }
        drop(state);
        let throttled = self.throttled.load(Ordering::Relaxed);
        self.account.drop_pending(if throttled { DropReason::CpuShare } else { DropReason::QueueFull }, calls);
    }

    pub(crate) fn pop(&self) -> Option<View> {
        let mut state = self.lock();
        let view = state.views.pop_front()?;
        state.bytes = state.bytes.saturating_sub(view.bytes() + VIEW_BYTES);
        state.calls = state.calls.saturating_sub(view.len() as u64);
        Some(view)
    }

    /// Calls that wait.
    pub(crate) fn calls(&self) -> u64 {
        self.lock().calls
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().views.is_empty()
    }

    pub(crate) fn set_throttled(&self, throttled: bool) {
        self.throttled.store(throttled, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
