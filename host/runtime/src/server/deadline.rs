//! The moment until which a caller waits.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// None if the caller waits as long as it takes.
#[derive(Debug, Default)]
pub(super) struct Deadline(Option<(Instant, Option<Pin<Box<Sleep>>>)>);

impl Deadline {
    pub(super) fn after(timeout: Option<Duration>) -> Self {
        Self(timeout.map(|timeout| (Instant::now() + timeout, None)))
    }

    /// It has passed, whether or not somebody waits for that.
    #[inline]
    pub(super) fn has_passed(&self) -> bool {
        self.0.as_ref().is_some_and(|(moment, _)| *moment <= Instant::now())
    }

    /// Ready once it has passed. The timer is made when it is first asked for: most answers are there before.
    #[inline]
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            None => Poll::Pending,
            Some((moment, timer)) => timer.get_or_insert_with(|| Box::pin(sleep_until(*moment))).as_mut().poll(context),
        }
    }
}
