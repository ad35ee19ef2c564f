//! The bodies of an observed call: they yield what is inside them, unchanged, and count it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::owner::Owner;
use super::tap::Tap;
use crate::propagate::Ambient;

pin_project! {
    /// A request's body, counted. What a service inside a [`ServerLayer`](super::ServerLayer) gets.
    pub struct RequestBody<B> {
        #[pin]
        inner: B,
        tap: Option<Tap>,
    }
}

impl<B: Body> RequestBody<B> {
    #[inline]
    pub(crate) fn new(inner: B, mut tap: Option<Tap>) -> Self {
        if let Some(tap) = &mut tap
            && inner.is_end_stream()
        {
            // A body with nothing in it is not asked for more.
            tap.ended();
        }
        Self { inner, tap }
    }
}

impl<B: Body> Body for RequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(tap) = this.tap else {
            return this.inner.poll_frame(context);
        };
        tap.asked();
        let frame = ready!(this.inner.as_mut().poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    tap.data(data);
                }
                // Nothing that counts follows the announced length, and the transport may ask for no more.
                if frame.is_trailers() || tap.progress().is_ge() || this.inner.is_end_stream() {
                    tap.ended();
                }
            }
            Some(Err(_)) => tap.failed(),
            None => tap.ended(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: Default> Default for RequestBody<B> {
    fn default() -> Self {
        Self { inner: B::default(), tap: None }
    }
}

impl<B: fmt::Debug> fmt::Debug for RequestBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

pin_project! {
    /// A response's body, counted. Its end is the end of the call; dropped before, the call was cancelled.
    ///
    /// A body that is dropped with nothing left in it has ended all the same, and so has one of which all announced bytes
    /// have passed: over HTTP/1 a transport asks for no more (RFC 9112 6.3).
    pub struct ResponseBody<B: Body> {
        #[pin]
        inner: B,
        owner: Owner,
        ambient: Option<Ambient>,
    }

    impl<B: Body> PinnedDrop for ResponseBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(active) = this.owner.active()
                && (active.is_over() || is_over(&*this.inner, active.awaits_trailers()))
            {
                this.owner.end_of_body();
            }
        }
    }
}

/// Nothing is left of it, as far as it knows. A body that panics when it is asked is not over: nobody else would have asked
/// it while it is dropped, where a panic, if it is the second one, ends the process.
fn is_over<B: Body>(body: &B, awaits_trailers: bool) -> bool {
    let is_empty = || !awaits_trailers && body.size_hint().exact() == Some(0);
    let ask = AssertUnwindSafe(|| body.is_end_stream() || is_empty());
    !std::thread::panicking() && catch_unwind(ask).unwrap_or(false)
}

impl<B: Body> ResponseBody<B> {
    pub(crate) fn new(inner: B, owner: Owner, ambient: Option<Ambient>) -> Self {
        Self { inner, owner, ambient }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body,
    B::Error: fmt::Display + 'static,
{
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(active) = this.owner.active() else {
            let _entered = Ambient::enter(this.ambient);
            return this.inner.poll_frame(context);
        };
        active.tap().asked();
        let frame = {
            let _entered = Ambient::enter(this.ambient);
            ready!(this.owner.guard(|| this.inner.as_mut().poll_frame(context)))
        };
        let Some(active) = this.owner.active() else {
            return Poll::Ready(frame);
        };
        let over = match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    active.tap().data(data);
                }
                if let Some(trailers) = frame.trailers_ref() {
                    active.grpc_status(trailers);
                }
                frame.is_trailers() || active.has_passed() || this.inner.is_end_stream()
            }
            Some(Err(error)) => {
                this.owner.fail_body(error);
                false
            }
            None => true,
        };
        if over {
            this.owner.end_of_body();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: Body + Default> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::new(B::default(), Owner::default(), None)
    }
}

impl<B: Body + fmt::Debug> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
