//! The body of a request as a handler gets it: what hyper reads, with a bound on how long the next piece may take.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

use hottap_core::layer::RequestBody;
use hottap_core::rpc::{EventKind, Level, RpcHandle};

/// The body of a request: what a service that [`hottap::server`](crate::server) runs gets.
///
/// It yields pieces as they come. A piece that does not come within
/// [`Server::body_timeout`](super::Server::body_timeout) is an error, and so is a connection that breaks off before the end.
pub struct Body {
    inner: RequestBody<Timed>,
    /// Where it is told that the handler waits, if somebody wants to know.
    waits: Option<RpcHandle>,
    waiting: bool,
}

/// Why a request's body has no more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The next piece did not come in time.
    #[error("no more of the request's body came for {0:?}")]
    TimedOut(Duration),
    /// The connection broke off, or what came breaks the rules of HTTP.
    #[error("the request's body cannot be read")]
    Broken(#[source] hyper::Error),
}

impl Body {
    pub(super) fn new(inner: RequestBody<Timed>, rpc: Option<&RpcHandle>) -> Self {
        let waits = rpc.filter(|rpc| rpc.info().level() == Level::Detailed).cloned();
        Self { inner, waits, waiting: false }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    #[inline]
    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let frame = Pin::new(&mut this.inner).poll_frame(context);
        if let Some(rpc) = &this.waits
            && frame.is_pending() != this.waiting
        {
            this.waiting = frame.is_pending();
            rpc.record(if this.waiting { EventKind::WAIT_READ_START } else { EventKind::WAIT_READ_FINISH });
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

/// hyper's body with a time-out between two pieces.
pub(super) struct Timed {
    inner: Incoming,
    timeout: Option<Duration>,
    /// Made when it is first needed; most bodies are there at once.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Timed {
    pub(super) fn new(inner: Incoming, timeout: Option<Duration>) -> Self {
        Self { inner, timeout, timer: None, waiting: false }
    }

    /// There is nothing to read: how long there has not been.
    #[cold]
    fn wait(&mut self, timeout: Duration, context: &mut Context<'_>) -> Poll<()> {
        let timer = match &mut self.timer {
            None => self.timer.insert(Box::pin(sleep(timeout))),
            Some(timer) => {
                if !self.waiting {
                    timer.as_mut().reset(Instant::now() + timeout);
                }
                timer
            }
        };
        self.waiting = true;
        timer.as_mut().poll(context)
    }
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = BodyError;

    #[inline]
    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        match (Pin::new(&mut this.inner).poll_frame(context), this.timeout) {
            (Poll::Ready(frame), _) => {
                this.waiting = false;
                Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)))
            }
            (Poll::Pending, Some(timeout)) => {
                this.wait(timeout, context).map(|()| Some(Err(BodyError::TimedOut(timeout))))
            }
            (Poll::Pending, None) => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
