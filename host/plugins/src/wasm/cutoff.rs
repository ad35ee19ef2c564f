//! An end to the guests that the current thread tries out: their job was cancelled, or has had its CPU time for now.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::thread::thread_cpu_time;

/// Tells a job on another thread that its result is not wanted any more.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub(crate) fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The cutoff of the work in progress on a thread.
struct Cutoff {
    cancel: Cancel,
    /// CPU time of the thread at which guests are stopped.
    until: Duration,
    reached: bool,
}

thread_local! {
    static CUTOFF: RefCell<Option<Cutoff>> = const { RefCell::new(None) };
}

/// Runs `work` on this thread. A guest in it is stopped, as if its deadline were over, when the job is cancelled or when
/// the thread has used `limit` of CPU time. Returns the result, and whether a guest was stopped for that.
pub(crate) fn with_cutoff<T>(cancel: &Cancel, limit: Duration, work: impl FnOnce() -> T) -> (T, bool) {
    /// Takes the cutoff away, also when `work` panics.
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            CUTOFF.take();
        }
    }
    let until = thread_cpu_time().saturating_add(limit);
    CUTOFF.set(Some(Cutoff { cancel: cancel.clone(), until, reached: false }));
    let reset = Reset;
    let result = work();
    let reached = CUTOFF.take().is_some_and(|cutoff| cutoff.reached);
    drop(reset);
    (result, reached)
}

/// Returns true if the guest that runs on this thread is to be stopped. `now` is the thread's CPU time.
pub(super) fn is_reached(now: Duration) -> bool {
    CUTOFF.with_borrow_mut(|cutoff| {
        cutoff.as_mut().is_some_and(|cutoff| {
            cutoff.reached |= now > cutoff.until || cutoff.cancel.is_cancelled();
            cutoff.reached
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_cut_off_when_it_is_cancelled_or_has_had_its_time() {
        let cancel = Cancel::default();
        assert!(!is_reached(Duration::MAX), "nothing is cut off where nothing was asked for");
        let (seen, reached) = with_cutoff(&cancel, Duration::from_secs(60), || is_reached(thread_cpu_time()));
        assert_eq!((seen, reached), (false, false));
        let (seen, reached) = with_cutoff(&cancel, Duration::from_secs(60), || is_reached(Duration::MAX));
        assert_eq!((seen, reached), (true, true));
        cancel.cancel();
        let (seen, reached) = with_cutoff(&cancel, Duration::from_secs(60), || is_reached(Duration::ZERO));
        assert_eq!((seen, reached), (true, true));
        assert!(!is_reached(Duration::MAX), "the cutoff ends with its work");
    }
}
