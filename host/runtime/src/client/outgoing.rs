//! The request's body on its way to the transport: of one type whatever it was, watched, and kept where it may have to be
//! sent again.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::replay::{Replay, Turn};
use super::watch::Watch;

pub(super) type BoxError = Box<dyn StdError + Send + Sync>;
pub(super) type BoxedBody = Pin<Box<dyn Body<Data = Bytes, Error = BodyFault> + Send>>;

/// The application's own body ended with an error.
#[derive(Debug)]
pub(super) struct BodyFault(pub(super) BoxError);

impl fmt::Display for BodyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for BodyFault {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

pin_project! {
    struct Erased<B> {
        #[pin]
        inner: B,
    }
}

impl<B> Body for Erased<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let frame = ready!(self.project().inner.poll_frame(context));
        // For bytes that are in one piece this is no copy.
        let whole = |mut data: B::Data| data.copy_to_bytes(data.remaining());
        Poll::Ready(frame.map(|frame| match frame {
            Ok(frame) => Ok(frame.map_data(whole)),
            Err(error) => Err(BodyFault(error.into())),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Makes bodies of all types one.
pub(super) fn erase<B>(body: B) -> BoxedBody
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    Box::pin(Erased { inner: body })
}

/// What the transport gets.
pub(super) struct Outgoing {
    inner: Inner,
    watch: Option<Arc<Watch>>,
}

enum Inner {
    /// Can be sent once.
    Once(BoxedBody),
    /// One attempt's turn at sending it.
    Again(Turn),
}

impl Outgoing {
    pub(super) fn once(body: BoxedBody) -> Self {
        Self { inner: Inner::Once(body), watch: None }
    }

    pub(super) fn again(replay: &Arc<Replay>) -> Self {
        Self { inner: Inner::Again(replay.turn()), watch: None }
    }

    /// Has the transport's progress watched.
    pub(super) fn watch(&mut self, watch: Arc<Watch>) {
        watch.set_empty(self.is_end_stream());
        self.watch = Some(watch);
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        if let Some(watch) = &self.watch {
            watch.look();
        }
        let frame = ready!(match &mut self.inner {
            Inner::Once(body) => body.as_mut().poll_frame(context),
            Inner::Again(turn) => turn.poll_frame(context),
        });
        if let Some(watch) = &self.watch {
            let over = match &frame {
                None => true,
                Some(Ok(frame)) => frame.is_trailers() || self.is_end_stream(),
                Some(Err(_)) => false,
            };
            if over {
                watch.handed_over();
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Once(body) => body.is_end_stream(),
            Inner::Again(turn) => turn.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Once(body) => body.size_hint(),
            Inner::Again(turn) => turn.size_hint(),
        }
    }
}
