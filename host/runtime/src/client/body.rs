//! The response's body as the application gets it: within the call's time, its errors typed, its end the end of the call.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

use super::attempts::Row;
use super::balance::Pick;
use super::{Error, ErrorKind, Phase};
use crate::client::error;
use hottap_core::layer::{Journal, Reached};
use hottap_core::rpc::EventKind;

/// A response's body. Dropped before its end, it resets its stream, or closes its connection if that can serve only one
/// call at a time.
pub struct Body {
    /// None once it has ended.
    incoming: Option<Incoming>,
    /// The endpoint is busy with the call for as long as this is here.
    pick: Option<Pick>,
    reached: Option<Reached>,
    grpc: bool,
    rest: Option<Box<Rest>>,
    /// Time for the next piece of the response, and the timer, which runs while somebody waits for it.
    waiting: Option<Waiting>,
}

/// A piece of the body that was looked at before the application asked for it.
pub(super) struct First(pub(super) Option<Result<Frame<Bytes>, hyper::Error>>);

/// What only some bodies need.
pub(super) struct Rest {
    pub(super) first: Option<First>,
    /// Runs down when the call's time is over.
    pub(super) timer: Option<Pin<Box<Sleep>>>,
    /// Only if events are recorded.
    pub(super) journal: Option<Journal>,
    pub(super) stream_timeout: Option<Duration>,
    /// The attempt's, which ends with the body.
    pub(super) row: Row,
}

/// Somebody waits for the next piece.
struct Waiting {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Body {
    pub(super) fn new(incoming: Incoming, pick: Pick, reached: Option<Reached>, grpc: bool, rest: Rest) -> Self {
        let is_plain = rest.first.is_none()
            && rest.timer.is_none()
            && rest.journal.is_none()
            && rest.stream_timeout.is_none()
            && rest.row.is_none();
        let rest = (!is_plain).then(|| Box::new(rest));
        let mut body = Self { incoming: Some(incoming), pick: Some(pick), reached, grpc, rest, waiting: None };
        if http_body::Body::is_end_stream(&body) {
            // Nobody need ask for what is not there.
            body.end();
        }
        body
    }

    fn poll_incoming(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(First(first)) = self.rest.as_mut().and_then(|rest| rest.first.take()) {
            return Poll::Ready(first);
        }
        match &mut self.incoming {
            Some(incoming) => http_body::Body::poll_frame(Pin::new(incoming), context),
            None => Poll::Ready(None),
        }
    }

    /// The call's time is over. It is asked where there is always more, so that nobody ever waits.
    fn is_late(&self) -> bool {
        let timer = self.rest.as_ref().and_then(|rest| rest.timer.as_ref());
        timer.is_some_and(|timer| timer.deadline() <= Instant::now())
    }

    /// Nothing has come: from here on somebody waits for it, as long as there is time.
    fn poll_time(&mut self, context: &mut Context<'_>) -> Poll<ErrorKind> {
        let Some(rest) = &mut self.rest else { return Poll::Pending };
        if let Some(timer) = &mut rest.timer
            && timer.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(ErrorKind::CallTimedOut);
        }
        let waiting = self.waiting.get_or_insert_with(|| {
            if let Some(journal) = &rest.journal {
                journal.record(EventKind::WAIT_READ_START);
            }
            Waiting { timer: rest.stream_timeout.map(|limit| Box::pin(sleep(limit))) }
        });
        match &mut waiting.timer {
            Some(timer) => timer.as_mut().poll(context).map(|()| ErrorKind::StreamTimedOut),
            None => Poll::Pending,
        }
    }

    fn waited(&mut self) {
        if self.waiting.take().is_some()
            && let Some(journal) = self.rest.as_ref().and_then(|rest| rest.journal.as_ref())
        {
            journal.record(EventKind::WAIT_READ_FINISH);
        }
    }

    /// It has ended: connection, timers and endpoint are free.
    fn end(&mut self) {
        if let Some(rest) = self.rest.take() {
            rest.row.end();
        }
        (self.incoming, self.pick, self.rest, self.waiting) = (None, None, None, None);
    }

    fn fail(&mut self, error: Error) -> Error {
        let error = match &self.pick {
            Some(pick) => error.at(&pick.endpoint.peer, self.reached),
            None => error,
        };
        if let Some(rest) = &mut self.rest {
            std::mem::take(&mut rest.row).fail(&error);
        }
        self.end();
        if self.grpc { error::in_grpc(error) } else { error }
    }
}

impl Drop for Body {
    /// With nothing left in it, it has ended all the same; in gRPC the status is still to come.
    fn drop(&mut self) {
        if self.rest.is_some() && !self.grpc && http_body::Body::size_hint(self).exact() == Some(0) {
            self.end();
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.poll_incoming(context) {
            Poll::Pending => match self.poll_time(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(kind) => {
                    self.waited();
                    let error = self.fail(Error::new(kind, Phase::Body));
                    Poll::Ready(Some(Err(error)))
                }
            },
            Poll::Ready(frame) => {
                self.waited();
                Poll::Ready(match frame {
                    Some(Ok(frame)) if frame.is_data() && self.is_late() => {
                        Some(Err(self.fail(Error::new(ErrorKind::CallTimedOut, Phase::Body))))
                    }
                    Some(Ok(frame)) => {
                        if let Some(trailers) = frame.trailers_ref() {
                            if let Some(rest) = &mut self.rest {
                                rest.row.status(trailers);
                            }
                            self.end();
                        } else if http_body::Body::is_end_stream(&*self) {
                            self.end();
                        }
                        Some(Ok(frame))
                    }
                    Some(Err(error)) => Some(Err(self.fail(error::of_body(error)))),
                    None => {
                        self.end();
                        None
                    }
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let first = self.rest.as_ref().is_some_and(|rest| rest.first.is_some());
        !first && self.incoming.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.rest.as_ref().and_then(|rest| match &rest.first {
            Some(First(Some(Ok(frame)))) => frame.data_ref().map(|data| data.len() as u64),
            _ => None,
        });
        let mut hint = self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint);
        if let Some(first) = first {
            if let Some(upper) = hint.upper() {
                hint.set_upper(upper.saturating_add(first));
            }
            hint.set_lower(hint.lower().saturating_add(first));
        }
        hint
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("incoming", &self.incoming).finish_non_exhaustive()
    }
}
