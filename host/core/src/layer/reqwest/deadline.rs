//! The deadline of the call that the current task handles, as the limit of the requests that it makes.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use reqwest_middleware::Error;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use crate::propagate;

/// The time of the call that the current task handles is over, so a request that it makes has no more either.
///
/// In a [`reqwest_middleware::Error::Middleware`], or among the causes of an error of a response's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadlineExceeded;

impl fmt::Display for DeadlineExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline of the call that is being handled has passed")
    }
}

impl std::error::Error for DeadlineExceeded {}

/// The time by which a request has to end; none if the current task handles no call, or a call without a deadline.
#[derive(Clone, Copy)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    pub(super) fn current() -> Self {
        Self(propagate::remaining().and_then(|left| Instant::now().checked_add(left)))
    }

    /// The time that is left from now on, in nanoseconds; 0 is all of it.
    pub(super) fn nanos(self) -> u64 {
        let left = self.0.map(|until| until.saturating_duration_since(Instant::now()).as_nanos());
        left.map_or(0, |nanos| u64::try_from(nanos).unwrap_or(u64::MAX).max(1))
    }

    /// Waits for a response's head.
    pub(super) async fn limit<T>(self, response: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        match self.0 {
            None => response.await,
            Some(until) => {
                timeout_at(until, response).await.unwrap_or_else(|_| Err(Error::middleware(DeadlineExceeded)))
            }
        }
    }

    /// Limits a response's body.
    pub(super) fn limit_body(self, body: reqwest::Body) -> reqwest::Body {
        match self.0 {
            None => body,
            Some(until) => reqwest::Body::wrap(LimitedBody { body, timer: Box::pin(sleep_until(until)) }),
        }
    }
}

/// A body that has to end in time.
struct LimitedBody {
    body: reqwest::Body,
    timer: Pin<Box<Sleep>>,
}

impl Body for LimitedBody {
    type Data = bytes::Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(Into::into))),
            Poll::Pending => self.timer.as_mut().poll(context).map(|()| Some(Err(DeadlineExceeded.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
