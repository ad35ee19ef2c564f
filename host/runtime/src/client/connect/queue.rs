//! Who is making the connection of HTTP/2 that calls to one endpoint will share, so that the others wait for it; not the
//! pool, which has the connection once it is made.
//!
//! The pool itself lets calls wait for a connection that another call is making, but fails them all when that call is
//! dropped, because its time is over or nobody wants it any more. Here they wait before they ask the pool, and then one of
//! them makes the connection.

use std::sync::Arc;

use tokio::sync::watch;

/// Shared by an endpoint and its connector.
#[derive(Clone, Default)]
pub(in crate::client) struct Queue(Arc<watch::Sender<State>>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Connections that are being made: one, or none.
    making: u32,
    /// How many could not be made.
    failures: u64,
}

/// The connection that was waited for could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) struct Failed;

impl Queue {
    /// A connection is being made until this is dropped.
    pub(super) fn begin(&self) -> Making {
        self.0.send_modify(|state| state.making = state.making.saturating_add(1));
        Making { queue: self.clone(), failed: false }
    }

    /// Waits while a connection is being made. Cancel safe.
    pub(in crate::client) async fn wait(&self) -> Result<(), Failed> {
        if self.0.borrow().making == 0 {
            return Ok(());
        }
        let mut state = self.0.subscribe();
        let before = state.borrow().failures;
        match state.wait_for(|state| state.making == 0 || state.failures != before).await {
            Ok(state) if state.failures != before => Err(Failed),
            // The other end is in here.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// A connection that is being made. Dropped without a word, it was given up: then somebody else may make it.
pub(super) struct Making {
    queue: Queue,
    failed: bool,
}

impl Making {
    /// There is no connection; whoever waited for it has none either.
    pub(super) fn fail(mut self) {
        self.failed = true;
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        self.queue.0.send_modify(|state| {
            state.making = state.making.saturating_sub(1);
            state.failures = state.failures.wrapping_add(u64::from(self.failed));
        });
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn who_waits_is_told_of_a_failure_and_goes_on_where_the_connection_is_made_or_given_up() {
        let queue = Queue::default();
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(pin!(queue.wait()).poll(&mut context), Poll::Ready(Ok(())), "nobody makes one");
        for (fails, expected) in [(true, Err(Failed)), (false, Ok(()))] {
            let making = queue.begin();
            let mut waiting = pin!(queue.wait());
            assert_eq!(waiting.as_mut().poll(&mut context), Poll::Pending);
            if fails {
                making.fail();
            } else {
                drop(making);
            }
            assert_eq!(waiting.as_mut().poll(&mut context), Poll::Ready(expected));
        }
    }

    #[test]
    fn who_waits_goes_on_waiting_if_another_was_quicker() {
        let queue = Queue::default();
        let mut context = Context::from_waker(Waker::noop());
        let first = queue.begin();
        let mut waiting = pin!(queue.wait());
        assert_eq!(waiting.as_mut().poll(&mut context), Poll::Pending);
        drop(first);
        let second = queue.begin();
        assert_eq!(waiting.as_mut().poll(&mut context), Poll::Pending);
        second.fail();
        assert_eq!(waiting.as_mut().poll(&mut context), Poll::Ready(Err(Failed)));
    }
}
